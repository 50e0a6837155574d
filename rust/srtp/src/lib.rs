//! SRTP and SRTCP: RFC 3711 with AES-CM/HMAC-SHA1-80, RFC 7714 with AES-GCM, keyed by DTLS (RFC 5764).
//!
//! [`Outbound`] protects what one peer connection sends, [`Inbound`] opens what it receives. The key schedule is made once, all
//! work is in place, and nothing is allocated per packet. A sender passes the 48-bit packet index itself (it numbers its streams
//! anyway); a receiver's rollover counters and replay windows live here, one per SSRC.

mod inbound;
mod kdf;
mod outbound;
mod profile;
mod transform;

pub use inbound::Inbound;
pub use outbound::Outbound;
pub use profile::{BadKey, Profile, Role, from_dtls};

/// Why a packet was not opened. It is to be counted and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    /// Not an RTP or RTCP packet, or too short to be a protected one.
    Malformed,
    /// The authentication tag does not match: forged, damaged, or of other keys.
    Forged,
    /// This index was received before, or is too old to know (RFC 3711 §3.3.2).
    Replayed,
    /// More streams than allowed.
    TooManyStreams,
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Rejected::Malformed => "not a protected packet",
            Rejected::Forged => "authentication failed",
            Rejected::Replayed => "replayed or too old",
            Rejected::TooManyStreams => "too many streams",
        })
    }
}

impl std::error::Error for Rejected {}
