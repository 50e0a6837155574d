//! What a server says to strangers: Binding answers, challenges, nothing.

use meeting_stun::{Class, Message, Method, NoRoom, Writer, attribute as kinds};

use crate::limiter::Limiter;
use crate::nonce::{LONGEST, Nonces};
use crate::{Cause, Client, Counters, Now, Settings};

/// Unauthenticated requests below this size cannot come from a client that follows RFC 8656 (Allocate has
/// REQUESTED-TRANSPORT), and a challenge would be more than twice their size.
const SMALLEST_CHALLENGED: usize = 28;

/// PASSWORD-ALGORITHMS: SHA-256, MD5; the first is preferred (RFC 8489 §14.11, §18.5).
const ALGORITHMS: [u8; 8] = [0, 2, 0, 0, 0, 1, 0, 0];

/// A challenge that offers them, without the realm's value.
const FULL_CHALLENGE: usize = 20 + 8 + 4 + (4 + 28) + (4 + ALGORITHMS.len());

/// What a Binding request may carry that must be understood: all of RFC 8489 and of ICE.
const BINDING: [u16; 7] = [
    kinds::USERNAME,
    kinds::USERHASH,
    kinds::REALM,
    kinds::NONCE,
    kinds::PASSWORD_ALGORITHM,
    kinds::PRIORITY,
    kinds::USE_CANDIDATE,
];

const TURN: [Method; 6] = [
    Method::ALLOCATE,
    Method::REFRESH,
    Method::CREATE_PERMISSION,
    Method::CHANNEL_BIND,
    Method::CONNECT,
    Method::CONNECTION_BIND,
];

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reception {
    /// So many bytes were written as the answer.
    Answer(usize),
    /// It is for those who know people.
    Pass,
    /// Nothing.
    Drop(Cause),
}

#[derive(Debug)]
pub(crate) struct Front {
    realm: Vec<u8>,
    first_stream: u8,
    nonces: Nonces,
    challenges: Limiter,
    requests: Limiter,
}

impl Front {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            realm: settings.realm.clone().into_bytes(),
            first_stream: settings.first_stream,
            nonces: Nonces::new(&settings.nonce_key, settings.nonce_lifetime),
            challenges: Limiter::new(settings.challenges_per_second),
            requests: Limiter::new(settings.requests_per_second),
        }
    }

    /// A request of any method.
    pub(crate) fn receive(
        &mut self,
        now: Now,
        client: &Client,
        message: &Message<'_>,
        out: &mut [u8],
        counters: &mut Counters,
    ) -> Reception {
        if message.method() == Method::BINDING {
            let written = answer_binding(client, message, out);
            return answered(written, &mut counters.bindings);
        }
        if !TURN.contains(&message.method()) {
            return Reception::Drop(Cause::Malformed);
        }
        let code = match self.refusal(now, client, message) {
            None if self.requests.allow(now, client.address.ip()) => {
                counters.requests += 1;
                return Reception::Pass;
            }
            None => return Reception::Drop(Cause::RequestLimit),
            Some(code) => code,
        };
        if message.bytes().len() < SMALLEST_CHALLENGED {
            return Reception::Drop(Cause::Malformed);
        }
        if !self.challenges.allow(now, client.address.ip()) {
            return Reception::Drop(Cause::ChallengeLimit);
        }
        let mut writer = Writer::new(
            out,
            Class::Error,
            message.method(),
            message.transaction_id(),
        );
        writer.error_code(code);
        if code != 400 {
            // Whoever asks with few bytes gets the challenge of RFC 5389, for which every client has room.
            let full = FULL_CHALLENGE + self.realm.len().next_multiple_of(4);
            let features = message.bytes().len() * 2 >= full;
            writer.attribute(kinds::REALM, &self.realm).attribute(
                kinds::NONCE,
                self.nonces
                    .make(now, &self.place(client), features, &mut [0; LONGEST]),
            );
            if features {
                writer.attribute(kinds::PASSWORD_ALGORITHMS, &ALGORITHMS);
            }
        }
        answered(writer.finish(), &mut counters.challenges)
    }

    /// Whom a nonce is for.
    fn place(&self, client: &Client) -> Client {
        let Client {
            listener,
            mut address,
        } = *client;
        if listener < self.first_stream {
            return *client;
        }
        address.set_port(0);
        Client {
            listener: self.first_stream,
            address,
        }
    }

    /// The checks of RFC 8489 §9.2.4 that need no password, in its order.
    fn refusal(&self, now: Now, client: &Client, message: &Message<'_>) -> Option<u16> {
        if !message.has_integrity() && !message.has_integrity_sha256() {
            return Some(401);
        }
        let who = message
            .username()
            .or_else(|| message.value(kinds::USERHASH));
        let (Some(_), Some(_), Some(nonce)) = (
            who,
            message.value(kinds::REALM),
            message.value(kinds::NONCE),
        ) else {
            return Some(400);
        };
        (!self.nonces.is_fresh(now, &self.place(client), nonce)).then_some(438)
    }
}

fn answer_binding(client: &Client, message: &Message<'_>, out: &mut [u8]) -> Result<usize, NoRoom> {
    let unknown = message.unknown_required(&BINDING);
    if unknown.clone().next().is_some() {
        return Writer::new(out, Class::Error, Method::BINDING, message.transaction_id())
            .error_code(420)
            .unknown_attributes(unknown)
            .finish();
    }
    Writer::new(
        out,
        Class::Success,
        Method::BINDING,
        message.transaction_id(),
    )
    .xor_address(kinds::XOR_MAPPED_ADDRESS, client.address)
    .finish()
}

fn answered(written: Result<usize, NoRoom>, counter: &mut u64) -> Reception {
    match written {
        Ok(size) => {
            *counter += 1;
            Reception::Answer(size)
        }
        Err(NoRoom) => Reception::Drop(Cause::Malformed),
    }
}
