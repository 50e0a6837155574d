//! What time brings: handshakes and consent, feedback to publishers, reports to subscribers, who speaks, statistics.

use std::time::{Duration, Instant};

use meeting_forward::{Kind, SourceEvent};
use meeting_rtp::rtcp::Builder;

use super::bandwidth::SPEAKING;
use super::event::Event;
use super::plane::{Plane, Receipt};
use super::statistics::{LinkRow, SinkRow, SourceRow, Statistics, ThreadRow};
use crate::sys;

/// Between looks at who speaks and which subscriber is due a report.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// Ticks between snapshots.
pub(super) const SNAPSHOT: u64 = 10;
/// What libwebrtc itself uses where a receiver has no stream of its own.
const OUR_SSRC: u32 = 1;
/// One datagram.
const MOST_RTCP: usize = 1200;
/// −dBov of silence (RFC 6464 §3).
const SILENCE: u8 = 127;

impl Plane {
    /// Visits every Link something happened to, and every Link that is due.
    pub(super) fn visit(&mut self, now: Instant) {
        let mut touched = std::mem::take(&mut self.touched);
        while let Some(at) = self.schedule.pop_due(now) {
            touched.push(at);
        }
        touched.sort_unstable();
        touched.dedup();
        for at in touched.drain(..) {
            self.visit_link(now, at);
        }
        // Visits may touch others, a key frame's publisher say; those are due in the next turn, which begins at once.
        if self.touched.is_empty() {
            self.touched = touched;
        }
    }

    fn visit_link(&mut self, now: Instant, at: usize) {
        let Some(link) = self.links.get_mut(at) else {
            return;
        };
        self.current = Some(at);
        let socket = link.path.map_or(0, |(_, socket)| socket);
        if link.machine.next_deadline().is_some_and(|due| due <= now) {
            link.machine.handle_timeout(now);
        }
        self.attend(now, at, socket);
        if !self.links.contains(at) {
            return;
        }
        self.feed_back(now, at);
        let copies = self.repeat(now, at);
        self.release(now, at);
        self.poll_sources(now, at);
        let link = &self.links[at];
        let sources = link
            .sources
            .iter()
            .filter_map(|source| self.sources[*source].machine.deadline());
        let receipt = match &link.congestion {
            Receipt::TransportWide(arrivals) => arrivals.deadline(),
            Receipt::Estimate(estimate) => estimate.deadline(),
            Receipt::None => None,
        };
        // What cannot be sent is not due.
        let receipt = receipt.filter(|_| link.outbound.is_some());
        let next = sources
            .chain(receipt)
            .chain(copies)
            .chain(link.bandwidth.deadline(now))
            .chain(link.machine.next_deadline())
            .min();
        if let Some(next) = next {
            // Never in the past: a machine that has nothing to say for its deadline must not stop the world.
            self.schedule
                .set(at, next.max(now + Duration::from_millis(1)));
        }
    }

    /// NACK, PLI, RR and bandwidth feedback to a publisher.
    fn feed_back(&mut self, now: Instant, at: usize) {
        let link = &mut self.links[at];
        let (Some(outbound), Some((to, socket))) = (&mut link.outbound, link.path) else {
            return;
        };
        let room = self.exits[socket].room();
        let mut rtcp = Builder::new(&mut room[..MOST_RTCP]);
        for source in &link.sources {
            self.sources[*source]
                .machine
                .write_feedback(now, OUR_SSRC, &mut rtcp);
        }
        match &mut link.congestion {
            Receipt::TransportWide(arrivals) => arrivals.write_feedback(now, OUR_SSRC, &mut rtcp),
            Receipt::Estimate(estimate) => estimate.write_feedback(now, OUR_SSRC, &mut rtcp),
            Receipt::None => {}
        }
        let len = rtcp.len();
        if len > 0
            && let Ok(len) = outbound.protect_rtcp(room, len)
        {
            self.exits[socket].push(len, to);
            link.packets_sent += 1;
            link.bytes_sent += len as u64;
        }
    }

    fn poll_sources(&mut self, now: Instant, at: usize) {
        for source in &self.links[at].sources {
            let source = &mut self.sources[*source];
            while let Some(event) = source.machine.poll_event(now) {
                self.events.state(match event {
                    SourceEvent::Started { ssrc } => Event::SourceStarted {
                        source: source.id,
                        ssrc,
                    },
                    SourceEvent::Stopped => Event::SourceStopped { source: source.id },
                });
            }
        }
    }

    /// Every [`TICK`].
    pub(super) fn tick(&mut self, now: Instant) {
        self.tell_levels(now);
        if let Some(streams) = self.streams() {
            streams.sweep(now);
        }
        self.measure_sources(now);
        let places: Vec<usize> = self.links.iter().map(|(at, _)| at).collect();
        for at in places {
            self.current = Some(at);
            self.report(now, at);
            self.share_out(now, at);
        }
    }

    /// What a publisher's streams lost in the last second lowers what it is told it may send.
    pub(super) fn note_losses(&mut self) {
        for (_, link) in &mut self.links {
            if let Receipt::Estimate(estimate) = &mut link.congestion {
                for source in &link.sources {
                    estimate.lost(self.sources[*source].machine.statistics().fraction_lost);
                }
            }
        }
    }

