//! Media through a relay, both ways: every client to one peer, and back.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use meeting_engine::sys::{Epoll, Receiver, Run, Sender};
use meeting_stun::{CHANNEL_HEADER, Frame, next_frame, write_channel_header};

use super::client::Line;
use super::process::cpu_time;
use super::{CHANNEL, Client};

/// What flows before it is measured.
const WARM_UP: Duration = Duration::from_millis(500);
/// What is on its way at the end may still come.
const LATE: Duration = Duration::from_millis(200);
const BATCH: usize = 64;
const LONGEST: usize = 2048;

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Bytes of a packet; 12 at least: when it was sent, and whose it is.
    pub size: usize,
    /// Packets in a row.
    pub burst: usize,
    /// Packets a second of each client in each direction.
    pub rate: f64,
    /// How long it is measured.
    pub duration: Duration,
}

/// What a server did, and how long it took.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// CPU time of the server while it is measured.
    pub cpu: Duration,
    /// Packets that came through meanwhile.
    pub relayed: u64,
    /// Packets sent in all.
    pub sent: u64,
    /// Packets that came through in all.
    pub received: u64,
    /// How long each was on its way, in order.
    pub ages: Vec<Duration>,
}

/// Everybody, and what is counted.
struct Traffic<'c> {
    clients: &'c mut [Client],
    /// What a stream has not taken yet.
    waiting: Vec<Vec<u8>>,
    peer: &'c UdpSocket,
    relayed: Vec<SocketAddr>,
    shape: Shape,
    epoch: Instant,
    sender: Sender,
    receiver: Receiver,
    outcome: Outcome,
}

/// Sends `shape` through the server `pid`, where each client has a channel to `peer`.
pub fn flow(
    clients: &mut [Client],
    peer: &UdpSocket,
    pid: u32,
    shape: Shape,
) -> io::Result<Outcome> {
    let relayed = clients
        .iter()
        .map(|client| client.relayed)
        .collect::<Option<Vec<_>>>()
        .ok_or(ErrorKind::NotConnected)?;
    let mut epoll = Epoll::new(clients.len() + 1)?;
    peer.set_nonblocking(true)?;
    epoll.watch(peer, clients.len() as u64)?;
    for (token, client) in (0..).zip(&*clients) {
        client.set_nonblocking()?;
        epoll.watch(client, token)?;
    }
    let mut traffic = Traffic {
        waiting: vec![Vec::new(); clients.len()],
        clients,
        peer,
        relayed,
        shape,
        epoch: Instant::now(),
        sender: Sender::new(BATCH),
        receiver: Receiver::new(BATCH, 0, LONGEST, 0),
        outcome: Outcome::default(),
    };
    traffic.run(&mut epoll, pid)
}

