//! The TLS of the relay's streams: one certificate, which can be replaced while connections are open.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, ServerConfig, ServerConnection};

/// RFC 7443. A client that offers other protocols only has come to the wrong port and is refused; one that offers none is not.
const PROTOCOLS: [&[u8]; 2] = [b"stun.turn", b"stun.nat-discovery"];

/// Makes the server's end of TLS connections, 1.2 and 1.3.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    certificate: Arc<Current>,
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Without a certificate: until there is one, handshakes are refused with an alert.
    pub(super) fn new() -> Result<Self, Error> {
        let certificate = Arc::new(Current::default());
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        // A relayed call connects once: tickets would be bytes and memory for nothing.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self {
            certificate,
            config: Arc::new(config),
        })
    }

    /// The next handshake has this certificate; open connections keep theirs. PEM: the certificate with its chain, and its key.
    pub(super) fn set_certificate(&self, chain: &[u8], key: &[u8]) -> Result<(), String> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("the certificate is not PEM: {error}"))?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| format!("the key is not PEM: {error}"))?;
        let pair = CertifiedKey::from_der(chain, key, &ring::default_provider())
            .map_err(|error| format!("the certificate cannot be used: {error}"))?;
        *self
            .certificate
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(pair));
        Ok(())
    }

    /// For one client.
    pub(super) fn accept(&self) -> Result<Box<ServerConnection>, Error> {
        let mut connection = ServerConnection::new(Arc::clone(&self.config))?;
        // What the socket does not take is taken out at once and bounded by us.
        connection.set_buffer_limit(None);
        Ok(Box::new(connection))
    }
}

/// Every name gets the certificate there is: the server has one name.
#[derive(Debug, Default)]
struct Current(RwLock<Option<Arc<CertifiedKey>>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
