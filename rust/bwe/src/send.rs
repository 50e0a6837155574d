//! How much a subscriber's path takes (draft-ietf-rmcat-gcc-02, as libwebrtc has gone on with it): from the transport-wide feedback on
//! what we sent; where a receiver gives none, from the bitrate it names (REMB); where it does neither, from the loss it reports.

use std::time::{Duration, Instant};

use meeting_rtp::rtcp::TransportCc;

use crate::acknowledged::Acknowledged;
use crate::delay::{DelayDetector, Usage};
use crate::loss::{Losses, Verdict};
use crate::probe::{Found, Probes};
use crate::sent::{Reported, SentPackets};

/// What is left after an overuse, of what arrived (§5.5): a little less than the path takes lets its queue drain.
const BACK_OFF: f64 = 0.85;
/// While nothing is known of what arrives.
const BLIND_BACK_OFF: f64 = 0.5;
/// Growth in a second far from what the path took last, and the packets a round trip near to it (§5.5).
const GROWTH: f64 = 0.08;
const PACKET: f64 = 8.0 * 1200.0;
/// The estimate may be so much above what arrives; beyond it, nothing shows that the path takes it.
const HEADROOM: f64 = 1.5;
const LEAST_HEADROOM: f64 = 10_000.0;
/// One back-off is seen to work before the next.
const SETTLES: Duration = Duration::from_millis(100);
const LONGEST_ROUND_TRIP: Duration = Duration::from_millis(500);
/// Without feedback for so long, while packets fly, less is sent, each time again.
const SILENCE: Duration = Duration::from_millis(1500);
const SILENT_BACK_OFF: f64 = 0.7;
const SILENT_PACKETS: u32 = 20;
/// Between probes that find nothing.
const PROBE_INTERVAL: Duration = Duration::from_millis(2500);
/// From a back-off to the first one: what looked like a queue may have been a stall of the receiver.
const FIRST_PROBE: Duration = Duration::from_secs(1);
/// A probe asks for so much more …
const PROBE: f64 = 2.0;
const LEAST_PROBE: f64 = 300_000.0;
/// … but for no more than is needed, and a little.
const NEEDED: f64 = 1.3;
/// The queue a probe makes is not an overuse.
const PROBE_DRAINS: Duration = Duration::from_millis(300);
/// What the receiver's loss reports (RFC 3550 §6.4.1) mean where there is nothing better (§6).
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
const REPORTED_CLEAR: f64 = 0.02;
const REPORTED_CONGESTED: f64 = 0.10;

/// Bounds of an estimate, in bit/s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// It falls no lower.
    pub floor: u64,
    /// Taken as possible until something is known.
    pub start: u64,
    /// It rises no higher.
    pub ceiling: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            floor: 50_000,
            start: 5_000_000,
            ceiling: 100_000_000,
        }
    }
}

/// What the estimate is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Nothing yet: it is no estimate.
    None,
    /// Transport-wide feedback.
    Feedback,
    /// The bitrate the receiver names.
    Named,
    /// The loss in receiver reports.
    Loss,
}

/// Of one Link, in the direction away from us.
#[derive(Debug)]
pub struct SendEstimate {
    bounds: Bounds,
    bitrate: f64,
    basis: Basis,
    /// What we would like to send.
    demand: f64,
    sent: SentPackets,
    delay: DelayDetector,
    acknowledged: Acknowledged,
    losses: Losses,
    probes: Probes,
    reported: Vec<Reported>,
    covered: u64,
    round_trip: Duration,
    /// What arrived when queues grew last: near it, growth is careful.
    capacity: Option<f64>,
    grown: Instant,
    backed_off: Option<Instant>,
    probed: Option<Instant>,
    probe_due: Instant,
    heard: Option<Instant>,
    unheard: u32,
    report: Option<(f64, Instant)>,
    congested: bool,
}

impl SendEstimate {
    /// Before anything was sent.
    pub fn new(bounds: Bounds, now: Instant) -> SendEstimate {
        SendEstimate {
            bounds,
            bitrate: bounds.start as f64,
            basis: Basis::None,
            demand: 0.0,
            sent: SentPackets::new(),
            delay: DelayDetector::new(),
            acknowledged: Acknowledged::default(),
            losses: Losses::default(),
            probes: Probes::default(),
            reported: Vec::new(),
            covered: 0,
            round_trip: Duration::from_millis(100),
            capacity: None,
            grown: now,
            backed_off: None,
            probed: None,
            probe_due: now,
            heard: None,
            unheard: 0,
            report: None,
            congested: false,
        }
    }

