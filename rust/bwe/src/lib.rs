//! Bandwidth estimation of one Link: what we tell a sender about what arrives.
//!
//! A sender that negotiated transport-wide feedback estimates by itself from [`ArrivalRecorder`]'s messages; for others
//! [`ReceiverEstimate`] names a bitrate. One of the two is needed: without either Chromium never sends its top layer.

mod arrivals;
mod estimate;

pub use arrivals::ArrivalRecorder;
pub use estimate::ReceiverEstimate;
