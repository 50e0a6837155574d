//! The connectivity check of ICE (RFC 8445 §7), the one STUN exchange that belongs to the packet path.
//!
//! A check costs two HMACs and two CRCs, no allocation: parse, find the key by [`BindingRequest::local_ufrag`], then
//! [`BindingRequest::verify`] and [`BindingRequest::write_success`].

use std::net::SocketAddr;

use crate::attribute as kinds;
use crate::error::NoRoom;
use crate::integrity::IntegrityKey;
use crate::message::{Class, Message, Method};
use crate::writer::Writer;

/// The attributes a check may carry that must be understood.
const KNOWN: [u16; 3] = [kinds::USERNAME, kinds::PRIORITY, kinds::USE_CANDIDATE];

/// What the sender takes itself for (RFC 8445 §7.3.1.1), with its tie-breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It nominates. Everyone who talks to an ICE-lite agent is.
    Controlling(u64),
    /// It waits for a nomination.
    Controlled(u64),
}

/// A Binding request with the attributes of a connectivity check.
#[derive(Clone, Copy, Debug)]
pub struct BindingRequest<'a> {
    message: Message<'a>,
    /// USERNAME: "receiver's ufrag:sender's ufrag".
    pub username: &'a [u8],
    /// PRIORITY, what a peer-reflexive candidate would get. 0 when it is missing.
    pub priority: u32,
    /// USE-CANDIDATE: the sender nominates this pair.
    pub use_candidate: bool,
    /// ICE-CONTROLLING or ICE-CONTROLLED.
    pub role: Option<Role>,
}

impl<'a> BindingRequest<'a> {
    /// `None`: not a Binding request with a USERNAME, or its FINGERPRINT is wrong.
    pub fn new(message: Message<'a>) -> Option<Self> {
        if message.class() != Class::Request
            || message.method() != Method::BINDING
            || message.verify_fingerprint().is_forged()
        {
            return None;
        }
        let mut username = None;
        let mut check = Self {
            message,
            username: &[],
            priority: 0,
            use_candidate: false,
            role: None,
        };
        for attribute in message.attributes() {
            match attribute.kind {
                kinds::USERNAME => username = username.or(Some(attribute.value)),
                kinds::PRIORITY => {
                    check.priority = u32::from_be_bytes(attribute.value.try_into().ok()?)
                }
                kinds::USE_CANDIDATE => check.use_candidate = true,
                kinds::ICE_CONTROLLING => {
                    check.role = Some(Role::Controlling(u64::from_be_bytes(
                        attribute.value.try_into().ok()?,
                    )))
                }
                kinds::ICE_CONTROLLED => {
                    check.role = Some(Role::Controlled(u64::from_be_bytes(
                        attribute.value.try_into().ok()?,
                    )))
                }
                _ => {}
            }
        }
        check.username = username?;
        Some(check)
    }

    /// The message itself.
    pub fn message(&self) -> &Message<'a> {
        &self.message
    }

    /// Our part of USERNAME: what stands before the colon.
    pub fn local_ufrag(&self) -> &'a [u8] {
        self.username
            .split(|byte| *byte == b':')
            .next()
            .unwrap_or_default()
    }

    /// Their part of USERNAME: what stands behind the colon.
    pub fn remote_ufrag(&self) -> &'a [u8] {
        self.username
            .get(self.local_ufrag().len() + 1..)
            .unwrap_or_default()
    }

    /// Whether the request was made with `key`, our password (constant time).
    pub fn verify(&self, key: &IntegrityKey) -> bool {
        self.message.verify_integrity(key).is_genuine()
    }

    /// Whether an attribute must be understood and is not: then the answer is [`Self::write_unknown`].
    pub fn has_unknown(&self) -> bool {
        self.message.unknown_required(&KNOWN).next().is_some()
    }

    /// Writes the success response: XOR-MAPPED-ADDRESS, MESSAGE-INTEGRITY, FINGERPRINT. 80 bytes of room are enough.
    pub fn write_success(
        &self,
        key: &IntegrityKey,
        source: SocketAddr,
        out: &mut [u8],
    ) -> Result<usize, NoRoom> {
        Writer::new(
            out,
            Class::Success,
            Method::BINDING,
            self.message.transaction_id(),
        )
        .xor_address(kinds::XOR_MAPPED_ADDRESS, source)
        .integrity(key)
        .fingerprint()
        .finish()
    }

    /// Writes an error response: 487 Role Conflict, say.
    pub fn write_error(
        &self,
        code: u16,
        key: &IntegrityKey,
        out: &mut [u8],
    ) -> Result<usize, NoRoom> {
        Writer::new(
            out,
            Class::Error,
            Method::BINDING,
            self.message.transaction_id(),
        )
        .error_code(code)
        .integrity(key)
        .fingerprint()
        .finish()
    }

    /// Writes 420 Unknown Attribute with their types.
    pub fn write_unknown(&self, key: &IntegrityKey, out: &mut [u8]) -> Result<usize, NoRoom> {
        Writer::new(
            out,
            Class::Error,
            Method::BINDING,
            self.message.transaction_id(),
        )
        .error_code(420)
        .unknown_attributes(self.message.unknown_required(&KNOWN))
        .integrity(key)
        .fingerprint()
        .finish()
    }
}
