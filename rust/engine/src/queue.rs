//! A bounded queue from many threads to one, with a descriptor that is readable while something is in it.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sys::EventFd;

/// Taken whole: the reader pays once for a batch, and writers wake it only when it was empty.
#[derive(Debug)]
pub struct Queue<T> {
    items: Mutex<Vec<T>>,
    bound: usize,
    wake: EventFd,
}

impl<T> Queue<T> {
    /// An empty queue for `bound` items.
    pub fn new(bound: usize) -> std::io::Result<Self> {
        Ok(Self {
            items: Mutex::new(Vec::new()),
            bound,
            wake: EventFd::new()?,
        })
    }

    /// Adds an item, or gives it back when the queue is full.
    pub fn push(&self, item: T) -> Result<(), T> {
        let mut items = self.lock();
        if items.len() >= self.bound {
            return Err(item);
        }
        self.add(&mut items, item);
        Ok(())
    }

    /// Adds an item whatever the bound says: for the few that must not be lost.
    pub fn push_always(&self, item: T) {
        self.add(&mut self.lock(), item);
    }

    /// Moves everything to the end of `into`.
    pub fn take(&self, into: &mut impl Extend<T>) {
        self.wake.clear();
        into.extend(self.lock().drain(..));
    }

    fn add(&self, items: &mut Vec<T>, item: T) {
        items.push(item);
        if items.len() == 1 {
            self.wake.signal();
        }
    }

    /// A Vec is whole between any two of its operations, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> AsRawFd for Queue<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.wake.as_raw_fd()
    }
}
