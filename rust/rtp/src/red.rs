//! Redundant audio (RFC 2198 §3): the payloads of older packets in front of the newest one's, each behind a header that
//! names its payload type.

use crate::{Malformed, NoRoom};

const MORE: u8 = 0x80;
const LAST_HEADER: usize = 1;
const HEADER: usize = 4;
/// What the header's 14 and 10 bits can say.
const MOST_OFFSET: u16 = 0x3fff;
const MOST_LENGTH: usize = 0x3ff;

/// One payload within a RED payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'p> {
    /// Its payload type.
    pub payload_type: u8,
    /// How far its timestamp is behind the packet's, in ticks; 0 for the newest.
    pub timestamp_offset: u16,
    /// What a packet of its own would carry.
    pub payload: &'p [u8],
}

/// The blocks of a RED payload, oldest first, the newest last. After one that is malformed there are no more.
pub fn blocks(payload: &[u8]) -> impl Iterator<Item = Result<Block<'_>, Malformed>> {
    let mut header = 0;
    let mut start = headers(payload);
    std::iter::from_fn(move || {
        let at = match start {
            Ok(at) => at?,
            Err(malformed) => {
                start = Ok(None);
                return Some(Err(malformed));
            }
        };
        let first = *payload.get(header)?;
        let (timestamp_offset, end) = match payload.get(header..header + HEADER) {
            Some(&[_, high, middle, low]) if first & MORE != 0 => {
                let bits = u32::from_be_bytes([0, high, middle, low]);
                (bits >> 10, Some(at + (bits & 0x3ff) as usize))
            }
            _ => (0, None),
        };
        let block = payload.get(at..end.unwrap_or(payload.len()));
        (header, start) = (header + HEADER, Ok(end));
        let Some(block) = block else {
            start = Ok(None);
            return Some(Err(Malformed::Truncated));
        };
        Some(Ok(Block {
            payload_type: first & !MORE,
            timestamp_offset: timestamp_offset as u16,
            payload: block,
        }))
    })
}

/// Where the blocks begin.
fn headers(payload: &[u8]) -> Result<Option<usize>, Malformed> {
    let mut at = 0;
    while payload.get(at).ok_or(Malformed::Truncated)? & MORE != 0 {
        at += HEADER;
    }
    Ok(Some(at + LAST_HEADER))
}

/// The newest block of a RED payload: its payload type, and what a packet without redundancy would carry.
pub fn primary(payload: &[u8]) -> Result<(u8, &[u8]), Malformed> {
    let mut at = 0;
    let mut older = 0;
    loop {
        let header = payload.get(at..).ok_or(Malformed::Truncated)?;
        match *header {
            [last, ..] if last & MORE == 0 => {
                let block = payload.get(at + LAST_HEADER + older..);
                return Ok((last, block.ok_or(Malformed::Truncated)?));
            }
            [_, _, high, low, ..] => {
                older += usize::from(u16::from_be_bytes([high, low]) & 0x3ff);
                at += HEADER;
            }
            _ => return Err(Malformed::Truncated),
        }
    }
}

/// Whether a block can be repeated in a RED payload.
pub fn is_repeatable(block: &Block<'_>) -> bool {
    block.timestamp_offset <= MOST_OFFSET && block.payload.len() <= MOST_LENGTH
}

/// Writes a RED payload of `older` blocks, oldest first, which must be repeatable, and the newest; its length.
pub fn write(older: &[Block<'_>], newest: &Block<'_>, out: &mut [u8]) -> Result<usize, NoRoom> {
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        let place = out.get_mut(at..at + bytes.len()).ok_or(NoRoom)?;
        place.copy_from_slice(bytes);
        at += bytes.len();
        Ok(())
    };
    for block in older {
        let bits = u32::from(block.timestamp_offset & MOST_OFFSET) << 10
            | (block.payload.len() & MOST_LENGTH) as u32;
        let [_, high, middle, low] = bits.to_be_bytes();
        put(&[MORE | block.payload_type, high, middle, low])?;
    }
    put(&[newest.payload_type & !MORE])?;
    for block in older.iter().chain([newest]) {
        put(block.payload)?;
    }
    Ok(at)
}

/// Gives every block of a RED payload the type that `rename` says; a block without one makes the payload `Malformed`.
pub fn rename_types(
    payload: &mut [u8],
    rename: impl Fn(u8) -> Option<u8>,
) -> Result<(), Malformed> {
    let mut at = 0;
    loop {
        let first = payload.get_mut(at).ok_or(Malformed::Truncated)?;
        let more = *first & MORE;
        *first = more | rename(*first & !MORE).ok_or(Malformed::Format)? & !MORE;
        if more == 0 {
            return Ok(());
        }
        at += HEADER;
    }
}
