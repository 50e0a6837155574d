//! Clients of a TURN server, in numbers, and what they cost it: for `tests/bench/turn.py`, with any server.
//!
//! [`Client`] asks and relays. [`traffic`] is media both ways, [`asking`] is allocations that come and go and requests of
//! strangers. [`bare`] does the work of a relay and nothing else, to compare with. [`process`] looks at the server.

pub mod asking;
pub mod bare;
mod client;
pub mod process;
pub mod traffic;

pub use client::{CHANNEL, Client, Credentials};
