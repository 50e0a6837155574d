//! Sources and Sinks: made, joined, switched and forgotten.

use std::sync::Arc;
use std::time::Instant;

use meeting_bwe::Importance;
use meeting_forward::{Kind, Sink, SinkConfig, Source, SourceConfig, SourceId};
use slab::Slab;

use super::bandwidth::Choice;
use super::command::Id;
use super::event::Event;
use super::plane::{Plane, SinkState, SourceState};
use super::steps::{Bounds, LayerRates};

/// Where a Source's place ends and its serial number begins in the name the forwarding machines know it by. They must never
/// see a name twice; places are used again.
const PLACE_BITS: u32 = 24;

impl Plane {
    pub(super) fn add_source(
        &mut self,
        link_id: Id,
        id: Id,
        mid: &str,
        kind: Kind,
        rid: Option<&str>,
        ssrcs: Vec<u32>,
    ) {
        let Some(link_at) = self.link_ids.get(&link_id).copied() else {
            self.counters.unknown_id += 1;
            return;
        };
        self.serial += 1;
        let entry = self.sources.vacant_entry();
        let at = entry.key();
        let name = self.serial << PLACE_BITS | at as u64;
        let link = &mut self.links[link_at];
        entry.insert(SourceState {
            id,
            name,
            link: link_at,
            machine: Source::new(
                SourceConfig::new(name, kind, link_id),
                Arc::clone(&link.reception),
            ),
            sinks: Vec::new(),
            speaking: false,
            rates: LayerRates::default(),
        });
        link.demux.add(name, mid, rid, ssrcs);
        link.sources.push(at);
        self.source_ids.insert(id, at);
    }

    pub(super) fn add_sink(&mut self, link_id: Id, id: Id, config: SinkConfig) {
        let Some(link_at) = self.link_ids.get(&link_id).copied() else {
            self.counters.unknown_id += 1;
            return;
        };
        let link = &mut self.links[link_at];
        for ssrc in [Some(config.ssrc), config.rtx_ssrc].into_iter().flatten() {
            if !link.used_ssrcs.insert(ssrc) {
                self.events.state(Event::Trouble(format!(
                    "sink {id} of link {link_id} is refused: SSRC {ssrc} was used before on this link"
                )));
                return;
            }
        }
        let at = self.sinks.insert(SinkState {
            id,
            link: link_at,
            ssrc: config.ssrc,
            choice: Choice {
                kind: config.kind,
                sources: Vec::new(),
                importance: Importance::default(),
                bounds: Bounds::default(),
                steps: Vec::new(),
                given: None,
                paused: false,
            },
            machine: Sink::new(config),
            attached: Vec::new(),
            lost: 0,
            nacks_received: 0,
            plis_received: 0,
        });
        link.sinks.push(at);
        self.sink_ids.insert(id, at);
    }

    /// Sources that have gone meanwhile are left out.
    pub(super) fn feed(
        &mut self,
        now: Instant,
        sink_id: Id,
        sources: &[Id],
        importance: Importance,
        bounds: Bounds,
    ) {
        let Some(at) = self.sink_ids.get(&sink_id).copied() else {
            self.counters.unknown_id += 1;
            return;
        };
        let found = sources.iter().filter_map(|id| self.source_ids.get(id));
        let names: Vec<SourceId> = found.map(|at| self.sources[*at].name).collect();
        self.counters.unknown_id += (sources.len() - names.len()) as u64;
        let sink = &mut self.sinks[at];
        let choice = &mut sink.choice;
        choice.sources = names;
        choice.importance = importance;
        choice.bounds = bounds;
        choice.look(&self.sources);
        let limited =
            choice.kind == Kind::Video && self.links[sink.link].bandwidth.allocator.limited();
        let place = if limited && choice.paused {
            None
        } else if limited {
            // As it was or the least, until the next look at what the path takes.
            Some(choice.held().unwrap_or(0))
        } else {
            choice.steps.len().checked_sub(1)
        };
        choice.given = place.and_then(|place| choice.steps.get(place).copied());
        let given = choice.given;
        if let Some(step) = given {
            sink.machine.select(step.layers);
        }
        self.attach(now, at, given.map(|step| step.source));
    }

    /// Attaches a Sink to a Source, or to nothing.
    pub(super) fn attach(&mut self, now: Instant, at: usize, name: Option<SourceId>) {
        let place = name.and_then(|name| place_of(&self.sources, name));
        let sink = &mut self.sinks[at];
        sink.machine.feed(name.filter(|_| place.is_some()));
        if let Some(place) = place
            && !sink.attached.contains(&place)
        {
            sink.attached.push(place);
            self.sources[place].sinks.push(at);
        }
        self.detach(at);
        self.switching.push(at);
        self.pass_key_frame_request(now, at);
    }

    /// Takes a Sink off the lists of Sources it neither sends nor awaits.
    pub(super) fn detach(&mut self, at: usize) {
        let Some(sink) = self.sinks.get_mut(at) else {
            return;
        };
        let needed = [sink.machine.flowing(), sink.machine.wanted()];
        let sources = &mut self.sources;
        sink.attached.retain(|place| {
            let Some(source) = sources.get_mut(*place) else {
                return false;
            };
            let keep = needed.contains(&Some(source.name));
            if !keep {
                source.sinks.retain(|other| *other != at);
            }
            keep
        });
    }

    /// What a Sink says it needs is asked of the publisher.
    pub(super) fn pass_key_frame_request(&mut self, now: Instant, at: usize) {
        if let Some(name) = self.sinks[at].machine.take_key_frame_request()
            && let Some(place) = place_of(&self.sources, name)
        {
            self.request_key_frame(now, place);
        }
    }

    pub(super) fn request_key_frame(&mut self, now: Instant, at: usize) {
        let source = &mut self.sources[at];
        source.machine.request_key_frame(now);
        self.touched.push(source.link);
    }

    pub(super) fn remove_source(&mut self, at: usize) {
        let link = &mut self.links[self.sources[at].link];
        link.sources.retain(|other| *other != at);
        link.demux.remove(self.sources[at].name);
        self.forget_source(at);
    }

    pub(super) fn forget_source(&mut self, at: usize) {
        let Some(source) = self.sources.try_remove(at) else {
            return;
        };
        self.source_ids.remove(&source.id);
        for sink in source.sinks {
            if let Some(sink) = self.sinks.get_mut(sink) {
                sink.attached.retain(|other| *other != at);
            }
        }
    }

    pub(super) fn remove_sink(&mut self, at: usize) {
        let link = &mut self.links[self.sinks[at].link];
        link.sinks.retain(|other| *other != at);
        self.forget_sink(at);
    }

    pub(super) fn forget_sink(&mut self, at: usize) {
        let Some(sink) = self.sinks.try_remove(at) else {
            return;
        };
        self.sink_ids.remove(&sink.id);
        for source in sink.attached {
            if let Some(source) = self.sources.get_mut(source) {
                source.sinks.retain(|other| *other != at);
            }
        }
    }
}

/// Where the Source with this name is, if it still is.
pub(super) fn place_of(sources: &Slab<SourceState>, name: SourceId) -> Option<usize> {
    let at = (name & ((1 << PLACE_BITS) - 1)) as usize;
    (sources.get(at)?.name == name).then_some(at)
}
