//! Finding a packet's Source: by SSRC if known, else by what the packet says of itself (RFC 9143 §9.2, RFC 8852).

use crate::SourceId;
use meeting_rtp::extension::Values;
use meeting_rtp::{Extension, ExtensionMap, Header};

/// SSRCs learned at most; beyond, the oldest is forgotten.
const MOST_LEARNED: usize = 64;

/// The SSRC table of one Link. Feed it only packets that authenticated.
#[derive(Debug, Default)]
pub struct Demux {
    extensions: ExtensionMap,
    entries: Vec<Entry>,
    ssrcs: Vec<Stream>,
}

#[derive(Debug)]
struct Entry {
    source: SourceId,
    mid: Box<[u8]>,
    rid: Option<Box<[u8]>>,
}

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    source: SourceId,
    learned: bool,
}

impl Demux {
    /// An empty table.
    pub fn new(extensions: ExtensionMap) -> Demux {
        Demux {
            extensions,
            ..Demux::default()
        }
    }

    /// Takes new header-extension ids; what was learned stays.
    pub fn configure(&mut self, extensions: ExtensionMap) {
        self.extensions = extensions;
    }

    /// Packets with this mid, and this rid (or repaired rid) if one is given, belong to `source`; so do the SSRCs, if told.
    pub fn add(
        &mut self,
        source: SourceId,
        mid: &str,
        rid: Option<&str>,
        ssrcs: impl IntoIterator<Item = u32>,
    ) {
        let rid = rid.map(|rid| rid.as_bytes().into());
        self.entries.push(Entry {
            source,
            mid: mid.as_bytes().into(),
            rid,
        });
        for ssrc in ssrcs {
            self.ssrcs.retain(|stream| stream.ssrc != ssrc);
            self.ssrcs.push(Stream {
                ssrc,
                source,
                learned: false,
            });
        }
    }

    /// Forgets `source` and its SSRCs.
    pub fn remove(&mut self, source: SourceId) {
        self.entries.retain(|entry| entry.source != source);
        self.ssrcs.retain(|stream| stream.source != source);
    }

    /// The Source an SSRC is known to belong to.
    pub fn source_of(&self, ssrc: u32) -> Option<SourceId> {
        self.ssrcs
            .iter()
            .find(|stream| stream.ssrc == ssrc)
            .map(|stream| stream.source)
    }

    /// The Source of a packet; its SSRC is remembered.
    pub fn route(&mut self, header: &Header, packet: &[u8]) -> Option<SourceId> {
        if let Some(source) = self.source_of(header.ssrc) {
            return Some(source);
        }
        let values = Values::parse(header, packet, &self.extensions);
        let mid = values.get(Extension::Mid, packet)?;
        let rid = values
            .get(Extension::RepairedRid, packet)
            .or_else(|| values.get(Extension::Rid, packet));
        let fits = |entry: &&Entry| {
            *entry.mid == *mid && (entry.rid.is_none() || entry.rid.as_deref() == rid)
        };
        let source = self.entries.iter().find(fits)?.source;
        let mut learned = self
            .ssrcs
            .iter()
            .enumerate()
            .filter(|(_, stream)| stream.learned);
        if let (Some((oldest, _)), true) = (learned.next(), learned.count() + 1 >= MOST_LEARNED) {
            self.ssrcs.remove(oldest);
        }
        self.ssrcs.push(Stream {
            ssrc: header.ssrc,
            source,
            learned: true,
        });
        Some(source)
    }
}
