//! Which layers of a stream are sent, and where that may change: less from any picture on, more only where a decoder can follow.
//!
//! A stream says its layers by the dependency descriptor (any codec) or in its payload descriptors (VP8, VP9). All frames up to
//! the chosen layers are sent, also those a decoder of the highest spatial layer could do without (K-SVC): so less is possible
//! from the next picture on, without a key frame.

use meeting_rtp::codec::{vp8, vp9};
use meeting_rtp::dependency::{self, Structure};

/// Decode targets that are looked at: three by three layers are nine.
const MOST_TARGETS: usize = 16;

/// A spatial and a temporal layer, with all below them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Layers {
    /// 0 is the smallest picture.
    pub spatial: u8,
    /// 0 is the lowest frame rate.
    pub temporal: u8,
}

impl Layers {
    /// Whatever there is.
    pub const ALL: Layers = Layers {
        spatial: u8::MAX,
        temporal: u8::MAX,
    };

    /// Whether frames of these layers are among them.
    pub fn hold(self, other: Layers) -> bool {
        other.spatial <= self.spatial && other.temporal <= self.temporal
    }

    fn and(self, other: Layers) -> Layers {
        Layers {
            spatial: self.spatial.min(other.spatial),
            temporal: self.temporal.min(other.temporal),
        }
    }
}

/// What a packet says of its frame: of one spatial layer of a picture.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// Its layers.
    pub layers: Layers,
    /// The packet is its first.
    pub begins: bool,
    /// The packet is its last.
    pub ends: bool,
    pub(crate) says: Says,
}

/// In which words.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Says {
    Vp8 { sync: bool },
    Vp9 { switching_up: bool, predicted: bool },
    Dependency(Dependency),
}

/// A dependency descriptor with the layers of its decode targets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dependency {
    pub(crate) descriptor: dependency::Descriptor,
    targets: [Layers; MOST_TARGETS],
    count: usize,
}

impl Dependency {
    /// The decode targets that can still be decoded when these layers are sent; `None` if there are too many to say.
    pub(crate) fn active(&self, layers: Layers) -> Option<u32> {
        if self.count > MOST_TARGETS {
            return None;
        }
        let bits = self.targets[..self.count].iter().enumerate();
        Some(bits.fold(0, |mask, (place, target)| {
            mask | u32::from(layers.hold(*target)) << place
        }))
    }

    /// The highest of `layers` that can be decoded from this frame on, if it can be decoded itself.
    fn switches_to(&self, spatial: u8, most: u8) -> Option<u8> {
        let targets = self.targets.iter().take(self.count).enumerate();
        targets
            .filter(|(target, layers)| {
                self.descriptor.frame.switches >> target & 1 == 1
                    && layers.spatial == spatial
                    && layers.temporal <= most
            })
            .map(|(_, layers)| layers.temporal)
            .max()
    }
}

impl Frame {
    /// Of a dependency descriptor, with the structure that came with it; None if it speaks of one that did not come.
    pub(crate) fn read(
        data: &[u8],
        known: Option<&Structure>,
    ) -> (Option<Frame>, Option<Structure>) {
        let Ok((descriptor, attached)) = dependency::Descriptor::parse(data, known) else {
            return (None, None);
        };
        let structure = attached.as_ref().or(known);
        let frame = structure.map(|structure| Frame::described(descriptor, structure));
        (frame, attached)
    }

    fn described(descriptor: dependency::Descriptor, structure: &Structure) -> Frame {
        let mut targets = [Layers::ALL; MOST_TARGETS];
        for (place, (spatial, temporal)) in targets.iter_mut().zip(structure.targets()) {
            *place = Layers {
                spatial: *spatial,
                temporal: *temporal,
            };
        }
        Frame {
            layers: Layers {
                spatial: descriptor.frame.spatial,
                temporal: descriptor.frame.temporal,
            },
            begins: descriptor.begins,
            ends: descriptor.ends,
            says: Says::Dependency(Dependency {
                descriptor,
                targets,
                count: structure.targets().len(),
            }),
        }
    }

    /// Of a VP8 payload, if it says its layer.
    pub(crate) fn vp8(descriptor: &vp8::Descriptor) -> Option<Frame> {
        Some(Frame {
            layers: Layers {
                spatial: 0,
                temporal: descriptor.temporal_layer?,
            },
            begins: descriptor.frame_start,
            ends: false,
            says: Says::Vp8 {
                sync: descriptor.layer_sync,
            },
        })
    }

    /// Of a VP9 payload, if it says its layers.
    pub(crate) fn vp9(descriptor: &vp9::Descriptor) -> Option<Frame> {
        let layers = descriptor.layers?;
        Some(Frame {
            layers: Layers {
                spatial: layers.spatial,
                temporal: layers.temporal,
            },
            begins: descriptor.begins,
            ends: descriptor.ends,
            says: Says::Vp9 {
                switching_up: layers.switching_up,
                predicted: descriptor.predicted,
            },
        })
    }

