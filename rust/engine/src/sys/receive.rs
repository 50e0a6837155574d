//! Receiving batches of datagrams.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::ptr;

use libc::c_uint;

use super::checked;
use super::messages::Headers;
use super::name::Name;

/// The longest that comes of datagrams the kernel has put together.
const MERGED: usize = 65_535;
/// So many it puts together at most (UDP_MAX_SEGMENTS).
const MOST_MERGED: usize = 128;

/// Buffers for a batch of datagrams, each with free room in front and behind.
pub struct Receiver {
    headers: Headers,
    buffers: Vec<u8>,
    stride: usize,
    /// Where a received datagram, or what was put together of several, begins in its buffer.
    begin: usize,
    size: usize,
    received: Vec<Received>,
    /// Room in front of and behind each datagram once they have been spread; none: nothing is put together.
    rooms: Option<(usize, usize)>,
}

/// What a buffer holds: bytes in all, and of each datagram but the last.
#[derive(Clone, Copy, Default)]
struct Received {
    length: usize,
    segment: usize,
}

impl Receiver {
    /// `batch` buffers for datagrams of up to `size` bytes.
    pub fn new(batch: usize, headroom: usize, size: usize, tailroom: usize) -> Self {
        Self::with(batch, headroom, size, tailroom, None)
    }

    /// `batch` buffers for what a socket with [`merge`](super::UdpOptions::merge) receives: each holds a datagram of any
    /// size or several equal ones of one sender. What [`spread`](Self::spread) is called for has this room around each.
    pub fn merging(batch: usize, headroom: usize, tailroom: usize) -> Self {
        let begin = headroom + (headroom + tailroom) * (MOST_MERGED - 1);
        let rooms = Some((headroom, tailroom));
        Self::with(batch, begin, MERGED, tailroom, rooms)
    }

    fn with(
        batch: usize,
        begin: usize,
        size: usize,
        tailroom: usize,
        rooms: Option<(usize, usize)>,
    ) -> Self {
        // One byte more than wanted is received, so that a datagram that is too long shows.
        let stride = (begin + size + tailroom + 1).next_multiple_of(64);
        Self {
            headers: Headers::new(batch),
            buffers: vec![0; batch * stride],
            stride,
            begin,
            size,
            received: vec![Received::default(); batch],
            rooms,
        }
    }

    /// Buffers it has.
    pub fn capacity(&self) -> usize {
        self.received.len()
    }

    /// Receives what is there into buffers from number `first` on, into `most` at most; says how many were filled. Each that
    /// is offered costs a little, so a socket that has little is offered few.
    pub fn receive(&mut self, socket: &UdpSocket, first: usize, most: usize) -> io::Result<usize> {
        let count = most.min(self.capacity() - first);
        for at in first..first + count {
            self.headers.names[at].length = Name::EMPTY.length;
            let begin = at * self.stride + self.begin;
            let buffer = &mut self.buffers[begin..=begin + self.size];
            self.headers.point(at, buffer.as_mut_ptr(), buffer.len());
            if self.rooms.is_some() {
                self.headers.expect_segment(at);
            }
        }
        let messages = &mut self.headers.messages[first..first + count];
        // SAFETY: `messages` has `count` headers; each points to a name, to bytes and to room for a control message, of vectors
        // that are ours alone, of the lengths given, and live as long as `self`. The timeout may be null.
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
            let length = self.headers.messages[at].msg_len as usize;
            let segment = self.rooms.and_then(|_| self.headers.segment(at));
            self.received[at] = Received {
                length,
                segment: segment.unwrap_or(length),
            };
        }
        Ok(received)
    }

    /// Who sent what is in buffer `at`.
    pub fn source(&self, at: usize) -> Option<SocketAddr> {
        self.headers.names[at].get()
    }

    /// How long it is; `None` when it did not fit.
    pub fn length(&self, at: usize) -> Option<usize> {
        (self.received[at].length <= self.size).then_some(self.received[at].length)
    }

    /// Where in buffer `at` its datagrams are, as they came.
    pub fn segments(&self, at: usize) -> impl ExactSizeIterator<Item = Range<usize>> + use<> {
        let Received { length, segment } = self.received[at];
        let begin = self.begin;
        (0..length.div_ceil(segment.max(1)).max(1)).map(move |number| {
            let start = number * segment;
            begin + start..begin + length.min(start + segment)
        })
    }

    /// Makes room around each datagram of buffer `at`; says where they are. Those of a [`merging`](Self::merging) one alone.
    pub fn spread(&mut self, at: usize) -> impl ExactSizeIterator<Item = Range<usize>> + use<> {
        let (headroom, tailroom) = self.rooms.unwrap_or_default();
        let Received { length, segment } = self.received[at];
        // They move towards the beginning, the first one farthest, so none is written over before it has moved.
        let (step, first) = if segment < length {
            (headroom + segment + tailroom, headroom)
        } else {
            (0, self.begin)
        };
        let segments = self.segments(at).take(MOST_MERGED);
        let buffer = self.buffer(at);
        for (number, from) in segments.enumerate() {
            let to = first + number * step;
            if from.start != to {
                buffer.copy_within(from, to);
            }
        }
        self.segments(at)
            .take(MOST_MERGED)
            .enumerate()
            .map(move |(number, from)| {
                let start = first + number * step;
                start..start + from.len()
            })
    }

    /// Buffer `at`, with the room in front and behind.
    pub fn buffer(&mut self, at: usize) -> &mut [u8] {
        &mut self.buffers[at * self.stride..(at + 1) * self.stride]
    }

    /// The same to read.
    pub fn bytes(&self, at: usize) -> &[u8] {
        &self.buffers[at * self.stride..(at + 1) * self.stride]
    }

    /// The first `count` datagrams, each with who sent it, to be changed independently. Those that did not fit are left out.
    pub fn datagrams(&mut self, count: usize) -> impl Iterator<Item = (SocketAddr, &mut [u8])> {
        let (begin, size) = (self.begin, self.size);
        self.buffers
            .chunks_exact_mut(self.stride)
            .zip(&self.received)
            .zip(&self.headers.names)
            .take(count)
            .filter_map(move |((buffer, received), name)| {
                let bytes = buffer.get_mut(begin..begin + received.length)?;
                (received.length <= size).then_some((name.get()?, bytes))
            })
    }
}
