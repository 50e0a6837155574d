//! The Data Channel Establishment Protocol (RFC 8832): two messages.

use crate::event::ChannelSettings;

const ACK: u8 = 0x02;
const OPEN: u8 = 0x03;
const HEADER: usize = 12;
const RELIABLE: u8 = 0x00;
const PARTIAL_REXMIT: u8 = 0x01;
const PARTIAL_TIMED: u8 = 0x02;
const UNORDERED: u8 = 0x80;

/// A message of stream set-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dcep {
    Open(Open),
    Ack,
}

/// DATA_CHANNEL_OPEN (§5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub label: String,
    pub delivery: Delivery,
}

/// Channel type with its reliability parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub ordered: bool,
    pub reliability: Reliability,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reliability {
    Full,
    Retransmits(u32),
    Milliseconds(u32),
}

impl From<ChannelSettings> for Delivery {
    fn from(settings: ChannelSettings) -> Self {
        Self {
            ordered: settings.ordered,
            reliability: settings
                .max_retransmits
                .map_or(Reliability::Full, Reliability::Retransmits),
        }
    }
}

impl Dcep {
    /// `None`: not a message of this protocol, or its lengths do not add up.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        match *bytes.first()? {
            ACK => Some(Self::Ack),
            OPEN => {
                let (header, rest) = bytes.split_at_checked(HEADER)?;
                let parameter = u32::from_be_bytes(header[4..8].try_into().ok()?);
                let label = usize::from(u16::from_be_bytes([header[8], header[9]]));
                let protocol = usize::from(u16::from_be_bytes([header[10], header[11]]));
                if rest.len() != label + protocol {
                    return None;
                }
                let reliability = match header[1] & !UNORDERED {
                    RELIABLE => Reliability::Full,
                    PARTIAL_REXMIT => Reliability::Retransmits(parameter),
                    PARTIAL_TIMED => Reliability::Milliseconds(parameter),
                    _ => return None,
                };
                Some(Self::Open(Open {
                    label: std::str::from_utf8(&rest[..label]).ok()?.to_owned(),
                    delivery: Delivery {
                        ordered: header[1] & UNORDERED == 0,
                        reliability,
                    },
                }))
            }
            _ => None,
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let Self::Open(open) = self else {
            return vec![ACK];
        };
        let (kind, parameter) = match open.delivery.reliability {
            Reliability::Full => (RELIABLE, 0),
            Reliability::Retransmits(n) => (PARTIAL_REXMIT, n),
            Reliability::Milliseconds(n) => (PARTIAL_TIMED, n),
        };
        let order = if open.delivery.ordered { 0 } else { UNORDERED };
        let mut bytes = vec![OPEN, kind | order, 0, 0];
        bytes.extend_from_slice(&parameter.to_be_bytes());
        bytes.extend_from_slice(&(open.label.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(open.label.as_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_delivery_reads_back_as_written() {
        for ordered in [true, false] {
            for reliability in [
                Reliability::Full,
                Reliability::Retransmits(0),
                Reliability::Retransmits(7),
                Reliability::Milliseconds(250),
            ] {
                let message = Dcep::Open(Open {
                    label: "_lossy ü".to_owned(),
                    delivery: Delivery {
                        ordered,
                        reliability,
                    },
                });
                assert_eq!(Dcep::parse(&message.to_bytes()), Some(message));
            }
        }
        assert_eq!(Dcep::parse(&Dcep::Ack.to_bytes()), Some(Dcep::Ack));
    }

    #[test]
    fn an_open_as_chromium_writes_it_is_understood() {
        let bytes = b"\x03\x81\x01\x00\x00\x00\x00\x00\x00\x06\x00\x00_lossy";
        let Some(Dcep::Open(open)) = Dcep::parse(bytes) else {
            panic!("not understood")
        };
        assert_eq!(open.label, "_lossy");
        assert!(!open.delivery.ordered);
        assert_eq!(open.delivery.reliability, Reliability::Retransmits(0));
    }

    #[test]
    fn cut_and_altered_messages_never_panic() {
        let bytes = Dcep::Open(Open {
            label: "_reliable".to_owned(),
            delivery: Delivery {
                ordered: true,
                reliability: Reliability::Full,
            },
        })
        .to_bytes();
        for end in 0..bytes.len() {
            assert_eq!(Dcep::parse(&bytes[..end]), None);
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut altered = bytes.clone();
                altered[at] ^= 1 << bit;
                let _ = Dcep::parse(&altered);
            }
        }
    }
}
