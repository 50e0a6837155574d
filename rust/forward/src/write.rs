//! Writing a Sink's version of a packet: a header made anew, the payload copied once.

use crate::Packet;
use meeting_rtp::extension::Writer;
use meeting_rtp::{Extension, ExtensionMap, FIXED_HEADER, Header, NtpTime, rtx};

/// An output buffer needs so much more than the incoming packet: extensions of the subscriber's own, the original sequence number
/// of RTX, the SRTP tag.
pub const HEADROOM: usize = 96;

/// Bytes of padding in a packet that has nothing else.
const PADDING: usize = 255;

/// What the extensions of a Link's own say of the packets leaving it: shared by all its Sinks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Departure {
    send_time: u32,
    transport_sequence: u16,
}

impl Departure {
    /// Sets the time of sending, once per batch.
    pub fn at(&mut self, wall: NtpTime) {
        self.send_time = wall.abs_send_time();
    }

    /// The transport-wide sequence number the next packet gets.
    pub fn transport_sequence(&self) -> u16 {
        self.transport_sequence
    }
}

/// A packet written into the caller's buffer, to be protected and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    /// Length of the whole clear packet.
    pub len: usize,
    /// Length of its RTP header.
    pub header: usize,
    /// The SRTP packet index.
    pub index: u64,
    /// The transport-wide sequence number it carries, where negotiated.
    pub transport_sequence: Option<u16>,
}

/// What a Sink makes of a packet.
pub(crate) struct Body<'p> {
    /// Whose extensions pass.
    pub(crate) packet: &'p Packet<'p>,
    pub(crate) payload: &'p [u8],
    /// The sequence number of what a retransmission repeats.
    pub(crate) original: Option<u16>,
    /// The dependency descriptor.
    pub(crate) descriptor: Option<&'p [u8]>,
}

/// What of a packet depends on the moment it is sent. A plain resend must repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    send_time: u32,
    transport_sequence: u16,
}

/// The part of the header that is the same for all packets of a Sink.
#[derive(Debug)]
pub(crate) struct Frame {
    extensions: ExtensionMap,
    mid: Box<[u8]>,
    mixed: bool,
    passed: Vec<(Extension, u8)>,
}

impl Frame {
    /// What passes from publisher to subscriber unchanged. All else is the hop's own, or ends here.
    const PASSED: [Extension; 5] = [
        Extension::AudioLevel,
        Extension::VideoOrientation,
        Extension::PlayoutDelay,
        Extension::DependencyDescriptor,
        Extension::AbsCaptureTime,
    ];

    pub(crate) fn new(extensions: ExtensionMap, mid: &str, mixed: bool) -> Frame {
        let passed = Frame::PASSED
            .into_iter()
            .filter_map(|extension| Some((extension, extensions.id(extension)?)))
            .collect();
        Frame {
            extensions,
            mid: mid.as_bytes().into(),
            mixed,
            passed,
        }
    }

    /// Whether packets carry something that depends on the moment they are sent.
    pub(crate) fn is_stamped(&self) -> bool {
        self.extensions.id(Extension::AbsSendTime).is_some()
            || self.extensions.id(Extension::TransportCc).is_some()
    }

    /// The stamp of the next packet of the Link.
    pub(crate) fn stamp(&self, departure: &mut Departure) -> Stamp {
        let stamp = Stamp {
            send_time: departure.send_time,
            transport_sequence: departure.transport_sequence,
        };
        if self.extensions.id(Extension::TransportCc).is_some() {
            departure.transport_sequence = departure.transport_sequence.wrapping_add(1);
        }
        stamp
    }

    /// The transport-wide sequence number a packet with this stamp carries.
    pub(crate) fn transport_sequence(&self, stamp: Stamp) -> Option<u16> {
        self.extensions
            .id(Extension::TransportCc)
            .map(|_| stamp.transport_sequence)
    }

    /// Writes `header`, our extensions, and `body`.
    /// Returns the lengths of header and packet; `None` if `out` is too small.
    pub(crate) fn write(
        &self,
        header: &Header,
        body: &Body<'_>,
        stamp: Stamp,
        out: &mut [u8],
    ) -> Option<(usize, usize)> {
        let block = self.write_extensions(Some(body), stamp, out.get_mut(FIXED_HEADER..)?)?;
        header.write(block > 0, out).ok()?;
        let header = FIXED_HEADER + block;
        let mut at = header;
        if let Some(original) = body.original {
            out.get_mut(at..at + rtx::OSN)?
                .copy_from_slice(&original.to_be_bytes());
            at += rtx::OSN;
        }
        out.get_mut(at..at + body.payload.len())?
            .copy_from_slice(body.payload);
        Some((header, at + body.payload.len()))
    }

    /// Writes `header`, our extensions and nothing but padding, as much as a packet may have (RFC 3550 §5.1). Returns the lengths
    /// of header and packet.
    pub(crate) fn pad(
        &self,
        header: &Header,
        stamp: Stamp,
        out: &mut [u8],
    ) -> Option<(usize, usize)> {
        let block = self.write_extensions(None, stamp, out.get_mut(FIXED_HEADER..)?)?;
        header.write(block > 0, out).ok()?;
        let (start, end) = (FIXED_HEADER + block, FIXED_HEADER + block + PADDING);
        let padding = out.get_mut(start..end)?;
        padding.fill(0);
        *padding.last_mut()? = PADDING as u8;
        out[0] |= 0x20;
        Some((start, end))
    }

    fn write_extensions(
        &self,
        body: Option<&Body<'_>>,
        stamp: Stamp,
        out: &mut [u8],
    ) -> Option<usize> {
        let value = |extension| match (extension, body?) {
            (Extension::DependencyDescriptor, body) => body.descriptor,
            (other, Body { packet, .. }) => packet.extensions.get(other, packet.bytes),
        };
        let long = |extension| value(extension).is_some_and(|value| value.len() > 16);
        let two_byte = self.mixed
            && (!self.extensions.fits_one_byte() || long(Extension::DependencyDescriptor));
        let mut writer = Writer::new(out, two_byte).ok()?;
        let mut any = false;
        if let Some(id) = self.extensions.id(Extension::Mid) {
            any |= writer.push(id, &self.mid);
        }
        if let Some(id) = self.extensions.id(Extension::AbsSendTime) {
            any |= writer.push(id, &stamp.send_time.to_be_bytes()[1..]);
        }
        if let Some(id) = self.extensions.id(Extension::TransportCc) {
            any |= writer.push(id, &stamp.transport_sequence.to_be_bytes());
        }
        for (extension, id) in &self.passed {
            if let Some(value) = value(*extension) {
                any |= writer.push(*id, value);
            }
        }
        if any { writer.finish().ok() } else { Some(0) }
    }
}
