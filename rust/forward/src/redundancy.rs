//! More repetition than the publisher sends (RFC 2198), for a subscriber whose path loses much: the two packets before.
//!
//! Receivers of sound rarely wait for a retransmission, so over a lossy path this is what keeps it steady: of the packets lost
//! only the third in a row is missed.

use crate::Packet;
use crate::content::PayloadTypes;
use meeting_rtp::red::{self, Block};
use std::collections::VecDeque;

/// Packets repeated.
const DEPTH: usize = 2;
/// A payload that would be longer goes as it came: it must fit a datagram.
const LONGEST: usize = 1_100;
/// Payloads kept for plain resends, which must be the same to the byte: at 20 ms each more than a second.
const KEPT: usize = 64;

#[derive(Debug)]
struct Older {
    timestamp: u32,
    payload_type: u8,
    payload: Vec<u8>,
}

/// What a Sink needs for it. Empty, and at no cost, until the path turns out to be lossy.
#[derive(Debug, Default)]
pub(crate) struct Redundancy {
    /// The newest sound seen, oldest first.
    older: VecDeque<Older>,
    made: VecDeque<(u64, Vec<u8>)>,
    /// The first and last output number made here.
    range: Option<(u64, u64)>,
}

/// How packet `output` went out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Made<'a> {
    /// As the publisher made it.
    Never,
    /// With this payload.
    As(&'a [u8]),
    /// With one of ours, perhaps, that is no longer kept.
    Forgotten,
}

impl Redundancy {
    /// Makes the payload of RED packet `output`, the newest so far; `false`: it is to go as it came.
    pub(crate) fn make(&mut self, packet: &Packet<'_>, types: &PayloadTypes, output: u64) -> bool {
        let timestamp = packet.header.timestamp;
        let mut newest = None;
        for block in red::blocks(packet.payload()) {
            let Ok(block) = block else { return false };
            let Some(payload_type) = types.get(block.payload_type) else {
                return false;
            };
            let at = timestamp.wrapping_sub(u32::from(block.timestamp_offset));
            if let Some(block) = newest.replace((
                at,
                Block {
                    payload_type,
                    ..block
                },
            )) {
                self.note(block);
            }
        }
        let Some((at, newest)) = newest else {
            return false;
        };
        let older: Vec<Block<'_>> = self
            .older
            .iter()
            .filter_map(|older| older.behind(timestamp))
            .collect();
        let mut made = vec![0; LONGEST];
        let written = red::write(&older, &newest, &mut made);
        self.note((at, newest));
        let Ok(len) = written else { return false };
        made.truncate(len);
        if self.made.len() == KEPT {
            self.made.pop_front();
        }
        self.made.push_back((output, made));
        let first = self.range.map_or(output, |(first, _)| first);
        self.range = Some((first, output));
        true
    }

    /// How packet `output` went out.
    pub(crate) fn of(&self, output: u64) -> Made<'_> {
        let Some((first, last)) = self.range else {
            return Made::Never;
        };
        if output < first || last < output {
            return Made::Never;
        }
        let found = self.made.iter().rev().find(|(made, _)| *made == output);
        found.map_or(Made::Forgotten, |(_, payload)| Made::As(payload))
    }

    /// Keeps a block if it is newer than what is kept.
    fn note(&mut self, (timestamp, block): (u32, Block<'_>)) {
        let newer = |older: &Older| timestamp.wrapping_sub(older.timestamp).cast_signed() > 0;
        if block.payload.is_empty() || !self.older.back().is_none_or(newer) {
            return;
        }
        let mut payload = if self.older.len() == DEPTH {
            self.older.pop_front().map(|older| older.payload)
        } else {
            None
        }
        .unwrap_or_default();
        payload.clear();
        payload.extend_from_slice(block.payload);
        self.older.push_back(Older {
            timestamp,
            payload_type: block.payload_type,
            payload,
        });
    }
}

impl Older {
    /// It as a block of a packet of `timestamp`, if that can be said.
    fn behind(&self, timestamp: u32) -> Option<Block<'_>> {
        let offset = timestamp.wrapping_sub(self.timestamp);
        let block = Block {
            payload_type: self.payload_type,
            timestamp_offset: u16::try_from(offset).ok().filter(|offset| *offset > 0)?,
            payload: &self.payload,
        };
        red::is_repeatable(&block).then_some(block)
    }
}
