//! Where datagrams leave: written back to back into one buffer, sent together, those of one size to one address as a run.

use std::net::{SocketAddr, UdpSocket};

use meeting_link::Transport;

use super::streams::Streams;
use crate::sys::{Run, Sender};

/// The longest datagram we write, with what forwarding adds.
pub(super) const MOST_DATAGRAM: usize = 2048;
/// A turn of a busy thread fills about this: 400 packets of 1,200 bytes.
const BUFFER: usize = 512 << 10;
const MOST_RUNS: usize = 512;
/// The kernel's bound is 64; half of it keeps one subscriber's burst from holding up all others.
const MOST_IN_RUN: usize = 32;
/// And 64 KiB with headers.
const MOST_RUN_BYTES: usize = 60_000;

/// One way out with what waits to be sent by it.
pub(super) struct Exit {
    way: Way,
    buffer: Vec<u8>,
    used: usize,
    waiting: Vec<Waiting>,
    /// Datagrams handed to the kernel.
    pub(super) sent: u64,
    /// Datagrams that were refused: a buffer was full, the address unreachable.
    pub(super) refused: u64,
}

enum Way {
    Udp(UdpSocket, Box<Sender>),
    /// All TCP connections together.
    Tcp(Box<Streams>),
}

#[derive(Clone, Copy)]
struct Waiting {
    to: SocketAddr,
    start: usize,
    end: usize,
    segment: usize,
    count: usize,
    open: bool,
}

impl Exit {
    /// To be made in the thread that uses it.
    pub(super) fn udp(socket: UdpSocket) -> Self {
        Self::new(Way::Udp(socket, Box::new(Sender::new(64))))
    }

    /// Into TCP connections.
    pub(super) fn tcp(streams: Streams) -> Self {
        Self::new(Way::Tcp(Box::new(streams)))
    }

    fn new(way: Way) -> Self {
        Self {
            way,
            buffer: vec![0; BUFFER],
            used: 0,
            waiting: Vec::with_capacity(MOST_RUNS),
            sent: 0,
            refused: 0,
        }
    }

    /// What carries the datagrams.
    pub(super) fn transport(&self) -> Transport {
        match self.way {
            Way::Udp(..) => Transport::Udp,
            Way::Tcp(_) => Transport::Tcp,
        }
    }

    /// The socket, if it is one.
    pub(super) fn socket(&self) -> Option<&UdpSocket> {
        match &self.way {
            Way::Udp(socket, _) => Some(socket),
            Way::Tcp(_) => None,
        }
    }

    /// The connections, if they are.
    pub(super) fn streams(&mut self) -> Option<&mut Streams> {
        match &mut self.way {
            Way::Udp(..) => None,
            Way::Tcp(streams) => Some(streams),
        }
    }

    /// Whether a peer reads so slowly that it is to get no video for now.
    pub(super) fn is_behind(&self, to: &SocketAddr) -> bool {
        matches!(&self.way, Way::Tcp(streams) if streams.is_behind(to))
    }

