//! Asking the path whether it takes more: for a moment more is sent than the estimate allows, filled up with padding, and what
//! arrives of it tells (a probe cluster, as in libwebrtc).

use std::time::{Duration, Instant};

use crate::sent::Reported;

/// How long more is sent …
const LENGTH: Duration = Duration::from_millis(40);
/// … or until so many bytes are: eight packets of padding.
const LEAST_BYTES: f64 = 8.0 * 280.0;
/// Padding goes out in quanta of this.
const QUANTUM: Duration = Duration::from_millis(5);
/// An answer that has not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(1);
/// Packets that say something, at least.
const FEWEST: u32 = 5;
/// Below this share of what was sent, what arrived is what the path takes at most; a little less is safe then.
const SATURATED: f64 = 0.9;
const SAFE: f64 = 0.95;
/// A probe that finds less than this, by what is sent already, found nothing.
const WORTH: f64 = 1.1;

#[derive(Debug)]
struct Cluster {
    id: u32,
    /// Bit/s that were to be sent.
    rate: f64,
    began: Instant,
    /// Bytes sent since: of media, and of padding.
    sent: usize,
    packets: u32,
    first: Option<Edge>,
    last: Option<Edge>,
    arrived_bytes: usize,
    arrived: u32,
    /// Packets feedback told of, arrived or missing.
    told: u32,
}

#[derive(Debug, Clone, Copy)]
struct Edge {
    sent: Instant,
    arrived: Duration,
    bytes: usize,
}

/// At most one probe at a time.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    cluster: Option<Cluster>,
    count: u32,
}

/// What became of a probe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Found {
    /// The path takes so many bit/s, at least.
    Takes(f64),
    /// No more than it takes now, or nothing was heard.
    Nothing,
}

impl Probes {
    pub(crate) fn begin(&mut self, rate: f64, now: Instant) {
        self.count = self.count.wrapping_add(1).max(1);
        self.cluster = Some(Cluster {
            id: self.count,
            rate,
            began: now,
            sent: 0,
            packets: 0,
            first: None,
            last: None,
            arrived_bytes: 0,
            arrived: 0,
            told: 0,
        });
    }

    /// Whether a probe is being sent or waited for.
    pub(crate) fn open(&self) -> bool {
        self.cluster.is_some()
    }

    /// The rate to be sent with now, while a probe is being sent.
    pub(crate) fn rate(&self, now: Instant) -> Option<f64> {
        self.sending(now).map(|cluster| cluster.rate)
    }

    /// A packet leaves: which probe it belongs to (0: none).
    pub(crate) fn sent(&mut self, bytes: usize, now: Instant) -> u32 {
        let Some(cluster) = self.cluster.as_mut().filter(|one| one.lasts(now)) else {
            return 0;
        };
        cluster.sent += bytes;
        cluster.packets += 1;
        cluster.id
    }

    /// Bytes of padding that are due now.
    pub(crate) fn due(&self, now: Instant) -> usize {
        let Some(cluster) = self.sending(now) else {
            return 0;
        };
        let passed = now.saturating_duration_since(cluster.began) + QUANTUM;
        let wanted = cluster.rate * passed.as_secs_f64() / 8.0;
        (wanted as usize).saturating_sub(cluster.sent)
    }

    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        let cluster = self.cluster.as_ref()?;
        Some(if cluster.lasts(now) {
            now + QUANTUM
        } else {
            cluster.began + PATIENCE
        })
    }

    /// Feedback tells of a packet of a probe.
    pub(crate) fn told(&mut self, packet: &Reported) {
        let Some(cluster) = self.cluster.as_mut().filter(|one| one.id == packet.probe) else {
            return;
        };
        cluster.told += u32::from(!packet.late);
        let Some(arrived) = packet.arrived else {
            return;
        };
        let edge = Edge {
            sent: packet.sent,
            arrived,
            bytes: packet.bytes,
        };
        cluster.arrived += 1;
        cluster.arrived_bytes += packet.bytes;
        cluster.first.get_or_insert(edge);
        if cluster.last.is_none_or(|last| last.arrived <= arrived) {
            cluster.last = Some(edge);
        }
    }

    /// What came of the probe, once, when it is over. `bitrate` is what is known to be possible.
    pub(crate) fn result(&mut self, bitrate: f64, now: Instant) -> Option<Found> {
        let cluster = self.cluster.as_ref().filter(|one| !one.lasts(now))?;
        let waited = now.saturating_duration_since(cluster.began) >= PATIENCE;
        if cluster.told < cluster.packets && !waited {
            return None;
        }
        let found = cluster.capacity().filter(|rate| *rate > WORTH * bitrate);
        self.cluster = None;
        Some(found.map_or(Found::Nothing, Found::Takes))
    }

    fn sending(&self, now: Instant) -> Option<&Cluster> {
        self.cluster.as_ref().filter(|cluster| cluster.lasts(now))
    }
}

impl Cluster {
    fn lasts(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) < self.length()
    }

    fn length(&self) -> Duration {
        LENGTH.max(Duration::from_secs_f64(
            8.0 * LEAST_BYTES / self.rate.max(1.0),
        ))
    }

    /// What the path takes by this probe: the lower of the rates it was sent and arrived with, the bytes of the packet that
    /// begins an interval not counted.
    fn capacity(&self) -> Option<f64> {
        let (first, last) = (self.first?, self.last?);
        if self.arrived < FEWEST.max(self.packets / 2) {
            return None;
        }
        let sent_for = last.sent.checked_duration_since(first.sent)?.as_secs_f64();
        let arrived_for = last.arrived.checked_sub(first.arrived)?.as_secs_f64();
        if sent_for < 0.005 || arrived_for > 10.0 * self.length().as_secs_f64() {
            return None;
        }
        let sent = 8.0 * (self.arrived_bytes - last.bytes) as f64 / sent_for;
        let arrived = 8.0 * (self.arrived_bytes - first.bytes) as f64 / arrived_for.max(0.001);
        Some(if arrived < SATURATED * sent {
            SAFE * arrived
        } else {
            sent.min(arrived)
        })
    }
}
