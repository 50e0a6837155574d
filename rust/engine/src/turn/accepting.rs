//! The connections that come: taken in up to their number, and none while the process is out of descriptors.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};

use meeting_relay::{Cause, Client, Now};

use super::connection::Connection;
use super::sources::Sources;
use super::streams::Streams;
use super::tls::Tls;
use super::token::Token;
use super::worker::Worker;

/// Connections taken at a turn.
const ACCEPTED: usize = 64;

/// A listening socket; with TLS or without.
#[derive(Debug)]
pub(super) struct Acceptor {
    pub(super) socket: TcpListener,
    pub(super) tls: Option<Tls>,
}

enum Added {
    As(usize),
    Refused,
    Gone,
}

impl Streams {
    fn add(&mut self, socket: TcpStream, address: SocketAddr, acceptor: usize, now: Now) -> Added {
        let Some(place) = Sources::take(&self.sources, address.ip()) else {
            return Added::Refused;
        };
        let tls = match &self.acceptors[acceptor].tls {
            None => None,
            Some(tls) => match tls.accept() {
                Ok(tls) => Some(tls),
                Err(_) => return Added::Refused,
            },
        };
        let ready = socket
            .set_nonblocking(true)
            .and_then(|()| socket.set_nodelay(true));
        if ready.is_err() {
            // It has gone already.
            return Added::Gone;
        }
        let client = Client {
            listener: (self.first + acceptor) as u8,
            address,
        };
        let connection = Connection::new(socket, tls, client, place, now);
        Added::As(self.connections.insert(connection))
    }
}

impl Worker {
    pub(super) fn accept(&mut self, now: Now, acceptor: usize) {
        for _ in 0..ACCEPTED {
            let Some(listener) = self.streams.acceptors.get(acceptor) else {
                return;
            };
            let (socket, address) = match listener.socket.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // The client has gone while it waited.
                Err(error) if is_the_clients(&error) => continue,
                Err(error) => {
                    self.report(format!("a connection cannot be accepted: {error}"));
                    self.pause();
                    return;
                }
            };
            let index = match self.streams.add(socket, address, acceptor, now) {
                Added::As(index) => index,
                Added::Refused => {
                    self.shard.counters.drop(Cause::ConnectionLimit);
                    continue;
                }
                Added::Gone => continue,
            };
            let connection = &self.streams.connections[index];
            let client = connection.client;
            if let Err(error) = self
                .epoll
                .watch(connection, Token::Connection(index).into())
            {
                self.report(format!("a connection cannot be watched: {error}"));
            }
            // One that came from the same address before, whose end nobody has noticed, serves no more.
            if let Some(old) = self.streams.by_client.insert(client, index) {
                self.end(old);
            }
        }
    }

    /// Descriptors come back when others go.
    fn pause(&mut self) {
        for acceptor in &self.streams.acceptors {
            // What cannot be forgotten goes on being watched, which costs time and nothing else.
            let _ = self.epoll.forget(&acceptor.socket);
        }
        self.streams.paused = true;
    }

    pub(super) fn watch_acceptors(&self) -> io::Result<()> {
        for (number, acceptor) in self.streams.acceptors.iter().enumerate() {
            self.epoll
                .watch(&acceptor.socket, Token::Acceptor(number).into())?;
        }
        Ok(())
    }
}

/// Errors of accept(2) that are about the one connection that was waiting.
pub(super) fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
            | ErrorKind::NetworkUnreachable
            | ErrorKind::HostUnreachable
            | ErrorKind::TimedOut
    )
}
