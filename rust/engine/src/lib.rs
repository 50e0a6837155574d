//! The only I/O of the packet path: sockets, threads, timers.
#![deny(missing_docs, unsafe_code)]

pub mod media;
pub mod queue;
pub mod sys;
pub mod turn;
