//! RTP header extensions (RFC 8285): which we know, reading both forms, writing either.

use crate::{Header, NoRoom};
use std::ops::Range;

const ONE_BYTE: u16 = 0xbede;
const TWO_BYTE: u16 = 0x1000;

/// A header extension the packet path reads, writes or passes on. All others are dropped when forwarding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Extension {
    /// Media identification (RFC 9143 §15).
    Mid,
    /// RTP stream id: the layer of a simulcast track (RFC 8852 §4.1).
    Rid,
    /// The layer a retransmission stream repairs (RFC 8852 §4.2).
    RepairedRid,
    /// Client-to-mixer audio level (RFC 6464).
    AudioLevel,
    /// Time of sending, 24 bit, 6.18 fixed point (webrtc.org `abs-send-time`).
    AbsSendTime,
    /// Transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportCc,
    /// Coordination of video orientation (3GPP TS 26.114 §7.4.5).
    VideoOrientation,
    /// Bounds for the playout delay (webrtc.org `playout-delay`).
    PlayoutDelay,
    /// AV1 dependency descriptor (AV1 RTP specification, appendix A).
    DependencyDescriptor,
    /// Capture time on the sender's clock (webrtc.org `abs-capture-time`).
    AbsCaptureTime,
}

impl Extension {
    /// Every known extension.
    pub const ALL: [Extension; 10] = [
        Extension::Mid,
        Extension::Rid,
        Extension::RepairedRid,
        Extension::AudioLevel,
        Extension::AbsSendTime,
        Extension::TransportCc,
        Extension::VideoOrientation,
        Extension::PlayoutDelay,
        Extension::DependencyDescriptor,
        Extension::AbsCaptureTime,
    ];

    /// The URI that names it in `a=extmap`.
    pub const fn uri(self) -> &'static str {
        match self {
            Extension::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Extension::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Extension::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Extension::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Extension::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            Extension::TransportCc => {
                "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
            }
            Extension::VideoOrientation => "urn:3gpp:video-orientation",
            Extension::PlayoutDelay => "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
            Extension::DependencyDescriptor => {
                "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
            }
            Extension::AbsCaptureTime => {
                "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
            }
        }
    }

    /// The extension a URI names, if it is one of ours.
    pub fn from_uri(uri: &str) -> Option<Extension> {
        Extension::ALL
            .into_iter()
            .find(|extension| extension.uri() == uri)
    }
}

/// The ids one peer connection negotiated: extension ↔ id (1–255). BUNDLE makes it one map a Link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExtensionMap {
    ids: [u8; Extension::ALL.len()],
}

impl ExtensionMap {
    /// A map of these pairs. An id of 0 or one already taken is ignored (RFC 8285 §4.2: 0 is padding).
    pub fn new(pairs: impl IntoIterator<Item = (Extension, u8)>) -> ExtensionMap {
        let mut map = ExtensionMap::default();
        for (extension, id) in pairs {
            if id != 0 && map.extension(id).is_none() {
                map.ids[extension as usize] = id;
            }
        }
        map
    }

    /// A map of URI → id pairs as an SDP has them; unknown URIs are left out.
    pub fn from_uris<'a>(pairs: impl IntoIterator<Item = (&'a str, u8)>) -> ExtensionMap {
        ExtensionMap::new(
            pairs
                .into_iter()
                .filter_map(|(uri, id)| Some((Extension::from_uri(uri)?, id))),
        )
    }

    /// The id of `extension`, if negotiated.
    pub fn id(&self, extension: Extension) -> Option<u8> {
        Some(self.ids[extension as usize]).filter(|id| *id != 0)
    }

    /// The extension that has this id.
    pub fn extension(&self, id: u8) -> Option<Extension> {
        if id == 0 {
            return None;
        }
        Extension::ALL
            .into_iter()
            .find(|extension| self.ids[*extension as usize] == id)
    }

    /// Whether all ids fit the one-byte form (RFC 8285 §4.2: 1–14).
    pub fn fits_one_byte(&self) -> bool {
        self.ids.iter().all(|id| *id <= 14)
    }
}

/// The known extensions of one packet: where each one's data lies. Plain offsets, so it can outlive the borrow of the packet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Values {
    places: [(u16, u8); Extension::ALL.len()],
}

impl Values {
    /// Reads the extensions of `packet` that `map` knows. Of a repeated element the last counts.
    pub fn parse(header: &Header, packet: &[u8], map: &ExtensionMap) -> Values {
        let mut values = Values::default();
        for (id, place) in header.extensions(packet) {
            if let Some(extension) = map.extension(id)
                && let (Ok(start), Ok(len)) =
                    (u16::try_from(place.start), u8::try_from(place.len()))
            {
                values.places[extension as usize] = (start, len);
            }
        }
        values
    }

