//! Datagrams that are not to be cut up, and what is said of those that did not arrive (RFC 8656 §11.2, §11.5).

use std::net::SocketAddr;

use meeting_relay::{Cause, IcmpError, Now};

use super::worker::Worker;
use crate::sys::{send_whole, take_icmp};

/// Messages taken at a turn.
const TAKEN: usize = 16;

impl Worker {
    /// It leaves by itself, with its own setting of the socket: few ask for it.
    pub(super) fn send_whole(&mut self, slot: usize, peer: SocketAddr, data: &[u8]) {
        let relay = self.relays.get(slot).and_then(Option::as_ref);
        if relay.is_none_or(|relay| send_whole(relay.socket(), data, peer).is_err()) {
            self.shard.counters.drop(Cause::NotSent);
        }
    }

    /// A relay socket that was ready had no packets: it has heard of some that did not arrive.
    pub(super) fn hear_icmp(&mut self, now: Now, slot: usize) {
        for _ in 0..TAKEN {
            let Some(relay) = self.relays.get(slot).and_then(Option::as_ref) else {
                return;
            };
            let Some(heard) = take_icmp(relay.socket()) else {
                return;
            };
            let error = IcmpError {
                kind: heard.kind,
                code: heard.code,
                mtu: heard.mtu,
            };
            let mut out = [0; 64];
            if let Some((client, size)) =
                self.shard.peer_error(now, slot, heard.to, error, &mut out)
            {
                self.answer(now, &client, &out[..size]);
            }
        }
    }
}
