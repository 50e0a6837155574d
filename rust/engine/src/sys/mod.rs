//! The system calls std does not have: event counters, readiness, whole batches of datagrams.
//!
//! The only unsafe code of the engine. Each block says why it is sound; nothing outside this folder needs to know.
#![allow(unsafe_code, reason = "this folder is the door to libc")]

mod epoll;
mod errors;
mod event;
mod messages;
mod name;
mod receive;
mod send;
mod socket;
#[cfg(test)]
mod tests;
mod thread;

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use libc::c_int;

pub use epoll::Epoll;
pub use errors::{Icmp, keep_icmp, send_whole, take_icmp};
pub use event::EventFd;
pub use receive::Receiver;
pub use send::{Run, Sender};
pub use socket::{
    UdpOptions, bind_udp, connect_from, listen, listen_and_connect, set_send_buffer,
    set_unsent_low_water,
};
pub use thread::{go_first, thread_cpu_time};

/// The result of a call that answers -1 when it fails.
fn checked(result: c_int) -> io::Result<c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// A descriptor of our own for what another one stands for.
pub fn duplicate(descriptor: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointers; a number that is no descriptor is refused.
    owned(unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 0) })
}

/// Takes over a descriptor a call has just made.
fn owned(result: c_int) -> io::Result<OwnedFd> {
    let fd = checked(result)?;
    // SAFETY: the kernel made this descriptor for us in the call before; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
