//! Writing RTCP, packet behind packet, into the caller's buffer.

use super::{
    GOODBYE, PAYLOAD_FEEDBACK, RECEIVER_REPORT, ReportBlock, SENDER_REPORT, SOURCE_DESCRIPTION,
    SenderInfo, TRANSPORT_FEEDBACK, transport_cc,
};
use crate::{NoRoom, NtpTime};

/// A compound (or reduced-size, RFC 5506) RTCP datagram under construction. A packet that does not fit leaves it as it was.
#[derive(Debug)]
pub struct Builder<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl<'a> Builder<'a> {
    /// Starts at the beginning of `out`, which bounds the datagram: leave room for the SRTCP trailer behind it.
    pub fn new(out: &'a mut [u8]) -> Builder<'a> {
        Builder { out, len: 0 }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The datagram so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.out[..self.len]
    }

    /// A sender report with up to 31 blocks.
    pub fn sender_report(
        &mut self,
        ssrc: u32,
        info: SenderInfo,
        blocks: &[ReportBlock],
    ) -> Result<(), NoRoom> {
        let count = u8::try_from(blocks.len())
            .ok()
            .filter(|count| *count < 32)
            .ok_or(NoRoom)?;
        let body = self.packet(
            count,
            SENDER_REPORT,
            4 + SenderInfo::LEN + ReportBlock::LEN * blocks.len(),
        )?;
        body[..4].copy_from_slice(&ssrc.to_be_bytes());
        body[4..24].copy_from_slice(&info.to_bytes());
        write_blocks(&mut body[24..], blocks);
        Ok(())
    }

    /// A receiver report with up to 31 blocks.
    pub fn receiver_report(&mut self, ssrc: u32, blocks: &[ReportBlock]) -> Result<(), NoRoom> {
        let count = u8::try_from(blocks.len())
            .ok()
            .filter(|count| *count < 32)
            .ok_or(NoRoom)?;
        let body = self.packet(count, RECEIVER_REPORT, 4 + ReportBlock::LEN * blocks.len())?;
        body[..4].copy_from_slice(&ssrc.to_be_bytes());
        write_blocks(&mut body[4..], blocks);
        Ok(())
    }

    /// A source description with one CNAME of at most 255 bytes (RFC 3550 §6.5.1).
    pub fn cname(&mut self, ssrc: u32, cname: &str) -> Result<(), NoRoom> {
        let len = u8::try_from(cname.len()).map_err(|_| NoRoom)?;
        let chunk = 4 + (2 + cname.len() + 1).next_multiple_of(4); // the item list ends in at least one zero
        let body = self.packet(1, SOURCE_DESCRIPTION, chunk)?;
        body.fill(0);
        body[..4].copy_from_slice(&ssrc.to_be_bytes());
        body[4..6].copy_from_slice(&[1, len]);
        body[6..6 + cname.len()].copy_from_slice(cname.as_bytes());
        Ok(())
    }

    /// A goodbye for up to 31 streams (§6.6).
    pub fn goodbye(&mut self, ssrcs: &[u32]) -> Result<(), NoRoom> {
        let count = u8::try_from(ssrcs.len())
            .ok()
            .filter(|count| *count < 32)
            .ok_or(NoRoom)?;
        let body = self.packet(count, GOODBYE, 4 * ssrcs.len())?;
        write_words(body, ssrcs);
        Ok(())
    }

    /// A generic NACK of sequence numbers in ascending order (RFC 4585 §6.2.1).
    pub fn nack(
        &mut self,
        sender: u32,
        media: u32,
        sequences: impl Iterator<Item = u16> + Clone,
    ) -> Result<(), NoRoom> {
        let mut items = 0;
        pack(sequences.clone(), |_, _| items += 1);
        if items == 0 {
            return Ok(());
        }
        let body = self.packet(1, TRANSPORT_FEEDBACK, 8 + 4 * items)?;
        write_words(body, &[sender, media]);
        let mut places = body[8..].chunks_exact_mut(4);
        pack(sequences, |first, mask| {
            if let Some(place) = places.next() {
                place[..2].copy_from_slice(&first.to_be_bytes());
                place[2..].copy_from_slice(&mask.to_be_bytes());
            }
        });
        Ok(())
    }

    /// A picture loss indication (RFC 4585 §6.3.1).
    pub fn picture_loss(&mut self, sender: u32, media: u32) -> Result<(), NoRoom> {
        write_words(self.packet(1, PAYLOAD_FEEDBACK, 8)?, &[sender, media]);
        Ok(())
    }

    /// A full intra request (RFC 5104 §4.3.1); `command` counts requests, not repetitions.
    pub fn full_intra_request(
        &mut self,
        sender: u32,
        media: u32,
        command: u8,
    ) -> Result<(), NoRoom> {
        let body = self.packet(4, PAYLOAD_FEEDBACK, 16)?;
        write_words(body, &[sender, 0, media, u32::from(command) << 24]);
        Ok(())
    }

    /// A maximum bitrate in bit/s for up to 255 streams (draft-alvestrand-rmcat-remb-03 §2.2).
    pub fn remb(&mut self, sender: u32, bitrate: u64, ssrcs: &[u32]) -> Result<(), NoRoom> {
        let count = u8::try_from(ssrcs.len()).map_err(|_| NoRoom)?;
        let exponent = (64 - bitrate.leading_zeros()).saturating_sub(18);
        let mantissa = (bitrate >> exponent) as u32;
        let body = self.packet(15, PAYLOAD_FEEDBACK, 16 + 4 * ssrcs.len())?;
        write_words(body, &[sender, 0]);
        body[8..12].copy_from_slice(b"REMB");
        write_words(
            &mut body[12..],
            &[u32::from(count) << 24 | exponent << 18 | mantissa],
        );
        write_words(&mut body[16..], ssrcs);
        Ok(())
    }

    /// Transport-wide feedback about `arrivals` (see [`transport_cc::encode`]); returns how many of them it covers.
    pub fn transport_cc(
        &mut self,
        sender: u32,
        media: u32,
        count: u8,
        arrivals: &[transport_cc::Arrival],
    ) -> Result<usize, NoRoom> {
        let start = self.len + 4;
        let room = self.out.get_mut(start..).ok_or(NoRoom)?;
        let (len, covered) = transport_cc::encode(room, sender, media, count, arrivals)?;
        self.packet(15, TRANSPORT_FEEDBACK, len)?;
        Ok(covered)
    }

    /// Frames a packet of `len` body bytes (whole words) and returns its body.
    fn packet(&mut self, count: u8, kind: u8, len: usize) -> Result<&mut [u8], NoRoom> {
        let words = u16::try_from(len / 4).map_err(|_| NoRoom)?;
        let packet = self
            .out
            .get_mut(self.len..self.len + 4 + len)
            .ok_or(NoRoom)?;
        packet[..2].copy_from_slice(&[0x80 | count, kind]);
        packet[2..4].copy_from_slice(&words.to_be_bytes());
        self.len += 4 + len;
        Ok(&mut packet[4..])
    }
}

impl SenderInfo {
    /// The information for a report that says: at wall time `ntp` the media clock stood at `rtp_timestamp`.
    pub fn new(ntp: NtpTime, rtp_timestamp: u32, packets: u32, octets: u32) -> SenderInfo {
        SenderInfo {
            ntp,
            rtp_timestamp,
            packets,
            octets,
        }
    }
}

fn write_words(out: &mut [u8], words: &[u32]) {
    for (place, word) in out.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
}

fn write_blocks(out: &mut [u8], blocks: &[ReportBlock]) {
    for (place, block) in out.chunks_exact_mut(ReportBlock::LEN).zip(blocks) {
        place.copy_from_slice(&block.to_bytes());
    }
}

/// Packs ascending sequence numbers into (first, mask of the 16 behind it) items.
fn pack(sequences: impl Iterator<Item = u16>, mut item: impl FnMut(u16, u16)) {
    let mut open: Option<(u16, u16)> = None;
    for sequence in sequences {
        open = Some(match open {
            None => (sequence, 0),
            Some((first, mask)) => match sequence.wrapping_sub(first) {
                0 => (first, mask),
                behind @ 1..=16 => (first, mask | 1 << (behind - 1)),
                _ => {
                    item(first, mask);
                    (sequence, 0)
                }
            },
        });
    }
    if let Some((first, mask)) = open {
        item(first, mask);
    }
}
