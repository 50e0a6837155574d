//! One client: its socket, its credentials, its requests.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use meeting_stun::{
    CHANNEL_HEADER, Class, Frame, IntegrityKey, Message, Method, TransactionId, Writer,
    attribute as kinds, next_frame, write_channel_header,
};

/// The channel that every client binds.
pub const CHANNEL: u16 = 0x4000;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
const UDP: u32 = 17 << 24;

/// Long-term credentials.
pub struct Credentials {
    /// USERNAME.
    pub user: String,
    /// REALM.
    pub realm: String,
    /// The key that follows from them and the password.
    pub key: IntegrityKey,
}

/// How a client is connected.
pub enum Line {
    /// Every message a datagram.
    Udp(UdpSocket),
    /// Messages one after the other, and what came of one that is not whole yet.
    Tcp(TcpStream, Vec<u8>),
}

/// A client of a TURN server.
pub struct Client {
    line: Line,
    nonce: Vec<u8>,
    transactions: u64,
    /// Its relay address, once it has one.
    pub relayed: Option<SocketAddr>,
}

impl Client {
    /// From an address of loopback; each is a client of its own to the server's limits.
    pub fn udp(server: SocketAddr, source: IpAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind((source, 0))?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self::new(Line::Udp(socket)))
    }

    /// By TCP.
    pub fn tcp(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self::new(Line::Tcp(stream, Vec::new())))
    }

    fn new(line: Line) -> Self {
        Self {
            line,
            nonce: Vec::new(),
            transactions: 0,
            relayed: None,
        }
    }

    /// What carries it.
    pub fn line(&mut self) -> &mut Line {
        &mut self.line
    }

    /// From now on nothing waits.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        match &self.line {
            Line::Udp(socket) => socket.set_nonblocking(true),
            Line::Tcp(stream, _) => stream.set_nonblocking(true),
        }
    }

    /// Asks for an allocation, without credentials as long as there is no nonce.
    pub fn ask_allocation(&mut self, who: &Credentials) -> io::Result<()> {
        let who = (!self.nonce.is_empty()).then_some(who);
        self.ask(Method::ALLOCATE, who, |writer| {
            writer.u32(kinds::REQUESTED_TRANSPORT, UDP);
        })
    }

    /// Asks that a peer may answer.
    pub fn ask_permission(&mut self, who: &Credentials, peer: SocketAddr) -> io::Result<()> {
        self.ask(Method::CREATE_PERMISSION, Some(who), |writer| {
            writer.xor_address(kinds::XOR_PEER_ADDRESS, peer);
        })
    }

    /// Asks for [`CHANNEL`] to a peer.
    pub fn ask_channel(&mut self, who: &Credentials, peer: SocketAddr) -> io::Result<()> {
        self.ask(Method::CHANNEL_BIND, Some(who), |writer| {
            writer
                .u32(kinds::CHANNEL_NUMBER, u32::from(CHANNEL) << 16)
                .xor_address(kinds::XOR_PEER_ADDRESS, peer);
        })
    }

    /// Asks for so many more seconds; none: gives the allocation back.
    pub fn ask_refresh(&mut self, who: &Credentials, seconds: u32) -> io::Result<()> {
        self.ask(Method::REFRESH, Some(who), |writer| {
            writer.u32(kinds::LIFETIME, seconds);
        })
    }

    /// All that is to be asked before media flows.
    pub fn set_up(&mut self, who: &Credentials, peer: SocketAddr) -> io::Result<()> {
        self.ask_allocation(who)?;
        self.hear(&[401])?;
        self.ask_allocation(who)?;
        self.hear(&[200])?;
        self.ask_permission(who, peer)?;
        self.hear(&[200])?;
        self.ask_channel(who, peer)?;
        self.hear(&[200]).map(drop)
    }

    /// Something for the peer by [`CHANNEL`].
    pub fn greet(&mut self) -> io::Result<()> {
        let mut packet = [0; CHANNEL_HEADER + 12];
        packet[..CHANNEL_HEADER].copy_from_slice(&write_channel_header(CHANNEL, 12));
        match &mut self.line {
            Line::Udp(socket) => socket.send(&packet).map(drop),
            Line::Tcp(stream, _) => stream.write_all(&packet),
        }
    }

    fn ask(
        &mut self,
        method: Method,
        who: Option<&Credentials>,
        fill: impl FnOnce(&mut Writer<'_>),
    ) -> io::Result<()> {
        self.transactions += 1;
        let mut transaction: TransactionId = [7; 12];
        transaction[4..].copy_from_slice(&self.transactions.to_be_bytes());
        let mut out = [0; 1024];
        let mut writer = Writer::new(&mut out, Class::Request, method, &transaction);
        fill(&mut writer);
        if let Some(who) = who {
            writer
                .attribute(kinds::USERNAME, who.user.as_bytes())
                .attribute(kinds::REALM, who.realm.as_bytes())
                .attribute(kinds::NONCE, &self.nonce)
                .integrity(&who.key);
        }
        let size = writer.finish().map_err(|_| ErrorKind::InvalidInput)?;
        match &mut self.line {
            Line::Udp(socket) => socket.send(&out[..size]).map(drop),
            Line::Tcp(stream, _) => stream.write_all(&out[..size]),
        }
    }

    /// Waits for the answer and keeps what it says; its code, 200 for success, has to be one of these.
    pub fn hear(&mut self, expected: &[u16]) -> io::Result<u16> {
        let mut bytes = [0; 2048];
        let size = match &mut self.line {
            Line::Udp(socket) => socket.recv(&mut bytes)?,
            Line::Tcp(stream, begun) => read_message(stream, begun, &mut bytes)?,
        };
        let message = Message::parse(&bytes[..size]).map_err(io::Error::other)?;
        let code = message.error_code().map_or(200, |error| error.code);
        if let Some(nonce) = message.value(kinds::NONCE) {
            self.nonce = nonce.to_vec();
        }
        if let Some(relayed) = message.xor_address(kinds::XOR_RELAYED_ADDRESS) {
            self.relayed = Some(relayed);
        }
        if expected.contains(&code) {
            Ok(code)
        } else {
            let method = message.method();
            Err(io::Error::other(format!("{method:?} was answered {code}")))
        }
    }
}

impl AsRawFd for Client {
    fn as_raw_fd(&self) -> RawFd {
        match &self.line {
            Line::Udp(socket) => socket.as_raw_fd(),
            Line::Tcp(stream, _) => stream.as_raw_fd(),
        }
    }
}

fn read_message(stream: &mut TcpStream, begun: &mut Vec<u8>, out: &mut [u8]) -> io::Result<usize> {
    loop {
        if let Frame::Complete { size, padded } = next_frame(begun) {
            out.get_mut(..size)
                .ok_or(ErrorKind::InvalidData)?
                .copy_from_slice(&begun[..size]);
            begun.drain(..padded);
            return Ok(size);
        }
        let mut chunk = [0; 2048];
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        begun.extend_from_slice(&chunk[..read]);
    }
}
