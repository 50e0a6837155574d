//! Sending batches of datagrams, and runs of them with one walk through the kernel's stack.

use std::io;
use std::mem::size_of;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use libc::c_uint;

use super::checked;
use super::messages::Headers;

/// The control message that has the kernel cut one long datagram into equal ones (UDP_SEGMENT, Linux 4.18). Its header is
/// 16 bytes, the size 2, padded to 24.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct SegmentSize([u8; 24]);

/// So many runs refused one after the other mean that this system cannot cut.
const MOST_REFUSED_RUNS: u32 = 8;

/// Sends batches of datagrams.
pub struct Sender {
    headers: Headers,
    segment_sizes: Vec<SegmentSize>,
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

impl Sender {
    /// Sends up to `batch` with one call.
    pub fn new(batch: usize) -> Self {
        Self {
            headers: Headers::new(batch),
            segment_sizes: vec![SegmentSize([0; 24]); batch],
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
        let mut refused = 0;
        let mut pending: Vec<Run<'d>> = Vec::with_capacity(self.headers.messages.len());
        for run in runs {
            let cut = run.segment < run.bytes.len();
            if cut && !self.cuts() {
                refused += self.send_pending(socket, &mut pending);
                refused += self.send(socket, datagrams_of(run));
                continue;
            }
            let at = pending.len();
            self.headers.names[at].set(run.to);
            self.headers
                .point(at, run.bytes.as_ptr().cast_mut(), run.bytes.len());
            if cut {
                self.cut(at, run.segment);
            }
            pending.push(run);
            if pending.len() == self.headers.messages.len() {
                refused += self.send_pending(socket, &mut pending);
            }
        }
        refused + self.send_pending(socket, &mut pending)
    }

    /// Attaches the segment size to message `at`.
    fn cut(&mut self, at: usize, segment: usize) {
        let header = &mut self.headers.messages[at].msg_hdr;
        header.msg_control = self.segment_sizes[at].0.as_mut_ptr().cast();
        // SAFETY: CMSG_SPACE and CMSG_LEN only calculate. CMSG_FIRSTHDR gives the beginning of `segment_sizes[at]`, which is
        // aligned for a cmsghdr and has room for one with two bytes behind it (checked at compile time below).
        unsafe {
            header.msg_controllen = libc::CMSG_SPACE(2) as usize;
            let control = libc::CMSG_FIRSTHDR(header);
            (*control).cmsg_level = libc::SOL_UDP;
            (*control).cmsg_type = libc::UDP_SEGMENT;
            (*control).cmsg_len = libc::CMSG_LEN(2) as usize;
            ptr::write_unaligned(libc::CMSG_DATA(control).cast::<u16>(), segment as u16);
        }
    }

    /// Sends what is pointed to, and again piece by piece what the kernel would not cut.
    fn send_pending(&mut self, socket: &UdpSocket, pending: &mut Vec<Run<'_>>) -> usize {
        let mut refused = 0;
        let mut sent = 0;
        while sent < pending.len() {
            let messages = &mut self.headers.messages[sent..pending.len()];
            // SAFETY: as in `send_pointed`; the control messages are ours and live as long as `self`.
            let result = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    messages.as_mut_ptr(),
                    messages.len() as c_uint,
                    libc::MSG_DONTWAIT,
                )
            };
            match checked(result) {
                Ok(number) => {
                    let number = number.max(1) as usize;
                    if pending[sent..sent + number].iter().any(is_cut) {
                        self.refused_runs = 0;
                    }
                    sent += number;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    refused += pending[sent..].iter().map(count_of).sum::<usize>();
                    break;
                }
                // It is about the first of them: EINVAL, EIO or EMSGSIZE when it cannot be cut.
                Err(_) => {
                    let run = pending[sent];
                    sent += 1;
                    if is_cut(&run) {
                        self.refused_runs += 1;
                        refused += send_singly(socket, run);
                    } else {
                        refused += 1;
                    }
                }
            }
        }
        pending.clear();
        refused
    }

    /// Sends datagrams from one socket, as many as there are; says how many the kernel refused.
    pub fn send<'d>(
        &mut self,
        socket: &UdpSocket,
        datagrams: impl IntoIterator<Item = (SocketAddr, &'d [u8])>,
    ) -> usize {
        let mut refused = 0;
        let mut datagrams = datagrams.into_iter().peekable();
        while datagrams.peek().is_some() {
            let mut count = 0;
            for (to, bytes) in datagrams.by_ref().take(self.headers.messages.len()) {
                self.headers.names[count].set(to);
                self.headers
                    .point(count, bytes.as_ptr().cast_mut(), bytes.len());
                count += 1;
            }
            refused += self.send_pointed(socket, count);
        }
        refused
    }

    /// The bytes behind the pointers are borrowed by the caller for `'d`, which is longer than this call.
    fn send_pointed(&mut self, socket: &UdpSocket, count: usize) -> usize {
        let (mut sent, mut refused) = (0, 0);
        let mut tried = None;
        while sent < count {
            let messages = &mut self.headers.messages[sent..count];
            // SAFETY: `messages` has as many headers as said; each points to a name of ours and to bytes the caller has
            // borrowed, of the lengths given. sendmmsg only reads the bytes.
            let result = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    messages.as_mut_ptr(),
                    messages.len() as c_uint,
                    libc::MSG_DONTWAIT,
                )
            };
            match checked(result) {
                Ok(number) => sent += number.max(1) as usize,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return refused + count - sent;
                }
                // It may be about a datagram sent before (ICMP), which is told once.
                Err(_) if tried != Some(sent) => tried = Some(sent),
                // It is about the first of them: unreachable, forbidden, too long. The rest may go.
                Err(_) => {
                    refused += 1;
                    sent += 1;
                }
            }
        }
        refused
    }
}

const _: () = assert!(
    // SAFETY: only calculates.
    unsafe { libc::CMSG_SPACE(2) } as usize <= size_of::<SegmentSize>()
);

fn is_cut(run: &Run<'_>) -> bool {
    run.segment < run.bytes.len()
}

fn count_of(run: &Run<'_>) -> usize {
    run.bytes.len().div_ceil(run.segment.max(1))
}

fn datagrams_of(run: Run<'_>) -> impl Iterator<Item = (SocketAddr, &[u8])> {
    run.bytes
        .chunks(run.segment.max(1))
        .map(move |bytes| (run.to, bytes))
}

fn send_singly(socket: &UdpSocket, run: Run<'_>) -> usize {
    datagrams_of(run)
        .filter(|(to, bytes)| socket.send_to(bytes, to).is_err())
        .count()
}
