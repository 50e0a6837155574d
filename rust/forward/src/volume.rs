//! How much of a Source is of which layer.

use crate::{Layers, Packet};

/// Layers counted each way; what is above counts as the highest.
const SPATIAL: usize = 4;
const TEMPORAL: usize = 4;

/// Counters since the start, by layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Volume {
    bytes: [[u64; TEMPORAL]; SPATIAL],
    pictures: [u64; TEMPORAL],
}

impl Volume {
    /// The layers each way that have come so far, at least one.
    pub fn extent(&self) -> (u8, u8) {
        let came = |spatial: &usize| self.bytes[*spatial].iter().any(|bytes| *bytes > 0);
        let spatial = (0..SPATIAL).rfind(came).unwrap_or(0);
        let temporal = (0..TEMPORAL).rfind(|temporal| self.pictures[*temporal] > 0);
        (spatial as u8 + 1, temporal.unwrap_or(0) as u8 + 1)
    }

    /// The bytes of all layers up to these.
    pub fn bytes(&self, layers: Layers) -> u64 {
        let within = self.bytes.iter().take(1 + usize::from(layers.spatial));
        within
            .flat_map(|bytes| bytes.iter().take(1 + usize::from(layers.temporal)))
            .sum()
    }

    /// The pictures of all temporal layers up to this one.
    pub fn pictures(&self, temporal: u8) -> u64 {
        self.pictures.iter().take(1 + usize::from(temporal)).sum()
    }

    /// Counts a packet; `begins`: the first that came of its picture.
    pub(crate) fn note(&mut self, packet: &Packet<'_>, begins: bool) {
        let layers = packet.frame.map(|frame| frame.layers);
        let place =
            |layer: Option<u8>, count: usize| usize::from(layer.unwrap_or(0)).min(count - 1);
        let temporal = place(layers.map(|layers| layers.temporal), TEMPORAL);
        let spatial = place(layers.map(|layers| layers.spatial), SPATIAL);
        self.bytes[spatial][temporal] += packet.bytes.len() as u64;
        self.pictures[temporal] += u64::from(begins);
    }
}
