//! How much each subscriber is sent: its estimate asked, its pictures chosen, its packets spread, every 100 ms and between.

use std::time::{Duration, Instant};

use meeting_bwe::{Allocator, Importance, MOST_STEPS, Pacer, Rate, SendEstimate, Want};
use meeting_forward::{Departure, Kind, SourceId};
use meeting_srtp::Outbound;
use slab::Slab;

use super::event::Event;
use super::exit::Exit;
use super::plane::{LinkState, Plane, SourceState};
use super::steps::{Bounds, Step};
use super::tracks::place_of;

/// Who fell silent keeps the picture of one who speaks for so long.
const SPEAKS_FOR: Duration = Duration::from_secs(2);
/// −dBov; quieter than this is not speaking.
pub(super) const SPEAKING: u8 = 35;
/// A Link that sends more than this share of what its path takes is paced.
const NEAR: f64 = 0.5;

/// A Link's half of it.
#[derive(Debug)]
pub(super) struct Bandwidth {
    pub estimate: SendEstimate,
    pub allocator: Allocator,
    pub pacer: Pacer,
    pub sending: Rate,
    /// Bit/s needed for all that is wanted.
    pub demand: u64,
    pub paused: u32,
}

impl Bandwidth {
    pub(super) fn new(now: Instant) -> Bandwidth {
        Bandwidth {
            estimate: SendEstimate::new(meeting_bwe::Bounds::default(), now),
            allocator: Allocator::default(),
            pacer: Pacer::default(),
            sending: Rate::default(),
            demand: 0,
            paused: 0,
        }
    }

    /// When held packets or padding are due.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let probe = self.estimate.deadline(now);
        self.pacer.deadline(now).into_iter().chain(probe).min()
    }
}

/// A Sink's: what it may be fed from, and what it is.
#[derive(Debug)]
pub(super) struct Choice {
    pub kind: Kind,
    /// Encodings, the smallest first, up to what the subscriber wants.
    pub sources: Vec<SourceId>,
    pub importance: Importance,
    pub bounds: Bounds,
    /// The ways to send it, as of the last look.
    pub steps: Vec<Step>,
    /// Of them, what is given; `None`: nothing.
    pub given: Option<Step>,
    /// There would be something, but the path has no room for it.
    pub paused: bool,
}

impl Choice {
    /// Finds the ways to send it as things are; returns which of them is the fair one (see [`Want`]).
    pub(super) fn look(&mut self, sources: &Slab<SourceState>) -> usize {
        self.steps.clear();
        let mut fair = 0;
        for name in &self.sources {
            if let Some(place) = place_of(sources, *name) {
                let rates = &sources[place].rates;
                fair += rates.steps(*name, self.bounds, &mut self.steps);
            }
        }
        self.steps.truncate(MOST_STEPS);
        fair
    }

    /// Which of the steps is given. Where it is none of them any more, the highest of its Source that asks for no more.
    pub(super) fn held(&self) -> Option<usize> {
        let given = self.given?;
        let same = self.steps.iter().position(|step| step.is(&given));
        let within = |step: &Step| step.source == given.source && given.layers.hold(step.layers);
        same.or_else(|| self.steps.iter().rposition(within))
            .or_else(|| {
                self.steps
                    .iter()
                    .position(|step| step.source == given.source)
            })
    }
}

/// A protected packet at the front of the exit's room leaves, or waits for its turn.
#[derive(Clone, Copy)]
pub(super) struct Leaving {
    pub kind: Kind,
    pub sequence: Option<u16>,
    pub len: usize,
}

impl LinkState {
    /// Sends the datagram in `exit`'s room, now or when the path has room for it. Whether the Link is to be visited for that.
    pub(super) fn leave(&mut self, leaving: Leaving, exit: &mut Exit, now: Instant) -> bool {
        let Some((to, _)) = self.path else {
            return false;
        };
        let Leaving {
            kind,
            sequence,
            len,
        } = leaving;
        self.packets_sent += 1;
        self.bytes_sent += len as u64;
        let bandwidth = &mut self.bandwidth;
        if kind == Kind::Audio {
            bandwidth.pacer.count(len);
        } else if !bandwidth.pacer.admits(len, now) {
            bandwidth.pacer.hold(sequence, &exit.room()[..len], now);
            return true;
        }
        exit.push(len, to);
        if let Some(sequence) = sequence {
            bandwidth.estimate.sent(sequence, len, now);
        }
        false
    }
}

impl Plane {
    /// Counts what Sources bring, for the decisions of this tick.
    pub(super) fn measure_sources(&mut self, now: Instant) {
        for (_, source) in &mut self.sources {
            source.rates.sample(source.machine.volume(), now);
        }
    }

