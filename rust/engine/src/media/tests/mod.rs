//! A Port over loopback with participants of the load generator: what is too awkward to see from Python.

mod streams;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use meeting_bwe::{ArrivalRecorder, Importance};
use meeting_forward::{CodecParameters, Kind, SinkConfig};
use meeting_link::{Credentials, Identity, Limits, Remote};
use meeting_load::media::{self, Camera};
use meeting_load::{Identities, Participant, Wire};
use meeting_rtp::extension::Values;
use meeting_rtp::rtcp::Builder;
use meeting_rtp::{Codec, Extension, ExtensionMap, Header};

use super::{Bounds, Command, Configuration, Congestion, Event, Id, Port, StreamLimits};

const PATIENCE: Duration = Duration::from_secs(20);

fn identity(name: &str) -> Identity {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../link/tests/identities/");
    let read = |kind: &str| std::fs::read(format!("{folder}{name}.{kind}.der")).unwrap();
    Identity::new(read("crt"), read("key")).unwrap()
}

fn configuration() -> Configuration {
    Configuration {
        bind: vec!["127.0.0.1:0".parse().unwrap()],
        bind_tcp: vec!["127.0.0.1:0".parse().unwrap()],
        identity: identity("server"),
        limits: Limits::default(),
        streams: StreamLimits::default(),
        events: 4096,
        commands: 65536,
        socket_buffer: 1 << 20,
    }
}

/// The header extensions of who subscribes.
fn received() -> ExtensionMap {
    ExtensionMap::new([(Extension::Mid, 4), (Extension::TransportCc, 3)])
}

/// A Port, its events, and the participants that came to it.
struct Stage {
    port: Port,
    events: Vec<Event>,
    participants: Vec<Participant>,
    epoch: Instant,
    camera: Option<Camera>,
    heard: Vec<usize>,
    /// What the second participant tells of arrivals, if it does.
    arrivals: Option<ArrivalRecorder>,
}

impl Stage {
    fn new() -> Self {
        Self::with(StreamLimits::default())
    }

    fn with(streams: StreamLimits) -> Self {
        Self::of(Configuration {
            streams,
            ..configuration()
        })
    }

    fn of(configuration: Configuration) -> Self {
        Self {
            port: Port::start(configuration).unwrap(),
            events: Vec::new(),
            participants: Vec::new(),
            epoch: Instant::now(),
            camera: None,
            heard: Vec::new(),
            arrivals: None,
        }
    }

    fn command(&self, command: Command) {
        self.port.command(command).unwrap();
    }

    /// What the description of Link `id` tells.
    fn remote(&self, id: Id) -> Remote {
        Remote {
            address: self.port.addresses()[0],
            ufrag: format!("ufrag{id}"),
            password: format!("password+of+22+chars+{id}"),
            fingerprint: identity("server").fingerprint(),
        }
    }

    /// A Link named `id` with its participant.
    fn join(&mut self, id: Id) -> usize {
        let wire = Wire::udp(self.port.addresses()[0]).unwrap();
        self.join_by(id, wire)
    }

    fn join_by(&mut self, id: Id, wire: Wire) -> usize {
        let remote = self.remote(id);
        self.command(Command::AddLink {
            link: id,
            credentials: Credentials::new(&remote.ufrag, &remote.password).unwrap(),
            fingerprint: Some(identity("client").fingerprint()),
        });
        let who = Identities {
            remote,
            own: identity("client"),
            ufrag: "peer".to_owned(),
        };
        let participant = Participant::by(wire, who, id, Instant::now());
        self.participants.push(participant);
        self.heard.push(0);
        self.participants.len() - 1
    }

    fn turn(&mut self) {
        let all: Vec<usize> = (0..self.participants.len()).collect();
        self.turn_for(&all);
    }

    /// Only some of the participants do anything.
    fn turn_for(&mut self, awake: &[usize]) {
        let now = Instant::now();
        let extensions = received();
        for at in awake.iter().copied() {
            let (heard, arrivals) = (&mut self.heard[at], self.arrivals.as_mut());
            let mut arrivals = arrivals.filter(|_| at == 1);
            self.participants[at].turn(now, |packet| {
                *heard += 1;
                let header = Header::parse(packet).unwrap();
                let number = Values::parse(&header, packet, &extensions).transport_cc(packet);
                if let (Some(number), Some(arrivals)) = (number, &mut arrivals) {
                    arrivals.arrived(number, header.ssrc, now);
                }
            });
        }
        self.tell_arrivals(now);
        self.port.take_events(&mut self.events);
        // One core may be all there is: let the media thread have it.
        std::thread::yield_now();
    }

