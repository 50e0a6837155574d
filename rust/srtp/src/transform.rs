//! The ciphers: one set of session keys applied to one packet, in place. No rollover, no replay: those are the callers'.

use crate::kdf::{Label, Stream, derive};
use crate::{BadKey, Profile};
use aes::Aes128;
use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper,
};
use hmac::{Hmac, Mac};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha1::Sha1;

/// The RTCP word "encrypted" flag (RFC 3711 §3.4).
pub(crate) const ENCRYPTED: u32 = 0x8000_0000;
/// Bytes of an RTCP packet that stay in the clear.
pub(crate) const RTCP_HEADER: usize = 8;

enum Cipher {
    Gcm(LessSafeKey),
    /// The MAC holds its inner and outer states hashed already; a clone of it costs no hashing.
    Cm {
        aes: Aes128,
        mac: Hmac<Sha1>,
    },
}

/// The session keys of one direction, for RTP or RTCP.
pub(crate) struct Transform {
    cipher: Cipher,
    salt: [u8; 14],
}

impl Transform {
    pub(crate) fn new(
        profile: Profile,
        master_key: &[u8],
        master_salt: &[u8],
        stream: Stream,
    ) -> Result<Self, BadKey> {
        if master_key.len() != profile.key_len() || master_salt.len() != profile.salt_len() {
            return Err(BadKey);
        }
        let mut salt = [0; 14];
        let session = |label, out: &mut [u8]| {
            derive(master_key, master_salt, stream, label, out).ok_or(BadKey)
        };
        session(Label::Salt, &mut salt[..profile.salt_len()])?;
        let (mut key, mut authentication) = ([0; 32], [0; 20]);
        let key = &mut key[..profile.key_len()];
        session(Label::Encryption, key)?;
        session(Label::Authentication, &mut authentication)?;
        Transform::from_session(profile, key, &authentication, salt)
    }

    /// From session keys; `authentication` is of no use to GCM.
    fn from_session(
        profile: Profile,
        key: &[u8],
        authentication: &[u8],
        salt: [u8; 14],
    ) -> Result<Self, BadKey> {
        let gcm = |algorithm| {
            UnboundKey::new(algorithm, key).map(|key| Cipher::Gcm(LessSafeKey::new(key)))
        };
        let cipher = match profile {
            Profile::AeadAes128Gcm => gcm(&AES_128_GCM).map_err(|_| BadKey)?,
            Profile::AeadAes256Gcm => gcm(&AES_256_GCM).map_err(|_| BadKey)?,
            Profile::Aes128CmSha1_80 => Cipher::Cm {
                aes: Aes128::new_from_slice(key).map_err(|_| BadKey)?,
                mac: <Hmac<Sha1> as KeyInit>::new_from_slice(authentication).map_err(|_| BadKey)?,
            },
        };
        Ok(Transform { cipher, salt })
    }

    /// Encrypts `packet[header..len]` and writes the tag behind it. The caller has checked that there is room.
    pub(crate) fn seal_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        len: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<usize> {
        let (clear, room) = packet.split_at_mut_checked(header)?;
        match &self.cipher {
            Cipher::Gcm(key) => {
                let (body, tag) = room.split_at_mut_checked(len.checked_sub(header)?)?;
                let tag = tag.get_mut(..16)?;
                let nonce = self.gcm_nonce(ssrc, index);
                tag.copy_from_slice(
                    key.seal_in_place_separate_tag(nonce, Aad::from(&*clear), body)
                        .ok()?
                        .as_ref(),
                );
                Some(len + 16)
            }
            Cipher::Cm { aes, mac } => {
                let body = room.get_mut(..len.checked_sub(header)?)?;
                key_stream(aes, &self.cm_counter(ssrc, index), body);
                let (data, tag) = packet.split_at_mut_checked(len)?;
                let roc = ((index >> 16) as u32).to_be_bytes();
                let mac = mac
                    .clone()
                    .chain_update(&*data)
                    .chain_update(roc)
                    .finalize()
                    .into_bytes();
                tag.get_mut(..10)?.copy_from_slice(&mac[..10]);
                Some(len + 10)
            }
        }
    }

    /// Checks the tag of `packet` and decrypts it behind `header`; its clear length. `None`: forged or too short.
    pub(crate) fn open_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<usize> {
        match &self.cipher {
            Cipher::Gcm(key) => {
                let (clear, body) = packet.split_at_mut_checked(header)?;
                let nonce = self.gcm_nonce(ssrc, index);
                let opened = key.open_in_place(nonce, Aad::from(&*clear), body).ok()?;
                Some(header + opened.len())
            }
            Cipher::Cm { aes, mac } => {
                let len = packet.len().checked_sub(10)?;
                let (data, tag) = packet.split_at_mut(len);
                let body = data.get_mut(header..)?;
                let roc = ((index >> 16) as u32).to_be_bytes();
                // the MAC covers the whole packet: the mutable borrow of the body ends before it is read
                let counter = self.cm_counter(ssrc, index);
                let body_len = body.len();
                mac.clone()
                    .chain_update(&*data)
                    .chain_update(roc)
                    .verify_truncated_left(tag)
                    .ok()?;
                key_stream(aes, &counter, &mut data[len - body_len..]);
                Some(len)
            }
        }
    }

