//! A shard, one client, and a clock.
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::SocketAddr;

use meeting_relay::{
    Cause, Client, ClientAction, Command, Effect, HEADROOM, PeerAction, Ports, Settings, Shard,
    TAILROOM,
};
use meeting_stun::{Class, Method, Writer, attribute};

pub struct World {
    pub shard: Shard,
    pub client: Client,
    pub now: u64,
    pub answer: Vec<u8>,
}

pub fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub fn written(class: Class, method: Method, fill: &dyn Fn(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = vec![0; 2048];
    let mut writer = Writer::new(&mut out, class, method, b"transaction!");
    fill(&mut writer);
    let size = writer.finish().expect("2048 bytes are enough");
    out.truncate(size);
    out
}

pub fn indication(peer: SocketAddr, data: &[u8]) -> Vec<u8> {
    written(Class::Indication, Method::SEND, &|writer| {
        writer
            .xor_address(attribute::XOR_PEER_ADDRESS, peer)
            .attribute(attribute::DATA, data);
    })
}

impl World {
    pub fn settings() -> Settings {
        Settings {
            realm: "meeting".to_owned(),
            first_stream: 1,
            nonce_key: [7; 32],
            nonce_lifetime: 600,
            challenges_per_second: 100,
            requests_per_second: 200,
            allocation_rate: 0,
            total: None,
        }
    }

    pub fn empty() -> Self {
        Self::with(&Self::settings())
    }

    pub fn with(settings: &Settings) -> Self {
        let client = Client {
            listener: 0,
            address: at("192.0.2.1:50000"),
        };
        Self {
            shard: Shard::new(settings),
            client,
            now: 1_000_000,
            answer: Vec::new(),
        }
    }

    /// Allocation 1 of the client, for ten minutes.
    pub fn with_allocation() -> Self {
        let mut world = Self::empty();
        let opened = world.command(Command::Allocate {
            id: 1,
            client: world.client,
            ipv6: false,
            lifetime: 600_000,
        });
        assert_eq!(opened, Effect::Opened(0));
        world
    }

    pub fn command(&mut self, command: Command) -> Effect {
        self.shard.command(self.now, command)
    }

    pub fn permit(&mut self, peer: &str, lifetime: u64) {
        self.command(Command::Permit {
            id: 1,
            peer: peer.parse().expect("an IP address"),
            ports: Ports::Any,
            lifetime,
        });
    }

    pub fn permit_ports(&mut self, peer: &str, ports: &[u16], lifetime: u64) {
        let (peer, ports) = (
            peer.parse().expect("an IP address"),
            Ports::Only(ports.into()),
        );
        self.command(Command::Permit {
            id: 1,
            peer,
            ports,
            lifetime,
        });
    }

    pub fn bind(&mut self, channel: u16, peer: &str, lifetime: u64) {
        self.command(Command::Bind {
            id: 1,
            channel,
            peer: at(peer),
            lifetime,
        });
    }

    /// The answer, if any, is in `self.answer`.
    pub fn client_sends(&mut self, packet: &[u8]) -> ClientAction {
        let mut out = vec![0; packet.len() + 128];
        let action = self
            .shard
            .client_packet(self.now, &self.client, packet, &mut out);
        self.answer = match action {
            ClientAction::Answer(size) => out[..size].to_vec(),
            _ => Vec::new(),
        };
        action
    }

    pub fn peer_sends(&mut self, peer: &str, data: &[u8]) -> Option<(Client, Vec<u8>)> {
        let mut buffer = vec![0xEE; HEADROOM + data.len() + TAILROOM];
        buffer[HEADROOM..HEADROOM + data.len()].copy_from_slice(data);
        match self
            .shard
            .peer_packet(self.now, 0, at(peer), &mut buffer, data.len())
        {
            PeerAction::Send { client, data } => Some((client, buffer[data].to_vec())),
            PeerAction::Nothing => None,
        }
    }

    pub fn dropped(&self, cause: Cause) -> u64 {
        self.shard.counters.dropped[cause as usize]
    }
}