    fn tell_arrivals(&mut self, now: Instant) {
        let Some(arrivals) = &mut self.arrivals else {
            return;
        };
        let mut buffer = [0; 1300];
        let mut rtcp = Builder::new(&mut buffer[..1200]);
        arrivals.write_feedback(now, 1, &mut rtcp);
        let len = rtcp.len();
        if len > 0 {
            self.participants[1].send_rtcp(&mut buffer, len);
        }
    }

    /// The second participant names a bitrate.
    fn name(&mut self, bitrate: u64) {
        let mut buffer = [0; 100];
        let mut rtcp = Builder::new(&mut buffer[..80]);
        rtcp.remb(1, bitrate, &[500]).unwrap();
        let len = rtcp.len();
        self.participants[1].send_rtcp(&mut buffer, len);
    }

    /// The pauses told since the last time.
    fn pauses(&mut self) -> Vec<(Id, Vec<(Id, bool)>)> {
        self.events
            .extract_if(.., |event| matches!(event, Event::SinksPaused { .. }))
            .map(|event| match event {
                Event::SinksPaused { link, sinks } => (link, sinks),
                _ => unreachable!(),
            })
            .collect()
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            self.turn();
            assert!(Instant::now() < end, "{what}: {:?}", self.events);
        }
    }

    fn connected(&mut self) {
        self.until("all connected", |stage| {
            stage.participants.iter().all(Participant::is_connected)
        });
    }

    /// Sends what a camera gives in a while, from the first participant.
    fn film(&mut self, time: Duration) {
        let all: Vec<usize> = (0..self.participants.len()).collect();
        self.film_for(time, &all);
    }

    fn film_for(&mut self, time: Duration, awake: &[usize]) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            let now = Instant::now();
            let publisher = &self.participants[0];
            let camera = self.camera.get_or_insert_with(|| Camera::new(now));
            camera.write_due(now, self.epoch, |buffer, packet| {
                publisher.send_rtp(buffer, packet.header, packet.len, packet.index);
            });
            self.turn_for(awake);
        }
    }

    fn publish(&self, link: Id, source: Id) {
        let extensions = ExtensionMap::new([(Extension::Mid, media::MID)]);
        self.command(Command::Configure {
            link,
            codecs: vec![CodecParameters {
                payload_type: media::VP8,
                codec: Some(Codec::Vp8),
                clock_rate: 90_000,
                rtx_payload_type: None,
                nack: true,
                pli: true,
            }],
            extensions,
            congestion: Congestion::None,
        });
        self.command(Command::AddSource {
            link,
            source,
            mid: media::VIDEO_MID.to_owned(),
            kind: Kind::Video,
            rid: None,
            ssrcs: Vec::new(),
        });
    }

    fn subscribe(&self, link: Id, sink: Id, source: Id, ssrc: u32) {
        self.command(Command::AddSink {
            link,
            sink,
            config: Box::new(SinkConfig {
                kind: Kind::Video,
                ssrc,
                rtx_ssrc: None,
                mid: "0".to_owned(),
                payload_types: vec![(media::VP8, 100)],
                rtx_payload_types: Vec::new(),
                extensions: received(),
                mixed_extensions: true,
                lossy: meeting_forward::LOSSY,
            }),
        });
        self.command(Command::Feed {
            sink,
            sources: vec![source],
            importance: Importance::default(),
            bounds: Bounds::default(),
        });
    }

    fn troubles(&self) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Trouble(text) => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }
}

#[test]
fn what_one_sends_the_others_get_and_one_who_pauses_gets_nothing() {
    let mut stage = Stage::new();
    for id in 1..=3 {
        stage.join(id);
    }
    stage.connected();
    stage.publish(1, 10);
    stage.subscribe(2, 20, 10, 500);
    stage.subscribe(3, 30, 10, 500);
    stage.film(Duration::from_millis(400));
    stage.until("both receive", |stage| {
        stage.heard[1] > 20 && stage.heard[2] > 20
    });
    assert_eq!(stage.heard[0], 0);
    stage.command(Command::Feed {
        sink: 30,
        sources: vec![],
        importance: Importance::default(),
        bounds: Bounds::default(),
    });
    stage.film(Duration::from_millis(200));
    let (going, paused) = (stage.heard[1], stage.heard[2]);
    stage.film(Duration::from_millis(400));
    assert!(stage.heard[1] > going);
    assert_eq!(stage.heard[2], paused);
    assert_eq!(stage.troubles(), [""; 0]);
}

