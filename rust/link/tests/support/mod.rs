//! A server's Link and a participant's Client joined by a wire in virtual time.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use meeting_netem::{Network, Path};

use meeting_link::{
    Client, ClientEvent, CloseReason, Credentials, Event, Fingerprint, Identity, Limits, Link,
    Remote, SrtpKeys,
};

pub const SERVER: &str = "192.0.2.1:3478";
pub const CLIENT: &str = "198.51.100.7:50000";
pub const UFRAG: &str = "srvr";
pub const PASSWORD: &str = "a-password-of-22-chars";

pub fn password() -> String {
    PASSWORD.replace('-', "+")
}

pub fn server_identity() -> Identity {
    identity(
        include_bytes!("../identities/server.crt.der"),
        include_bytes!("../identities/server.key.der"),
    )
}

pub fn client_identity() -> Identity {
    identity(
        include_bytes!("../identities/client.crt.der"),
        include_bytes!("../identities/client.key.der"),
    )
}

pub fn stranger_identity() -> Identity {
    identity(
        include_bytes!("../identities/stranger.crt.der"),
        include_bytes!("../identities/stranger.key.der"),
    )
}

fn identity(certificate: &[u8], key: &[u8]) -> Identity {
    Identity::new(certificate.to_vec(), key.to_vec()).unwrap()
}

pub fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    ToServer,
    ToClient,
}

/// Decides what becomes of a datagram: `None` loses it, else it arrives after this time.
pub type Weather = Box<dyn FnMut(Way, &[u8]) -> Option<Duration>>;

pub fn clear_sky() -> Weather {
    Box::new(|_, _| Some(Duration::from_millis(5)))
}

struct Flying {
    arrival: Instant,
    order: u64,
    way: Way,
    from: SocketAddr,
    bytes: Vec<u8>,
}

pub struct World {
    pub start: Instant,
    pub now: Instant,
    pub link: Link,
    pub client: Client,
    pub client_address: SocketAddr,
    pub weather: Weather,
    /// When set, datagrams travel here instead of by `weather`: to the server, to the client.
    pub roads: Option<(Network, Network)>,
    flying: Vec<Flying>,
    order: u64,
    /// Everything that happened on the server's side.
    pub diary: Vec<String>,
    /// And on the client's.
    pub client_diary: Vec<String>,
    pub link_keys: Option<Box<SrtpKeys>>,
    pub client_keys: Option<Box<SrtpKeys>>,
    pub messages: VecDeque<(String, Vec<u8>, bool)>,
    pub client_messages: VecDeque<(String, Vec<u8>, bool)>,
    pub server_datagrams: Vec<Vec<u8>>,
}

pub fn remote() -> Remote {
    Remote {
        address: at(SERVER),
        ufrag: UFRAG.to_owned(),
        password: password(),
        fingerprint: server_identity().fingerprint(),
    }
}

impl World {
    pub fn new(weather: Weather) -> Self {
        Self::with(
            weather,
            Limits::default(),
            Some(client_identity().fingerprint()),
        )
    }

    /// Over a seeded bad network.
    pub fn on_road(path: Path, seed: u64) -> Self {
        let mut world = Self::new(clear_sky());
        world.roads = Some((Network::new(path, seed), Network::new(path, !seed)));
        world
    }

    pub fn with(weather: Weather, limits: Limits, promised: Option<Fingerprint>) -> Self {
        let now = Instant::now();
        let mut link = Link::new(
            now,
            server_identity(),
            Credentials::new(UFRAG, &password()).unwrap(),
            limits,
        );
        if let Some(fingerprint) = promised {
            link.set_remote_fingerprint(now, fingerprint);
        }
        Self {
            start: now,
            now,
            link,
            client: Client::new(now, client_identity(), "clnt", remote(), 7),
            client_address: at(CLIENT),
            weather,
            roads: None,
            flying: Vec::new(),
            order: 0,
            diary: Vec::new(),
            client_diary: Vec::new(),
            link_keys: None,
            client_keys: None,
            messages: VecDeque::new(),
            client_messages: VecDeque::new(),
            server_datagrams: Vec::new(),
        }
    }

    /// Puts a datagram of anybody's on the wire to the server.
    pub fn inject(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.link.handle_datagram(self.now, from, bytes);
        self.collect();
    }

    fn fly(&mut self, way: Way, from: SocketAddr, bytes: Vec<u8>) {
        if let Some((to_server, to_client)) = &mut self.roads {
            match way {
                Way::ToServer => to_server.send(self.now, &bytes),
                Way::ToClient => to_client.send(self.now, &bytes),
            }
            return;
        }
        if let Some(delay) = (self.weather)(way, &bytes) {
            self.order += 1;
            self.flying.push(Flying {
                arrival: self.now + delay,
                order: self.order,
                way,
                from,
                bytes,
            });
        }
    }

    pub fn collect(&mut self) {
        while let Some(transmit) = self.link.poll_transmit() {
            self.server_datagrams.push(transmit.bytes.clone());
            if transmit.to == self.client_address.into() {
                self.fly(Way::ToClient, at(SERVER), transmit.bytes);
            }
        }
        while let Some(bytes) = self.client.poll_transmit() {
            let from = self.client_address;
            self.fly(Way::ToServer, from, bytes);
        }
        while let Some(event) = self.link.poll_event() {
            self.note(event);
        }
        while let Some(event) = self.client.poll_event() {
            self.note_client(event);
        }
    }

