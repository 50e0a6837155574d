//! Key derivation (RFC 3711 §4.3, RFC 6188 for 256 bits) with a key derivation rate of 0: once per session.

use crate::transform::key_stream;
use aes::cipher::KeyInit;
use aes::{Aes128, Aes256};

/// What a session key is for: the label of §4.3.2, and 3 more for SRTCP.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Label {
    Encryption = 0,
    Authentication = 1,
    Salt = 2,
}

/// For RTP or RTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Rtp = 0,
    Rtcp = 3,
}

/// Fills `out` with the session key for `label`. `None` if the master key is neither 128 nor 256 bits long.
pub(crate) fn derive(
    master_key: &[u8],
    master_salt: &[u8],
    stream: Stream,
    label: Label,
    out: &mut [u8],
) -> Option<()> {
    // x = key_id XOR master_salt, both right-aligned in 112 bits; a 96-bit salt stands left (RFC 7714 §11); IV = x · 2^16
    let mut iv = [0; 16];
    iv.get_mut(..master_salt.len())?
        .copy_from_slice(master_salt);
    iv[7] ^= stream as u8 + label as u8;
    out.fill(0);
    match master_key.len() {
        16 => key_stream(&Aes128::new_from_slice(master_key).ok()?, &iv, out),
        32 => key_stream(&Aes256::new_from_slice(master_key).ok()?, &iv, out),
        _ => return None,
    }
    Some(())
}
