//! Which of many descriptors are ready.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use libc::c_int;

use super::{checked, owned};

/// Tells which of many descriptors are ready: level-triggered, unless asked otherwise. A closed descriptor is forgotten by itself.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    /// Reports at most `batch` descriptors at a time.
    pub fn new(batch: usize) -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let fd = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        Ok(Self {
            fd,
            events: vec![libc::epoll_event { events: 0, u64: 0 }; batch],
        })
    }

    /// Watches a descriptor for input, under this name.
    pub fn watch(&self, watched: &impl AsRawFd, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, watched, libc::EPOLLIN, token)
    }

    /// Tells once whenever input or room for output has come (edge-triggered): what is there then has to be used up, or
    /// remembered.
    pub fn watch_changes(&self, watched: &impl AsRawFd, token: u64) -> io::Result<()> {
        let changes = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET;
        self.control(libc::EPOLL_CTL_ADD, watched, changes, token)
    }

    /// Watches one that is watched already, for input and, if `output`, for room to write.
    pub fn rewatch(&self, watched: &impl AsRawFd, token: u64, output: bool) -> io::Result<()> {
        self.rewatch_for(watched, token, true, output)
    }

    /// Watches one that is watched already, for input or not, for room to write or not. That it is broken is told anyway.
    pub fn rewatch_for(
        &self,
        watched: &impl AsRawFd,
        token: u64,
        input: bool,
        output: bool,
    ) -> io::Result<()> {
        let events =
            if input { libc::EPOLLIN } else { 0 } | if output { libc::EPOLLOUT } else { 0 };
        self.control(libc::EPOLL_CTL_MOD, watched, events, token)
    }

    /// Watches it no more. What is closed everywhere is forgotten by itself.
    pub fn forget(&self, watched: &impl AsRawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, watched, 0, 0)
    }

    fn control(
        &self,
        operation: c_int,
        watched: &impl AsRawFd,
        events: c_int,
        token: u64,
    ) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: events as u32,
            u64: token,
        };
        // SAFETY: reads `event`, which outlives the call.
        checked(unsafe {
            libc::epoll_ctl(
                self.fd.as_raw_fd(),
                operation,
                watched.as_raw_fd(),
                &raw mut event,
            )
        })
        .map(drop)
    }

    /// Waits so many milliseconds at most, and puts the names of what is ready into `ready`.
    pub fn wait(&mut self, milliseconds: u64, ready: &mut Vec<u64>) -> io::Result<()> {
        ready.clear();
        let (events, room) = (self.events.as_mut_ptr(), self.events.len() as c_int);
        let patience = c_int::try_from(milliseconds).unwrap_or(c_int::MAX);
        // SAFETY: writes at most `room` events to the vector, which has that many and is borrowed by us alone.
        match checked(unsafe { libc::epoll_wait(self.fd.as_raw_fd(), events, room, patience) }) {
            Ok(count) => ready.extend(self.events[..count as usize].iter().map(|event| event.u64)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
