//! Forwarding: a [`Source`] is one encoding of a published track as it arrives, a [`Sink`] one track as one subscriber gets it.
//!
//! A Source has one writer: the thread that receives. It hands out each packet once, repaired and unwrapped, as a [`Packet`];
//! any number of Sinks, each independent of all others, turn it into their own. What a Sink needs later to answer a NACK
//! it reads from the Source's [`History`], which another thread may keep a copy of. No I/O, no clock, and in steady state
//! no allocation: packets are written into the caller's buffers, `now` is passed in, the next deadline is asked for.

mod clock;
mod content;
mod continuity;
mod demux;
mod history;
mod key_frame;
mod layers;
mod level;
mod loss;
mod numbering;
mod packet;
mod reception;
mod redundancy;
mod reports;
mod resend;
mod sink;
mod source;
mod spans;
mod tracker;
mod volume;
mod write;

pub use clock::SenderClock;
pub use demux::Demux;
pub use history::History;
pub use layers::{Frame, Layers};
pub use numbering::Descriptor;
pub use packet::{Feed, Kind, Packet, SourceId};
pub use reception::{CodecParameters, Reception};
pub use sink::{LOSSY, Sink, SinkConfig, SinkStatistics};
pub use source::{Ignored, Source, SourceConfig, SourceEvent, SourceStatistics};
pub use volume::Volume;
pub use write::{Departure, HEADROOM, Outgoing};
