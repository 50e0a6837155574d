//! The ways a picture can be sent: which encoding, and which of its layers. From the smallest to all that is wanted.
//!
//! A lower frame rate is tried before a smaller picture, down to [`SMOOTH`]; below that only where nothing else fits.

use std::time::Instant;

use meeting_bwe::Rate;
use meeting_forward::{Layers, SourceId, Volume};

/// Pictures a second below which a smaller picture is the better choice; 15, with room for clocks that are not exact.
const SMOOTH: f64 = 14.0;
/// Of a frame rate that is asked for, so much will do.
const NEARLY: f64 = 0.9;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub source: SourceId,
    pub layers: Layers,
    /// Bit/s, 0 while unknown.
    pub bitrate: u64,
}

impl Step {
    /// Whether it is the same way, whatever it takes now.
    pub(super) fn is(&self, other: &Step) -> bool {
        (self.source, self.layers) == (other.source, other.layers)
    }
}

/// What a subscriber wants at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The highest spatial layer of an encoding that has several.
    pub spatial: u8,
    /// Pictures a second that are enough.
    pub frame_rate: Option<u32>,
}

impl Default for Bounds {
    /// Everything.
    fn default() -> Bounds {
        Bounds {
            spatial: u8::MAX,
            frame_rate: None,
        }
    }
}

/// What the layers of a Source take.
#[derive(Debug, Default)]
pub(super) struct LayerRates {
    /// Layers each way that have ever come.
    extent: (u8, u8),
    /// Of all layers up to each, temporal layer by temporal layer.
    bytes: Vec<Rate>,
    /// Of all temporal layers up to each.
    pictures: Vec<Rate>,
}

impl LayerRates {
    pub(super) fn sample(&mut self, volume: &Volume, now: Instant) {
        let extent = volume.extent();
        if extent != self.extent {
            self.extent = extent;
            let points = usize::from(extent.0) * usize::from(extent.1);
            self.bytes = (0..points).map(|_| Rate::default()).collect();
            self.pictures = (0..extent.1).map(|_| Rate::default()).collect();
        }
        let points = (0..extent.0).flat_map(|s| (0..extent.1).map(move |t| (s, t)));
        for (rate, (spatial, temporal)) in self.bytes.iter_mut().zip(points) {
            rate.sample(volume.bytes(Layers { spatial, temporal }), now);
        }
        for (rate, temporal) in self.pictures.iter_mut().zip(0..) {
            rate.sample(volume.pictures(temporal), now);
        }
    }

    /// Of all of it.
    pub(super) fn bitrate(&self) -> u64 {
        self.bytes.last().map_or(0, Rate::bitrate)
    }

    fn up_to(&self, spatial: u8, temporal: u8) -> u64 {
        let place = usize::from(spatial) * usize::from(self.extent.1) + usize::from(temporal);
        self.bytes.get(place).map_or(0, Rate::bitrate)
    }

    fn frame_rate(&self, temporal: u8) -> f64 {
        let rate = self.pictures.get(usize::from(temporal));
        rate.map_or(0, Rate::bitrate) as f64 / 8.0
    }

    /// The highest layers that bring anything now.
    fn highest(&self) -> (u8, u8) {
        let (spatial, temporal) = (self.extent.0.max(1) - 1, self.extent.1.max(1) - 1);
        let all = self.up_to(spatial, temporal);
        let (mut top, mut fastest) = (spatial, temporal);
        while top > 0 && self.up_to(top - 1, temporal) >= all {
            top -= 1;
        }
        while fastest > 0 && self.frame_rate(fastest - 1) >= self.frame_rate(temporal) {
            fastest -= 1;
        }
        (top, fastest)
    }

