//! TURN's data path against a model that is as simple as can be: the same commands and packets, the same answers.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use meeting_relay::{
    Client, ClientAction, Command, Cookies, Effect, Greeting, HEADROOM, Hello, IcmpError,
    PeerAction, Ports, Settings, Shard, TAILROOM,
};
use meeting_stun::{ChannelData, Class, Message, Method, Writer, attribute, write_channel_header};

const CLIENTS: u8 = 3;
const PEERS: u16 = 6;

/// Any bytes as a client's packet, and as a peer's.
pub fn relay_packets(data: &[u8]) {
    let mut world = World::new();
    world.allocate(0, 1000);
    world.permit(0, peer(0), false, 1000);
    let mut out = vec![0; data.len() + 128];
    match world.shard.client_packet(0, &client(0), data, &mut out) {
        ClientAction::Relay { data: range, .. } => assert!(range.end <= data.len()),
        ClientAction::Answer(size) => assert!(size <= data.len() * 2 || data.len() < 28),
        ClientAction::Request | ClientAction::Nothing => {}
    }
    world.peer_sends(0, peer(0), data);
}

/// Any bytes as the first datagram of a DTLS client, which then brings back the cookie it got.
pub fn relay_hello(data: &[u8]) {
    let Some(hello) = Hello::parse(data) else {
        return;
    };
    let (cookies, client) = (Cookies::new(&[7; 32]), client(0));
    let mut out = vec![0; data.len()];
    let Greeting::Verify(size) = cookies.greet(1000, &client, &hello, &mut out) else {
        panic!("nobody guesses a cookie");
    };
    assert!(size < data.len(), "less out than in");
    let again = with_cookie(data, &out[28..size]);
    let Some(again) = Hello::parse(&again) else {
        panic!("a ClientHello with a cookie is one");
    };
    let mut first = vec![0; data.len() + size];
    let Greeting::Proven(size) = cookies.greet(1000, &client, &again, &mut first) else {
        panic!("the cookie is ours");
    };
    let first = Hello::parse(&first[..size]).expect("a ClientHello again");
    assert_eq!(first.random(), hello.random());
}

/// A ClientHello with another cookie.
fn with_cookie(hello: &[u8], cookie: &[u8]) -> Vec<u8> {
    let at = 60 + usize::from(hello[59]);
    let rest = &hello[at + 1 + usize::from(hello[at])..];
    let mut again = [&hello[..at], &[cookie.len() as u8], cookie, rest].concat();
    let body = (again.len() - 25) as u32;
    again[11..13].copy_from_slice(&(body as u16 + 12).to_be_bytes());
    again[14..17].copy_from_slice(&body.to_be_bytes()[1..]);
    again[22..25].copy_from_slice(&body.to_be_bytes()[1..]);
    again
}

/// Any ICMP message about a datagram to a peer: a client hears of permitted ones alone, in a message that is well-formed.
pub fn relay_icmp(data: &[u8]) {
    let [kind, code, who, mtu @ ..] = data else {
        return;
    };
    let mut world = World::new();
    world.allocate(0, 1000);
    world.permit(0, peer(0), false, 1000);
    let about = peer(u16::from(*who) % PEERS);
    let error = IcmpError {
        kind: *kind,
        code: *code,
        mtu: mtu.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)),
    };
    let mut out = [0; 64];
    let Some((told, size)) = world.shard.peer_error(world.now, 0, about, error, &mut out) else {
        return;
    };
    assert_eq!((told, about.ip()), (client(0), peer(0).ip()));
    let message = Message::parse(&out[..size]).expect("well-formed");
    assert_eq!(
        (message.class(), message.method()),
        (Class::Indication, Method::DATA)
    );
    assert_eq!(
        message.xor_address(attribute::XOR_PEER_ADDRESS),
        Some(about)
    );
    assert!(message.value(attribute::DATA).is_none());
}