    /// The data of `extension` in `packet`; `None` if absent (or empty: no known extension has an empty value).
    pub fn get<'a>(&self, extension: Extension, packet: &'a [u8]) -> Option<&'a [u8]> {
        let (start, len) = self.places[extension as usize];
        if len == 0 {
            return None;
        }
        packet.get(usize::from(start)..usize::from(start) + usize::from(len))
    }

    /// RFC 6464: voice activity flag, level in −dBov (0 loud … 127 silent).
    pub fn audio_level(&self, packet: &[u8]) -> Option<(bool, u8)> {
        let byte = self.get(Extension::AudioLevel, packet)?.first()?;
        Some((byte & 0x80 != 0, byte & 0x7f))
    }

    /// The transport-wide sequence number.
    pub fn transport_cc(&self, packet: &[u8]) -> Option<u16> {
        Some(u16::from_be_bytes(
            *self.get(Extension::TransportCc, packet)?.first_chunk()?,
        ))
    }

    /// The 24-bit time of sending, in 2⁻¹⁸ s.
    pub fn abs_send_time(&self, packet: &[u8]) -> Option<u32> {
        let [a, b, c] = *self.get(Extension::AbsSendTime, packet)?.first_chunk()?;
        Some(u32::from_be_bytes([0, a, b, c]))
    }
}

/// Iterator over the elements of an extension block: id and where in the packet its data lies.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    packet: &'a [u8],
    at: usize,
    end: usize,
    two_byte: bool,
}

impl<'a> Elements<'a> {
    pub(crate) fn new(profile: u16, packet: &'a [u8], start: usize, end: usize) -> Elements<'a> {
        let two_byte = profile & 0xfff0 == TWO_BYTE;
        let known = two_byte || profile == ONE_BYTE;
        let end = if known { end.min(packet.len()) } else { start };
        Elements {
            packet,
            at: start,
            end,
            two_byte,
        }
    }
}

impl Iterator for Elements<'_> {
    type Item = (u8, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.at >= self.end {
                return None;
            }
            let first = self.packet[self.at];
            if first == 0 {
                self.at += 1;
                continue;
            }
            let (id, start, len) = if self.two_byte {
                if self.at + 1 >= self.end {
                    return None;
                }
                (first, self.at + 2, usize::from(self.packet[self.at + 1]))
            } else if first >> 4 == 15 {
                return None; // RFC 8285 §4.2: id 15 stops the processing
            } else if first >> 4 == 0 {
                // §4.2: id 0 with a length is malformed; skip it as its length says
                self.at += 2 + usize::from(first & 0x0f);
                continue;
            } else {
                (first >> 4, self.at + 1, usize::from(first & 0x0f) + 1)
            };
            let end = start + len;
            if end > self.end {
                return None;
            }
            self.at = end;
            return Some((id, start..end));
        }
    }
}

/// Writes an extension block behind a fixed header.
///
/// One-byte form holds ids 1–14 with 1–16 bytes; two-byte form (only where `a=extmap-allow-mixed` was agreed, RFC 8285 §6) ids 1–255 with 0–255 bytes.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
    two_byte: bool,
}

impl<'a> Writer<'a> {
    /// Starts a block at the beginning of `out`.
    pub fn new(out: &'a mut [u8], two_byte: bool) -> Result<Writer<'a>, NoRoom> {
        let head: &mut [u8; 4] = out.first_chunk_mut().ok_or(NoRoom)?;
        let profile = if two_byte { TWO_BYTE } else { ONE_BYTE };
        head[..2].copy_from_slice(&profile.to_be_bytes());
        Ok(Writer {
            out,
            at: 4,
            two_byte,
        })
    }

    /// Appends one element. `false`: it does not fit the form or the buffer, and was left out.
    pub fn push(&mut self, id: u8, data: &[u8]) -> bool {
        let head = if self.two_byte { 2 } else { 1 };
        let fits = if self.two_byte {
            id != 0 && data.len() <= 255
        } else {
            (1..=14).contains(&id) && (1..=16).contains(&data.len())
        };
        let Some(room) = self.out.get_mut(self.at..self.at + head + data.len()) else {
            return false;
        };
        if !fits {
            return false;
        }
        if self.two_byte {
            room[0] = id;
            room[1] = data.len() as u8;
        } else {
            room[0] = id << 4 | (data.len() - 1) as u8;
        }
        room[head..].copy_from_slice(data);
        self.at += head + data.len();
        true
    }

    /// Pads to whole words and fills in the length; returns the bytes of the block.
    pub fn finish(self) -> Result<usize, NoRoom> {
        let end = self.at.next_multiple_of(4);
        self.out.get_mut(self.at..end).ok_or(NoRoom)?.fill(0);
        let words = u16::try_from(end / 4 - 1).map_err(|_| NoRoom)?;
        self.out[2..4].copy_from_slice(&words.to_be_bytes());
        Ok(end)
    }
}
