//! Bandwidth of one Link, both ways.
//!
//! What we tell a sender about what arrives: a sender that negotiated transport-wide feedback estimates by itself from
//! [`ArrivalRecorder`]'s messages; for others [`ReceiverEstimate`] names a bitrate. One of the two is needed: without either
//! Chromium never sends its top layer.
//!
//! What we may send: [`SendEstimate`] says how much, [`allocate`] who gets it, [`Pacer`] when it leaves.

mod acknowledged;
mod allocate;
mod arrivals;
mod delay;
mod estimate;
mod loss;
mod pacer;
mod probe;
mod rate;
mod send;
mod sent;

pub use allocate::{Allocator, Importance, MOST_STEPS, Want};
pub use arrivals::ArrivalRecorder;
pub use estimate::ReceiverEstimate;
pub use pacer::{Held, Pacer};
pub use rate::Rate;
pub use send::{Basis, Bounds, SendEstimate};
