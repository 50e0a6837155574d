//! The media thread's whole state, and how commands change it. Datagrams come in through [`ingress`](super::ingress), Sources and
//! Sinks are in [`tracks`](super::tracks), time comes through [`upkeep`](super::upkeep).
//!
//! Publisher's state (`inbound`, Sources) and subscriber's state (`outbound`, Sinks) of a Link are kept apart already: the
//! first belongs to the thread that receives, the second to a forwarder when there are several.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use meeting_bwe::{ArrivalRecorder, ReceiverEstimate, Want};
use meeting_forward::{Demux, Departure, Reception, Sink, Source, SourceId};
use meeting_link::{Credentials, Fingerprint, Identity, Limits, Link, Path};
use meeting_rtp::{ExtensionMap, NtpClock};
use meeting_srtp::{Inbound, Outbound};
use slab::Slab;

use super::bandwidth::{Bandwidth, Choice};
use super::command::{Command, Congestion, Id};
use super::event::{Event, Events};
use super::exit::Exit;
use super::schedule::Schedule;
use super::statistics::Counters;
use super::steps::LayerRates;
use super::streams::Streams;

/// What a sender without transport-wide feedback may send, in bit/s: enough for three layers of a camera and a screen.
const ESTIMATE: (u64, u64) = (150_000, 8_000_000);

/// One peer connection with all that hangs on it.
pub(super) struct LinkState {
    pub id: Id,
    pub machine: Link,
    pub ufrags: Vec<String>,
    /// Where media goes, and by which exit.
    pub path: Option<(SocketAddr, usize)>,
    pub inbound: Option<Inbound>,
    pub outbound: Option<Outbound>,
    pub demux: Demux,
    pub reception: Arc<Reception>,
    pub congestion: Receipt,
    pub departure: Departure,
    pub bandwidth: Bandwidth,
    /// When its sound was last loud enough to be speech.
    pub spoke: Option<Instant>,
    pub sources: Vec<usize>,
    pub sinks: Vec<usize>,
    /// Places of the Sinks that have second copies to send.
    pub repeating: Vec<usize>,
    /// A second use of an SSRC would repeat packet indices under one key (RFC 7714 §8.1).
    pub used_ssrcs: HashSet<u32>,
    pub packets_received: u64,
    pub bytes_received: u64,
    pub packets_sent: u64,
    pub bytes_sent: u64,
    pub refused: u64,
}

/// What we tell the sender about what arrives.
pub(super) enum Receipt {
    None,
    TransportWide(ArrivalRecorder),
    Estimate(ReceiverEstimate),
}

pub(super) struct SourceState {
    pub id: Id,
    pub name: SourceId,
    pub link: usize,
    pub machine: Source,
    /// Places of the Sinks that get its packets: those it feeds, and those that wait for it to begin.
    pub sinks: Vec<usize>,
    pub speaking: bool,
    pub rates: LayerRates,
}

pub(super) struct SinkState {
    pub id: Id,
    pub link: usize,
    pub machine: Sink,
    pub ssrc: u32,
    pub choice: Choice,
    /// Places of the Sources that have it in their list: at most the one that flows and the one awaited.
    pub attached: Vec<usize>,
    pub lost: i64,
    pub nacks_received: u64,
    pub plis_received: u64,
}

/// The peer behind an address, and the exit it comes by.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub link: usize,
    pub socket: usize,
}

pub(super) struct Plane {
    pub identity: Identity,
    pub limits: Limits,
    pub clock: NtpClock,
    pub began: Instant,
    pub links: Slab<LinkState>,
    pub sources: Slab<SourceState>,
    pub sinks: Slab<SinkState>,
    pub link_ids: HashMap<Id, usize>,
    pub source_ids: HashMap<Id, usize>,
    pub sink_ids: HashMap<Id, usize>,
    pub ufrags: HashMap<String, usize>,
    pub addresses: HashMap<Path, Place>,
    pub schedule: Schedule,
    /// Links something happened to in this turn; visited before it ends.
    pub touched: Vec<usize>,
    /// Sinks that may have completed a switch.
    pub switching: Vec<usize>,
    /// Kept between decisions for its room.
    pub wants: Vec<Want>,
    pub counters: Counters,
    pub events: Events,
    pub exits: Vec<Exit>,
    /// Whose affairs are being seen to: who is to blame for a panic.
    pub current: Option<usize>,
    pub serial: u64,
}

impl Plane {
    pub(super) fn new(
        identity: Identity,
        limits: Limits,
        clock: NtpClock,
        began: Instant,
        events: Events,
        exits: Vec<Exit>,
    ) -> Self {
        Self {
            identity,
            limits,
            clock,
            began,
            links: Slab::new(),
            sources: Slab::new(),
            sinks: Slab::new(),
            link_ids: HashMap::new(),
            source_ids: HashMap::new(),
            sink_ids: HashMap::new(),
            ufrags: HashMap::new(),
            addresses: HashMap::new(),
            schedule: Schedule::default(),
            touched: Vec::new(),
            switching: Vec::new(),
            wants: Vec::new(),
            counters: Counters::default(),
            events,
            exits,
            current: None,
            serial: 0,
        }
    }