    /// Encrypts `packet[8..len]` and appends tag and index word in the profile's order (RFC 3711 §3.4, RFC 7714 §9.2).
    pub(crate) fn seal_rtcp(
        &self,
        packet: &mut [u8],
        len: usize,
        ssrc: u32,
        index: u32,
    ) -> Option<usize> {
        let word = (ENCRYPTED | index).to_be_bytes();
        match &self.cipher {
            Cipher::Gcm(key) => {
                let packet = packet.get_mut(..len + 16 + 4)?;
                let aad = rtcp_aad(packet, word)?;
                let (sealed, trailer) = packet.split_at_mut(len);
                let body = sealed.get_mut(RTCP_HEADER..)?;
                let nonce = self.gcm_rtcp_nonce(ssrc, index);
                let tag = key
                    .seal_in_place_separate_tag(nonce, Aad::from(aad), body)
                    .ok()?;
                trailer[..16].copy_from_slice(tag.as_ref());
                trailer[16..].copy_from_slice(&word);
                Some(len + 20)
            }
            Cipher::Cm { aes, mac } => {
                let packet = packet.get_mut(..len + 4 + 10)?;
                let body = packet[..len].get_mut(RTCP_HEADER..)?;
                key_stream(aes, &self.cm_counter(ssrc, u64::from(index)), body);
                packet[len..len + 4].copy_from_slice(&word);
                let (data, tag) = packet.split_at_mut(len + 4);
                tag.copy_from_slice(
                    &mac.clone().chain_update(&*data).finalize().into_bytes()[..10],
                );
                Some(len + 14)
            }
        }
    }

    /// Reads the index word of a protected RTCP packet.
    pub(crate) fn rtcp_word(&self, packet: &[u8]) -> Option<u32> {
        let behind = match &self.cipher {
            Cipher::Gcm(_) => 0,
            Cipher::Cm { .. } => 10,
        };
        let at = packet.len().checked_sub(behind + 4)?;
        Some(u32::from_be_bytes(*packet.get(at..)?.first_chunk()?))
    }

    /// Checks and decrypts an RTCP packet whose index word is `word`; its clear length.
    pub(crate) fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, word: u32) -> Option<usize> {
        let (encrypted, index) = (word & ENCRYPTED != 0, word & !ENCRYPTED);
        match &self.cipher {
            Cipher::Gcm(key) => {
                let nonce = self.gcm_rtcp_nonce(ssrc, index);
                let sealed = packet.len().checked_sub(4)?;
                let len = sealed.checked_sub(16).filter(|len| *len >= RTCP_HEADER)?;
                if encrypted {
                    let aad = rtcp_aad(packet, word.to_be_bytes())?;
                    key.open_in_place(nonce, Aad::from(aad), &mut packet[RTCP_HEADER..sealed])
                        .ok()?;
                } else {
                    // RFC 7714 §9.3: unencrypted, the whole packet and the word are associated data of an empty text.
                    // ring wants them in one piece: move the word in front of the tag.
                    let mut tag = [0; 16];
                    tag.copy_from_slice(&packet[len..sealed]);
                    packet.copy_within(sealed.., len);
                    key.open_in_place(nonce, Aad::from(&packet[..len + 4]), &mut tag)
                        .ok()?;
                }
                Some(len)
            }
            Cipher::Cm { aes, mac } => {
                let signed = packet.len().checked_sub(10)?;
                let len = signed.checked_sub(4).filter(|len| *len >= RTCP_HEADER)?;
                let (data, tag) = packet.split_at_mut(signed);
                mac.clone()
                    .chain_update(&*data)
                    .verify_truncated_left(tag)
                    .ok()?;
                if encrypted {
                    let counter = self.cm_counter(ssrc, u64::from(index));
                    key_stream(aes, &counter, &mut data[RTCP_HEADER..len]);
                }
                Some(len)
            }
        }
    }

    /// RFC 7714 §8.1: 00 00 ∥ SSRC ∥ ROC ∥ SEQ, XOR salt.
    fn gcm_nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut iv = [0; 12];
        iv[2..6].copy_from_slice(&ssrc.to_be_bytes());
        iv[6..].copy_from_slice(&index.to_be_bytes()[2..]);
        self.salted(iv)
    }

    /// RFC 7714 §9.1: 00 00 ∥ SSRC ∥ 00 00 ∥ 0 and the 31-bit index, XOR salt.
    fn gcm_rtcp_nonce(&self, ssrc: u32, index: u32) -> Nonce {
        let mut iv = [0; 12];
        iv[2..6].copy_from_slice(&ssrc.to_be_bytes());
        iv[8..].copy_from_slice(&index.to_be_bytes());
        self.salted(iv)
    }

    fn salted(&self, mut iv: [u8; 12]) -> Nonce {
        for (byte, salt) in iv.iter_mut().zip(self.salt) {
            *byte ^= salt;
        }
        Nonce::assume_unique_for_key(iv)
    }

    /// RFC 3711 §4.1.1: IV = (salt · 2^16) XOR (SSRC · 2^64) XOR (index · 2^16).
    fn cm_counter(&self, ssrc: u32, index: u64) -> [u8; 16] {
        let mut salt = [0; 16];
        salt[..14].copy_from_slice(&self.salt);
        let block = u128::from_be_bytes(salt)
            ^ u128::from(ssrc) << 64
            ^ u128::from(index & 0xffff_ffff_ffff) << 16;
        block.to_be_bytes()
    }
}

fn rtcp_aad(packet: &[u8], word: [u8; 4]) -> Option<[u8; 12]> {
    let mut aad = [0; 12];
    aad[..RTCP_HEADER].copy_from_slice(packet.get(..RTCP_HEADER)?);
    aad[RTCP_HEADER..].copy_from_slice(&word);
    Some(aad)
}

/// XORs the AES counter-mode key stream that starts at `counter` onto `data`.
pub(crate) fn key_stream<C>(aes: &C, counter: &[u8; 16], data: &mut [u8])
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let core = ctr::CtrCore::<&C, ctr::flavors::Ctr128BE>::inner_iv_init(aes, counter.into());
    StreamCipherCoreWrapper::from_core(core).apply_keystream(data);
}

#[cfg(test)]
mod tests;
