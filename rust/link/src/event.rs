//! What a Link tells, and the values in it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::path::Path;

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub to: Path,
    /// The payload.
    pub bytes: Vec<u8>,
}

/// The SRTP contexts of both directions, made from the DTLS exporter (RFC 5764 §4.2).
pub struct SrtpKeys {
    /// Protects what we send.
    pub outbound: meeting_srtp::Outbound,
    /// Opens what the peer sends.
    pub inbound: meeting_srtp::Inbound,
    /// The agreed protection profile.
    pub profile: meeting_srtp::Profile,
}

impl fmt::Debug for SrtpKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SrtpKeys({:?})", self.profile)
    }
}

/// How a data channel delivers (RFC 8832 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelSettings {
    /// In the order of sending.
    pub ordered: bool,
    /// Retransmissions of a message before it is given up; `None`: never given up.
    pub max_retransmits: Option<u32>,
    /// The stream both sides agreed on elsewhere; `None`: opened in-band.
    pub negotiated: Option<u16>,
}

impl Default for ChannelSettings {
    fn default() -> Self {
        Self {
            ordered: true,
            max_retransmits: None,
            negotiated: None,
        }
    }
}

/// Why a Link ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer sent close_notify.
    PeerClosed,
    /// No valid connectivity check for [`Limits::consent`](crate::Limits).
    ConsentLost,
    /// Not connected after [`Limits::connect`](crate::Limits).
    NeverConnected,
    /// The certificate is not the one the description promised.
    FingerprintMismatch,
    /// The handshake, or the connection after it, failed.
    Dtls(String),
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerClosed => f.write_str("peer closed"),
            Self::ConsentLost => f.write_str("consent lost"),
            Self::NeverConnected => f.write_str("never connected"),
            Self::FingerprintMismatch => f.write_str("fingerprint mismatch"),
            Self::Dtls(why) => write!(f, "dtls failed: {why}"),
        }
    }
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A check from this address was valid: its datagrams are this Link's.
    AddressValidated(Path),
    /// This address made room for a newer one.
    AddressForgotten(Path),
    /// ICE and DTLS are up and the fingerprint is right: media may flow to and from `path`.
    Connected {
        /// Where to send.
        path: Path,
        /// `None` when the peer offered no SRTP profile: data channels only.
        keys: Option<Box<SrtpKeys>>,
    },
    /// The peer nominated another address.
    PathChanged(Path),
    /// A channel can be used both ways.
    ChannelOpened(Arc<str>),
    /// A data message came in.
    Message {
        /// The channel.
        label: Arc<str>,
        /// The content.
        data: Bytes,
        /// False for text.
        binary: bool,
    },
    /// A message could not be kept: a bound of [`Limits`](crate::Limits).
    MessageDropped(Arc<str>),
    /// The Link is over; no event follows.
    Closed(CloseReason),
}
