//! Receiving batches of datagrams.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use libc::c_uint;

use super::checked;
use super::messages::Headers;
use super::name::Name;

/// Buffers for a batch of datagrams, each with free room in front and behind.
pub struct Receiver {
    headers: Headers,
    buffers: Vec<u8>,
    stride: usize,
    headroom: usize,
    size: usize,
    lengths: Vec<usize>,
}

impl Receiver {
    /// `batch` buffers for datagrams of up to `size` bytes.
    pub fn new(batch: usize, headroom: usize, size: usize, tailroom: usize) -> Self {
        // One byte more than wanted is received, so that a datagram that is too long shows.
        let stride = (headroom + size + tailroom + 1).next_multiple_of(64);
        Self {
            headers: Headers::new(batch),
            buffers: vec![0; batch * stride],
            stride,
            headroom,
            size,
            lengths: vec![0; batch],
        }
    }

    /// Datagrams it can hold.
    pub fn capacity(&self) -> usize {
        self.lengths.len()
    }

    /// Receives what is there into the buffers from number `first` on; says how many there were.
    pub fn receive(&mut self, socket: &UdpSocket, first: usize) -> io::Result<usize> {
        let count = self.capacity() - first;
        for at in first..self.capacity() {
            self.headers.names[at].length = Name::EMPTY.length;
            let begin = at * self.stride + self.headroom;
            let buffer = &mut self.buffers[begin..=begin + self.size];
            self.headers.point(at, buffer.as_mut_ptr(), buffer.len());
        }
        let messages = &mut self.headers.messages[first..];
        // SAFETY: `messages` has `count` headers; each points to a name and to bytes of vectors that are ours alone, of the
        // lengths given, and live as long as `self`. The timeout may be null.
        let received = checked(unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                count as c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        })?;
        let received = received as usize;
        for at in first..first + received {
            self.lengths[at] = self.headers.messages[at].msg_len as usize;
        }
        Ok(received)
    }

    /// Who sent datagram `at`.
    pub fn source(&self, at: usize) -> Option<SocketAddr> {
        self.headers.names[at].get()
    }

    /// How long it is; `None` when it did not fit.
    pub fn length(&self, at: usize) -> Option<usize> {
        (self.lengths[at] <= self.size).then_some(self.lengths[at])
    }

    /// Its buffer with the room in front and behind.
    pub fn buffer(&mut self, at: usize) -> &mut [u8] {
        &mut self.buffers[at * self.stride..(at + 1) * self.stride]
    }

    /// The same to read.
    pub fn bytes(&self, at: usize) -> &[u8] {
        &self.buffers[at * self.stride..(at + 1) * self.stride]
    }

    /// The first `count` datagrams, each with who sent it, to be changed independently. Those that did not fit are left out.
    pub fn datagrams(&mut self, count: usize) -> impl Iterator<Item = (SocketAddr, &mut [u8])> {
        let (headroom, size) = (self.headroom, self.size);
        self.buffers
            .chunks_exact_mut(self.stride)
            .zip(&self.lengths)
            .zip(&self.headers.names)
            .take(count)
            .filter_map(move |((buffer, length), name)| {
                let bytes = buffer.get_mut(headroom..headroom + length)?;
                (*length <= size).then_some((name.get()?, bytes))
            })
    }
}