    /// Bit/s that may be sent; `None` while nothing is known of the path.
    pub fn bitrate(&self) -> Option<u64> {
        (self.basis != Basis::None).then_some(self.bitrate as u64)
    }

    /// What it is made from.
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// Bit/s that arrived lately, as far as feedback tells.
    pub fn acknowledged(&self) -> Option<u64> {
        self.acknowledged.bitrate().map(|bitrate| bitrate as u64)
    }

    /// Bit/s it would be good to send: the path is asked for more only while that is more than the estimate.
    pub fn demand(&mut self, bitrate: u64) {
        self.demand = bitrate as f64;
    }

    /// A packet with transport-wide number `sequence` leaves, `bytes` long.
    pub fn sent(&mut self, sequence: u16, bytes: usize, now: Instant) {
        let probe = self.probes.sent(bytes, now);
        self.sent.sent(sequence, bytes, probe, now);
        if self.unheard == 0 {
            self.heard = self.heard.map(|_| now); // an answer is owed from now on
        }
        self.unheard += 1;
    }

    /// Takes a feedback message about what we sent.
    pub fn feedback(&mut self, feedback: &TransportCc<'_>, now: Instant) {
        let mut reported = std::mem::take(&mut self.reported);
        self.sent.reported(feedback, &mut reported);
        if let (Some(first), Some(last)) = (reported.first(), reported.last()) {
            self.basis = Basis::Feedback;
            self.heard = Some(now);
            self.unheard = 0;
            if first.number > self.covered + 1 {
                self.acknowledged.hole();
            }
            self.covered = self.covered.max(last.number);
            let newest = last.sent;
            self.told(&reported);
            self.round_trip = now
                .saturating_duration_since(newest)
                .clamp(Duration::from_millis(5), LONGEST_ROUND_TRIP);
            self.update(newest, now);
        }
        self.reported = reported;
    }

    fn told(&mut self, reported: &[Reported]) {
        for packet in reported {
            if packet.probe != 0 {
                self.probes.told(packet);
                self.delay.skip(); // its queue is of our own making
            }
            self.losses
                .told(packet.arrived.is_none(), packet.late, packet.sent);
            if let Some(at) = packet.arrived {
                self.acknowledged.arrived(packet.bytes, at);
                if packet.probe == 0 && !packet.late {
                    self.delay.arrived(packet.sent, at);
                }
            }
        }
    }

    fn update(&mut self, newest: Instant, now: Instant) {
        if let Some(verdict) = self.losses.verdict(newest) {
            self.congested = verdict == Verdict::Congested;
            if self.congested {
                self.losses.lowered(now);
                let arrives = self.acknowledged.bitrate().unwrap_or(self.bitrate);
                self.back_off(0.95 * arrives, now);
            }
        }
        let drains = self
            .probed
            .is_some_and(|at| now.saturating_duration_since(at) < PROBE_DRAINS);
        match self.delay.usage() {
            Usage::Over if drains => {}
            Usage::Over => self.overused(now),
            Usage::Under => self.grown = now,
            Usage::Normal if self.congested => self.grown = now,
            Usage::Normal => self.grow(now),
        }
        self.conclude(now);
    }

    fn conclude(&mut self, now: Instant) {
        if let Some(Found::Takes(rate)) = self.probes.result(self.bitrate, now) {
            self.bitrate = rate.min(self.bounds.ceiling as f64);
            self.capacity = None;
            // Where there was more there may be more still: the next one follows at once.
            self.probe_due = now;
        }
    }

    fn overused(&mut self, now: Instant) {
        let settles = self.round_trip + SETTLES;
        let arrives = self.acknowledged.bitrate();
        let just = |at: Instant| now.saturating_duration_since(at) < settles;
        // The first back-off acts at once; the next when that one had time to show, or was plainly not enough.
        let collapsed = arrives.is_some_and(|arrives| arrives < 0.5 * self.bitrate);
        if self.backed_off.is_some_and(just) && !collapsed {
            return;
        }
        self.capacity = arrives.or(self.capacity);
        match arrives {
            Some(arrives) => self.back_off(BACK_OFF * arrives, now),
            None => self.back_off(BLIND_BACK_OFF * self.bitrate, now),
        }
    }

    /// Down to `bitrate`; never up.
    fn back_off(&mut self, bitrate: f64, now: Instant) {
        self.bitrate = self.bitrate.min(bitrate).max(self.bounds.floor as f64);
        self.backed_off = Some(now);
        self.probe_due = now + FIRST_PROBE;
        self.grown = now;
    }