    pub(crate) fn dependency(&self) -> Option<Dependency> {
        match self.says {
            Says::Dependency(dependency) => Some(dependency),
            _ => None,
        }
    }

    /// The last packet of a picture of which no more than `layers` is sent.
    pub(crate) fn ends_picture(&self, layers: Layers) -> bool {
        self.ends && self.layers.spatial == layers.spatial
    }
}

/// A Sink's choice: what it is to send, and what that needs to know of what it sent.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) wanted: Layers,
    /// The timestamp of the newest packet.
    picture: Option<u32>,
    sent: SentFrames,
}

impl Selection {
    pub(crate) fn new() -> Selection {
        Selection {
            wanted: Layers::ALL,
            picture: None,
            sent: SentFrames::default(),
        }
    }

    /// A decoder begins: what is sent from here on.
    pub(crate) fn begin(&mut self, frame: Option<&Frame>, timestamp: u32) -> Layers {
        self.picture = Some(timestamp);
        self.sent = SentFrames::default();
        self.sent.note(frame);
        self.wanted
    }

    /// What is sent from this packet on, the newest of the stream, where it was `current`.
    pub(crate) fn next(&mut self, frame: &Frame, timestamp: u32, current: Layers) -> Layers {
        let mut layers = current;
        if self.picture.replace(timestamp) != Some(timestamp) {
            layers = layers.and(self.wanted);
        }
        if frame.begins && layers != self.wanted {
            layers = self.more(frame, layers);
        }
        if layers.hold(frame.layers) {
            self.sent.note(Some(frame));
        }
        layers
    }

    /// More than `current`, where this frame lets a decoder follow.
    fn more(&self, frame: &Frame, current: Layers) -> Layers {
        let mut layers = current;
        let Layers { spatial, temporal } = frame.layers;
        match &frame.says {
            Says::Vp8 { sync } => {
                let one_up = temporal.checked_sub(1) == Some(current.temporal);
                if *sync && one_up && temporal <= self.wanted.temporal {
                    layers.temporal = temporal;
                }
            }
            Says::Vp9 {
                switching_up,
                predicted,
            } => {
                if *switching_up && temporal <= current.temporal {
                    layers.temporal = layers.temporal.max(self.wanted.temporal);
                }
                let one_up = spatial.checked_sub(1) == Some(current.spatial);
                if !predicted && one_up && spatial <= self.wanted.spatial {
                    layers.spatial = spatial;
                }
            }
            Says::Dependency(dependency) => {
                if !self.sent.include_needs(&dependency.descriptor) {
                    return layers;
                }
                let top = dependency.targets.iter().take(dependency.count);
                let reach = top.map(|target| target.spatial).max().unwrap_or(0);
                let one_up = spatial.checked_sub(1) == Some(current.spatial);
                if one_up
                    && spatial <= self.wanted.spatial
                    && dependency.switches_to(spatial, current.temporal).is_some()
                {
                    layers.spatial = spatial;
                }
                let point = layers.spatial.min(reach);
                if layers.temporal < self.wanted.temporal
                    && let Some(most) = dependency.switches_to(point, self.wanted.temporal)
                {
                    layers.temporal = layers.temporal.max(most);
                }
            }
        }
        layers
    }
}

/// Which of the newest frames were sent, by the numbers of the dependency descriptor.
#[derive(Debug, Default)]
struct SentFrames {
    newest: u16,
    /// Bit n: the frame n before the newest.
    bits: u64,
}

impl SentFrames {
    fn note(&mut self, frame: Option<&Frame>) {
        let Some(Says::Dependency(dependency)) = frame.map(|frame| &frame.says) else {
            return;
        };
        let number = dependency.descriptor.number;
        let ahead = number.wrapping_sub(self.newest);
        if self.bits == 0 {
            (self.newest, self.bits) = (number, 1);
        } else if ahead < 0x8000 {
            self.bits = self.bits.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            self.newest = number;
        } else {
            let bit = 1u64.checked_shl(u32::from(ahead.wrapping_neg()));
            self.bits |= bit.unwrap_or(0);
        }
    }

    /// Whether all that this frame needs was sent.
    fn include_needs(&self, descriptor: &dependency::Descriptor) -> bool {
        let ahead = descriptor.number.wrapping_sub(self.newest);
        let before = match ahead.checked_sub(1) {
            Some(shift) if ahead < 0x8000 => self.bits.checked_shl(u32::from(shift)),
            _ => self.bits.checked_shr(u32::from(ahead.wrapping_neg()) + 1),
        };
        !descriptor.frame.needs_older && descriptor.frame.needs & !before.unwrap_or(0) == 0
    }
}
