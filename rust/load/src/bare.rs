//! The least an SFU can do: receive a batch, open it, and for everybody else rewrite, protect and send it. Keys are fixed;
//! there is no ICE, DTLS, RTCP, history or sequence map. What the engine costs above this is its own.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use meeting_engine::sys::{Epoll, Receiver, Run, Sender, go_first, thread_cpu_time};
use meeting_rtp::Header;
use meeting_srtp::{Inbound, Outbound, Profile};

const BATCH: usize = 64;
const PROFILE: Profile = Profile::AeadAes256Gcm;
const MOST_PACKET: usize = 1500;
/// The media thread's.
const NICE: i32 = -10;

/// A context that protects for `subscriber` (0: what the publisher sends).
pub fn outbound(subscriber: u8) -> Outbound {
    Outbound::new(PROFILE, &[subscriber; 32], &[7; 12]).expect("lengths fit the profile")
}

/// The other end of [`outbound`].
pub fn inbound(subscriber: u8) -> Inbound {
    Inbound::new(PROFILE, &[subscriber; 32], &[7; 12]).expect("lengths fit the profile")
}

struct Subscriber {
    address: SocketAddr,
    outbound: Outbound,
}

/// What it did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Packets sent to subscribers.
    pub forwarded: u64,
    /// CPU time of the thread that did it.
    pub cpu: Duration,
    /// How often it was woken.
    pub turns: u64,
}

/// Forwards what comes from each of `publishers` to each of `subscribers` but itself, until `stop`. Runs in the calling
/// thread.
pub fn forward(
    socket: &UdpSocket,
    publishers: &[SocketAddr],
    subscribers: &[SocketAddr],
    stop: &AtomicBool,
) -> io::Result<Work> {
    // As the media thread does: who goes first wakes sooner and finds less to do at once.
    go_first(NICE);
    let mut epoll = Epoll::new(1)?;
    epoll.watch(socket, 0)?;
    let mut receiver = Receiver::new(BATCH, 0, MOST_PACKET, 0);
    let mut sender = Sender::new(BATCH);
    let mut sources: HashMap<SocketAddr, (u8, Inbound)> = (0..)
        .zip(publishers)
        .map(|(number, address)| (*address, (number, inbound(0))))
        .collect();
    let subscribers: Vec<Subscriber> = (1..)
        .zip(subscribers)
        .map(|(number, address)| Subscriber {
            address: *address,
            outbound: outbound(number),
        })
        .collect();
    let mut arena = vec![0; subscribers.len() * BATCH * (MOST_PACKET + 64)];
    let mut work = Work::default();
    let mut ready = Vec::new();
    let before = thread_cpu_time();
    while !stop.load(Ordering::Relaxed) {
        epoll.wait(50, &mut ready)?;
        work.turns += 1;
        if ready.is_empty() {
            continue;
        }
        let Ok(count) = receiver.receive(socket, 0, BATCH) else {
            continue;
        };
        let clear: Vec<(SocketAddr, u8, Header, &[u8])> = receiver
            .datagrams(count)
            .filter_map(|(from, bytes)| {
                let (number, opened) = sources.get_mut(&from)?;
                let (header, len) = opened.unprotect_rtp(bytes).ok()?;
                Some((from, *number, header, &bytes[..len]))
            })
            .collect();
        let mut used = 0;
        let mut spans: Vec<(SocketAddr, usize, usize, usize)> =
            Vec::with_capacity(subscribers.len());
        for subscriber in &subscribers {
            for (from, number, header, packet) in &clear {
                if *from == subscriber.address {
                    continue;
                }
                let out = &mut arena[used..];
                out[..packet.len()].copy_from_slice(packet);
                // A few fields rewritten, as for any subscriber.
                out[2..4].copy_from_slice(&header.sequence.wrapping_add(1000).to_be_bytes());
                out[8] ^= 0x40;
                out[9] ^= *number;
                let index = u64::from(header.sequence.wrapping_add(1000));
                let len = subscriber
                    .outbound
                    .protect_rtp(out, header.len, packet.len(), index)
                    .map_err(io::Error::other)?;
                match spans.last_mut() {
                    Some((to, _, end, segment)) if *to == subscriber.address && len == *segment => {
                        *end += len
                    }
                    _ => spans.push((subscriber.address, used, used + len, len)),
                }
                used += len;
                work.forwarded += 1;
            }
        }
        let runs = spans.iter().map(|(to, start, end, segment)| Run {
            to: *to,
            bytes: &arena[*start..*end],
            segment: *segment,
        });
        sender.send_runs(socket, runs);
    }
    work.cpu = thread_cpu_time() - before;
    Ok(work)
}