/// Bytes as a story: commands, packets and the passing of time.
pub fn relay_story(data: &[u8]) {
    let mut world = World::new();
    for step in data.chunks_exact(4) {
        let (who, peer) = (step[1] % CLIENTS, peer(u16::from(step[2]) % PEERS));
        let lifetime = u64::from(step[3]) * 10;
        let channel = 0x4000 + u16::from(step[3] % 4);
        match step[0] % 10 {
            0 => world.allocate(who, lifetime),
            1 => world.refresh(who, lifetime),
            2 => world.permit(who, peer, step[3] % 2 == 0, lifetime),
            3 => world.bind(who, 0x4000 + u16::from(step[0] / 10 % 4), peer, lifetime),
            4 => world.delete(who),
            5 => world.now += lifetime,
            6 => world.client_sends(who, Some(channel), peer, &step[2..]),
            7 => world.client_sends(who, None, peer, &step[2..]),
            8 => world.peer_sends(who, peer, &step[2..]),
            _ => world.sweep(),
        }
    }
}

fn client(who: u8) -> Client {
    Client {
        listener: who % 2,
        address: ([192, 0, 2, who], 5000).into(),
    }
}

/// Two ports on each address, of both families.
fn peer(number: u16) -> SocketAddr {
    let ip: IpAddr = match number / 2 {
        0 => [198, 51, 100, 1].into(),
        1 => [198, 51, 100, 2].into(),
        _ => [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into(),
    };
    SocketAddr::new(ip, 7000 + number % 2)
}

#[derive(Default)]
struct Expected {
    id: u64,
    slot: usize,
    until: u64,
    /// Until when each address may be reached, and whether with port 7000 alone.
    permissions: BTreeMap<IpAddr, (bool, u64)>,
    channels: BTreeMap<u16, (SocketAddr, u64)>,
}

impl Expected {
    fn permits(&self, now: u64, peer: SocketAddr) -> bool {
        self.permissions
            .get(&peer.ip())
            .is_some_and(|(one_port, until)| *until > now && (!one_port || peer.port() == 7000))
    }
}

struct World {
    shard: Shard,
    now: u64,
    ids: u64,
    expected: BTreeMap<u8, Expected>,
}

impl World {
    fn new() -> Self {
        let settings = Settings {
            realm: "meeting".to_owned(),
            first_stream: 1,
            nonce_key: [1; 32],
            nonce_lifetime: 600,
            challenges_per_second: 100,
            requests_per_second: 100,
            allocation_rate: 0,
            total: None,
        };
        Self {
            shard: Shard::new(&settings),
            now: 0,
            ids: 0,
            expected: BTreeMap::new(),
        }
    }

    fn allocate(&mut self, who: u8, lifetime: u64) {
        self.delete(who);
        self.ids += 1;
        let command = Command::Allocate {
            id: self.ids,
            client: client(who),
            ipv6: false,
            lifetime,
        };
        let Effect::Opened(slot) = self.shard.command(self.now, command) else {
            panic!("no slot")
        };
        assert!(
            self.expected.values().all(|other| other.slot != slot),
            "a slot is given twice"
        );
        self.expected.insert(
            who,
            Expected {
                id: self.ids,
                slot,
                until: self.now + lifetime,
                ..Expected::default()
            },
        );
    }

    fn refresh(&mut self, who: u8, lifetime: u64) {
        if let Some(expected) = self.expected.get_mut(&who) {
            expected.until = self.now + lifetime;
            self.shard.command(
                self.now,
                Command::Refresh {
                    id: expected.id,
                    lifetime,
                },
            );
        }
    }

    fn permit(&mut self, who: u8, peer: SocketAddr, one_port: bool, lifetime: u64) {
        if let Some(expected) = self.expected.get_mut(&who) {
            expected
                .permissions
                .insert(peer.ip(), (one_port, self.now + lifetime));
            let ports = if one_port {
                Ports::Only([7000].into())
            } else {
                Ports::Any
            };
            self.shard.command(
                self.now,
                Command::Permit {
                    id: expected.id,
                    peer: peer.ip(),
                    ports,
                    lifetime,
                },
            );
        }
    }

    fn bind(&mut self, who: u8, channel: u16, peer: SocketAddr, lifetime: u64) {
        if let Some(expected) = self.expected.get_mut(&who) {
            expected.channels.retain(|_, (bound, _)| *bound != peer);
            expected
                .channels
                .insert(channel, (peer, self.now + lifetime));
            self.shard.command(
                self.now,
                Command::Bind {
                    id: expected.id,
                    channel,
                    peer,
                    lifetime,
                },
            );
        }
    }

    fn delete(&mut self, who: u8) {
        if let Some(expected) = self.expected.remove(&who) {
            let effect = self
                .shard
                .command(self.now, Command::Delete { id: expected.id });
            assert_eq!(effect, Effect::Closed(expected.slot));
        }
    }

    fn sweep(&mut self) {
        let now = self.now;
        let mut gone: Vec<usize> = self
            .expected
            .values()
            .filter(|each| each.until <= now)
            .map(|each| each.slot)
            .collect();
        self.expected.retain(|_, each| each.until > now);
        let mut closed = Vec::new();
        self.shard.sweep(now, |slot| closed.push(slot));
        gone.sort_unstable();
        assert_eq!(closed, gone);
        assert_eq!(
            self.shard.counters().allocations,
            self.expected.len() as u64
        );
    }

    fn client_sends(&mut self, who: u8, channel: Option<u16>, peer: SocketAddr, data: &[u8]) {
        let packet = match channel {
            Some(channel) => [&write_channel_header(channel, data.len() as u16)[..], data].concat(),
            None => indication(peer, data),
        };
        let expected = self
            .expected
            .get(&who)
            .filter(|expected| expected.until > self.now)
            .and_then(|expected| {
                let to = match channel {
                    Some(channel) => {
                        expected
                            .channels
                            .get(&channel)
                            .filter(|(_, until)| *until > self.now)?
                            .0
                    }
                    None => peer,
                };
                expected
                    .permits(self.now, to)
                    .then_some((expected.slot, to))
            });
        let found = match self
            .shard
            .client_packet(self.now, &client(who), &packet, &mut [0; 512])
        {
            ClientAction::Relay {
                slot,
                peer,
                data: range,
                whole: false,
            } => {
                assert_eq!(&packet[range], data);
                Some((slot, peer))
            }
            ClientAction::Nothing => None,
            other => panic!("{other:?} for data"),
        };
        assert_eq!(found, expected);
    }

    fn peer_sends(&mut self, who: u8, peer: SocketAddr, data: &[u8]) {
        let Some(expected) = self.expected.get(&who) else {
            return;
        };
        let mut buffer = vec![0; HEADROOM + data.len() + TAILROOM];
        buffer[HEADROOM..HEADROOM + data.len()].copy_from_slice(data);
        let PeerAction::Send {
            client: to,
            data: range,
        } = self
            .shard
            .peer_packet(self.now, expected.slot, peer, &mut buffer, data.len())
        else {
            let fits = data.len() < 0xFF00;
            assert!(!fits || expected.until <= self.now || !expected.permits(self.now, peer));
            return;
        };
        assert!(expected.until > self.now && expected.permits(self.now, peer));
        assert_eq!(to, client(who));
        let channel = expected
            .channels
            .iter()
            .find(|(_, (bound, until))| *bound == peer && *until > self.now);
        match channel {
            Some((&channel, _)) => assert_eq!(
                ChannelData::parse(&buffer[range]),
                Some(ChannelData { channel, data })
            ),
            None => {
                let message = Message::parse(&buffer[range]).expect("what we write we can read");
                assert_eq!(message.xor_address(attribute::XOR_PEER_ADDRESS), Some(peer));
                assert_eq!(message.value(attribute::DATA), Some(data));
            }
        }
    }
}

fn indication(peer: SocketAddr, data: &[u8]) -> Vec<u8> {
    let mut out = vec![0; data.len() + 64];
    let size = Writer::new(&mut out, Class::Indication, Method::SEND, &[0; 12])
        .xor_address(attribute::XOR_PEER_ADDRESS, peer)
        .attribute(attribute::DATA, data)
        .finish()
        .expect("64 bytes are enough for the headers");
    out.truncate(size);
    out
}
