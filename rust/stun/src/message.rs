//! Reading a message: the header and the attributes, in place.

use std::net::SocketAddr;

use crate::address::{read_address, read_xor_address};
use crate::attribute as kinds;
use crate::error::ParseError;
use crate::fingerprint::fingerprint;
use crate::integrity::{IntegrityKey, IntegrityKeySha256, Verdict};

/// Bytes of the fixed header.
pub const HEADER: usize = 20;
/// The fixed value of bytes 4 to 8.
pub const MAGIC_COOKIE: u32 = 0x2112_A442;

const ATTRIBUTE_HEADER: usize = 4;

/// 96 bits that tie an answer to its request.
pub type TransactionId = [u8; 12];

/// What a message is, of its method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Wants an answer.
    Request,
    /// Wants none.
    Indication,
    /// The answer when all went well.
    Success,
    /// The answer when it did not.
    Error,
}

/// What a message is about: 7 bits, since the rest of the 12 is given to other protocols on the same port (RFC 7983 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method(u16);

#[allow(missing_docs, reason = "the names are the registry's")]
impl Method {
    pub const BINDING: Self = Self(0x001);
    pub const ALLOCATE: Self = Self(0x003);
    pub const REFRESH: Self = Self(0x004);
    pub const SEND: Self = Self(0x006);
    pub const DATA: Self = Self(0x007);
    pub const CREATE_PERMISSION: Self = Self(0x008);
    pub const CHANNEL_BIND: Self = Self(0x009);
    pub const CONNECT: Self = Self(0x00A);
    pub const CONNECTION_BIND: Self = Self(0x00B);
    pub const CONNECTION_ATTEMPT: Self = Self(0x00C);

    pub const fn new(number: u16) -> Self {
        Self(number & 0x7F)
    }

    pub const fn number(self) -> u16 {
        self.0
    }
}

/// The class bits stand between the method's (RFC 8489 §5, figure 3).
pub(crate) fn message_type(class: Class, method: Method) -> u16 {
    let m = method.0;
    let bits = match class {
        Class::Request => 0x000,
        Class::Indication => 0x010,
        Class::Success => 0x100,
        Class::Error => 0x110,
    };
    (m & 0x0F) | (m & 0x70) << 1 | bits
}

/// Whether a datagram claims to be STUN: enough to sort it from DTLS, RTP and ChannelData (RFC 7983).
pub fn is_stun(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER && bytes[0] < 4 && bytes[4..8] == MAGIC_COOKIE.to_be_bytes()
}

/// A well-formed message in a datagram.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    /// Where the attributes end that may be acted upon: at the first integrity or fingerprint attribute.
    end: usize,
    integrity: Option<usize>,
    integrity_sha256: Option<(usize, usize)>,
    fingerprint: Option<usize>,
}

