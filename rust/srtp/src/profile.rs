//! Protection profiles and the keying material DTLS exports for them.

use crate::{Inbound, Outbound};

/// An SRTP protection profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// RFC 7714 §12.
    AeadAes128Gcm,
    /// RFC 7714 §12.
    AeadAes256Gcm,
    /// RFC 5764 §4.1.2.
    Aes128CmSha1_80,
}

impl Profile {
    /// The profile of a DTLS `use_srtp` identifier.
    pub fn from_dtls_id(id: u16) -> Option<Profile> {
        [
            Profile::AeadAes128Gcm,
            Profile::AeadAes256Gcm,
            Profile::Aes128CmSha1_80,
        ]
        .into_iter()
        .find(|profile| profile.dtls_id() == id)
    }

    /// Its DTLS `use_srtp` identifier (RFC 5764 §4.1.2, RFC 7714 §14.2).
    pub fn dtls_id(self) -> u16 {
        match self {
            Profile::Aes128CmSha1_80 => 0x0001,
            Profile::AeadAes128Gcm => 0x0007,
            Profile::AeadAes256Gcm => 0x0008,
        }
    }

    /// Bytes of a master key.
    pub fn key_len(self) -> usize {
        match self {
            Profile::AeadAes128Gcm | Profile::Aes128CmSha1_80 => 16,
            Profile::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of a master salt.
    pub fn salt_len(self) -> usize {
        match self {
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => 12,
            Profile::Aes128CmSha1_80 => 14,
        }
    }

    /// Bytes to export from DTLS with the label `EXTRACTOR-dtls_srtp`.
    pub fn keying_material_len(self) -> usize {
        2 * (self.key_len() + self.salt_len())
    }

    /// Bytes of the authentication tag.
    pub fn tag_len(self) -> usize {
        match self {
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => 16,
            Profile::Aes128CmSha1_80 => 10,
        }
    }

    /// Bytes protecting adds to an RTCP packet: tag and the index word.
    pub fn rtcp_overhead(self) -> usize {
        self.tag_len() + 4
    }
}

/// Which side of the DTLS handshake we were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// We sent the ClientHello (`a=setup:active`).
    Client,
    /// We answered it (`a=setup:passive`, what an SFU does).
    Server,
}

/// The keying material does not have the length the profile needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadKey;

impl std::fmt::Display for BadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("keying material of the wrong length for the SRTP profile")
    }
}

impl std::error::Error for BadKey {}

/// Both directions from exported keying material: client key, server key, client salt, server salt (RFC 5764 §4.2).
pub fn from_dtls(
    profile: Profile,
    material: &[u8],
    role: Role,
) -> Result<(Outbound, Inbound), BadKey> {
    if material.len() != profile.keying_material_len() {
        return Err(BadKey);
    }
    let (keys, salts) = material.split_at(2 * profile.key_len());
    let (client_key, server_key) = keys.split_at(profile.key_len());
    let (client_salt, server_salt) = salts.split_at(profile.salt_len());
    let (ours, theirs) = match role {
        Role::Client => ((client_key, client_salt), (server_key, server_salt)),
        Role::Server => ((server_key, server_salt), (client_key, client_salt)),
    };
    Ok((
        Outbound::new(profile, ours.0, ours.1)?,
        Inbound::new(profile, theirs.0, theirs.1)?,
    ))
}
