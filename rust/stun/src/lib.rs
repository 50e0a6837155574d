//! STUN and TURN messages as bytes (RFC 8489, RFC 8656), shared by ICE and the TURN relay.
//!
//! Reading borrows: [`Message::parse`] checks every bound once and afterwards hands out slices of the datagram. Writing
//! goes into a buffer of the caller through [`Writer`]. Nothing here allocates, keeps state or reads a clock.
//!
//! Attributes behind MESSAGE-INTEGRITY are not protected by it and are therefore not shown at all (RFC 8489 §14.5), so a
//! caller cannot act on what an attacker appended.

mod address;
pub mod attribute;
mod channel_data;
mod error;
mod fingerprint;
mod ice;
mod integrity;
mod message;
mod stream;
mod writer;

pub use address::{read_address, read_xor_address};
pub use channel_data::{
    CHANNEL_HEADER, ChannelData, MAX_CHANNEL, MIN_CHANNEL, write_channel_header,
};
pub use error::{NoRoom, ParseError};
pub use ice::{BindingRequest, Role};
pub use integrity::{IntegrityKey, IntegrityKeySha256, Verdict};
pub use message::{
    Attribute, Attributes, Class, ErrorCode, HEADER, MAGIC_COOKIE, Message, Method, TransactionId,
    is_stun,
};
pub use stream::{Frame, next_frame};
pub use writer::Writer;