    /// Runs a part of a turn. If it panics, the Link it was about is closed and told of, and all others go on.
    pub(super) fn guarded(&mut self, what: &str, run: impl FnOnce(&mut Self)) {
        self.current = None;
        if catch_unwind(AssertUnwindSafe(|| run(self))).is_ok() {
            return;
        }
        self.counters.panics += 1;
        let culprit = self
            .current
            .take()
            .and_then(|at| Some((at, self.links.get(at)?.id)));
        self.events.state(Event::Trouble(match culprit {
            Some((_, id)) => {
                format!("the data plane failed in {what} of link {id}, which is closed now")
            }
            None => format!("the data plane failed in {what}"),
        }));
        if let Some((at, id)) = culprit {
            // Its machines may be in pieces: nothing of theirs is called any more.
            self.remove_link(at);
            self.events.state(Event::LinkClosed {
                link: id,
                reason: "internal error".to_owned(),
            });
        }
        self.touched.retain(|at| self.links.contains(*at));
    }

    /// Does what the control side asks. False when that is to end.
    pub(super) fn execute(&mut self, now: Instant, command: Command) -> bool {
        match command {
            Command::AddLink {
                link,
                credentials,
                fingerprint,
            } => self.add_link(now, link, credentials, fingerprint),
            Command::SetRemote { link, fingerprint } => self.with_link(link, |link, _| {
                link.machine.set_remote_fingerprint(now, fingerprint)
            }),
            Command::Configure {
                link,
                codecs,
                extensions,
                congestion,
            } => self.configure(now, link, Reception::new(extensions, codecs), congestion),
            Command::AddSource {
                link,
                source,
                mid,
                kind,
                rid,
                ssrcs,
            } => self.add_source(link, source, &mid, kind, rid.as_deref(), ssrcs),
            Command::AddSink { link, sink, config } => self.add_sink(link, sink, *config),
            Command::Feed {
                sink,
                sources,
                importance,
                bounds,
            } => self.feed(now, sink, &sources, importance, bounds),
            Command::RequestKeyFrame { source } => match self.source_ids.get(&source) {
                Some(at) => self.request_key_frame(now, *at),
                None => self.counters.unknown_id += 1,
            },
            Command::OpenChannel {
                link,
                label,
                settings,
            } => self.with_link(link, |link, _| {
                link.machine.open_channel(now, &label, settings)
            }),
            Command::Send {
                links,
                label,
                data,
                binary,
            } => {
                for link in links {
                    self.with_link(link, |link, _| {
                        link.machine.send(now, &label, data.clone(), binary)
                    });
                }
            }
            Command::RestartIce { link, credentials } => self.restart_ice(link, credentials),
            Command::Adopt { socket, head } => {
                if let Some(streams) = self.streams() {
                    streams.adopt(now, socket, head);
                }
            }
            Command::CloseLink { link } => self.close_link(now, link),
            Command::CloseSource { source } => match self.source_ids.get(&source) {
                Some(at) => self.remove_source(*at),
                None => self.counters.unknown_id += 1,
            },
            Command::CloseSink { sink } => match self.sink_ids.get(&sink) {
                Some(at) => self.remove_sink(*at),
                None => self.counters.unknown_id += 1,
            },
            Command::Shutdown => {
                let all: Vec<Id> = self.link_ids.keys().copied().collect();
                for link in all {
                    self.close_link(now, link);
                }
                return false;
            }
            #[cfg(test)]
            Command::Panic { link } => self.with_link(link, |_, _| panic!("as asked")),
        }
        true
    }

    /// Does something with a Link and has it visited afterwards.
    fn with_link(&mut self, id: Id, run: impl FnOnce(&mut LinkState, usize)) {
        let Some(at) = self.link_ids.get(&id).copied() else {
            self.counters.unknown_id += 1;
            return;
        };
        self.current = Some(at);
        run(&mut self.links[at], at);
        self.touched.push(at);
    }

