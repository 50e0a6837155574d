//! The sending side.

use crate::kdf::Stream;
use crate::transform::{ENCRYPTED, Transform};
use crate::{BadKey, Profile};
use meeting_rtp::{FIXED_HEADER, NoRoom, rtcp};

/// Protects what one peer connection sends.
pub struct Outbound {
    profile: Profile,
    rtp: Transform,
    rtcp: Transform,
    rtcp_index: u32,
}

impl Outbound {
    /// From a master key and salt of the profile's lengths.
    pub fn new(
        profile: Profile,
        master_key: &[u8],
        master_salt: &[u8],
    ) -> Result<Outbound, BadKey> {
        Ok(Outbound {
            profile,
            rtp: Transform::new(profile, master_key, master_salt, Stream::Rtp)?,
            rtcp: Transform::new(profile, master_key, master_salt, Stream::Rtcp)?,
            rtcp_index: 0,
        })
    }

    /// The profile in use.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Protects the clear RTP packet `buffer[..len]` in place; returns its protected length.
    ///
    /// `header` is the length of its RTP header with CSRCs and extensions; `index` its 48-bit packet index (RFC 3711 §3.3.1):
    /// the extended sequence number, counted from a first one below 2¹⁶ for each SSRC. **An index must never be used for two
    /// different packets of one SSRC** (RFC 7714 §8.1): a packet sent again must be the same to the byte.
    pub fn protect_rtp(
        &self,
        buffer: &mut [u8],
        header: usize,
        len: usize,
        index: u64,
    ) -> Result<usize, NoRoom> {
        if header < FIXED_HEADER || len < header || buffer.len() < len + self.profile.tag_len() {
            return Err(NoRoom);
        }
        let ssrc = u32::from_be_bytes([buffer[8], buffer[9], buffer[10], buffer[11]]);
        self.rtp
            .seal_rtp(buffer, header, len, ssrc, index)
            .ok_or(NoRoom)
    }

    /// Protects the clear RTCP compound `buffer[..len]` in place; returns its protected length, at most
    /// [`Profile::rtcp_overhead`] more.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, NoRoom> {
        if len < 8 || buffer.len() < len + self.profile.rtcp_overhead() {
            return Err(NoRoom);
        }
        let ssrc = rtcp::sender_ssrc(buffer).ok_or(NoRoom)?;
        let index = self.rtcp_index;
        self.rtcp_index = (index + 1) & !ENCRYPTED;
        self.rtcp.seal_rtcp(buffer, len, ssrc, index).ok_or(NoRoom)
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}
