//! The bounds of one Link.

use std::time::Duration;

/// What one peer may make us keep or wait for.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes kept for channels that are not open yet.
    pub early_data: usize,
    /// Bytes of one data message, both ways.
    pub message: usize,
    /// Bytes written to SCTP and not yet acknowledged.
    pub channel_buffer: usize,
    /// Data channels at one time.
    pub channels: usize,
    /// Addresses of the peer that are remembered as its own.
    pub addresses: usize,
    /// From the first moment until connected.
    pub connect: Duration,
    /// Without a valid connectivity check (RFC 7675 §5.1).
    pub consent: Duration,
    /// Failed handshakes before giving up: an outsider's forged datagram must not end a call that has not begun.
    pub handshakes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            early_data: 1 << 20,
            message: 256 << 10,
            channel_buffer: 4 << 20,
            channels: 64,
            addresses: 8,
            connect: Duration::from_secs(30),
            consent: Duration::from_secs(30),
            handshakes: 4,
        }
    }
}