    fn grow(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.grown).as_secs_f64();
        self.grown = now;
        let arrives = self.acknowledged.bitrate().unwrap_or(0.0);
        if self.bitrate >= HEADROOM * arrives + LEAST_HEADROOM {
            return; // limited by what there is to send: nothing is learned about the path
        }
        if self
            .capacity
            .is_some_and(|capacity| arrives > 1.2 * capacity)
        {
            self.capacity = None;
        }
        let growth = if self.capacity.is_some() {
            PACKET / (self.round_trip + SETTLES).as_secs_f64()
        } else {
            GROWTH * self.bitrate
        };
        self.bitrate = (self.bitrate + growth * passed.min(1.0)).min(self.bounds.ceiling as f64);
    }

    /// The receiver names a bitrate (REMB) while `sending` bit/s were sent. Taken where there is no transport-wide feedback. It names
    /// little more than it gets, whatever the path takes: only a bitrate below what is sent is a complaint.
    pub fn named(&mut self, bitrate: u64, sending: u64, now: Instant) {
        if self.basis == Basis::Feedback {
            return;
        }
        let named = bitrate.clamp(self.bounds.floor, self.bounds.ceiling) as f64;
        if bitrate < sending || self.basis != Basis::Named {
            self.bitrate = named;
        }
        self.bitrate = self.bitrate.max(named);
        self.basis = Basis::Named;
        self.grown = now;
    }

    /// The receiver reports a share of packets lost, in 1/256, while `sending` bit/s were sent. Taken where there is nothing
    /// better.
    pub fn loss_reported(&mut self, fraction: u8, sending: u64, now: Instant) {
        if matches!(self.basis, Basis::Feedback | Basis::Named) {
            return;
        }
        let share = f64::from(fraction) / 256.0;
        let (worst, since) = self.report.unwrap_or((0.0, now));
        let worst = worst.max(share);
        self.report = Some((worst, since));
        if now.saturating_duration_since(since) < REPORT_INTERVAL {
            return;
        }
        self.report = Some((0.0, now));
        let (floor, ceiling) = (self.bounds.floor as f64, self.bounds.ceiling as f64);
        if worst > REPORTED_CONGESTED {
            // Without more to go by, all of it is taken to be ours.
            let sending = (sending as f64).min(self.bitrate);
            self.bitrate = (sending * (1.0 - 0.5 * worst)).max(floor);
            self.basis = Basis::Loss;
        } else if worst < REPORTED_CLEAR && self.basis == Basis::Loss {
            self.bitrate = (self.bitrate * (1.0 + GROWTH)).min(ceiling);
        }
    }

    /// Lets time pass: probes begin, and silence is noticed.
    pub fn advance(&mut self, now: Instant) {
        match self.basis {
            Basis::Feedback => self.look_for_room(now),
            Basis::Named if self.bitrate < self.demand => {
                let passed = now.saturating_duration_since(self.grown).as_secs_f64();
                self.grown = now;
                let most = self.bounds.ceiling as f64;
                self.bitrate = (self.bitrate * (1.0 + GROWTH * passed.min(1.0))).min(most);
            }
            _ => {}
        }
    }

    fn look_for_room(&mut self, now: Instant) {
        self.conclude(now);
        let silent = self.unheard >= SILENT_PACKETS
            && self
                .heard
                .is_some_and(|at| now.saturating_duration_since(at) >= SILENCE);
        if silent {
            self.heard = Some(now);
            self.back_off(SILENT_BACK_OFF * self.bitrate, now);
        }
        if now >= self.probe_due && !self.probes.open() && self.bitrate < self.demand {
            self.probed = Some(now);
            self.probe_due = now + PROBE_INTERVAL;
            let most = self.bounds.ceiling as f64;
            let rate = (PROBE * self.bitrate)
                .min((NEEDED * self.demand).max(1.2 * self.bitrate))
                .max(LEAST_PROBE);
            self.probes.begin(rate.min(most), now);
        }
    }

    /// Bytes of padding to send now: what a probe lacks of its rate.
    pub fn padding(&self, now: Instant) -> usize {
        self.probes.due(now)
    }

    /// Bit/s to send with while a probe lasts.
    pub fn probing(&self, now: Instant) -> Option<u64> {
        self.probes.rate(now).map(|rate| rate as u64)
    }

    /// While a probe is under way: when to call [`SendEstimate::advance`] and [`SendEstimate::padding`] next. Else every 100 ms
    /// will do.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        self.probes.deadline(now)
    }
}
