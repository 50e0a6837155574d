//! The data path of TURN: allocations, permissions, channels (RFC 8656), and what a server answers before it knows anybody.
//!
//! A [`Shard`] is everything one thread needs, without its sockets: packets and commands go in with the time, what to do
//! with them comes out. Who may allocate and reach whom is decided elsewhere; it arrives here as [`Command`]s with lifetimes.
//!
//! Nothing is kept for a client that has not authenticated. What it may get is an answer of at most two bytes for each of
//! its own, from a nonce that is a MAC over its address and the time, so that floods cost neither memory nor others' lines.

mod actions;
mod allocation;
mod bucket;
mod counters;
mod front;
mod headers;
mod hello;
mod limiter;
mod nonce;
mod shard;
mod table;

pub use actions::{Client, ClientAction, Command, Effect, PeerAction};
pub use allocation::Ports;
pub use bucket::Total;
pub use counters::{Cause, Counters};
pub use headers::{HEADROOM, IcmpError, TAILROOM};
pub use hello::{Cookies, Greeting, Hello};
pub use shard::{Settings, Shard};
pub use table::Moving;

/// Milliseconds on a clock that only goes forward; its zero is the caller's.
pub type Now = u64;
