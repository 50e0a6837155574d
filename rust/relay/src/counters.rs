//! What was relayed and what was dropped, and why.

/// Why a packet was not relayed or not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Cause {
    /// Neither STUN nor ChannelData, or broken; an answer nobody asked for; an unknown method.
    Malformed,
    /// From a client without allocation.
    NoAllocation,
    /// ChannelData for a number that is not bound.
    NoChannel,
    /// To or from a peer without permission.
    NoPermission,
    /// Its source has had its share of challenges.
    ChallengeLimit,
    /// Its source has had its share of authenticated requests.
    RequestLimit,
    /// The queue of requests is full.
    QueueFull,
    /// More than the allocation, or all of them, may have in a second.
    Bandwidth,
    /// Longer than the receive buffer.
    Oversized,
    /// The kernel refused to send it.
    NotSent,
    /// A command for an allocation that has gone.
    Late,
    /// Its client reads too slowly from its stream.
    SlowReader,
    /// A connection: its source, or all together, have had their share.
    ConnectionLimit,
    /// A connection that did not make a handshake, said nothing for too long, or did not read.
    TimedOut,
    /// A connection whose TLS handshake failed.
    Handshake,
}

impl Cause {
    /// All of them, in the order of [`Counters::dropped`].
    pub const ALL: [(Self, &'static str); 15] = [
        (Self::Malformed, "malformed"),
        (Self::NoAllocation, "no_allocation"),
        (Self::NoChannel, "no_channel"),
        (Self::NoPermission, "no_permission"),
        (Self::ChallengeLimit, "challenge_limit"),
        (Self::RequestLimit, "request_limit"),
        (Self::QueueFull, "queue_full"),
        (Self::Bandwidth, "bandwidth"),
        (Self::Oversized, "oversized"),
        (Self::NotSent, "not_sent"),
        (Self::Late, "late"),
        (Self::SlowReader, "slow_reader"),
        (Self::ConnectionLimit, "connection_limit"),
        (Self::TimedOut, "timed_out"),
        (Self::Handshake, "handshake"),
    ];
}

/// Totals since the start; bytes are payload without TURN's headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets relayed to peers.
    pub to_peers: u64,
    /// Their bytes.
    pub to_peers_bytes: u64,
    /// Packets relayed to clients.
    pub to_clients: u64,
    /// Their bytes.
    pub to_clients_bytes: u64,
    /// Binding requests answered.
    pub bindings: u64,
    /// Requests answered with 400, 401, 420 or 438 before anyone was known.
    pub challenges: u64,
    /// Requests handed up.
    pub requests: u64,
    /// Allocations that exist now.
    pub allocations: u64,
    /// Stream connections that exist now.
    pub connections: u64,
    /// Packets dropped, by [`Cause`].
    pub dropped: [u64; Cause::ALL.len()],
}

impl Counters {
    /// Counts one.
    pub fn drop(&mut self, cause: Cause) {
        self.dropped[cause as usize] += 1;
    }

    /// Adds another shard's.
    pub fn add(&mut self, other: &Self) {
        let sums = [
            (&mut self.to_peers, other.to_peers),
            (&mut self.to_peers_bytes, other.to_peers_bytes),
            (&mut self.to_clients, other.to_clients),
            (&mut self.to_clients_bytes, other.to_clients_bytes),
            (&mut self.bindings, other.bindings),
            (&mut self.challenges, other.challenges),
            (&mut self.requests, other.requests),
            (&mut self.allocations, other.allocations),
            (&mut self.connections, other.connections),
        ];
        for (mine, others) in sums
            .into_iter()
            .chain(self.dropped.iter_mut().zip(other.dropped))
        {
            *mine += others;
        }
    }
}