    /// Room for one datagram, to be followed by [`Exit::push`]; sends what waits when there is none left.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.used + MOST_DATAGRAM > self.buffer.len() || self.waiting.len() == MOST_RUNS {
            self.flush();
        }
        &mut self.buffer[self.used..self.used + MOST_DATAGRAM]
    }

    /// The first `len` bytes of the room are a datagram.
    pub(super) fn push(&mut self, len: usize, to: SocketAddr) {
        let start = self.used;
        self.used += len;
        self.sent += 1;
        if let Some(last) = self.waiting.last_mut()
            && last.open
            && last.to == to
            && len <= last.segment
            && last.count < MOST_IN_RUN
            && self.used - last.start <= MOST_RUN_BYTES
        {
            last.end = self.used;
            last.count += 1;
            // Only the last one may be shorter.
            last.open = len == last.segment;
            return;
        }
        self.waiting.push(Waiting {
            to,
            start,
            end: self.used,
            segment: len,
            count: 1,
            open: len > 0,
        });
    }

    /// Copies a finished datagram; one that is too long is refused.
    pub(super) fn push_bytes(&mut self, bytes: &[u8], to: SocketAddr) {
        match self.room().get_mut(..bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.push(bytes.len(), to);
            }
            None => self.refused += 1,
        }
    }

    /// Sends everything.
    pub(super) fn flush(&mut self) {
        let buffer = &self.buffer;
        match &mut self.way {
            Way::Udp(..) if self.waiting.is_empty() => return,
            Way::Udp(socket, sender) => {
                let runs = self.waiting.iter().map(|waiting| Run {
                    to: waiting.to,
                    bytes: &buffer[waiting.start..waiting.end],
                    segment: waiting.segment,
                });
                self.refused += sender.send_runs(socket, runs) as u64;
            }
            Way::Tcp(streams) => {
                for waiting in &self.waiting {
                    let bytes = &buffer[waiting.start..waiting.end];
                    for datagram in bytes.chunks(waiting.segment.max(1)) {
                        self.refused += u64::from(!streams.push(&waiting.to, datagram));
                    }
                }
                streams.flush();
            }
        }
        self.waiting.clear();
        self.used = 0;
    }

    /// Whether the kernel cuts runs for us.
    pub(super) fn cuts(&self) -> bool {
        match &self.way {
            Way::Udp(_, sender) => sender.cuts(),
            Way::Tcp(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn pair() -> (Exit, UdpSocket) {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        (Exit::udp(UdpSocket::bind("127.0.0.1:0").unwrap()), receiver)
    }

    fn push(exit: &mut Exit, byte: u8, len: usize, to: SocketAddr) {
        exit.room()[..len].fill(byte);
        exit.push(len, to);
    }

    #[test]
    fn datagrams_arrive_as_they_were_written_whatever_runs_they_formed() {
        let (mut exit, receiver) = pair();
        let (_, other) = pair();
        let to = receiver.local_addr().unwrap();
        let sizes = [
            100, 100, 100, 60, 100, 100, 200, 1, 1, 1200, 1200, 1200, 1199,
        ];
        for (i, len) in sizes.into_iter().enumerate() {
            push(&mut exit, i as u8, len, to);
            if i == 4 {
                push(&mut exit, 99, 10, other.local_addr().unwrap());
            }
        }
        exit.flush();
        let mut buffer = [0; 2048];
        for (i, len) in sizes.into_iter().enumerate() {
            let (got, _) = receiver.recv_from(&mut buffer).unwrap();
            assert_eq!(got, len, "datagram {i}");
            assert!(buffer[..got].iter().all(|byte| *byte == i as u8));
        }
        assert_eq!((exit.sent, exit.refused), (14, 0));
    }

    #[test]
    fn a_full_buffer_is_sent_to_make_room() {
        // Several, as the system's buffer for one receiver may be small; by turns, so that no runs form.
        let mut all: Vec<_> = (0..8).map(|_| pair()).collect();
        let addresses: Vec<_> = all
            .iter()
            .map(|(_, receiver)| receiver.local_addr().unwrap())
            .collect();
        let exit = &mut pair().0;
        for i in 0..MOST_RUNS + 16 {
            push(exit, i as u8, 50, addresses[i % 8]);
        }
        assert!(exit.waiting.len() <= 16);
        exit.flush();
        let mut buffer = [0; 2048];
        for i in 0..MOST_RUNS + 16 {
            let (_, receiver) = &mut all[i % 8];
            assert_eq!(receiver.recv_from(&mut buffer).unwrap().0, 50);
            assert_eq!(buffer[0], i as u8);
        }
    }

    #[test]
    fn a_datagram_that_is_too_long_is_refused_and_the_next_one_goes() {
        let (mut exit, receiver) = pair();
        let to = receiver.local_addr().unwrap();
        exit.push_bytes(&[1; MOST_DATAGRAM + 1], to);
        exit.push_bytes(&[2; 3], to);
        exit.flush();
        let mut buffer = [0; 2048];
        assert_eq!(receiver.recv_from(&mut buffer).unwrap().0, 3);
        assert_eq!(exit.refused, 1);
    }
}
