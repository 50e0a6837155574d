//! RTCP (RFC 3550 §6): compound and reduced-size packets (RFC 5506), read one by one, written one behind the other.

mod builder;
mod feedback;
mod report;
pub mod transport_cc;

pub use builder::Builder;
pub use feedback::{Fir, Nack, Remb};
pub use report::{ReportBlock, SenderInfo};
pub use transport_cc::TransportCc;

use crate::{Malformed, u16_at, u32_at};

pub(crate) const SENDER_REPORT: u8 = 200;
pub(crate) const RECEIVER_REPORT: u8 = 201;
pub(crate) const SOURCE_DESCRIPTION: u8 = 202;
pub(crate) const GOODBYE: u8 = 203;
pub(crate) const TRANSPORT_FEEDBACK: u8 = 205;
pub(crate) const PAYLOAD_FEEDBACK: u8 = 206;

/// One packet of a compound.
#[derive(Debug, Clone, PartialEq)]
pub enum Packet<'a> {
    /// Sender report (§6.4.1).
    SenderReport {
        /// Who reports.
        ssrc: u32,
        /// What it sent.
        info: SenderInfo,
        /// What it received.
        blocks: Blocks<'a>,
    },
    /// Receiver report (§6.4.2).
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
        /// What it received.
        blocks: Blocks<'a>,
    },
    /// Source description (§6.5): the chunks, unread.
    SourceDescription(&'a [u8]),
    /// Goodbye (§6.6).
    Goodbye(Ssrcs<'a>),
    /// Generic NACK (RFC 4585 §6.2.1).
    Nack(Nack<'a>),
    /// Picture loss indication (RFC 4585 §6.3.1).
    PictureLoss {
        /// Who asks.
        sender: u32,
        /// For a key frame of whom.
        media: u32,
    },
    /// Full intra request (RFC 5104 §4.3.1).
    Fir(Fir<'a>),
    /// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03 §2.2).
    Remb(Remb<'a>),
    /// Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
    TransportCc(TransportCc<'a>),
    /// Anything else: its packet type and count/format field.
    Other {
        /// Packet type.
        kind: u8,
        /// Count or format.
        format: u8,
    },
}

/// Iterates over the packets of a clear compound or reduced-size RTCP datagram.
///
/// A packet that is well framed but malformed inside is an `Err` and does not stop the iteration; bad framing ends it.
pub fn packets(datagram: &[u8]) -> Packets<'_> {
    Packets { rest: datagram }
}

/// See [`packets`].
#[derive(Debug, Clone)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Packet<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.rest);
        let Some(&[first, kind, high, low]) = rest.first_chunk() else {
            return Some(Err(Malformed::Truncated));
        };
        if first >> 6 != 2 {
            return Some(Err(Malformed::Version));
        }
        let len = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        let Some((packet, rest)) = rest.split_at_checked(len) else {
            return Some(Err(Malformed::Truncated));
        };
        self.rest = rest;
        let mut body = &packet[4..];
        if first & 0x20 != 0 {
            let padding = usize::from(packet[len - 1]);
            if padding == 0 || padding > body.len() {
                return Some(Err(Malformed::Padding));
            }
            body = &body[..body.len() - padding];
        }
        Some(parse(first & 0x1f, kind, body))
    }
}

fn parse(count: u8, kind: u8, body: &[u8]) -> Result<Packet<'_>, Malformed> {
    let word = |at| u32_at(body, at).ok_or(Malformed::Truncated);
    let from = |at: usize| body.get(at..).ok_or(Malformed::Truncated);
    Ok(match (kind, count) {
        (SENDER_REPORT, _) => Packet::SenderReport {
            ssrc: word(0)?,
            info: SenderInfo::parse(from(4)?)?,
            blocks: Blocks::new(count, from(24)?)?,
        },
        (RECEIVER_REPORT, _) => Packet::ReceiverReport {
            ssrc: word(0)?,
            blocks: Blocks::new(count, from(4)?)?,
        },
        (SOURCE_DESCRIPTION, _) => Packet::SourceDescription(body),
        (GOODBYE, _) => {
            let len = 4 * usize::from(count);
            Packet::Goodbye(Ssrcs(body.get(..len).ok_or(Malformed::Truncated)?))
        }
        (TRANSPORT_FEEDBACK, 1) => Packet::Nack(Nack::parse(body)?),
        (TRANSPORT_FEEDBACK, 15) => Packet::TransportCc(TransportCc::parse(body)?),
        (PAYLOAD_FEEDBACK, 1) => Packet::PictureLoss {
            sender: word(0)?,
            media: word(4)?,
        },
        (PAYLOAD_FEEDBACK, 4) => Packet::Fir(Fir::parse(body)?),
        (PAYLOAD_FEEDBACK, 15) if body.get(8..12) == Some(b"REMB") => {
            Packet::Remb(Remb::parse(body)?)
        }
        (kind, format) => Packet::Other { kind, format },
    })
}

/// The report blocks of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks<'a>(&'a [u8]);

impl<'a> Blocks<'a> {
    fn new(count: u8, bytes: &'a [u8]) -> Result<Blocks<'a>, Malformed> {
        let len = ReportBlock::LEN * usize::from(count);
        bytes.get(..len).map(Blocks).ok_or(Malformed::Truncated)
    }

    /// The blocks in order.
    pub fn iter(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        self.0
            .chunks_exact(ReportBlock::LEN)
            .filter_map(ReportBlock::parse)
    }
}

/// A list of SSRCs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ssrcs<'a>(pub(crate) &'a [u8]);

impl<'a> Ssrcs<'a> {
    /// The SSRCs in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.0.chunks_exact(4).filter_map(|word| u32_at(word, 0))
    }
}

/// The sender's SSRC of a clear or protected RTCP packet: the word that stays unencrypted.
pub fn sender_ssrc(datagram: &[u8]) -> Option<u32> {
    u16_at(datagram, 2)?;
    u32_at(datagram, 4)
}
