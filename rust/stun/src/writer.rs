//! Writing a message into the caller's buffer.

use std::net::SocketAddr;

use crate::address::{MAX_VALUE, write_xor_address};
use crate::attribute as kinds;
use crate::error::NoRoom;
use crate::fingerprint::fingerprint;
use crate::integrity::{IntegrityKey, IntegrityKeySha256};
use crate::message::{Class, HEADER, MAGIC_COOKIE, Method, TransactionId, length_to, message_type};

/// Appends attributes; [`finish`](Self::finish) tells whether all of them found room.
///
/// Order is the caller's: integrity after what it protects, fingerprint last.
#[derive(Debug)]
pub struct Writer<'b> {
    out: &'b mut [u8],
    transaction: TransactionId,
    len: usize,
    fits: bool,
}

impl<'b> Writer<'b> {
    /// Starts a message at the beginning of `out`.
    pub fn new(
        out: &'b mut [u8],
        class: Class,
        method: Method,
        transaction: &TransactionId,
    ) -> Self {
        let mut writer = Self {
            out,
            transaction: *transaction,
            len: HEADER,
            fits: true,
        };
        match writer.out.first_chunk_mut::<HEADER>() {
            Some(header) => {
                header[..2].copy_from_slice(&message_type(class, method).to_be_bytes());
                header[2..4].fill(0);
                header[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
                header[8..].copy_from_slice(transaction);
            }
            None => writer.fits = false,
        }
        writer
    }

    /// Appends an attribute, padded with zeros.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        if let Some(room) = self.reserve(kind, value.len()) {
            let (body, padding) = room.split_at_mut(value.len());
            body.copy_from_slice(value);
            padding.fill(0);
        }
        self
    }

    /// Appends an attribute whose value stands already where it belongs in the buffer: what a relay received, behind room
    /// for the header.
    pub fn in_place(&mut self, kind: u16, size: usize) -> &mut Self {
        if let Some(room) = self.reserve(kind, size) {
            room[size..].fill(0);
        }
        self
    }

    /// Writes header and length; gives the padded value to fill.
    fn reserve(&mut self, kind: u16, size: usize) -> Option<&mut [u8]> {
        let start = self.len + 4;
        let end = start + size.next_multiple_of(4);
        if !self.fits || end > self.out.len() || end - HEADER > usize::from(u16::MAX) {
            self.fits = false;
            return None;
        }
        self.out[self.len..self.len + 2].copy_from_slice(&kind.to_be_bytes());
        self.out[self.len + 2..start].copy_from_slice(&(size as u16).to_be_bytes());
        self.out[2..4].copy_from_slice(&length_to(end).to_be_bytes());
        self.len = end;
        Some(&mut self.out[start..end])
    }

    /// Appends a 32 bit attribute.
    pub fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    /// Appends a 64 bit attribute.
    pub fn u64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    /// Appends XOR-MAPPED-ADDRESS, XOR-PEER-ADDRESS or XOR-RELAYED-ADDRESS.
    pub fn xor_address(&mut self, kind: u16, address: SocketAddr) -> &mut Self {
        let mut value = [0; MAX_VALUE];
        let size = write_xor_address(address, &self.transaction, &mut value);
        self.attribute(kind, &value[..size])
    }

    /// Appends ERROR-CODE without a reason: reasons only amplify.
    pub fn error_code(&mut self, code: u16) -> &mut Self {
        self.attribute(
            kinds::ERROR_CODE,
            &[0, 0, (code / 100) as u8, (code % 100) as u8],
        )
    }

    /// Appends UNKNOWN-ATTRIBUTES.
    pub fn unknown_attributes(&mut self, unknown: impl Iterator<Item = u16> + Clone) -> &mut Self {
        let count = unknown.clone().count();
        if let Some(room) = self.reserve(kinds::UNKNOWN_ATTRIBUTES, 2 * count) {
            room.fill(0);
            for (slot, kind) in room.chunks_exact_mut(2).zip(unknown) {
                slot.copy_from_slice(&kind.to_be_bytes());
            }
        }
        self
    }

    /// Appends MESSAGE-INTEGRITY over what was written so far.
    pub fn integrity(&mut self, key: &IntegrityKey) -> &mut Self {
        if self.fits {
            let tag = key.sign(&self.out[..self.len], length_to(self.len + 24));
            self.attribute(kinds::MESSAGE_INTEGRITY, &tag);
        }
        self
    }

    /// Appends MESSAGE-INTEGRITY-SHA256 over what was written so far.
    pub fn integrity_sha256(&mut self, key: &IntegrityKeySha256) -> &mut Self {
        if self.fits {
            let tag = key.sign(&self.out[..self.len], length_to(self.len + 36));
            self.attribute(kinds::MESSAGE_INTEGRITY_SHA256, &tag);
        }
        self
    }

    /// Appends FINGERPRINT over what was written so far.
    pub fn fingerprint(&mut self) -> &mut Self {
        let head = self.len;
        if self.reserve(kinds::FINGERPRINT, 4).is_some() {
            let value = fingerprint(&self.out[..head]);
            self.out[head + 4..head + 8].copy_from_slice(&value.to_be_bytes());
        }
        self
    }

    /// The length of the message, or that `out` was too small.
    pub fn finish(&self) -> Result<usize, NoRoom> {
        if self.fits { Ok(self.len) } else { Err(NoRoom) }
    }
}
