//! Redundant audio (RFC 2198 §3): the payloads of older packets in front of the newest one's, each behind a header that
//! names its payload type.

use crate::Malformed;

const MORE: u8 = 0x80;
const LAST_HEADER: usize = 1;
const HEADER: usize = 4;

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
