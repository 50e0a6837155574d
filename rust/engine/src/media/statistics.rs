//! The snapshot of each second, and the counters of the whole Port.

use std::time::Duration;

use super::command::Id;

/// Everything of one moment; counts are since the beginning of each thing.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Since the Port started.
    pub uptime: Duration,
    /// One row a Link.
    pub links: Vec<LinkRow>,
    /// One row a Source.
    pub sources: Vec<SourceRow>,
    /// One row a Sink.
    pub sinks: Vec<SinkRow>,
    /// One row a thread.
    pub threads: Vec<ThreadRow>,
    /// Counters of the Port, by name.
    pub counters: Vec<(&'static str, u64)>,
}

/// Of a Link.
#[derive(Clone, Copy, Debug, Default)]
#[allow(
    missing_docs,
    reason = "explained by LinkStatistics in src/meeting/dataplane/values.py"
)]
pub struct LinkRow {
    pub link: Id,
    pub packets_received: u64,
    pub bytes_received: u64,
    pub packets_sent: u64,
    pub bytes_sent: u64,
    pub refused: u64,
    pub round_trip: Option<Duration>,
    pub connected: bool,
    pub estimate: Option<u64>,
    pub acknowledged: Option<u64>,
    pub demand: u64,
    pub paused: u32,
}

/// Of a Source.
#[derive(Clone, Copy, Debug, Default)]
#[allow(
    missing_docs,
    reason = "explained by SourceStatistics in src/meeting/dataplane/values.py"
)]
pub struct SourceRow {
    pub source: Id,
    pub link: Id,
    pub packets: u64,
    pub bytes: u64,
    pub ignored: u64,
    pub lost: u64,
    pub nacks_sent: u64,
    pub repaired: u64,
    pub plis_sent: u64,
    pub key_frames: u64,
    pub layers: (u8, u8),
}

/// Of a Sink.
#[derive(Clone, Copy, Debug, Default)]
#[allow(
    missing_docs,
    reason = "explained by SinkStatistics in src/meeting/dataplane/values.py"
)]
pub struct SinkRow {
    pub sink: Id,
    pub link: Id,
    pub packets: u64,
    pub bytes: u64,
    pub lost: i64,
    pub fraction_lost: u8,
    pub nacks_received: u64,
    pub retransmitted: u64,
    pub plis_received: u64,
    pub paused: bool,
    pub spatial: Option<u8>,
    pub temporal: Option<u8>,
}

/// Of a thread.
#[derive(Clone, Debug, Default)]
#[allow(
    missing_docs,
    reason = "explained by ThreadStatistics in src/meeting/dataplane/values.py"
)]
pub struct ThreadRow {
    pub name: String,
    pub cpu: Duration,
    pub turns: u64,
}

/// What a Port counts. Most are packets that went no further, by reason.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub datagrams: u64,
    pub malformed: u64,
    pub unknown_ufrag: u64,
    pub unknown_address: u64,
    pub unknown_ssrc: u64,
    pub unknown_id: u64,
    pub not_connected: u64,
    pub srtp_forged: u64,
    pub srtp_replayed: u64,
    pub srtp_other: u64,
    pub ignored: u64,
    pub forwarded: u64,
    pub held_back: u64,
    pub messages_dropped: u64,
    pub panics: u64,
}

impl Counters {
    pub(super) fn rows(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("datagrams_received", self.datagrams),
            ("malformed", self.malformed),
            ("unknown_ufrag", self.unknown_ufrag),
            ("unknown_address", self.unknown_address),
            ("unknown_ssrc", self.unknown_ssrc),
            ("unknown_id", self.unknown_id),
            ("not_connected", self.not_connected),
            ("srtp_forged", self.srtp_forged),
            ("srtp_replayed", self.srtp_replayed),
            ("srtp_other", self.srtp_other),
            ("packets_ignored", self.ignored),
            ("packets_forwarded", self.forwarded),
            ("packets_held_back", self.held_back),
            ("messages_dropped", self.messages_dropped),
            ("panics", self.panics),
        ]
    }
}
