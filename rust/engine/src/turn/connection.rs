//! One client that came by a stream: bytes in, messages out, and what waits until it reads on.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsRawFd, RawFd};

use meeting_relay::{Client, Now};
use rustls::ServerConnection;

use super::joined::Joined;
use super::sources::Place;

/// Slices given to the kernel at once.
const SLICES: usize = 64;

/// A TCP connection with or without TLS. After an error it is to be dropped.
#[derive(Debug)]
pub(super) struct Connection {
    socket: TcpStream,
    tls: Option<Box<ServerConnection>>,
    /// The 5-tuple.
    pub(super) client: Client,
    /// Its place among the connections of its source.
    pub(super) place: Place,
    /// The beginning of a message whose end has not come.
    partial: Vec<u8>,
    /// Bytes for the socket that it did not take, and how many of them it took since.
    waiting: Vec<u8>,
    taken: usize,
    /// When the socket last took something.
    progress: Now,
    /// When something whole came, or the connection.
    pub(super) heard: Now,
    /// It has asked something only the control side knows, which is to hear when it goes.
    pub(super) known: bool,
    /// Whether we are told when there is room to write.
    pub(super) watched: bool,
    /// The client has said its last.
    pub(super) ended: bool,
    /// The peer whose bytes these are (RFC 6062): no messages any more.
    pub(super) joined: Option<Box<Joined>>,
}

impl Connection {
    pub(super) fn new(
        socket: TcpStream,
        tls: Option<Box<ServerConnection>>,
        client: Client,
        place: Place,
        now: Now,
    ) -> Self {
        Self {
            socket,
            tls,
            client,
            place,
            partial: Vec::new(),
            waiting: Vec::new(),
            taken: 0,
            progress: now,
            heard: now,
            known: false,
            watched: false,
            ended: false,
            joined: None,
        }
    }

    /// Reads once. `plain` is filled with what was left over and what came; says how much of it there is. `wire` takes what
    /// is to be decrypted. An error of the kind WouldBlock: nothing came. `ended`: nothing more will.
    pub(super) fn read(&mut self, wire: &mut [u8], plain: &mut Vec<u8>) -> io::Result<()> {
        plain.clear();
        let length = self.socket.read(wire)?;
        plain.append(&mut self.partial);
        if length == 0 {
            self.ended = true;
            return Ok(());
        }
        let Some(tls) = &mut self.tls else {
            plain.extend_from_slice(&wire[..length]);
            return Ok(());
        };
        let mut rest = &wire[..length];
        while !rest.is_empty() {
            tls.read_tls(&mut rest)?;
            let state = tls.process_new_packets();
            // The answer to a handshake, or the alert that says what is wrong with it.
            encrypted(tls, &mut self.socket, &mut self.waiting)?;
            let state = state.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            let begin = plain.len();
            plain.resize(begin + state.plaintext_bytes_to_read(), 0);
            tls.reader().read_exact(&mut plain[begin..])?;
            if state.peer_has_closed() {
                self.ended = true;
                break;
            }
        }
        Ok(())
    }

    /// Keeps the beginning of a message until the rest comes.
    pub(super) fn keep(&mut self, partial: &[u8]) {
        self.partial.extend_from_slice(partial);
    }

    /// Sends messages, whole or not at all. While more than `bound` bytes wait they are dropped; says how many were.
    pub(super) fn send<'d>(
        &mut self,
        now: Now,
        bound: usize,
        messages: impl IntoIterator<Item = &'d [u8]>,
    ) -> io::Result<usize> {
        let mut dropped = 0;
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut messages = messages.into_iter();
        loop {
            let mut count = 0;
            for message in messages.by_ref().take(SLICES) {
                slices[count] = IoSlice::new(message);
                count += 1;
            }
            if count == 0 {
                return Ok(dropped);
            }
            if self.waiting() > bound {
                dropped += count;
                continue;
            }
            self.write(now, &slices[..count])?;
        }
    }

    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len() - self.taken
    }

    /// Sends on what waits.
    pub(super) fn flush(&mut self, now: Now) -> io::Result<()> {
        while self.waiting() > 0 {
            match self.socket.write(&self.waiting[self.taken..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.taken += count;
                    self.progress = now;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // So that one who is always behind does not make it grow.
                    self.waiting.drain(..self.taken);
                    self.taken = 0;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // Nothing is kept for those who read: most do.
        self.waiting = Vec::new();
        self.taken = 0;
        Ok(())
    }

    /// Whether its time is up: half-open for too long, silent for too long without an allocation, or not reading.
    pub(super) fn is_late(&self, now: Now, limits: &super::StreamLimits, serves: bool) -> bool {
        let handshaking = self.tls.as_ref().is_some_and(|tls| tls.is_handshaking());
        let patience = if handshaking {
            limits.handshake
        } else {
            limits.idle
        };
        if let Some(joined) = &self.joined {
            return joined.is_late(now, limits.idle);
        }
        (!serves && now >= self.heard + patience)
            || (self.waiting() > 0 && now >= self.progress + limits.stuck)
    }

    /// What came and was no whole message.
    pub(super) fn take_partial(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.partial)
    }

    /// Sends no more, and says so. What waits has to have gone before. False: the good-bye of TLS waits.
    pub(super) fn finish(&mut self) -> io::Result<bool> {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            encrypted(tls, &mut self.socket, &mut self.waiting)?;
        }
        if self.waiting() > 0 {
            return Ok(false);
        }
        match self.socket.shutdown(Shutdown::Write) {
            Err(error) if error.kind() != ErrorKind::NotConnected => Err(error),
            _ => Ok(true),
        }
    }

    /// Says good-bye, as far as there is room for it.
    pub(super) fn close(mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            if self.waiting.is_empty() {
                // It goes anyway.
                let _ = tls.write_tls(&mut self.socket);
            }
        }
    }

    fn write(&mut self, now: Now, slices: &[IoSlice<'_>]) -> io::Result<()> {
        if self.waiting() == 0 {
            self.progress = now;
        }
        if let Some(tls) = &mut self.tls {
            // A record for each: coturn's client, for one, takes what one read gives it for one message.
            for slice in slices {
                tls.writer().write_all(slice)?;
            }
            return encrypted(tls, &mut self.socket, &mut self.waiting);
        }
        let mut written = if self.waiting() == 0 {
            match self.socket.write_vectored(slices) {
                Ok(count) => count,
                Err(error) if is_passing(&error) => 0,
                Err(error) => return Err(error),
            }
        } else {
            0
        };
        for slice in slices {
            let taken = written.min(slice.len());
            written -= taken;
            self.waiting.extend_from_slice(&slice[taken..]);
        }
        Ok(())
    }
}

/// What TLS has made: to the socket, or to what waits for it.
fn encrypted(
    tls: &mut ServerConnection,
    socket: &mut TcpStream,
    waiting: &mut Vec<u8>,
) -> io::Result<()> {
    while tls.wants_write() {
        if waiting.is_empty() {
            match tls.write_tls(socket) {
                Ok(_) => continue,
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        tls.write_tls(waiting)?;
    }
    Ok(())
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
