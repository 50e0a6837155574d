//! Sending batches of datagrams, and runs of them with one walk through the kernel's stack.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use libc::c_uint;

use super::checked;
use super::messages::Headers;

/// So many runs refused one after the other mean that this system cannot cut.
const MOST_REFUSED_RUNS: u32 = 8;
/// Datagrams of a run: the kernel's bound (UDP_MAX_SEGMENTS, before Linux 6.9).
const MOST_IN_RUN: usize = 64;
/// And bytes, with room for every header.
const MOST_RUN_BYTES: usize = 65_000;
/// Longer ones may not fit a path of 1,500 bytes, and the kernel does not cut what it then would have to cut again.
const LONGEST_IN_RUN: usize = 1452;

/// Sends batches of datagrams.
pub struct Sender {
    headers: Headers,
    /// What waits for the call, one for each message.
    outlines: Vec<Outline>,
    /// Vectors they use.
    vectors: usize,
    refused_runs: u32,
}

/// Datagrams to one address, back to back, all of `segment` bytes but the last, which may be shorter.
#[derive(Clone, Copy, Debug)]
pub struct Run<'d> {
    /// Where to.
    pub to: SocketAddr,
    /// All of them.
    pub bytes: &'d [u8],
    /// The length of each but the last.
    pub segment: usize,
}

/// A run, in one piece or in several.
#[derive(Clone, Copy)]
struct Outline {
    to: SocketAddr,
    first_vector: usize,
    vectors: usize,
    bytes: usize,
    segment: usize,
    /// Another datagram may join: the last one was as long as the first.
    open: bool,
}

impl Outline {
    fn is_cut(&self) -> bool {
        self.segment < self.bytes
    }

    fn count(&self) -> usize {
        self.bytes.div_ceil(self.segment.max(1)).max(1)
    }
}

impl Sender {
    /// Sends up to `batch` datagrams or runs with one call.
    pub fn new(batch: usize) -> Self {
        Self {
            headers: Headers::new(batch),
            outlines: Vec::with_capacity(batch),
            vectors: 0,
            refused_runs: 0,
        }
    }

    /// Whether runs are left to the kernel to cut; false once it has refused too often.
    pub fn cuts(&self) -> bool {
        self.refused_runs < MOST_REFUSED_RUNS
    }

