//! One allocation: whom it may reach, and by which channel numbers.
//!
//! There are few of each (the control side caps them), so they are searched in order: faster than any map up to dozens.

use std::net::{IpAddr, SocketAddr};

use crate::bucket::Bucket;
use crate::{Client, Now};

#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) id: u64,
    pub(crate) client: Client,
    /// Of the relay address.
    pub(crate) ipv6: bool,
    pub(crate) until: Now,
    /// What may still go to peers.
    pub(crate) outgoing: Bucket,
    /// What may still go to the client.
    pub(crate) incoming: Bucket,
    permissions: Vec<Permission>,
    channels: Vec<Channel>,
}

#[derive(Debug)]
struct Permission {
    peer: IpAddr,
    ports: Ports,
    until: Now,
}

/// Which ports of a permitted address may be reached. TURN's own permissions are for an address with all its ports
/// (RFC 8656 §9), which is too much for one that is only let through for the sake of a server on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ports {
    /// All.
    Any,
    /// These.
    Only(Box<[u16]>),
}

impl Ports {
    fn include(&self, port: u16) -> bool {
        match self {
            Self::Any => true,
            Self::Only(ports) => ports.contains(&port),
        }
    }
}

#[derive(Debug)]
struct Channel {
    number: u16,
    peer: SocketAddr,
    until: Now,
}

impl Allocation {
    /// `rate`: bytes a second in each direction; zero: no limit.
    pub(crate) fn new(
        id: u64,
        client: Client,
        ipv6: bool,
        now: Now,
        lifetime: Now,
        rate: u64,
    ) -> Self {
        Self {
            id,
            client,
            ipv6,
            until: now + lifetime,
            outgoing: Bucket::new(now, rate),
            incoming: Bucket::new(now, rate),
            permissions: Vec::new(),
            channels: Vec::new(),
        }
    }

    /// Permits a peer, or permits it for longer.
    pub(crate) fn permit(&mut self, peer: IpAddr, ports: Ports, until: Now) {
        self.permissions
            .retain(|permission| permission.peer != peer);
        self.permissions.push(Permission { peer, ports, until });
    }

    /// Binds a channel, or binds it for longer. A number or peer bound otherwise is replaced.
    pub(crate) fn bind(&mut self, number: u16, peer: SocketAddr, until: Now) {
        self.channels
            .retain(|channel| channel.number != number && channel.peer != peer);
        self.channels.push(Channel {
            number,
            peer,
            until,
        });
    }

    pub(crate) fn permits(&self, now: Now, peer: SocketAddr) -> bool {
        self.permissions
            .iter()
            .find(|permission| permission.peer == peer.ip())
            .is_some_and(|permission| {
                permission.until > now && permission.ports.include(peer.port())
            })
    }

    pub(crate) fn peer_of(&self, now: Now, number: u16) -> Option<SocketAddr> {
        self.channels
            .iter()
            .find(|channel| channel.number == number && channel.until > now)
            .map(|channel| channel.peer)
    }

    pub(crate) fn channel_of(&self, now: Now, peer: SocketAddr) -> Option<u16> {
        self.channels
            .iter()
            .find(|channel| channel.peer == peer && channel.until > now)
            .map(|channel| channel.number)
    }

    pub(crate) fn forget_expired(&mut self, now: Now) {
        self.permissions.retain(|permission| permission.until > now);
        self.channels.retain(|channel| channel.until > now);
    }
}
