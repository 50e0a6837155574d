//! What carries a participant's datagrams.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

use meeting_link::framing::{LENGTH, length_of};

/// Whoever takes nothing for so many tries in a row has gone.
const MOST_TRIES: u32 = 1_000_000;

/// UDP, or ICE over TCP. Nothing blocks.
pub enum Wire {
    /// A connected socket.
    Udp(UdpSocket),
    /// A connection, and what came of datagrams that are not whole yet.
    Tcp(TcpStream, Vec<u8>),
}

impl Wire {
    /// From any port of loopback.
    pub fn udp(to: SocketAddr) -> io::Result<Self> {
        let any = if to.is_ipv4() {
            "127.0.0.1:0"
        } else {
            "[::1]:0"
        };
        let socket = UdpSocket::bind(any)?;
        socket.connect(to)?;
        socket.set_nonblocking(true)?;
        Ok(Self::Udp(socket))
    }

    /// Waits until the connection is there.
    pub fn tcp(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream, Vec::new()))
    }

    /// Our end.
    pub fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Udp(socket) => socket.local_addr(),
            Self::Tcp(stream, _) => stream.local_addr(),
        }
    }

    /// The next datagram; `WouldBlock` when there is none.
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.recv(buffer),
            Self::Tcp(stream, begun) => loop {
                let wanted = match begun.first_chunk::<LENGTH>() {
                    Some(length) => LENGTH + usize::from(u16::from_be_bytes(*length)),
                    None => LENGTH,
                };
                if begun.len() >= LENGTH && begun.len() == wanted {
                    buffer[..wanted - LENGTH].copy_from_slice(&begun[LENGTH..]);
                    begun.clear();
                    return Ok(wanted - LENGTH);
                }
                let had = begun.len();
                begun.resize(wanted, 0);
                let read = stream.read(&mut begun[had..]);
                begun.truncate(had + *read.as_ref().unwrap_or(&0));
                if read? == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            },
        }
    }

    /// Sends a datagram. On a stream all of it goes, or an error says that nobody takes it.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(bytes).map(drop),
            Self::Tcp(stream, _) => {
                let length = length_of(bytes).ok_or(ErrorKind::InvalidInput)?;
                let framed = [&length, bytes].concat();
                let (mut sent, mut tries) = (0, 0);
                while sent < framed.len() {
                    match (&*stream).write(&framed[sent..]) {
                        Ok(count) => sent += count,
                        Err(error)
                            if error.kind() == ErrorKind::WouldBlock && tries < MOST_TRIES =>
                        {
                            tries += 1;
                            std::thread::yield_now();
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            }
        }
    }
}

/// For waiting.
impl AsRawFd for Wire {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Udp(socket) => socket.as_raw_fd(),
            Self::Tcp(stream, _) => stream.as_raw_fd(),
        }
    }
}