    fn add_link(
        &mut self,
        now: Instant,
        id: Id,
        credentials: Credentials,
        fingerprint: Option<Fingerprint>,
    ) {
        let ufrag = credentials.ufrag().to_owned();
        if self.link_ids.contains_key(&id) || self.ufrags.contains_key(&ufrag) {
            self.events.state(Event::LinkClosed {
                link: id,
                reason: "its ufrag is in use".to_owned(),
            });
            return;
        }
        let mut machine = Link::new(now, self.identity.clone(), credentials, self.limits.clone());
        if let Some(fingerprint) = fingerprint {
            machine.set_remote_fingerprint(now, fingerprint);
        }
        let extensions = ExtensionMap::default();
        let at = self.links.insert(LinkState {
            id,
            machine,
            ufrags: vec![ufrag.clone()],
            path: None,
            inbound: None,
            outbound: None,
            demux: Demux::new(extensions),
            reception: Arc::new(Reception::new(extensions, [])),
            congestion: Receipt::None,
            departure: Departure::default(),
            bandwidth: Bandwidth::new(now),
            spoke: None,
            sources: Vec::new(),
            sinks: Vec::new(),
            repeating: Vec::new(),
            used_ssrcs: HashSet::new(),
            packets_received: 0,
            bytes_received: 0,
            packets_sent: 0,
            bytes_sent: 0,
            refused: 0,
        });
        self.link_ids.insert(id, at);
        self.ufrags.insert(ufrag, at);
        self.touched.push(at);
    }

    fn configure(&mut self, now: Instant, id: Id, reception: Reception, congestion: Congestion) {
        let Some(at) = self.link_ids.get(&id).copied() else {
            self.counters.unknown_id += 1;
            return;
        };
        let link = &mut self.links[at];
        link.demux.configure(reception.extensions);
        link.reception = Arc::new(reception);
        match (congestion, &link.congestion) {
            (Congestion::None, _) => link.congestion = Receipt::None,
            (Congestion::TransportWide, Receipt::TransportWide(_))
            | (Congestion::ReceiverEstimate, Receipt::Estimate(_)) => {}
            (Congestion::TransportWide, _) => {
                link.congestion = Receipt::TransportWide(ArrivalRecorder::new(now));
            }
            (Congestion::ReceiverEstimate, _) => {
                let (floor, ceiling) = ESTIMATE;
                link.congestion = Receipt::Estimate(ReceiverEstimate::new(floor, ceiling));
            }
        }
        for source in &link.sources {
            self.sources[*source]
                .machine
                .configure(Arc::clone(&link.reception));
        }
    }

    fn restart_ice(&mut self, id: Id, credentials: Credentials) {
        let Some(at) = self.link_ids.get(&id).copied() else {
            self.counters.unknown_id += 1;
            return;
        };
        let ufrag = credentials.ufrag().to_owned();
        if self.ufrags.contains_key(&ufrag) {
            self.events.state(Event::Trouble(format!(
                "link {id} keeps its ICE credentials: the new ufrag is in use"
            )));
            return;
        }
        let link = &mut self.links[at];
        link.machine.restart_ice(credentials);
        link.ufrags.push(ufrag.clone());
        // The machine itself keeps two generations.
        if link.ufrags.len() > 2 {
            let old = link.ufrags.remove(0);
            self.ufrags.remove(&old);
        }
        self.ufrags.insert(ufrag, at);
    }

    fn close_link(&mut self, now: Instant, id: Id) {
        let Some(at) = self.link_ids.get(&id).copied() else {
            // It may have closed by itself, with the event on its way.
            self.counters.unknown_id += 1;
            return;
        };
        self.current = Some(at);
        self.links[at].machine.close(now);
        self.send_waiting(at, 0);
        self.remove_link(at);
    }

    /// Forgets a Link with all that is its.
    pub(super) fn remove_link(&mut self, at: usize) {
        let Some(link) = self.links.try_remove(at) else {
            return;
        };
        self.link_ids.remove(&link.id);
        for ufrag in &link.ufrags {
            self.ufrags.remove(ufrag);
        }
        for path in link.machine.addresses() {
            self.forget_path(*path, at);
        }
        for source in link.sources {
            self.forget_source(source);
        }
        for sink in link.sinks {
            self.forget_sink(sink);
        }
    }

    /// A path is not this Link's any more: a connection ends with that.
    pub(super) fn forget_path(&mut self, path: Path, at: usize) {
        if self
            .addresses
            .get(&path)
            .is_some_and(|place| place.link == at)
            && let Some(place) = self.addresses.remove(&path)
            && let Some(streams) = self.exits[place.socket].streams()
        {
            streams.dismiss(path.address);
        }
    }

    /// The TCP connections.
    pub(super) fn streams(&mut self) -> Option<&mut Streams> {
        self.exits.iter_mut().find_map(Exit::streams)
    }

    /// Connections that ended are no way to their Links any more. What is sent meanwhile is lost, as by UDP.
    pub(super) fn leave_ended(&mut self) {
        let Some(streams) = self.streams() else {
            return;
        };
        for peer in streams.take_ended() {
            let path = Path::tcp(peer);
            let Some(place) = self.addresses.remove(&path) else {
                continue;
            };
            let link = &mut self.links[place.link];
            link.machine.path_lost(path);
            if link.path == Some((peer, place.socket)) {
                link.path = None;
            }
        }
    }
}
