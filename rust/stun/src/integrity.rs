//! MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256 (RFC 8489 §14.5, §14.6).

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// What a message's integrity attribute says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The attribute is there and right.
    Genuine,
    /// The attribute is there and wrong: another key, or altered bytes.
    Forged,
    /// There is no such attribute.
    Absent,
}

impl Verdict {
    /// True for [`Verdict::Genuine`] alone.
    pub fn is_genuine(self) -> bool {
        self == Self::Genuine
    }

    /// True for [`Verdict::Forged`] alone.
    pub fn is_forged(self) -> bool {
        self == Self::Forged
    }
}

/// A key for MESSAGE-INTEGRITY. Both pads are hashed once, here, so that a message costs only its own blocks.
///
/// The key is the password for short-term credentials (ICE), MD5("user:realm:password") for long-term ones.
#[derive(Clone)]
pub struct IntegrityKey(Hmac<Sha1>);

/// A key for MESSAGE-INTEGRITY-SHA256. The same, with another hash.
#[derive(Clone)]
pub struct IntegrityKeySha256(Hmac<Sha256>);

impl std::fmt::Debug for IntegrityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IntegrityKey(…)")
    }
}

impl std::fmt::Debug for IntegrityKeySha256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IntegrityKeySha256(…)")
    }
}

impl IntegrityKey {
    /// A key of any length.
    pub fn new(key: &[u8]) -> Self {
        Self(keyed(key))
    }

    pub(crate) fn sign(&self, head: &[u8], length: u16) -> [u8; 20] {
        feed(self.0.clone(), head, length)
            .finalize()
            .into_bytes()
            .into()
    }

    pub(crate) fn verify(&self, head: &[u8], length: u16, tag: &[u8]) -> bool {
        feed(self.0.clone(), head, length).verify_slice(tag).is_ok()
    }
}

impl IntegrityKeySha256 {
    /// A key of any length.
    pub fn new(key: &[u8]) -> Self {
        Self(keyed(key))
    }

    pub(crate) fn sign(&self, head: &[u8], length: u16) -> [u8; 32] {
        feed(self.0.clone(), head, length)
            .finalize()
            .into_bytes()
            .into()
    }

    /// The tag may be truncated to 16 bytes at least (RFC 8489 §14.6); the parser has checked its size.
    pub(crate) fn verify(&self, head: &[u8], length: u16, tag: &[u8]) -> bool {
        feed(self.0.clone(), head, length)
            .verify_truncated_left(tag)
            .is_ok()
    }
}

fn keyed<M: KeyInit>(key: &[u8]) -> M {
    M::new_from_slice(key).expect("HMAC takes a key of any length")
}

/// The text is the message before the attribute, with a length field that ends with the attribute, whatever follows it.
fn feed<M: Mac>(mut mac: M, head: &[u8], length: u16) -> M {
    let (kind, rest) = head.split_at(2);
    mac.update(kind);
    mac.update(&length.to_be_bytes());
    mac.update(&rest[2..]);
    mac
}
