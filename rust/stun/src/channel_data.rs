//! ChannelData (RFC 8656 §12.4): four bytes in front of what is relayed.

/// Bytes in front of the data.
pub const CHANNEL_HEADER: usize = 4;
/// The lowest channel number.
pub const MIN_CHANNEL: u16 = 0x4000;
/// The highest channel number of RFC 5766. RFC 8656 §12 leaves 0x5000 and above to other protocols, but clients that follow
/// the older one are many; which numbers may be bound is for those to say who bind them.
pub const MAX_CHANNEL: u16 = 0x7FFF;

/// A ChannelData message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelData<'a> {
    /// The channel, [`MIN_CHANNEL`] to [`MAX_CHANNEL`].
    pub channel: u16,
    /// What is relayed.
    pub data: &'a [u8],
}

impl<'a> ChannelData<'a> {
    /// Reads one message; over UDP padding may follow and is cut off (RFC 8656 §12.5). `None`: not ChannelData, or cut short.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<CHANNEL_HEADER>()?;
        let channel = u16::from_be_bytes([header[0], header[1]]);
        if !(MIN_CHANNEL..=MAX_CHANNEL).contains(&channel) {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        Some(Self {
            channel,
            data: rest.get(..length)?,
        })
    }
}

/// The four bytes in front of `length` bytes of data.
pub fn write_channel_header(channel: u16, length: u16) -> [u8; CHANNEL_HEADER] {
    let ([a, b], [c, d]) = (channel.to_be_bytes(), length.to_be_bytes());
    [a, b, c, d]
}