    fn tell_levels(&mut self, now: Instant) {
        let mut levels = Vec::new();
        for (_, source) in &mut self.sources {
            if source.machine.kind() != Kind::Audio {
                continue;
            }
            let level = source.machine.audio_level(now);
            let speaks = level < SILENCE;
            if level <= SPEAKING {
                self.links[source.link].spoke = Some(now);
            }
            if speaks || source.speaking {
                levels.push((source.id, level));
            }
            source.speaking = speaks;
        }
        if !levels.is_empty() {
            self.events.offer(Event::AudioLevels(levels));
        }
    }

    /// Sender reports to a subscriber, as many datagrams as they fill.
    fn report(&mut self, now: Instant, at: usize) {
        let link = &mut self.links[at];
        let (Some(outbound), Some((to, socket))) = (&mut link.outbound, link.path) else {
            return;
        };
        let exit = &mut self.exits[socket];
        let mut sinks = link
            .sinks
            .iter()
            .copied()
            .filter(|sink| {
                self.sinks[*sink]
                    .machine
                    .deadline()
                    .is_some_and(|due| due <= now)
            })
            .collect::<Vec<_>>()
            .into_iter()
            .peekable();
        while sinks.peek().is_some() {
            let room = exit.room();
            let mut rtcp = Builder::new(&mut room[..MOST_RTCP]);
            // A sender report is 28 bytes.
            for sink in sinks.by_ref().take(MOST_RTCP / 28) {
                self.sinks[sink].machine.write_report(now, &mut rtcp);
            }
            let len = rtcp.len();
            if len > 0
                && let Ok(len) = outbound.protect_rtcp(room, len)
            {
                exit.push(len, to);
                link.packets_sent += 1;
                link.bytes_sent += len as u64;
            }
        }
    }

    /// Everything of this moment.
    pub(super) fn snapshot(&mut self, now: Instant, turns: u64) -> Statistics {
        let mut counters = self.counters.rows();
        counters.push(("events_dropped", self.events.dropped()));
        counters.push((
            "datagrams_sent",
            self.exits.iter().map(|exit| exit.sent).sum(),
        ));
        counters.push((
            "send_refused",
            self.exits.iter().map(|exit| exit.refused).sum(),
        ));
        if let Some(streams) = self.streams() {
            counters.push(("streams", streams.len() as u64));
            counters.push(("streams_refused", streams.refused));
            counters.push(("stream_queue_full", streams.dropped));
        }
        counters.push((
            "segmentation_offload",
            u64::from(self.exits.iter().all(|exit| exit.cuts())),
        ));
        Statistics {
            uptime: now.saturating_duration_since(self.began),
            links: self.links.iter().map(|(at, _)| self.link_row(at)).collect(),
            sources: self
                .sources
                .iter()
                .map(|(at, _)| self.source_row(at))
                .collect(),
            sinks: self.sinks.iter().map(|(at, _)| self.sink_row(at)).collect(),
            threads: vec![ThreadRow {
                name: super::THREAD.to_owned(),
                cpu: sys::thread_cpu_time(),
                turns,
            }],
            counters,
        }
    }

    fn link_row(&self, at: usize) -> LinkRow {
        let link = &self.links[at];
        LinkRow {
            link: link.id,
            packets_received: link.packets_received,
            bytes_received: link.bytes_received,
            packets_sent: link.packets_sent,
            bytes_sent: link.bytes_sent,
            refused: link.refused + link.machine.refused(),
            round_trip: link
                .sinks
                .iter()
                .filter_map(|sink| self.sinks[*sink].machine.statistics().round_trip)
                .min(),
            connected: link.outbound.is_some(),
            estimate: link.bandwidth.estimate.bitrate(),
            acknowledged: link.bandwidth.estimate.acknowledged(),
            demand: link.bandwidth.demand,
            paused: link.bandwidth.paused,
        }
    }

    fn source_row(&self, at: usize) -> SourceRow {
        let source = &self.sources[at];
        let counts = source.machine.statistics();
        SourceRow {
            source: source.id,
            link: self.links[source.link].id,
            packets: counts.packets,
            bytes: counts.bytes,
            ignored: counts.ignored,
            lost: counts.given_up,
            nacks_sent: counts.asked,
            repaired: counts.repaired,
            plis_sent: counts.key_frame_requests,
            key_frames: counts.key_frames,
            layers: source.machine.volume().extent(),
        }
    }

    fn sink_row(&self, at: usize) -> SinkRow {
        let sink = &self.sinks[at];
        let counts = sink.machine.statistics();
        let layers = sink.machine.layers();
        let limit = |layer| Some(layer).filter(|layer| *layer < u8::MAX);
        SinkRow {
            sink: sink.id,
            link: self.links[sink.link].id,
            packets: counts.packets,
            bytes: counts.octets,
            lost: sink.lost,
            fraction_lost: counts.fraction_lost,
            nacks_received: sink.nacks_received,
            retransmitted: counts.resent,
            plis_received: sink.plis_received,
            paused: sink.choice.paused,
            spatial: limit(layers.spatial),
            temporal: limit(layers.temporal),
        }
    }
}
