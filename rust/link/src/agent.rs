//! The other side's ICE, as much of it as a test peer and a load generator need: one remote candidate, controlling,
//! nominating with every check (RFC 8445 §7.2, §8.1.1). Checks repeat until one is answered, then keep consent fresh.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use meeting_stun::{Class, IntegrityKey, Message, Method, TransactionId, Writer, attribute};

const CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// RFC 7675 §5.1: 5 s on average.
const CONSENT_INTERVAL: Duration = Duration::from_secs(5);
const PRIORITY: u32 = 0x6e00_1eff;
const REQUEST: usize = 512;

pub(crate) struct Agent {
    remote: SocketAddr,
    username: String,
    key: IntegrityKey,
    tie_breaker: u64,
    transactions: u64,
    outstanding: Option<TransactionId>,
    due: Instant,
    answered: bool,
}

impl Agent {
    /// `seed` makes transaction ids and tie-breaker; a test wants them to repeat.
    pub(crate) fn new(
        now: Instant,
        remote: SocketAddr,
        local_ufrag: &str,
        remote_ufrag: &str,
        remote_password: &str,
        seed: u64,
    ) -> Self {
        Self {
            remote,
            username: format!("{remote_ufrag}:{local_ufrag}"),
            key: IntegrityKey::new(remote_password.as_bytes()),
            tie_breaker: seed,
            transactions: 0,
            outstanding: None,
            due: now,
            answered: false,
        }
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        self.remote
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.answered
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.due
    }

    /// The check that is due, if one is.
    pub(crate) fn poll_check(&mut self, now: Instant) -> Option<Vec<u8>> {
        if now < self.due {
            return None;
        }
        self.due = now
            + if self.answered {
                CONSENT_INTERVAL
            } else {
                CHECK_INTERVAL
            };
        self.transactions += 1;
        let mut transaction = [0; 12];
        transaction[..8].copy_from_slice(&self.tie_breaker.to_be_bytes());
        transaction[8..].copy_from_slice(&(self.transactions as u32).to_be_bytes());
        self.outstanding = Some(transaction);
        let mut room = [0; REQUEST];
        let len = Writer::new(&mut room, Class::Request, Method::BINDING, &transaction)
            .attribute(attribute::USERNAME, self.username.as_bytes())
            .u32(attribute::PRIORITY, PRIORITY)
            .u64(attribute::ICE_CONTROLLING, self.tie_breaker)
            .attribute(attribute::USE_CANDIDATE, &[])
            .integrity(&self.key)
            .fingerprint()
            .finish()
            .ok()?;
        Some(room[..len].to_vec())
    }

    /// Takes an answer; true when it is the first good one.
    pub(crate) fn handle_answer(&mut self, bytes: &[u8]) -> bool {
        let Ok(message) = Message::parse(bytes) else {
            return false;
        };
        let ours = self.outstanding.as_ref() == Some(message.transaction_id());
        if !ours
            || message.class() != Class::Success
            || !message.verify_integrity(&self.key).is_genuine()
        {
            return false;
        }
        self.outstanding = None;
        if self.answered {
            return false;
        }
        self.answered = true;
        self.due += CONSENT_INTERVAL;
        true
    }
}