    /// Decides what a subscriber is sent until the next tick.
    pub(super) fn share_out(&mut self, now: Instant, at: usize) {
        let link = &self.links[at];
        if link.sinks.is_empty() || link.outbound.is_none() {
            return;
        }
        let mut wants = std::mem::take(&mut self.wants);
        wants.clear();
        let mut sound = 0;
        for sink in &link.sinks {
            let choice = &mut self.sinks[*sink].choice;
            match choice.kind {
                Kind::Audio => {
                    let place = |name: &SourceId| place_of(&self.sources, *name);
                    let source = choice.sources.last().and_then(place);
                    sound += source.map_or(0, |place| self.sources[place].rates.bitrate());
                }
                Kind::Video => {
                    let fair = choice.look(&self.sources);
                    wants.extend(self.want(*sink, fair, now));
                }
            }
        }
        let link = &mut self.links[at];
        let bandwidth = &mut link.bandwidth;
        bandwidth.sending.sample(link.bytes_sent, now);
        bandwidth.estimate.advance(now);
        let estimate = bandwidth.estimate.bitrate();
        bandwidth.demand = bandwidth
            .allocator
            .allocate(estimate, sound, &mut wants, now);
        bandwidth.estimate.demand(bandwidth.demand);
        let sending = bandwidth.sending.bitrate();
        let near = estimate.filter(|estimate| sending as f64 > NEAR * *estimate as f64);
        bandwidth
            .pacer
            .pace(bandwidth.estimate.probing(now).or(near));
        let mut paused = Vec::new();
        for want in &wants {
            let choice = &mut self.sinks[want.key].choice;
            if choice.paused != want.given.is_none() {
                choice.paused = want.given.is_none();
                paused.push((self.sinks[want.key].id, want.given.is_none()));
            }
            self.give(now, want.key, want.given);
        }
        self.wants = wants;
        let link = &mut self.links[at];
        link.bandwidth.paused = link
            .sinks
            .iter()
            .filter(|sink| self.sinks[**sink].choice.paused)
            .count() as u32;
        if !paused.is_empty() {
            self.events.state(Event::SinksPaused {
                link: link.id,
                sinks: paused,
            });
        }
        if link.bandwidth.deadline(now).is_some() {
            self.touched.push(at);
        }
    }

    /// How a picture stands against the others of its subscriber.
    fn want(&self, key: usize, fair: usize, now: Instant) -> Option<Want> {
        let choice = &self.sinks[key].choice;
        let first = place_of(&self.sources, choice.steps.first()?.source)?;
        let spoke = self.links[self.sources[first].link].spoke;
        let mut rates = [0; MOST_STEPS];
        for (rate, step) in rates.iter_mut().zip(&choice.steps) {
            *rate = step.bitrate;
        }
        Some(Want {
            key,
            importance: Importance {
                speaks: spoke.is_some_and(|at| now.saturating_duration_since(at) < SPEAKS_FOR),
                ..choice.importance
            },
            rates,
            steps: choice.steps.len(),
            fair,
            given: choice.held(),
        })
    }

    /// Sends a picture in another way.
    fn give(&mut self, now: Instant, at: usize, given: Option<usize>) {
        let sink = &mut self.sinks[at];
        let less = given < sink.choice.held();
        let step = given.and_then(|step| sink.choice.steps.get(step).copied());
        let had = std::mem::replace(&mut sink.choice.given, step);
        if let Some(step) = step {
            sink.machine.select(step.layers);
        }
        if had.map(|had| had.source) == step.map(|step| step.source) {
            return;
        }
        if less {
            // What is too much for the path is cut off at once, not when the smaller one's key frame comes.
            sink.machine.feed(None);
        }
        self.attach(now, at, step.map(|step| step.source));
    }

    /// Sends what was held until now, and padding while a probe lasts.
    pub(super) fn release(&mut self, now: Instant, at: usize) {
        let link = &mut self.links[at];
        let Some((to, socket)) = link.path else {
            return;
        };
        let exit = &mut self.exits[socket];
        while let Some(held) = link.bandwidth.pacer.release(now) {
            exit.push_bytes(&held.bytes, to);
            if let Some(sequence) = held.sequence {
                link.bandwidth
                    .estimate
                    .sent(sequence, held.bytes.len(), now);
            }
        }
        let mut due = link.bandwidth.estimate.padding(now);
        // What waits fills the probe by itself.
        if due == 0 || link.bandwidth.pacer.waiting() > 0 {
            return;
        }
        let wall = self.clock.at(now);
        link.departure.at(wall);
        for sink in &link.sinks {
            let machine = &mut self.sinks[*sink].machine;
            while due > 0 {
                let room = exit.room();
                let Some(sent) = pad(machine, &mut link.departure, link.outbound.as_ref(), room)
                else {
                    break;
                };
                exit.push(sent.len, to);
                link.packets_sent += 1;
                link.bytes_sent += sent.len as u64;
                link.bandwidth.estimate.sent(sent.sequence, sent.len, now);
                due = due.saturating_sub(sent.len);
            }
        }
    }
}

struct Padding {
    sequence: u16,
    len: usize,
}

fn pad(
    machine: &mut meeting_forward::Sink,
    departure: &mut Departure,
    outbound: Option<&Outbound>,
    room: &mut [u8],
) -> Option<Padding> {
    let out = machine.pad(departure, room)?;
    let len = outbound?
        .protect_rtp(room, out.header, out.len, out.index)
        .ok()?;
    Some(Padding {
        sequence: out.transport_sequence?,
        len,
    })
}