impl<'a> Message<'a> {
    /// Checks header and attribute bounds of exactly one message.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let header: &[u8; HEADER] = bytes.first_chunk().ok_or(ParseError::Length)?;
        if !is_stun(header) {
            return Err(ParseError::NotStun);
        }
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if !length.is_multiple_of(4) || length + HEADER != bytes.len() {
            return Err(ParseError::Length);
        }
        let mut message = Self {
            bytes,
            end: bytes.len(),
            integrity: None,
            integrity_sha256: None,
            fingerprint: None,
        };
        let mut at = HEADER;
        while at < bytes.len() {
            if message.fingerprint.is_some() {
                return Err(ParseError::Trailer);
            }
            let (kind, size) = attribute_header(bytes, at);
            let next = at + ATTRIBUTE_HEADER + size.next_multiple_of(4);
            if next > bytes.len() {
                return Err(ParseError::Attribute);
            }
            message.note_trailer(kind, at, size)?;
            at = next;
        }
        Ok(message)
    }

    /// Of each kind the first counts, and MESSAGE-INTEGRITY only before MESSAGE-INTEGRITY-SHA256 (RFC 8489 §14.6).
    fn note_trailer(&mut self, kind: u16, at: usize, size: usize) -> Result<(), ParseError> {
        match kind {
            kinds::MESSAGE_INTEGRITY => {
                if size != 20 {
                    return Err(ParseError::Trailer);
                }
                if self.integrity.is_none() && self.integrity_sha256.is_none() {
                    self.integrity = Some(at);
                }
            }
            kinds::MESSAGE_INTEGRITY_SHA256 => {
                if !(16..=32).contains(&size) || !size.is_multiple_of(4) {
                    return Err(ParseError::Trailer);
                }
                self.integrity_sha256.get_or_insert((at, size));
            }
            kinds::FINGERPRINT => {
                if size != 4 {
                    return Err(ParseError::Trailer);
                }
                self.fingerprint = Some(at);
            }
            _ => return Ok(()),
        }
        self.end = self.end.min(at);
        Ok(())
    }

    /// The whole message.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Request, indication or one of the two answers.
    pub fn class(&self) -> Class {
        match (self.bytes[0] & 1 != 0, self.bytes[1] & 0x10 != 0) {
            (false, false) => Class::Request,
            (false, true) => Class::Indication,
            (true, false) => Class::Success,
            (true, true) => Class::Error,
        }
    }

    /// Binding, Allocate, …
    pub fn method(&self) -> Method {
        let kind = u16::from_be_bytes([self.bytes[0], self.bytes[1]]);
        Method((kind & 0x0F) | (kind & 0xE0) >> 1)
    }

    /// The id an answer repeats.
    pub fn transaction_id(&self) -> &'a TransactionId {
        self.bytes[8..HEADER]
            .first_chunk()
            .expect("parse checked the header")
    }

    /// The attributes before MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT, as they stand.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes {
            rest: &self.bytes[HEADER..self.end],
        }
    }

    /// The value of the first attribute of a type (RFC 8489 §14: of repeated ones the first counts).
    pub fn value(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes()
            .find(|attribute| attribute.kind == kind)
            .map(|attribute| attribute.value)
    }

    /// The address in the first XOR-… attribute of a type.
    pub fn xor_address(&self, kind: u16) -> Option<SocketAddr> {
        read_xor_address(self.value(kind)?, self.transaction_id())
    }

    /// The addresses in all XOR-PEER-ADDRESS attributes; `None` stands for a malformed one.
    pub fn xor_peer_addresses(&self) -> impl Iterator<Item = Option<SocketAddr>> + use<'a> {
        let transaction = self.transaction_id();
        self.attributes()
            .filter(|attribute| attribute.kind == kinds::XOR_PEER_ADDRESS)
            .map(move |attribute| read_xor_address(attribute.value, transaction))
    }

    /// The address in the first MAPPED-ADDRESS or ALTERNATE-SERVER attribute.
    pub fn address(&self, kind: u16) -> Option<SocketAddr> {
        read_address(self.value(kind)?)
    }

    /// A 32 bit attribute: PRIORITY, LIFETIME.
    pub fn u32(&self, kind: u16) -> Option<u32> {
        self.value(kind)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// A 64 bit attribute: ICE-CONTROLLING, ICE-CONTROLLED, RESERVATION-TOKEN.
    pub fn u64(&self, kind: u16) -> Option<u64> {
        self.value(kind)?.try_into().ok().map(u64::from_be_bytes)
    }

    /// USERNAME, as bytes: it is UTF-8 only when its sender kept to the rules.
    pub fn username(&self) -> Option<&'a [u8]> {
        self.value(kinds::USERNAME)
    }

    /// CHANNEL-NUMBER (RFC 8656 §18.1).
    pub fn channel_number(&self) -> Option<u16> {
        let &[high, low, _, _] = self.value(kinds::CHANNEL_NUMBER)? else {
            return None;
        };
        Some(u16::from_be_bytes([high, low]))
    }

    /// The protocol number in REQUESTED-TRANSPORT, 17 for UDP (RFC 8656 §18.7).
    pub fn requested_transport(&self) -> Option<u8> {
        let &[protocol, _, _, _] = self.value(kinds::REQUESTED_TRANSPORT)? else {
            return None;
        };
        Some(protocol)
    }

    /// The family in REQUESTED-ADDRESS-FAMILY or ADDITIONAL-ADDRESS-FAMILY, 1 for IPv4, 2 for IPv6 (RFC 8656 §18.6, §18.11).
    pub fn address_family(&self, kind: u16) -> Option<u8> {
        let &[family, _, _, _] = self.value(kind)? else {
            return None;
        };
        Some(family)
    }

    /// ERROR-CODE (RFC 8489 §14.8).
    pub fn error_code(&self) -> Option<ErrorCode<'a>> {
        let (&[_, _, class, number], reason) =
            self.value(kinds::ERROR_CODE)?.split_first_chunk()?;
        let class = class & 7;
        ((3..=6).contains(&class) && number < 100).then(|| ErrorCode {
            code: u16::from(class) * 100 + u16::from(number),
            reason,
        })
    }

    /// The types that must be understood and are not among `known` (RFC 8489 §6.3.1).
    pub fn unknown_required<'k>(
        &self,
        known: &'k [u16],
    ) -> impl Iterator<Item = u16> + Clone + use<'a, 'k> {
        self.attributes()
            .map(|attribute| attribute.kind)
            .filter(move |kind| kinds::is_comprehension_required(*kind) && !known.contains(kind))
    }

    /// Whether MESSAGE-INTEGRITY is there, right or wrong.
    pub fn has_integrity(&self) -> bool {
        self.integrity.is_some()
    }

    /// Whether MESSAGE-INTEGRITY-SHA256 is there, right or wrong.
    pub fn has_integrity_sha256(&self) -> bool {
        self.integrity_sha256.is_some()
    }

    /// Checks MESSAGE-INTEGRITY, in constant time.
    pub fn verify_integrity(&self, key: &IntegrityKey) -> Verdict {
        let Some(at) = self.integrity else {
            return Verdict::Absent;
        };
        let value = at + ATTRIBUTE_HEADER;
        verdict(key.verify(
            &self.bytes[..at],
            length_to(value + 20),
            &self.bytes[value..value + 20],
        ))
    }

    /// Checks MESSAGE-INTEGRITY-SHA256, in constant time.
    pub fn verify_integrity_sha256(&self, key: &IntegrityKeySha256) -> Verdict {
        let Some((at, size)) = self.integrity_sha256 else {
            return Verdict::Absent;
        };
        let value = at + ATTRIBUTE_HEADER;
        verdict(key.verify(
            &self.bytes[..at],
            length_to(value + size),
            &self.bytes[value..value + size],
        ))
    }

    /// Checks FINGERPRINT.
    pub fn verify_fingerprint(&self) -> Verdict {
        let Some(at) = self.fingerprint else {
            return Verdict::Absent;
        };
        let (head, tail) = self.bytes.split_at(at);
        verdict(tail[ATTRIBUTE_HEADER..] == fingerprint(head).to_be_bytes())
    }
}

fn verdict(genuine: bool) -> Verdict {
    if genuine {
        Verdict::Genuine
    } else {
        Verdict::Forged
    }
}

/// The length field of a message that ends at `end`.
pub(crate) fn length_to(end: usize) -> u16 {
    (end - HEADER) as u16
}

/// `at` is a multiple of 4 before the end of a message whose length is one, so four bytes are there.
fn attribute_header(bytes: &[u8], at: usize) -> (u16, usize) {
    let kind = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let size = u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]);
    (kind, usize::from(size))
}

/// One attribute; the value without its padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The type, see [`attribute`](crate::attribute).
    pub kind: u16,
    /// The value.
    pub value: &'a [u8],
}

/// The attributes of a message, in order.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (kind, size) = attribute_header(self.rest, 0);
        let value = &self.rest[ATTRIBUTE_HEADER..ATTRIBUTE_HEADER + size];
        self.rest = &self.rest[ATTRIBUTE_HEADER + size.next_multiple_of(4)..];
        Some(Attribute { kind, value })
    }
}

/// The value of ERROR-CODE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode<'a> {
    /// 300 to 699.
    pub code: u16,
    /// UTF-8 text when the sender kept to the rules.
    pub reason: &'a [u8],
}
