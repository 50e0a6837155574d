//! One allocation: whom it may reach, and by which channel numbers.
//!
//! There are few of each (the control side caps them), so they are searched in order: faster than any map up to dozens.

use std::net::{IpAddr, SocketAddr};

use crate::{Client, Now};

#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) id: u64,
    pub(crate) client: Client,
    pub(crate) until: Now,
    permissions: Vec<Permission>,
    channels: Vec<Channel>,
}

#[derive(Debug)]
struct Permission {
    peer: IpAddr,
    until: Now,
}

#[derive(Debug)]
struct Channel {
    number: u16,
    peer: SocketAddr,
    until: Now,
}

impl Allocation {
    pub(crate) fn new(id: u64, client: Client, until: Now) -> Self {
        Self {
            id,
            client,
            until,
            permissions: Vec::new(),
            channels: Vec::new(),
        }
    }

    /// Permits a peer, or permits it for longer.
    pub(crate) fn permit(&mut self, peer: IpAddr, until: Now) {
        match self
            .permissions
            .iter_mut()
            .find(|permission| permission.peer == peer)
        {
            Some(permission) => permission.until = until,
            None => self.permissions.push(Permission { peer, until }),
        }
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

    pub(crate) fn permits(&self, now: Now, peer: IpAddr) -> bool {
        self.permissions
            .iter()
            .any(|permission| permission.peer == peer && permission.until > now)
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
