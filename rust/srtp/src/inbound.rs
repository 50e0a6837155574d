//! The receiving side.

use crate::kdf::Stream;
use crate::transform::{ENCRYPTED, RTCP_HEADER, Transform};
use crate::{BadKey, Profile, Rejected};
use meeting_rtp::{Header, Seen, rtcp};

/// Streams one peer connection may send: a few simulcast tracks with their retransmissions.
const DEFAULT_STREAMS: usize = 128;

/// Opens what one peer connection receives. Streams are learned from packets that authenticate, up to a bound.
pub struct Inbound {
    profile: Profile,
    rtp: Transform,
    rtcp: Transform,
    rtp_windows: Windows,
    rtcp_windows: Windows,
}

impl Inbound {
    /// From a master key and salt of the profile's lengths.
    pub fn new(profile: Profile, master_key: &[u8], master_salt: &[u8]) -> Result<Inbound, BadKey> {
        Inbound::with_streams(profile, master_key, master_salt, DEFAULT_STREAMS)
    }

    /// As [`Inbound::new`], with another bound on the number of streams (SSRCs).
    pub fn with_streams(
        profile: Profile,
        master_key: &[u8],
        master_salt: &[u8],
        most_streams: usize,
    ) -> Result<Inbound, BadKey> {
        Ok(Inbound {
            profile,
            rtp: Transform::new(profile, master_key, master_salt, Stream::Rtp)?,
            rtcp: Transform::new(profile, master_key, master_salt, Stream::Rtcp)?,
            rtp_windows: Windows::new(most_streams),
            rtcp_windows: Windows::new(most_streams),
        })
    }

    /// The profile in use.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Opens the SRTP packet `packet` in place: the clear packet is `packet[..len]`, with the header returned beside `len`.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<(Header, usize), Rejected> {
        let header = Header::parse(packet).map_err(|_| Rejected::Malformed)?;
        if packet.len() < header.len + self.profile.tag_len() {
            return Err(Rejected::Malformed);
        }
        let place = self.rtp_windows.find(header.ssrc)?;
        let window = self.rtp_windows.at(place);
        let index = guess(window, header.sequence);
        if !window.is_new(index) {
            return Err(Rejected::Replayed);
        }
        let len = self
            .rtp
            .open_rtp(packet, header.len, header.ssrc, index)
            .ok_or(Rejected::Forged)?;
        self.rtp_windows.record(place, header.ssrc, index);
        Ok((header, len))
    }

    /// Opens the SRTCP packet `packet` in place: the clear compound is `packet[..len]`.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Rejected> {
        if packet.len() < RTCP_HEADER + self.profile.rtcp_overhead() || packet[0] >> 6 != 2 {
            return Err(Rejected::Malformed);
        }
        let ssrc = rtcp::sender_ssrc(packet).ok_or(Rejected::Malformed)?;
        let word = self.rtcp.rtcp_word(packet).ok_or(Rejected::Malformed)?;
        let index = u64::from(word & !ENCRYPTED);
        let place = self.rtcp_windows.find(ssrc)?;
        if !self.rtcp_windows.at(place).is_new(index) {
            return Err(Rejected::Replayed);
        }
        let len = self
            .rtcp
            .open_rtcp(packet, ssrc, word)
            .ok_or(Rejected::Forged)?;
        self.rtcp_windows.record(place, ssrc, index);
        Ok(len)
    }
}

impl std::fmt::Debug for Inbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbound")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// The replay window of each stream. A stream enters when its first packet has authenticated.
struct Windows {
    ssrcs: Vec<u32>,
    windows: Vec<Seen>,
    most: usize,
    fresh: Seen,
}

impl Windows {
    fn new(most: usize) -> Windows {
        Windows {
            ssrcs: Vec::new(),
            windows: Vec::new(),
            most,
            fresh: Seen::default(),
        }
    }

    /// The place of a stream, or of the next to enter.
    fn find(&self, ssrc: u32) -> Result<usize, Rejected> {
        // one peer's streams are few and lie together: scanning them beats hashing
        match self.ssrcs.iter().position(|known| *known == ssrc) {
            Some(place) => Ok(place),
            None if self.ssrcs.len() < self.most => Ok(self.ssrcs.len()),
            None => Err(Rejected::TooManyStreams),
        }
    }

    fn at(&self, place: usize) -> &Seen {
        self.windows.get(place).unwrap_or(&self.fresh)
    }

    fn record(&mut self, place: usize, ssrc: u32, index: u64) {
        if place == self.windows.len() {
            self.ssrcs.push(ssrc);
            self.windows.push(self.fresh);
        }
        self.windows[place].record(index);
    }
}

/// The index nearest to the newest one whose lower 16 bits are `sequence` (RFC 3711 §3.3.1, appendix A).
fn guess(window: &Seen, sequence: u16) -> u64 {
    let Some(newest) = window.newest() else {
        return u64::from(sequence);
    };
    let distance = sequence.wrapping_sub(newest as u16);
    // before the very beginning there is nothing: such a packet is of the next cycle
    newest
        .checked_add_signed(i64::from(distance.cast_signed()))
        .unwrap_or(newest + u64::from(distance))
}
