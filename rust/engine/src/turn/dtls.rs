//! The DTLS of the relay's datagrams (RFC 7350): one certificate, which can be replaced, and the sessions made with it.
//!
//! OpenSSL keeps the clock of a handshake's repetitions; [`Session::repeat`] lets it look.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, PoisonError, RwLock};

use meeting_relay::{Client, Now};
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{
    AlpnError, ErrorCode, Ssl, SslContext, SslMethod, SslOptions, SslSessionCacheMode, SslStream,
    SslVersion, select_next_proto,
};
use openssl::x509::X509;

use super::sources::Place;

/// RFC 7443, each behind its length.
const PROTOCOLS: &[u8] = b"\x09stun.turn\x12stun.nat-discovery";
const CIPHERS: &str = "ECDHE+AESGCM:ECDHE+CHACHA20";
const GROUPS: &str = "X25519:P-256:P-384";
/// Bytes of a handshake's datagram: less than any path takes.
const MTU: u32 = 1200;

/// Makes the server's end of DTLS sessions, of version 1.2.
#[derive(Clone, Debug, Default)]
pub(super) struct Dtls(Arc<RwLock<Option<SslContext>>>);

impl Dtls {
    /// The next handshake has this certificate; open sessions keep theirs. PEM: the certificate with its chain, and its key.
    pub(super) fn set_certificate(&self, chain: &[u8], key: &[u8]) -> Result<(), String> {
        let context = context(chain, key)
            .map_err(|error| format!("the certificate cannot be used for DTLS: {error}"))?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(context);
        Ok(())
    }

    /// For one client, which has proven its address: `first` is its ClientHello without the cookie. `None`: there is no
    /// certificate, or it cannot be.
    pub(super) fn accept(
        &self,
        socket: &Arc<UdpSocket>,
        client: Client,
        first: &[u8],
        random: &[u8],
        place: Place,
        now: Now,
    ) -> Option<Session> {
        let context = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()?;
        let wire = Wire {
            socket: Arc::clone(socket),
            to: client.address,
            datagram: first.to_vec(),
            mute: true,
            refused: 0,
        };
        let mut ssl = Ssl::new(&context).ok()?;
        ssl.set_mtu(MTU).ok()?;
        let mut stream = SslStream::new(ssl, wire).ok()?;
        // OpenSSL asks for the cookie, which is here already, and is not heard.
        match stream.accept() {
            Err(error) if error.code() == ErrorCode::WANT_READ => {}
            _ => return None,
        }
        stream.get_mut().mute = false;
        Some(Session {
            stream,
            client,
            random: random.try_into().ok()?,
            place,
            heard: now,
            known: false,
            established: false,
        })
    }
}

fn context(chain: &[u8], key: &[u8]) -> Result<SslContext, ErrorStack> {
    let mut builder = SslContext::builder(SslMethod::dtls_server())?;
    builder.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    builder.set_options(
        SslOptions::COOKIE_EXCHANGE
            | SslOptions::NO_QUERY_MTU
            | SslOptions::NO_RENEGOTIATION
            | SslOptions::NO_TICKET
            | SslOptions::CIPHER_SERVER_PREFERENCE,
    );
    // A relayed call connects once.
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_cipher_list(CIPHERS)?;
    builder.set_groups_list(GROUPS)?;
    builder.set_alpn_select_callback(|_, offered| {
        select_next_proto(PROTOCOLS, offered).ok_or(AlpnError::ALERT_FATAL)
    });
    // Cookies are looked at before there is a session: whatever comes this far has one of ours.
    builder.set_cookie_generate_cb(|_, cookie| {
        cookie[0] = 0;
        Ok(1)
    });
    builder.set_cookie_verify_cb(|_, _| true);
    let mut certificates = X509::stack_from_pem(chain)?.into_iter();
    if let Some(own) = certificates.next() {
        builder.set_certificate(&own)?;
    }
    for other in certificates {
        builder.add_extra_chain_cert(other)?;
    }
    builder.set_private_key(&*PKey::private_key_from_pem(key)?)?;
    builder.check_private_key()?;
    Ok(builder.build())
}

/// One client's datagrams, as OpenSSL reads and writes them.
#[derive(Debug)]
struct Wire {
    socket: Arc<UdpSocket>,
    to: SocketAddr,
    /// What came and was not read.
    datagram: Vec<u8>,
    mute: bool,
    /// Datagrams the kernel did not take.
    refused: u64,
}

impl Read for Wire {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.datagram.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let size = self.datagram.len().min(room.len());
        room[..size].copy_from_slice(&self.datagram[..size]);
        self.datagram.clear();
        Ok(size)
    }
}

impl Write for Wire {
    /// Never fails: what is lost here is lost as on any path.
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        if !self.mute && self.socket.send_to(datagram, self.to).is_err() {
            self.refused += 1;
        }
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a session does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// So many bytes of a message.
    Message(usize),
    /// Nothing until the next datagram.
    Nothing,
    /// Its end: the client has said good-bye.
    Ended,
    /// Its end: it did not come about, or broke.
    Failed,
}

/// One client that came by DTLS.
#[derive(Debug)]
pub(super) struct Session {
    stream: SslStream<Wire>,
    /// The 5-tuple.
    pub(super) client: Client,
    /// The random of its ClientHello, by which one that is repeated is told from that of a new session.
    pub(super) random: [u8; 32],
    /// Its place among the connections of its source.
    pub(super) place: Place,
    /// When a message came, or the session.
    pub(super) heard: Now,
    /// It has asked something only the control side knows, which is to hear when it goes.
    pub(super) known: bool,
    established: bool,
}

impl Session {
    /// Takes a datagram in; what is in it is read with [`Session::read`] until there is nothing.
    pub(super) fn receive(&mut self, datagram: &[u8]) {
        self.stream.get_mut().datagram.extend_from_slice(datagram);
    }

    /// The next message, or the next step of the handshake.
    pub(super) fn read(&mut self, room: &mut [u8]) -> Heard {
        if !self.established {
            match self.stream.accept() {
                Ok(()) => self.established = true,
                Err(error) => return after(&error),
            }
        }
        match self.stream.ssl_read(room) {
            Ok(size) => Heard::Message(size),
            Err(error) => after(&error),
        }
    }

    /// Sends a message; it may get lost, as any datagram.
    pub(super) fn write(&mut self, message: &[u8]) -> bool {
        let before = self.stream.get_ref().refused;
        self.established
            && self.stream.ssl_write(message).is_ok()
            && self.stream.get_ref().refused == before
    }

    /// Sends again what a handshake waits for an answer to, if it is time. False: it has been too often.
    pub(super) fn repeat(&mut self) -> bool {
        if !self.established {
            match self.stream.accept() {
                Ok(()) => self.established = true,
                Err(error) => return after(&error) == Heard::Nothing,
            }
        }
        true
    }

    /// Whether its time is up: a handshake that takes too long, or silence for too long without an allocation.
    pub(super) fn is_late(&self, now: Now, limits: &super::StreamLimits, serves: bool) -> bool {
        let patience = if self.established {
            limits.idle
        } else {
            limits.handshake
        };
        !serves && now >= self.heard + patience
    }

    /// Says good-bye; it may not be heard.
    pub(super) fn close(mut self) {
        if self.established {
            let _ = self.stream.shutdown();
        }
    }
}

fn after(error: &openssl::ssl::Error) -> Heard {
    match error.code() {
        ErrorCode::WANT_READ => Heard::Nothing,
        ErrorCode::ZERO_RETURN => Heard::Ended,
        _ => Heard::Failed,
    }
}