    fn note(&mut self, event: Event) {
        let line = match event {
            Event::Connected { path, keys } => {
                self.link_keys = keys;
                format!("connected {}", path.address)
            }
            Event::Message {
                label,
                data,
                binary,
            } => {
                self.messages
                    .push_back((label.to_string(), data.to_vec(), binary));
                return;
            }
            Event::ChannelOpened(label) => format!("opened {label}"),
            Event::MessageDropped(label) => format!("dropped {label}"),
            Event::Closed(reason) => format!("closed: {reason}"),
            Event::PathChanged(path) => format!("path {}", path.address),
            Event::AddressValidated(address) => format!("validated {}", address.address),
            Event::AddressForgotten(address) => format!("forgotten {}", address.address),
        };
        self.diary.push(line);
    }

    fn note_client(&mut self, event: ClientEvent) {
        let line = match event {
            ClientEvent::Connected(keys) => {
                self.client_keys = keys;
                "connected".to_owned()
            }
            ClientEvent::Closed(reason) => format!("closed: {reason}"),
            ClientEvent::Channel(Event::Message {
                label,
                data,
                binary,
            }) => {
                self.client_messages
                    .push_back((label.to_string(), data.to_vec(), binary));
                return;
            }
            ClientEvent::Channel(Event::ChannelOpened(label)) => format!("opened {label}"),
            ClientEvent::Channel(Event::MessageDropped(label)) => format!("dropped {label}"),
            ClientEvent::Channel(_) => return,
        };
        self.client_diary.push(line);
    }

    /// Lets the next thing happen; false when there is nothing before `until`.
    fn step(&mut self, until: Instant) -> bool {
        let roads = self.roads.as_ref();
        let arrivals = [
            self.flying.iter().map(|datagram| datagram.arrival).min(),
            roads.and_then(|(to_server, _)| to_server.deadline()),
            roads.and_then(|(_, to_client)| to_client.deadline()),
        ];
        let deadlines = [self.link.next_deadline(), Some(self.client.next_deadline())];
        let next = arrivals.into_iter().chain(deadlines).flatten().min();
        let next = next.unwrap_or(until);
        if next > until {
            self.now = until;
            return false;
        }
        self.now = self.now.max(next);
        if !self.deliver() {
            self.link.handle_timeout(self.now);
            self.client.handle_timeout(self.now);
        }
        self.collect();
        true
    }

    /// Hands over one datagram that has arrived.
    fn deliver(&mut self) -> bool {
        if let Some((to_server, to_client)) = &mut self.roads {
            if let Some((_, bytes)) = to_server.receive(self.now) {
                self.link
                    .handle_datagram(self.now, self.client_address, &bytes);
                return true;
            }
            if let Some((_, bytes)) = to_client.receive(self.now) {
                self.client.handle_datagram(self.now, &bytes);
                return true;
            }
        }
        let first = (0..self.flying.len())
            .min_by_key(|i| (self.flying[*i].arrival, self.flying[*i].order))
            .filter(|at| self.flying[*at].arrival <= self.now);
        let Some(at) = first else {
            return false;
        };
        let datagram = self.flying.remove(at);
        match datagram.way {
            Way::ToServer => self
                .link
                .handle_datagram(self.now, datagram.from, &datagram.bytes),
            Way::ToClient => self.client.handle_datagram(self.now, &datagram.bytes),
        }
        true
    }

    pub fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
    }

    /// Runs until the condition holds; the virtual time it took. Panics after `within`.
    pub fn run_until(
        &mut self,
        within: Duration,
        what: &str,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Duration {
        let began = self.now;
        while !done(self) {
            let more = self.step(began + within);
            assert!(
                more || done(self),
                "{what}: not within {within:?}; server {:?}, client {:?}",
                self.diary,
                self.client_diary
            );
        }
        self.now - began
    }

    pub fn connect(&mut self) -> Duration {
        self.run_until(Duration::from_secs(30), "connect", |world| {
            world.said("connected") && world.client_said("connected")
        })
    }

    pub fn said(&self, start: &str) -> bool {
        self.diary.iter().any(|line| line.starts_with(start))
    }

    pub fn client_said(&self, start: &str) -> bool {
        self.client_diary.iter().any(|line| line.starts_with(start))
    }

    pub fn closed(&self) -> Option<&String> {
        self.diary.iter().find(|line| line.starts_with("closed"))
    }
}

/// What a call needs to be told apart from silence: a message each way over a reliable channel.
pub fn assert_alive(world: &mut World) {
    use bytes::Bytes;
    let token = format!("still here at {:?}", world.now - world.start).into_bytes();
    world
        .link
        .send(world.now, "alive", Bytes::from(token.clone()), true);
    world
        .client
        .send(world.now, "alive", Bytes::from(token.clone()), true);
    world
        .client
        .open_channel(world.now, "alive", Default::default());
    world.collect();
    let expected = ("alive".to_owned(), token, true);
    world.run_until(Duration::from_secs(20), "a message each way", |world| {
        world.messages.contains(&expected) && world.client_messages.contains(&expected)
    });
}

pub fn reason(reason: CloseReason) -> String {
    format!("closed: {reason}")
}

/// Loses `percent` of all datagrams each way; the rest take 5 ms and more, some overtaking others, a few twice.
pub fn bad_road(percent: u32) -> Path {
    Path {
        delay: Duration::from_millis(5),
        jitter: Duration::from_millis(15),
        loss: f64::from(percent) / 100.0,
        reorder: 0.1,
        duplicate: 0.02,
        ..Path::default()
    }
}
