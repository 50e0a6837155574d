//! Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

use crate::{Malformed, NoRoom, u16_at, u32_at};

/// Ticks of 250 µs in the 24-bit reference time's unit of 64 ms.
const REFERENCE: i64 = 256;
/// Body bytes before the packet chunks: two SSRCs, base and count, reference time and feedback count.
const HEAD: usize = 16;
/// Two-bit symbols in a status vector chunk (§3.1.4).
const SYMBOLS: usize = 7;

/// What is known of one transport-wide sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The sequence number.
    pub sequence: u16,
    /// When it arrived, in 250 µs ticks of the receiver's clock; `None`: it did not.
    pub ticks: Option<i64>,
}

/// A received feedback message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportCc<'a> {
    /// Who reports.
    pub sender: u32,
    /// A stream of the reported transport.
    pub media: u32,
    /// The first sequence number reported on.
    pub base: u16,
    /// How many are reported on.
    pub count: u16,
    /// Reference time in 64 ms, signed.
    pub reference: i32,
    /// Counts feedback messages.
    pub feedback: u8,
    chunks: &'a [u8],
}

impl<'a> TransportCc<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<TransportCc<'a>, Malformed> {
        let word = |at| u32_at(body, at).ok_or(Malformed::Truncated);
        let (numbers, time) = (word(8)?, word(12)?);
        Ok(TransportCc {
            sender: word(0)?,
            media: word(4)?,
            base: (numbers >> 16) as u16,
            count: numbers as u16,
            reference: time.cast_signed() >> 8,
            feedback: time as u8,
            chunks: &body[HEAD..],
        })
    }

    /// Each reported packet in order. Ends early where the message does.
    pub fn arrivals(&self) -> impl Iterator<Item = Arrival> + use<'a> {
        let deltas = 2 * Statuses::new(self.chunks, self.count).chunks_len();
        let mut deltas = self.chunks.get(deltas..).unwrap_or_default();
        let mut ticks = i64::from(self.reference) * REFERENCE;
        let base = self.base;
        Statuses::new(self.chunks, self.count)
            .enumerate()
            .map_while(move |(i, status)| {
                let (delta, rest) = deltas.split_at_checked(status as usize)?;
                deltas = rest;
                ticks += match *delta {
                    [small] => i64::from(small),
                    [high, low] => i64::from(i16::from_be_bytes([high, low])),
                    _ => 0,
                };
                Some(Arrival {
                    sequence: base.wrapping_add(i as u16),
                    ticks: (status != Status::Missing).then_some(ticks),
                })
            })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
/// The values are both the symbol and the bytes of its arrival delta.
enum Status {
    Missing = 0,
    Small = 1,
    Large = 2,
}

impl Status {
    /// The two-bit symbol (§3.1.1); the fourth is reserved and taken as not received.
    fn from_symbol(symbol: u16) -> Status {
        match symbol & 3 {
            1 => Status::Small,
            2 => Status::Large,
            _ => Status::Missing,
        }
    }
}

/// Reads packet status chunks (§3.1.2–3.1.4).
#[derive(Debug, Clone)]
struct Statuses<'a> {
    chunks: &'a [u8],
    at: usize,
    chunk: u16,
    /// Symbols of `chunk` given out and held.
    used: u16,
    held: u16,
    left: u16,
}

impl<'a> Statuses<'a> {
    fn new(chunks: &'a [u8], count: u16) -> Statuses<'a> {
        Statuses {
            chunks,
            at: 0,
            chunk: 0,
            used: 0,
            held: 0,
            left: count,
        }
    }

    /// How many chunks it takes to describe all packets; no more than there are.
    fn chunks_len(mut self) -> usize {
        while self.left > 0 && self.load() {
            self.left = self.left.saturating_sub(self.held);
        }
        self.at
    }

    fn load(&mut self) -> bool {
        let Some(chunk) = u16_at(self.chunks, 2 * self.at) else {
            return false;
        };
        self.at += 1;
        self.chunk = chunk;
        self.used = 0;
        self.held = match chunk >> 14 {
            0 | 1 => chunk & 0x1fff,
            2 => 14,
            _ => 7,
        };
        true
    }
}

impl Iterator for Statuses<'_> {
    type Item = Status;

