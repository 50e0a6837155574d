//! What a forwarder must know of a codec: where a decoder can begin. Payload descriptors only, never the picture itself, so it
//! also works on end-to-end encrypted payloads, which leave the descriptor in the clear.

pub mod av1;
pub mod h264;
pub mod h265;
pub mod vp8;
pub mod vp9;

/// A codec by its SDP encoding name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Opus (RFC 7587).
    Opus,
    /// Redundant audio (RFC 2198).
    Red,
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// VP8 (RFC 7741).
    Vp8,
    /// VP9 (RFC 9628).
    Vp9,
    /// H.264 (RFC 6184).
    H264,
    /// H.265 (RFC 7798).
    H265,
    /// AV1 (AOMedia AV1 RTP specification).
    Av1,
}

impl Codec {
    /// The codec an `a=rtpmap` names, whatever the case.
    pub fn from_name(name: &str) -> Option<Codec> {
        const NAMES: [(&str, Codec); 9] = [
            ("opus", Codec::Opus),
            ("red", Codec::Red),
            ("PCMU", Codec::Pcmu),
            ("PCMA", Codec::Pcma),
            ("VP8", Codec::Vp8),
            ("VP9", Codec::Vp9),
            ("H264", Codec::H264),
            ("H265", Codec::H265),
            ("AV1", Codec::Av1),
        ];
        NAMES
            .into_iter()
            .find_map(|(known, codec)| known.eq_ignore_ascii_case(name).then_some(codec))
    }

    /// Whether it carries pictures.
    pub fn is_video(self) -> bool {
        matches!(
            self,
            Codec::Vp8 | Codec::Vp9 | Codec::H264 | Codec::H265 | Codec::Av1
        )
    }

    /// Whether `payload` begins something a decoder can start from: for video the first packet of a key frame,
    /// for audio any packet. Malformed payloads begin nothing.
    pub fn starts_decoding(self, payload: &[u8]) -> bool {
        match self {
            Codec::Opus | Codec::Red | Codec::Pcmu | Codec::Pcma => true,
            Codec::Vp8 => vp8::Descriptor::parse(payload).is_ok_and(|d| d.key_frame),
            Codec::Vp9 => vp9::starts_key_frame(payload),
            Codec::H264 => h264::starts_key_frame(payload),
            Codec::H265 => h265::starts_key_frame(payload),
            Codec::Av1 => av1::starts_key_frame(payload),
        }
    }
}
