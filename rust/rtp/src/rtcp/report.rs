//! What reports say (RFC 3550 §6.4).

use crate::{Malformed, NtpTime, u32_at};

/// The sender information of a sender report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    /// Wall time of the report on the sender's clock.
    pub ntp: NtpTime,
    /// The media timestamp of the same moment.
    pub rtp_timestamp: u32,
    /// RTP packets sent since the start.
    pub packets: u32,
    /// Payload bytes sent since the start, without headers and padding.
    pub octets: u32,
}

impl SenderInfo {
    pub(crate) const LEN: usize = 20;

    pub(crate) fn parse(bytes: &[u8]) -> Result<SenderInfo, Malformed> {
        let word = |at| u32_at(bytes, at).ok_or(Malformed::Truncated);
        Ok(SenderInfo {
            ntp: NtpTime(u64::from(word(0)?) << 32 | u64::from(word(4)?)),
            rtp_timestamp: word(8)?,
            packets: word(12)?,
            octets: word(16)?,
        })
    }

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.ntp.0.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.rtp_timestamp.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.packets.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.octets.to_be_bytes());
        bytes
    }
}

/// A report block: how one stream is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// The stream reported on.
    pub ssrc: u32,
    /// Share lost since the previous report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the start (signed 24 bit: duplicates can make it negative).
    pub cumulative_lost: i32,
    /// Extended highest sequence number received.
    pub highest_sequence: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the last sender report's NTP time; 0 if none.
    pub last_sender_report: u32,
    /// Delay since that report, in 1/65536 s.
    pub delay_since: u32,
}

impl ReportBlock {
    pub(crate) const LEN: usize = 24;

    pub(crate) fn parse(bytes: &[u8]) -> Option<ReportBlock> {
        let loss = u32_at(bytes, 4)?;
        Some(ReportBlock {
            ssrc: u32_at(bytes, 0)?,
            fraction_lost: (loss >> 24) as u8,
            cumulative_lost: (loss << 8).cast_signed() >> 8,
            highest_sequence: u32_at(bytes, 8)?,
            jitter: u32_at(bytes, 12)?,
            last_sender_report: u32_at(bytes, 16)?,
            delay_since: u32_at(bytes, 20)?,
        })
    }

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let lost = self
            .cumulative_lost
            .clamp(-0x80_0000, 0x7f_ffff)
            .cast_unsigned();
        let loss = u32::from(self.fraction_lost) << 24 | lost & 0x00ff_ffff;
        let words = [
            self.ssrc,
            loss,
            self.highest_sequence,
            self.jitter,
            self.last_sender_report,
            self.delay_since,
        ];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }
}