    fn next(&mut self) -> Option<Status> {
        if self.left == 0 {
            return None;
        }
        while self.used == self.held {
            if !self.load() {
                return None;
            }
        }
        let status = match self.chunk >> 14 {
            0 | 1 => Status::from_symbol(self.chunk >> 13),
            2 => Status::from_symbol(self.chunk >> (13 - self.used) & 1),
            _ => Status::from_symbol(self.chunk >> (12 - 2 * self.used)),
        };
        self.used += 1;
        self.left -= 1;
        Some(status)
    }
}

/// The most packets one message may report on: what keeps its encoding on the stack.
pub const MOST_ARRIVALS: usize = 512;

/// Writes the body of a feedback message about `arrivals` (ascending, gapless sequence numbers); returns its length, padded to
/// words by zeros, and how many arrivals it covers: fewer than given if an arrival time lies too far from its predecessor's,
/// the room ends or there are more than [`MOST_ARRIVALS`].
pub(crate) fn encode(
    out: &mut [u8],
    sender: u32,
    media: u32,
    feedback: u8,
    arrivals: &[Arrival],
) -> Result<(usize, usize), NoRoom> {
    let base = arrivals.first().ok_or(NoRoom)?.sequence;
    let first = arrivals
        .iter()
        .find_map(|arrival| arrival.ticks)
        .ok_or(NoRoom)?;
    let reference = first.div_euclid(REFERENCE);
    let mut statuses = [Status::Missing; MOST_ARRIVALS];
    let (mut covered, mut deltas, mut last) = (0, 0, reference * REFERENCE);
    for (arrival, status) in arrivals.iter().zip(&mut statuses) {
        *status = match arrival.ticks.map(|ticks| ticks - last) {
            None => Status::Missing,
            Some(0..=255) => Status::Small,
            Some(delta) if i16::try_from(delta).is_ok() => Status::Large,
            Some(_) => break,
        };
        let after = deltas + *status as usize;
        let chunks = 2 * (covered + 1usize).div_ceil(SYMBOLS);
        if (HEAD + chunks + after).next_multiple_of(4) > out.len() {
            break;
        }
        last = arrival.ticks.unwrap_or(last);
        deltas = after;
        covered += 1;
    }
    if covered == 0 {
        return Err(NoRoom);
    }
    let head = [
        sender,
        media,
        u32::from(base) << 16 | covered as u32,
        (reference as u32) << 8 | u32::from(feedback),
    ];
    for (place, word) in out.chunks_exact_mut(4).zip(head) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    let mut at = HEAD;
    let mut left = &statuses[..covered];
    while let Some(status) = left.first() {
        let run = left.iter().take_while(|other| *other == status).count();
        let (chunk, len) = if run >= SYMBOLS.min(left.len()) {
            ((*status as u16) << 13 | run as u16, run)
        } else {
            let len = SYMBOLS.min(left.len());
            let symbols = (0..SYMBOLS).map(|i| left.get(i).map_or(0, |status| *status as u16));
            (
                0xc000 | symbols.fold(0, |bits, symbol| bits << 2 | symbol),
                len,
            )
        };
        out[at..at + 2].copy_from_slice(&chunk.to_be_bytes());
        at += 2;
        left = &left[len..];
    }
    let mut last = reference * REFERENCE;
    for ticks in arrivals[..covered]
        .iter()
        .filter_map(|arrival| arrival.ticks)
    {
        let delta = (ticks - last) as i16;
        last = ticks;
        if let Ok(small) = u8::try_from(delta) {
            out[at] = small;
            at += 1;
        } else {
            out[at..at + 2].copy_from_slice(&delta.to_be_bytes());
            at += 2;
        }
    }
    let end = at.next_multiple_of(4);
    out[at..end].fill(0);
    Ok((end, covered))
}
