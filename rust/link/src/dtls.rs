//! DTLS 1.2 by `dimpl`: our certificate, one session, and a new session when an outsider spoilt the first.
//!
//! Why 1.2 and which SRTP profile: docs/decisions/0001-dtls-version-and-srtp-profile.md.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Config, Dtls, DtlsCertificate, KeyingMaterial, Output, SrtpProfile};

use crate::fingerprint::Fingerprint;

/// A lost flight is sent again after this, then after twice that and so on. One second, the default of the RFC, is what a
/// person would notice; 60 ms is beyond the round trip of most, and a needless flight costs 1 KB.
const FIRST_RETRANSMISSION: Duration = Duration::from_millis(60);
/// Shared by timers and by the peer's duplicates; time is the bound that counts.
const RETRANSMISSIONS: usize = 20;
const HANDSHAKE: Duration = Duration::from_secs(30);
/// Records with IP and UDP headers stay below 1,200 bytes, what browsers themselves keep to.
const MTU: usize = 1150;
/// Fragments of a hello and records that wait for their turn.
const RECEIVE_QUEUE: usize = 60;
/// Application data leaves as soon as it is written, so the queue holds what one call writes.
const SEND_QUEUE: usize = 64;
/// No record is longer (RFC 6347 §4.1: 2^14, and the datagrams we take are far shorter).
const BUFFER: usize = 4096;

/// The certificate of a Port and the settings of its DTLS; shared by all its Links.
#[derive(Clone)]
pub struct Identity {
    certificate: DtlsCertificate,
    config: Arc<Config>,
}

/// The certificate or key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityError(String);

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the DTLS certificate cannot be used: {}", self.0)
    }
}

impl std::error::Error for IdentityError {}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.fingerprint())
    }
}

impl Identity {
    /// Takes an X.509 certificate (DER) and its ECDSA P-256 or P-384 key (PKCS#8 DER).
    pub fn new(certificate: Vec<u8>, private_key: Vec<u8>) -> Result<Self, IdentityError> {
        if certificate.is_empty() {
            return Err(IdentityError("it is empty".to_owned()));
        }
        let config = Config::builder()
            .mtu(MTU)
            .max_queue_rx(RECEIVE_QUEUE)
            .max_queue_tx(SEND_QUEUE)
            // Only addresses that proved to know our ICE password reach DTLS: a cookie would cost a round trip for nothing.
            .use_server_cookie(false)
            .require_client_certificate(true)
            .flight_start_rto(FIRST_RETRANSMISSION)
            .flight_retries(RETRANSMISSIONS)
            .handshake_timeout(HANDSHAKE)
            .build()
            .map_err(|error| IdentityError(error.to_string()))?;
        // The library panics on a key it cannot read: find out here, once.
        config
            .crypto_provider()
            .key_provider
            .load_private_key(&private_key)
            .map_err(|error| IdentityError(error.to_string()))?;
        Ok(Self {
            certificate: DtlsCertificate {
                certificate,
                private_key,
            },
            config: Arc::new(config),
        })
    }

    /// What a=fingerprint has to say.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate.certificate)
    }
}

/// Who says hello first (RFC 5763 §5: setup:active or setup:passive).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Active,
    Passive,
}

/// What a session gives.
pub(crate) enum Given<'a> {
    Datagram(&'a [u8]),
    PeerCertificate(&'a [u8]),
    Connected,
    Keys(KeyingMaterial, SrtpProfile),
    Data(&'a [u8]),
    CloseNotify,
}

/// One DTLS connection.
pub(crate) struct Session {
    dtls: Dtls,
    identity: Identity,
    role: Role,
    buffer: Vec<u8>,
    deadline: Option<Instant>,
}

impl Session {
    pub(crate) fn new(identity: Identity, role: Role, now: Instant) -> Self {
        let mut session = Self {
            dtls: start(&identity, role, now),
            identity,
            role,
            buffer: vec![0; BUFFER],
            deadline: None,
        };
        session.deadline = Some(now);
        session
    }

    /// Forgets everything and waits for (or says) hello anew.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.dtls = start(&self.identity, self.role, now);
        self.deadline = Some(now);
    }

    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        bytes: &[u8],
    ) -> Result<(), dimpl::Error> {
        self.dtls.handle_timeout(now)?;
        self.dtls.handle_packet(bytes)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), dimpl::Error> {
        self.dtls.handle_timeout(now)
    }

    pub(crate) fn send(&mut self, data: &[u8]) -> Result<(), dimpl::Error> {
        self.dtls.send_application_data(data).map(drop)
    }

    pub(crate) fn close(&mut self) {
        // The only failure is that it is closed.
        let _ = self.dtls.close();
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Hands out everything there is.
    pub(crate) fn drain(&mut self, mut take: impl FnMut(Given<'_>)) {
        loop {
            match self.dtls.poll_output(&mut self.buffer) {
                Output::Packet(bytes) => take(Given::Datagram(bytes)),
                Output::BufferTooSmall { needed } => self.buffer.resize(needed, 0),
                Output::Timeout(at) => {
                    self.deadline = Some(at);
                    return;
                }
                Output::Connected => take(Given::Connected),
                Output::PeerCert(der) => take(Given::PeerCertificate(der)),
                Output::KeyingMaterial(material, profile) => take(Given::Keys(material, profile)),
                Output::ApplicationData(data) => take(Given::Data(data)),
                Output::CloseNotify => take(Given::CloseNotify),
                _ => {}
            }
        }
    }
}

fn start(identity: &Identity, role: Role, now: Instant) -> Dtls {
    let mut dtls = Dtls::new_12(
        Arc::clone(&identity.config),
        identity.certificate.clone(),
        now,
    );
    dtls.set_active(role == Role::Active);
    dtls
}
