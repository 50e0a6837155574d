//! The packets of the last second, for answering NACKs: one ring a Source, whatever the number of its Sinks.

use crate::packet::{Feed, Packet};
use crate::{Reception, SourceId};
use meeting_rtp::Header;
use meeting_rtp::dependency::Structure;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes are kept in chunks: a chunk is reused when its newest packet is too old.
const CHUNK: usize = 16 * 1024;
const FEWEST_PLACES: usize = 64;
const MOST_PLACES: usize = 16 * 1024;
/// One comes with each key frame.
const MOST_STRUCTURES: usize = 4;

/// Clear packets by extended sequence number. It grows with the bitrate, by whole chunks, until it holds `keep` of time
/// or `most_bytes`, and gives back what a lower bitrate no longer needs.
#[derive(Debug)]
pub struct History {
    source: SourceId,
    keep: Duration,
    most_chunks: usize,
    reception: Arc<Reception>,
    chunks: VecDeque<Chunk>,
    /// The number of `chunks[0]`, counted since the start.
    first_chunk: u64,
    /// By sequence number modulo its length, a power of two.
    places: Vec<Place>,
    /// Of dependency descriptors, each with the sequence number from which it holds, newest last.
    structures: VecDeque<(u64, Structure)>,
    /// Before this sequence number it is not known any more which held.
    described_from: u64,
}

#[derive(Debug)]
struct Chunk {
    bytes: Vec<u8>,
    newest: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    sequence: u64,
    chunk: u64,
    at: u16,
    len: u16,
    epoch: u32,
}

const EMPTY: Place = Place {
    sequence: u64::MAX,
    chunk: 0,
    at: 0,
    len: 0,
    epoch: 0,
};

impl History {
    pub(crate) fn new(
        source: SourceId,
        keep: Duration,
        most_bytes: usize,
        reception: Arc<Reception>,
    ) -> History {
        History {
            source,
            keep,
            most_chunks: (most_bytes / CHUNK).max(2),
            reception,
            chunks: VecDeque::new(),
            first_chunk: 0,
            places: vec![EMPTY; FEWEST_PLACES],
            structures: VecDeque::new(),
            described_from: 0,
        }
    }

    pub(crate) fn configure(&mut self, reception: Arc<Reception>) {
        self.reception = reception;
    }

    /// Keeps a packet. One longer than a chunk is not kept.
    pub(crate) fn insert(&mut self, sequence: u64, epoch: u32, packet: &[u8], now: Instant) {
        if packet.len() > CHUNK {
            return;
        }
        if self
            .chunks
            .back()
            .is_none_or(|chunk| chunk.bytes.len() + packet.len() > CHUNK)
        {
            self.next_chunk(now);
        }
        let number = self.first_chunk + self.chunks.len() as u64 - 1;
        let Some(chunk) = self.chunks.back_mut() else {
            return;
        };
        let (at, len) = (chunk.bytes.len() as u16, packet.len() as u16);
        chunk.bytes.extend_from_slice(packet);
        chunk.newest = now;
        let place = Place {
            sequence,
            chunk: number,
            at,
            len,
            epoch,
        };
        while self.displaces_a_younger(sequence, now) && self.places.len() < MOST_PLACES {
            self.widen();
        }
        let slot = self.slot(sequence);
        self.places[slot] = place;
    }

    /// The packet of `sequence` as it was handed out, if it is still kept.
    pub fn get(&self, sequence: u64) -> Option<Packet<'_>> {
        let place = self.places[self.slot(sequence)];
        if place.sequence != sequence || sequence < self.described_from {
            return None;
        }
        let chunk = self
            .chunks
            .get(place.chunk.checked_sub(self.first_chunk)? as usize)?;
        let bytes = chunk
            .bytes
            .get(usize::from(place.at)..usize::from(place.at) + usize::from(place.len))?;
        let header = Header::parse(bytes).ok()?;
        let feed = Feed {
            source: self.source,
            epoch: place.epoch,
        };
        let (packet, _) = Packet::describe(
            feed,
            sequence,
            header,
            bytes,
            &self.reception,
            None,
            self.structure(sequence),
        );
        Some(packet)
    }

    /// Keeps what holds for the dependency descriptors from `sequence` on, behind all that was handed out already: a packet sent
    /// again must be read as it was.
    pub(crate) fn learn(&mut self, sequence: u64, structure: Structure) {
        self.structures.push_back((sequence, structure));
        if self.structures.len() > MOST_STRUCTURES {
            self.structures.pop_front();
            self.described_from = self.structures.front().map_or(0, |(first, _)| *first);
        }
    }

    /// What holds for the dependency descriptor of `sequence`.
    pub(crate) fn structure(&self, sequence: u64) -> Option<&Structure> {
        let mut newest = self.structures.iter().rev();
        let (_, structure) = newest.find(|(first, _)| *first <= sequence)?;
        Some(structure)
    }

    /// Bytes held, for statistics.
    pub fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    fn slot(&self, sequence: u64) -> usize {
        sequence as usize & (self.places.len() - 1)
    }

    fn next_chunk(&mut self, now: Instant) {
        let old = |chunk: &Chunk| now.saturating_duration_since(chunk.newest) > self.keep;
        let mut reused = None;
        while self.chunks.len() >= self.most_chunks || self.chunks.front().is_some_and(old) {
            reused = self.chunks.pop_front();
            self.first_chunk += 1;
        }
        let mut bytes =
            reused.map_or_else(|| Vec::with_capacity(CHUNK), |chunk: Chunk| chunk.bytes);
        bytes.clear();
        self.chunks.push_back(Chunk { bytes, newest: now });
    }

    /// Whether `sequence` would take the place of a packet that is still young enough to be asked for.
    fn displaces_a_younger(&self, sequence: u64, now: Instant) -> bool {
        let place = self.places[self.slot(sequence)];
        place.sequence != u64::MAX
            && place.sequence != sequence
            && place
                .chunk
                .checked_sub(self.first_chunk)
                .and_then(|chunk| self.chunks.get(chunk as usize))
                .is_some_and(|chunk| now.saturating_duration_since(chunk.newest) <= self.keep)
    }

    fn widen(&mut self) {
        let wider = vec![EMPTY; 2 * self.places.len()];
        for place in std::mem::replace(&mut self.places, wider) {
            if place.sequence != u64::MAX {
                let slot = self.slot(place.sequence);
                self.places[slot] = place;
            }
        }
    }
}