    /// Sends runs from one socket: one walk through the kernel's stack for each. Where the kernel refuses to cut, we do. Says
    /// how many datagrams were refused.
    pub fn send_runs<'d>(
        &mut self,
        socket: &UdpSocket,
        runs: impl IntoIterator<Item = Run<'d>>,
    ) -> usize {
        self.forget();
        let mut refused = 0;
        for Run { to, bytes, segment } in runs {
            if self.cuts() || segment >= bytes.len() {
                refused += self.begin(socket, to, bytes, segment);
                continue;
            }
            for datagram in bytes.chunks(segment.max(1)) {
                refused += self.begin(socket, to, datagram, datagram.len());
            }
        }
        refused + self.flush(socket)
    }

    /// Sends datagrams from one socket, as many as there are; neighbours of one length to one address as a run. Says how many
    /// were refused.
    pub fn send<'d>(
        &mut self,
        socket: &UdpSocket,
        datagrams: impl IntoIterator<Item = (SocketAddr, &'d [u8])>,
    ) -> usize {
        self.forget();
        let mut refused = 0;
        for (to, bytes) in datagrams {
            if !self.join(to, bytes) {
                refused += self.begin(socket, to, bytes, bytes.len());
            }
        }
        refused + self.flush(socket)
    }

    /// Should a panic have ended the call before in its middle.
    fn forget(&mut self) {
        self.outlines.clear();
        self.vectors = 0;
    }

    /// Begins a message; sends those before if there is no room for it.
    fn begin(&mut self, socket: &UdpSocket, to: SocketAddr, bytes: &[u8], segment: usize) -> usize {
        let refused = if self.vectors == self.headers.vectors.len() {
            self.flush(socket)
        } else {
            0
        };
        self.headers.names[self.outlines.len()].set(to);
        self.headers
            .set_vector(self.vectors, bytes.as_ptr().cast_mut(), bytes.len());
        self.outlines.push(Outline {
            to,
            first_vector: self.vectors,
            vectors: 1,
            bytes: bytes.len(),
            segment,
            open: self.cuts() && (1..=LONGEST_IN_RUN).contains(&bytes.len()),
        });
        self.vectors += 1;
        refused
    }

    /// Puts a datagram behind the one before it, if the kernel can cut them apart again.
    fn join(&mut self, to: SocketAddr, bytes: &[u8]) -> bool {
        let Some(last) = self.outlines.last_mut() else {
            return false;
        };
        if !last.open
            || last.to != to
            || bytes.is_empty()
            || bytes.len() > last.segment
            || last.vectors == MOST_IN_RUN
            || last.bytes + bytes.len() > MOST_RUN_BYTES
            || self.vectors == self.headers.vectors.len()
        {
            return false;
        }
        last.open = bytes.len() == last.segment;
        last.bytes += bytes.len();
        last.vectors += 1;
        self.headers
            .set_vector(self.vectors, bytes.as_ptr().cast_mut(), bytes.len());
        self.vectors += 1;
        true
    }

    /// Sends what was begun, and piece by piece what the kernel would not cut. The bytes behind the vectors are borrowed by our
    /// caller's caller until it returns.
    fn flush(&mut self, socket: &UdpSocket) -> usize {
        for (at, outline) in self.outlines.iter().enumerate() {
            self.headers
                .gather(at, outline.first_vector, outline.vectors);
            if outline.is_cut() {
                self.headers.cut(at, outline.segment as u16);
            }
        }
        let (mut sent, mut refused, mut tried) = (0, 0, None);
        while sent < self.outlines.len() {
            match self.send_messages(socket, sent..self.outlines.len()) {
                Ok(number) => {
                    if self.outlines[sent..sent + number]
                        .iter()
                        .any(Outline::is_cut)
                    {
                        self.refused_runs = 0;
                    }
                    sent += number;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let rest = &self.outlines[sent..];
                    refused += rest.iter().map(Outline::count).sum::<usize>();
                    break;
                }
                // It may be about a datagram sent before (ICMP), which is told once.
                Err(_) if tried != Some(sent) => tried = Some(sent),
                // It is about the first of them: unreachable, forbidden, too long; EINVAL, EIO or EMSGSIZE when it cannot be
                // cut. The rest may go.
                Err(_) => {
                    let outline = self.outlines[sent];
                    if outline.is_cut() {
                        self.refused_runs += 1;
                        refused += self.send_singly(socket, sent, outline);
                    } else {
                        refused += 1;
                    }
                    sent += 1;
                }
            }
        }
        self.forget();
        refused
    }

    /// One call; says how many of the messages it took, one at least.
    fn send_messages(
        &mut self,
        socket: &UdpSocket,
        which: std::ops::Range<usize>,
    ) -> io::Result<usize> {
        let messages = &mut self.headers.messages[which];
        // SAFETY: `messages` has as many headers as said; each points to a name and a control message of ours and to vectors of
        // bytes the caller has borrowed, of the lengths given. sendmmsg only reads the bytes.
        let result = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                messages.len() as c_uint,
                libc::MSG_DONTWAIT,
            )
        };
        checked(result).map(|number| number.max(1) as usize)
    }

    /// The datagrams of message `at`, one by one: its header is pointed at each in turn.
    fn send_singly(&mut self, socket: &UdpSocket, at: usize, outline: Outline) -> usize {
        let mut refused = 0;
        for place in outline.first_vector..outline.first_vector + outline.vectors {
            let whole = self.headers.vectors[place];
            for start in (0..whole.iov_len).step_by(outline.segment.max(1)) {
                let length = outline.segment.min(whole.iov_len - start);
                let bytes = whole.iov_base.cast::<u8>().wrapping_add(start);
                self.headers.set_vector(place, bytes, length);
                self.headers.gather(at, place, 1);
                refused += usize::from(self.send_messages(socket, at..at + 1).is_err());
            }
        }
        refused
    }
}