    /// Appends the ways to send this Source. Returns how many of them, if it is the first, everybody is to get before anybody
    /// gets a better one.
    pub(super) fn steps(&self, source: SourceId, bounds: Bounds, steps: &mut Vec<Step>) -> usize {
        let smallest = steps.is_empty();
        let (top, fastest) = self.highest();
        let spatial = top.min(bounds.spatial);
        let enough = |wanted: u32| {
            let does = |t: &u8| self.frame_rate(*t) >= NEARLY * f64::from(wanted);
            (0..fastest).find(does)
        };
        let temporal = bounds.frame_rate.and_then(enough).unwrap_or(fastest);
        let mut fair = 0;
        for s in 0..=spatial {
            if s < spatial && self.up_to(s, temporal) == 0 {
                continue; // an encoding of simulcast that names its layer as one of several
            }
            for t in 0..=temporal {
                let smooth = t == temporal || self.frame_rate(t) >= SMOOTH;
                if !(smooth || smallest && s == 0) {
                    continue;
                }
                if !smooth {
                    fair += 1;
                }
                let layers = Layers {
                    spatial: if s == spatial { bounds.spatial } else { s },
                    temporal: if t == fastest { u8::MAX } else { t },
                };
                let bitrate = self.up_to(s, t);
                steps.push(Step {
                    source,
                    layers,
                    bitrate,
                });
            }
        }
        fair
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use meeting_forward::{CodecParameters, Kind, Reception, Source, SourceConfig};
    use meeting_rtp::{Codec, ExtensionMap, Header};

    use super::*;

    /// A second of a camera in spatial layers, and in temporal ones of 1/4, 1/4 and 1/2 of the pictures; VP9.
    fn filmed(spatial: u8, pattern: &[u8], frame_rate: u64) -> LayerRates {
        let vp9 = CodecParameters {
            payload_type: 98,
            codec: Some(Codec::Vp9),
            clock_rate: 90_000,
            rtx_payload_type: None,
            nack: true,
            pli: true,
        };
        let reception = Arc::new(Reception::new(ExtensionMap::default(), [vp9]));
        let mut source = Source::new(SourceConfig::new(1, Kind::Video, 1), reception);
        let mut rates = LayerRates::default();
        let (start, mut sequence, mut picture) = (Instant::now(), 0, 0);
        for millisecond in 0..2000 {
            let now = start + Duration::from_millis(millisecond);
            while picture * 1000 < millisecond * frame_rate {
                let temporal = pattern[picture as usize % pattern.len()];
                for layer in 0..spatial {
                    let mut packet = vec![0; 12];
                    let ended = layer + 1 == spatial;
                    let header = Header::new(98, sequence, 3000 * picture as u32, 1, ended);
                    header.write(false, &mut packet).unwrap();
                    packet.extend([0x3c, temporal << 5 | layer << 1]);
                    packet.resize(100 << (2 * layer), 0);
                    let header = Header::parse(&packet).unwrap();
                    source.receive(&mut packet, &header, now).unwrap();
                    sequence += 1;
                }
                picture += 1;
            }
            if millisecond % 100 == 0 {
                rates.sample(source.volume(), now);
            }
        }
        rates
    }

    fn layers(rates: &LayerRates, bounds: Bounds) -> (Vec<(u8, u8)>, usize) {
        let mut steps = Vec::new();
        let fair = rates.steps(1, bounds, &mut steps);
        assert!(steps.is_sorted_by_key(|step| step.bitrate), "{steps:?}");
        let layers = steps
            .iter()
            .map(|step| (step.layers.spatial, step.layers.temporal));
        (layers.collect(), fair)
    }

    const PATTERN: [u8; 4] = [0, 2, 1, 2];
    const ALL: u8 = u8::MAX;

    #[test]
    fn fewer_pictures_come_before_smaller_ones_while_they_move_smoothly() {
        let rates = filmed(3, &PATTERN, 30);
        let all = [
            (0, 0),
            (0, 1),
            (0, ALL),
            (1, 1),
            (1, ALL),
            (ALL, 1),
            (ALL, ALL),
        ];
        assert_eq!(layers(&rates, Bounds::default()), (all.to_vec(), 1));
        let slow = filmed(2, &PATTERN, 15);
        let all = [(0, 0), (0, 1), (0, ALL), (ALL, ALL)];
        assert_eq!(layers(&slow, Bounds::default()), (all.to_vec(), 2));
        let plain = filmed(1, &[0], 30);
        assert_eq!(layers(&plain, Bounds::default()), (vec![(ALL, ALL)], 0));
    }

    #[test]
    fn what_is_wanted_bounds_them() {
        let rates = filmed(3, &PATTERN, 30);
        let small = Bounds {
            spatial: 0,
            frame_rate: None,
        };
        assert_eq!(layers(&rates, small).0, [(0, 0), (0, 1), (0, ALL)]);
        let calm = |frame_rate| Bounds {
            frame_rate: Some(frame_rate),
            ..Bounds::default()
        };
        assert_eq!(
            layers(&rates, calm(15)).0,
            [(0, 0), (0, 1), (1, 1), (ALL, 1)]
        );
        assert_eq!(layers(&rates, calm(7)).0, [(0, 0), (1, 0), (ALL, 0)]);
        assert_eq!(layers(&rates, calm(60)).0.last(), Some(&(ALL, ALL)));
    }

    #[test]
    fn nothing_known_is_one_step_of_all() {
        let rates = LayerRates::default();
        assert_eq!(layers(&rates, Bounds::default()), (vec![(ALL, ALL)], 0));
    }
}
