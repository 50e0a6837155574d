//! What a Link has agreed to receive: payload types and header-extension ids.

use meeting_rtp::{Codec, ExtensionMap};

/// One payload type of a Link's receive side (W3C RTCRtpCodecParameters and its `a=rtcp-fb` lines).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodecParameters {
    /// Payload type, 0–127.
    pub payload_type: u8,
    /// The codec, if its payloads are to be understood.
    pub codec: Option<Codec>,
    /// Timestamp ticks a second.
    pub clock_rate: u32,
    /// Payload type of its retransmissions (RFC 4588 `apt`).
    pub rtx_payload_type: Option<u8>,
    /// Generic NACK was agreed.
    pub nack: bool,
    /// Picture loss indication was agreed; without it key frames are asked for by full intra request.
    pub pli: bool,
}

/// The receive side of a Link, shared by its Sources.
#[derive(Debug, Clone)]
pub struct Reception {
    /// Header-extension ids.
    pub extensions: ExtensionMap,
    codecs: Vec<CodecParameters>,
    roles: [Role; 128],
}

/// What a payload type stands for; the number is the place of its codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Unknown,
    Media(u8),
    Retransmission(u8),
}

impl Reception {
    /// Payload types above 127 and codecs behind the 128th are ignored; of a type given twice the first counts.
    pub fn new(
        extensions: ExtensionMap,
        codecs: impl IntoIterator<Item = CodecParameters>,
    ) -> Reception {
        let codecs: Vec<_> = codecs.into_iter().take(128).collect();
        let mut roles = [Role::Unknown; 128];
        for (place, codec) in (0u8..).zip(&codecs) {
            let types = [
                (Some(codec.payload_type), Role::Media(place)),
                (codec.rtx_payload_type, Role::Retransmission(place)),
            ];
            for (payload_type, role) in types {
                if let Some(entry) = payload_type.and_then(|it| roles.get_mut(usize::from(it)))
                    && *entry == Role::Unknown
                {
                    *entry = role;
                }
            }
        }
        Reception {
            extensions,
            codecs,
            roles,
        }
    }

    pub(crate) fn role(&self, payload_type: u8) -> Role {
        self.roles
            .get(usize::from(payload_type))
            .copied()
            .unwrap_or(Role::Unknown)
    }

    pub(crate) fn codec(&self, place: u8) -> Option<&CodecParameters> {
        self.codecs.get(usize::from(place))
    }
}