impl Traffic<'_> {
    fn run(&mut self, epoll: &mut Epoll, pid: u32) -> io::Result<Outcome> {
        let everybody = self.clients.len() as f64;
        let step = self.shape.burst as f64 / (self.shape.rate * everybody * 2.0);
        let step = Duration::from_secs_f64(step);
        let end = WARM_UP + self.shape.duration;
        let (mut bursts, mut ready, mut started) = (0_u32, Vec::new(), None);
        let mut cpu = Duration::ZERO;
        loop {
            let elapsed = self.epoch.elapsed();
            if started.is_none() && elapsed >= WARM_UP {
                started = Some(cpu_time(pid)?);
                self.outcome.relayed = self.outcome.received;
            }
            if elapsed >= end && cpu.is_zero() {
                cpu = cpu_time(pid)? - started.unwrap_or_default();
                self.outcome.relayed = self.outcome.received - self.outcome.relayed;
            }
            if elapsed >= end + LATE {
                break;
            }
            // One at a time, so that what comes back is seen soon.
            if elapsed < end && step * bursts <= elapsed {
                let client = bursts as usize / 2 % self.clients.len();
                if bursts.is_multiple_of(2) {
                    self.send_up(client)?;
                } else {
                    self.send_down(client);
                }
                bursts += 1;
            }
            epoll.wait(0, &mut ready)?;
            for token in ready.drain(..) {
                self.receive(token as usize)?;
            }
        }
        self.outcome.cpu = cpu;
        self.outcome.ages.sort_unstable();
        Ok(std::mem::take(&mut self.outcome))
    }

    /// The packets of a burst, each behind a header, which may be empty.
    fn burst(&self, client: usize, header: &[u8]) -> Vec<u8> {
        let mut packet = header.to_vec();
        packet.resize(header.len() + self.shape.size, 0x55);
        let sent = self.epoch.elapsed().as_nanos() as u64;
        packet[header.len()..][..8].copy_from_slice(&sent.to_be_bytes());
        packet[header.len() + 8..][..4].copy_from_slice(&(client as u32).to_be_bytes());
        packet.repeat(self.shape.burst)
    }

    /// From a client to the peer: a burst as one, as cards and kernels put together what comes in a row.
    fn send_up(&mut self, client: usize) -> io::Result<()> {
        let header = write_channel_header(CHANNEL, self.shape.size as u16);
        let bytes = self.burst(client, &header);
        self.outcome.sent += self.shape.burst as u64;
        match self.clients[client].line() {
            Line::Udp(socket) => {
                let run = Run {
                    to: socket.peer_addr()?,
                    bytes: &bytes,
                    segment: CHANNEL_HEADER + self.shape.size,
                };
                self.sender.send_runs(socket, [run]);
            }
            Line::Tcp(stream, _) => {
                let waiting = &mut self.waiting[client];
                waiting.extend_from_slice(&bytes);
                match stream.write(waiting) {
                    Ok(taken) => drop(waiting.drain(..taken)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// From the peer to a client, packet by packet with one call.
    fn send_down(&mut self, client: usize) {
        let bytes = self.burst(client, &[]);
        self.outcome.sent += self.shape.burst as u64;
        let runs = bytes.chunks(self.shape.size).map(|packet| Run {
            to: self.relayed[client],
            bytes: packet,
            segment: packet.len(),
        });
        self.sender.send_runs(self.peer, runs);
    }

    fn receive(&mut self, place: usize) -> io::Result<()> {
        let Self {
            receiver,
            outcome,
            epoch,
            ..
        } = self;
        let (socket, header) = match self.clients.get_mut(place).map(Client::line) {
            Some(Line::Udp(socket)) => (&*socket, CHANNEL_HEADER),
            Some(Line::Tcp(stream, begun)) => return read(stream, begun, *epoch, outcome),
            None => (self.peer, 0),
        };
        let Ok(count) = receiver.receive(socket, 0, BATCH) else {
            return Ok(());
        };
        for (_, datagram) in receiver.datagrams(count) {
            outcome.packet(datagram.get(header..).unwrap_or_default(), *epoch);
        }
        Ok(())
    }
}

impl Outcome {
    fn packet(&mut self, data: &[u8], epoch: Instant) {
        self.received += 1;
        if let Some(sent) = data.first_chunk() {
            let sent = Duration::from_nanos(u64::from_be_bytes(*sent));
            self.ages.push(epoch.elapsed().saturating_sub(sent));
        }
    }
}

fn read(
    stream: &mut std::net::TcpStream,
    begun: &mut Vec<u8>,
    epoch: Instant,
    outcome: &mut Outcome,
) -> io::Result<()> {
    let mut chunk = [0; 1 << 16];
    match stream.read(&mut chunk) {
        Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
        Ok(count) => begun.extend_from_slice(&chunk[..count]),
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
        Err(error) => return Err(error),
    }
    let mut at = 0;
    while let Frame::Complete { size, padded } = next_frame(&begun[at..]) {
        outcome.packet(&begun[at + CHANNEL_HEADER..at + size], epoch);
        at += padded;
    }
    begun.drain(..at);
    Ok(())
}
