//! How one thread wakes another.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::owned;

/// A counter that makes a descriptor readable: how one thread wakes another.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    /// A counter at 0.
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }).map(Self)
    }

    /// Makes it readable. Fails only when it is readable already, which is as good.
    pub fn signal(&self) {
        let one = 1_u64;
        // SAFETY: reads the eight bytes of `one`, which outlive the call.
        unsafe {
            libc::write(
                self.0.as_raw_fd(),
                (&raw const one).cast(),
                size_of::<u64>(),
            )
        };
    }

    /// Makes it unreadable. To be called before the queue it stands for is emptied, else a signal could be lost.
    pub fn clear(&self) {
        let mut count = 0_u64;
        // SAFETY: writes at most the eight bytes of `count`, which outlive the call.
        unsafe {
            libc::read(
                self.0.as_raw_fd(),
                (&raw mut count).cast(),
                size_of::<u64>(),
            )
        };
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