#[test]
fn a_picture_the_path_has_no_room_for_is_paused_until_it_has() {
    let mut stage = Stage::new();
    stage.join(1);
    stage.join(2);
    stage.connected();
    stage.publish(1, 10);
    stage.subscribe(2, 20, 10, 500);
    stage.film(Duration::from_millis(1200));
    assert!(stage.heard[1] > 20);
    let mut told = Vec::new();
    let end = Instant::now() + PATIENCE;
    while told.is_empty() && Instant::now() < end {
        stage.name(100_000);
        stage.film(Duration::from_millis(100));
        told = stage.pauses();
    }
    assert_eq!(told, [(2, vec![(20, true)])]);
    // What was held leaves within half a second or never.
    stage.film(Duration::from_millis(700));
    let before = stage.heard[1];
    stage.film(Duration::from_millis(300));
    assert_eq!(stage.heard[1], before);
    stage.name(20_000_000);
    while told.len() < 2 && Instant::now() < end {
        stage.film(Duration::from_millis(100));
        told.extend(stage.pauses());
    }
    assert_eq!(told[1..], [(2, vec![(20, false)])]);
    let before = stage.heard[1];
    stage.film(Duration::from_millis(300));
    assert!(stage.heard[1] > before + 10);
    assert_eq!(stage.troubles(), [""; 0]);
}

#[test]
fn what_arrives_at_a_subscriber_is_known_from_its_feedback() {
    let mut stage = Stage::new();
    stage.join(1);
    stage.join(2);
    stage.arrivals = Some(ArrivalRecorder::new(Instant::now()));
    stage.connected();
    stage.publish(1, 10);
    stage.subscribe(2, 20, 10, 500);
    let end = Instant::now() + PATIENCE;
    let known = |event: &Event| match event {
        Event::Statistics(statistics) => statistics
            .links
            .iter()
            .any(|row| row.link == 2 && row.estimate.is_some() && row.acknowledged > Some(100_000)),
        _ => false,
    };
    while !stage.events.iter().any(known) {
        stage.film(Duration::from_millis(100));
        assert!(Instant::now() < end, "{:?}", stage.events);
    }
}

#[test]
fn a_panic_costs_its_link_and_no_other_and_is_told() {
    let mut stage = Stage::new();
    for id in 1..=3 {
        stage.join(id);
    }
    stage.connected();
    stage.publish(1, 10);
    stage.subscribe(3, 30, 10, 500);
    stage.command(Command::Panic { link: 2 });
    stage.until("the end of link 2", |stage| {
        stage.events.iter().any(
            |event| matches!(event, Event::LinkClosed { link: 2, reason } if reason == "internal error"),
        )
    });
    stage.film(Duration::from_millis(400));
    stage.until("link 3 receives", |stage| stage.heard[2] > 10);
    let [trouble] = stage.troubles()[..] else {
        panic!("{:?}", stage.troubles())
    };
    assert!(trouble.contains("link 2"), "{trouble}");
}

#[test]
fn an_ssrc_is_never_used_twice_on_a_link() {
    let mut stage = Stage::new();
    stage.join(1);
    stage.join(2);
    stage.connected();
    stage.publish(1, 10);
    stage.subscribe(2, 20, 10, 500);
    stage.command(Command::CloseSink { sink: 20 });
    stage.subscribe(2, 21, 10, 500);
    stage.until("the refusal", |stage| !stage.troubles().is_empty());
    assert!(
        stage.troubles()[0].contains("SSRC 500"),
        "{:?}",
        stage.troubles()
    );
    let before = stage.heard[1];
    stage.film(Duration::from_millis(200));
    assert_eq!(stage.heard[1], before);
}

#[test]
fn an_address_in_use_is_named() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = Port::start(Configuration {
        bind: vec![address],
        ..configuration()
    })
    .unwrap_err();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[test]
fn closing_a_port_says_goodbye_to_everybody() {
    let mut stage = Stage::new();
    stage.join(1);
    stage.connected();
    stage.port.close();
    stage.until("goodbye", |stage| {
        stage.participants[0].closed.as_deref() == Some("peer closed")
    });
    stage.port.close();
    stage.command(Command::CloseLink { link: 1 });
}

#[test]
fn unknown_ids_are_ignored() {
    let mut stage = Stage::new();
    stage.join(1);
    for command in [
        Command::CloseLink { link: 99 },
        Command::CloseSource { source: 99 },
        Command::CloseSink { sink: 99 },
        Command::RequestKeyFrame { source: 99 },
        Command::Feed {
            sink: 99,
            sources: vec![99],
            importance: Importance::default(),
            bounds: Bounds::default(),
        },
    ] {
        stage.command(command);
    }
    stage.publish(99, 100);
    stage.subscribe(99, 101, 100, 1);
    stage.connected();
    assert_eq!(stage.troubles(), [""; 0]);
}
