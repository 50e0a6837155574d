//! How a Sink's output numbers relate to its Sources' numbers: runs with a constant difference.
//!
//! A span ends where a packet is left out or another Source takes over. Few of them describe everything a subscriber may still
//! ask for, at no cost for a packet that just continues the newest.

use crate::continuity::Offsets;
use crate::{Feed, Layers, Packet};
use std::collections::VecDeque;

/// At 60 pictures left out in a second a second of them, and some more.
const MOST_SPANS: usize = 96;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) feed: Feed,
    /// The input numbers it covers; open at the end while it is the newest.
    first: u64,
    last: u64,
    /// The highest input number forwarded (or passed over); `first - 1` in the beginning.
    newest: u64,
    /// Output = input − this, wrapping.
    offset: u64,
    /// Added to its other numbers.
    pub(crate) offsets: Offsets,
    /// What of it is sent.
    pub(crate) layers: Layers,
}

impl Span {
    pub(crate) fn output(&self, input: u64) -> u64 {
        input.wrapping_sub(self.offset)
    }

    /// The dependency descriptor `data` of the packet, as it is to be said here: frames numbered on, and as active only the
    /// decode targets that are sent, where not all are.
    pub(crate) fn describe<'d>(
        &self,
        packet: &Packet<'_>,
        data: &'d [u8],
        room: &'d mut [u8],
    ) -> Option<&'d [u8]> {
        let by = self.offsets.frame_number;
        let number = packet.frame_number()?.wrapping_add(by);
        let Some(dependency) = packet.frame.and_then(|frame| frame.dependency()) else {
            if by == 0 {
                return Some(data);
            }
            let room = room.get_mut(..data.len())?;
            room.copy_from_slice(data);
            room[1..3].copy_from_slice(&number.to_be_bytes());
            return Some(room);
        };
        let partly = self.layers != Layers::ALL;
        let active = partly.then(|| dependency.active(self.layers)).flatten();
        if by == 0 && active.is_none() {
            return Some(data);
        }
        let len = dependency
            .descriptor
            .rewrite(data, number, active, room)
            .ok()?;
        room.get(..len)
    }

    /// It ends at `last`; what is missing up to there may still come.
    fn close(&mut self, last: u64) {
        (self.last, self.newest) = (last, last);
    }

    /// Whether the packet is of a layer that is not sent.
    pub(crate) fn omits(&self, packet: &Packet<'_>) -> bool {
        packet
            .frame
            .is_some_and(|frame| !self.layers.hold(frame.layers))
    }
}

#[derive(Debug)]
pub(crate) struct Spans {
    spans: VecDeque<Span>,
    first_output: u64,
}

impl Spans {
    /// Output numbers begin at `first_output`.
    pub(crate) fn new(first_output: u64) -> Spans {
        Spans {
            spans: VecDeque::new(),
            first_output,
        }
    }

    pub(crate) fn current(&self) -> Option<&Span> {
        self.spans.back()
    }

    /// One past the highest output number in use.
    pub(crate) fn next_output(&self) -> u64 {
        self.current()
            .map_or(self.first_output, |span| span.output(span.newest) + 1)
    }

    /// From `input` of `feed` on, output continues where it was.
    pub(crate) fn begin(&mut self, feed: Feed, input: u64, offsets: Offsets, layers: Layers) {
        let offset = input.wrapping_sub(self.next_output());
        if let Some(span) = self.spans.back_mut() {
            span.last = span.newest;
        }
        let newest = input.wrapping_sub(1);
        let (first, last) = (input, u64::MAX);
        self.push(Span {
            feed,
            first,
            last,
            newest,
            offset,
            offsets,
            layers,
        });
    }

    /// From `input` on, which is newer than all before, other layers are sent.
    pub(crate) fn select(&mut self, input: u64, layers: Layers) {
        let Some(span) = self.spans.back_mut() else {
            return;
        };
        let next = Span {
            first: input,
            newest: input.wrapping_sub(1),
            layers,
            ..*span
        };
        if span.first == input {
            *span = next; // nothing lies between
        } else {
            span.close(input - 1);
            self.push(next);
        }
    }

    /// The newest span, if `input` of `feed` is newer than all before.
    pub(crate) fn ahead(&self, feed: Feed, input: u64) -> Option<&Span> {
        self.current()
            .filter(|span| span.feed == feed && input > span.newest && span.first <= input)
    }

    /// The span `input` of `feed` is forwarded in, if it may be: with its output number, and whether it is the newest so far.
    pub(crate) fn forward(&mut self, feed: Feed, input: u64) -> Option<(Span, u64, bool)> {
        let newest = self
            .spans
            .back_mut()
            .filter(|span| span.feed == feed && span.first <= input);
        if let Some(span) = newest {
            let advances = input > span.newest;
            span.newest = span.newest.max(input);
            return Some((*span, span.output(input), advances));
        }
        let covers = |span: &&Span| span.feed == feed && span.first <= input && input <= span.last;
        let span = self.spans.iter().rev().find(covers)?;
        Some((*span, span.output(input), false))
    }

    /// Leaves `input` out, and with it so many pictures: what follows moves up. `false` if it is too late for that, its output
    /// number being taken already.
    pub(crate) fn skip(&mut self, feed: Feed, input: u64, pictures: u16) -> bool {
        let Some(span) = self
            .spans
            .back_mut()
            .filter(|span| span.feed == feed && input > span.newest)
        else {
            return false;
        };
        let next = Span {
            first: input + 1,
            newest: input,
            offset: span.offset.wrapping_add(1),
            offsets: span.offsets.without(pictures),
            ..*span
        };
        if span.first == input {
            *span = next; // nothing lies between
        } else {
            span.close(input - 1);
            self.push(next);
        }
        true
    }

    /// Where output number `output` came from.
    pub(crate) fn source_of(&self, output: u64) -> Option<(Span, u64)> {
        self.spans.iter().rev().find_map(|span| {
            let input = output.wrapping_add(span.offset);
            (span.first <= input && input <= span.last.min(span.newest)).then_some((*span, input))
        })
    }

    fn push(&mut self, span: Span) {
        if self.spans.len() == MOST_SPANS {
            self.spans.pop_front();
        }
        self.spans.push_back(span);
    }
}
