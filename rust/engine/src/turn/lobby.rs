//! Connections with peers (RFC 6062): how many there may be, and those whose client has not come for them.

use std::collections::HashMap;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use meeting_relay::{Now, Total};

/// Bounds of the connections with peers. Times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLimits {
    /// Connections in all.
    pub connections: usize,
    /// Connections of one allocation.
    pub per_allocation: usize,
    /// How long one that is asked for may take to be made.
    pub connect: u64,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self {
            connections: 16_000,
            per_allocation: 16,
            connect: 30_000,
        }
    }
}

/// What all threads and the control side have in common of them.
#[derive(Debug)]
pub(super) struct Lobby {
    pub(super) limits: PeerLimits,
    /// Bytes a second of an allocation, each way; zero: no limit.
    rate: u64,
    total: Option<Arc<Total>>,
    taken: AtomicUsize,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, PeerStream>>,
}

impl Lobby {
    pub(super) fn new(limits: PeerLimits, rate: u64, total: Option<Arc<Total>>) -> Arc<Self> {
        Arc::new(Self {
            limits,
            rate,
            total,
            taken: AtomicUsize::new(0),
            next: AtomicU64::new(1),
            waiting: Mutex::default(),
        })
    }

    /// A number for a connection that has not been used.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// It waits for its client. The kernel keeps what the peer sends meanwhile, as much as the receive window holds.
    pub(super) fn keep(&self, stream: PeerStream) {
        self.waiting().insert(stream.id, stream);
    }

    /// Its client has come, or will not.
    pub(super) fn take(&self, id: u64) -> Option<PeerStream> {
        self.waiting().remove(&id)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, PeerStream>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the connections of one allocation share.
#[derive(Debug)]
pub(super) struct Common {
    lobby: Arc<Lobby>,
    taken: AtomicUsize,
    to_peers: Total,
    to_clients: Total,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToPeer,
    ToClient,
}

impl Common {
    pub(super) fn new(lobby: &Arc<Lobby>) -> Arc<Self> {
        Arc::new(Self {
            lobby: Arc::clone(lobby),
            taken: AtomicUsize::new(0),
            to_peers: Total::new(lobby.rate),
            to_clients: Total::new(lobby.rate),
        })
    }

    /// A place for one more connection until it is dropped; `None` when there is none left.
    pub(super) fn seat(common: &Arc<Self>) -> Option<Seat> {
        let limits = common.lobby.limits;
        if !take(&common.taken, limits.per_allocation) {
            return None;
        }
        if !take(&common.lobby.taken, limits.connections) {
            common.taken.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Seat(Arc::clone(common)))
    }

    fn bucket(&self, way: Way) -> &Total {
        match way {
            Way::ToPeer => &self.to_peers,
            Way::ToClient => &self.to_clients,
        }
    }
}

fn take(counter: &AtomicUsize, most: usize) -> bool {
    counter
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
            (taken < most).then_some(taken + 1)
        })
        .is_ok()
}

/// One connection's.
#[derive(Debug)]
pub(super) struct Seat(Arc<Common>);

impl Seat {
    /// How many bytes may go now, `most` at most; they count as gone.
    pub(super) fn allowance(&self, now: Now, way: Way, most: usize) -> usize {
        let mine = self.0.bucket(way).take_some(now, most);
        let Some(total) = &self.0.lobby.total else {
            return mine;
        };
        let both = total.take_some(now, mine);
        self.0.bucket(way).give_back(mine - both);
        both
    }

    /// So many of them have not gone.
    pub(super) fn give_back(&self, way: Way, bytes: usize) {
        self.0.bucket(way).give_back(bytes);
        if let Some(total) = &self.0.lobby.total {
            total.give_back(bytes);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
        self.0.lobby.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection with a peer.
#[derive(Debug)]
pub(super) struct PeerStream {
    pub(super) id: u64,
    pub(super) socket: TcpStream,
    pub(super) seat: Seat,
}

impl AsRawFd for PeerStream {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lobby(connections: usize, per_allocation: usize, rate: u64, total: u64) -> Arc<Lobby> {
        let limits = PeerLimits {
            connections,
            per_allocation,
            connect: 1000,
        };
        Lobby::new(limits, rate, Some(Arc::new(Total::new(total))))
    }

    #[test]
    fn an_allocation_has_its_share_and_all_have_theirs() {
        let lobby = lobby(3, 2, 0, 0);
        let (one, two) = (Common::new(&lobby), Common::new(&lobby));
        let first = Common::seat(&one).expect("free");
        let _second = Common::seat(&one).expect("free");
        assert!(Common::seat(&one).is_none(), "two of an allocation");
        let _third = Common::seat(&two).expect("free");
        assert!(Common::seat(&two).is_none(), "three of all");
        drop(first);
        let _again = Common::seat(&two).expect("one has gone");
        assert_eq!(one.taken.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn bytes_are_bounded_each_way_and_together() {
        let lobby = lobby(9, 9, 1000, 1500);
        let common = Common::new(&lobby);
        let seat = Common::seat(&common).expect("free");
        assert_eq!(seat.allowance(0, Way::ToPeer, 4000), 1000);
        assert_eq!(seat.allowance(0, Way::ToPeer, 4000), 0);
        assert_eq!(seat.allowance(0, Way::ToClient, 4000), 500, "of the total");
        seat.give_back(Way::ToPeer, 200);
        let other = Common::seat(&common).expect("free");
        assert_eq!(
            other.allowance(0, Way::ToPeer, 4000),
            200,
            "connections of an allocation share"
        );
    }
}
