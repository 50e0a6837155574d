//! Participants without a browser, over real sockets: for the engine's own tests and for measuring it.
//!
//! [`Participant`] joins a Port by ICE, DTLS and SRTP and then sends and receives RTP. [`media`] makes packets of the shape
//! a camera and a microphone have. [`bare`] does the work of an SFU and nothing else, to compare with.
//! [`peers`] are participants whose signalling is somebody else's. [`switch`] stands between real programs and makes their network bad. [`turn`] is clients of a TURN server.
#![forbid(unsafe_code)]

pub mod bare;
pub mod media;
mod participant;
pub mod peers;
pub mod switch;
pub mod turn;
mod wire;

pub use participant::{Identities, Participant};
pub use wire::Wire;
