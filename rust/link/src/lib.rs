//! One peer connection without its sockets: ICE-lite (RFC 8445 §2.5), DTLS 1.2 (RFC 6347, RFC 5764), SCTP and data
//! channels (RFC 8831, RFC 8832).
//!
//! A [`Link`] takes datagrams, commands and the time, and gives back datagrams, events and its next deadline. It owns no
//! socket and reads no clock. Media does not pass through it: once connected it hands out the SRTP keys, and answers
//! whether an address is this peer's.
//!
//! ```text
//! datagram ─► ice (STUN) ─────────────► answers, which addresses are the peer's, where to send
//!          └► secure ─► dtls ─► sctp ─► channels ─► messages
//!                        └────────────► SRTP keys, once the peer's certificate has the fingerprint it promised
//! ```
//!
//! One peer, one component: everything is bundled (RFC 8843) and RTCP is multiplexed (RFC 5761), so there is one
//! 5-tuple to think of. Datagrams may come by UDP or framed on a stream (RFC 6544): a [`Path`] says which.
#![forbid(unsafe_code)]

mod agent;
mod channels;
mod client;
mod dcep;
mod dtls;
mod event;
mod fingerprint;
pub mod framing;
mod ice;
mod limits;
mod link;
mod path;
mod sctp;
mod secure;

pub use client::{Client, ClientEvent, Remote};
pub use dtls::{Identity, IdentityError};
pub use event::{ChannelSettings, CloseReason, Event, SrtpKeys, Transmit};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use ice::{Credentials, CredentialsError};
pub use limits::Limits;
pub use link::Link;
pub use path::{Path, Transport};
