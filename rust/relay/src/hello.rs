//! The beginning of DTLS (RFC 6347 §4.2.1) without a state: who cannot say where they are get a cookie, which is a MAC of
//! their address and the time, and nothing else; who bring one back are where they say.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::nonce::{LONGEST, Nonces};
use crate::{Client, Now};

/// Seconds a cookie is good for: as long as a client repeats its first message.
const LIFETIME: u32 = 60;

/// The header of a record, and the one of a handshake message.
const RECORD: usize = 13;
const HANDSHAKE: usize = 12;
/// Where the client's version, its random, and the length of its session id stand.
const VERSION: usize = RECORD + HANDSHAKE;
const RANDOM: usize = VERSION + 2;
const SESSION: usize = RANDOM + 32;

/// A ClientHello, whole and alone in its datagram.
#[derive(Clone, Copy, Debug)]
pub struct Hello<'d> {
    datagram: &'d [u8],
    /// Where the length of the cookie stands.
    at: usize,
}

/// What becomes of a ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// So many bytes were written as the answer: a HelloVerifyRequest, shorter than what asked for it.
    Verify(usize),
    /// Its cookie is ours. So many bytes were written: the first ClientHello of this client as it must have been, for a DTLS
    /// server that wants to have seen both.
    Proven(usize),
}

impl<'d> Hello<'d> {
    /// `None`: it is something else, or comes in fragments, of which no state would be kept.
    pub fn parse(datagram: &'d [u8]) -> Option<Self> {
        let header = datagram.get(..SESSION + 1)?;
        let handshake = RECORD + usize::from(be(&header[11..13]) as u16);
        let body = be(&header[RECORD + 1..RECORD + 4]);
        let whole = handshake == datagram.len()
            && RECORD + HANDSHAKE + body as usize == datagram.len()
            && be(&header[RECORD + 6..RECORD + 9]) == 0
            && be(&header[RECORD + 9..RECORD + 12]) == body;
        // A handshake record of DTLS in epoch 0; ClientHello.
        let known =
            header[0] == 22 && header[1] == 0xFE && header[3..5] == [0, 0] && header[RECORD] == 1;
        let at = SESSION + 1 + usize::from(header[SESSION]);
        let cookie = usize::from(*datagram.get(at)?);
        (known && whole && datagram.len() > at + cookie).then_some(Self { datagram, at })
    }

    /// The client's random: who repeats a message repeats it.
    pub fn random(&self) -> &'d [u8] {
        &self.datagram[RANDOM..SESSION]
    }

    fn cookie(&self) -> &'d [u8] {
        let length = usize::from(self.datagram[self.at]);
        &self.datagram[self.at + 1..][..length]
    }
}

fn be(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |value, byte| value << 8 | u32::from(*byte))
}

/// Makes cookies, and knows its own.
#[derive(Clone, Debug)]
pub struct Cookies(Nonces);

impl Cookies {
    /// `key`: random, the same for all threads.
    pub fn new(key: &[u8; 32]) -> Self {
        let mut own = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        own.update(b"cookies of DTLS");
        Self(Nonces::new(&own.finalize().into_bytes().into(), LIFETIME))
    }

    /// Reads a ClientHello; `out` has to be as long as its datagram.
    pub fn greet(&self, now: Now, client: &Client, hello: &Hello<'_>, out: &mut [u8]) -> Greeting {
        let Hello { datagram, at } = *hello;
        let cookie = hello.cookie();
        if !self.0.is_fresh(now, client, cookie) {
            let mut room = [0; LONGEST];
            let cookie = self.0.make(now, client, false, &mut room);
            return Greeting::Verify(write_request(datagram, cookie, out));
        }
        let size = datagram.len() - cookie.len();
        out[..at].copy_from_slice(&datagram[..at]);
        out[at] = 0;
        out[at + 1..size].copy_from_slice(&datagram[at + 1 + cookie.len()..]);
        // Before the one that came: message 0, and another record.
        out[5..11].fill(0);
        out[10] = u8::from(datagram[5..11] == [0; 6]);
        out[11..13].copy_from_slice(&((size - RECORD) as u16).to_be_bytes());
        let body = ((size - RECORD - HANDSHAKE) as u32).to_be_bytes();
        out[RECORD + 1..RECORD + 4].copy_from_slice(&body[1..]);
        out[RECORD + 4..RECORD + 9].fill(0);
        out[RECORD + 9..RECORD + 12].copy_from_slice(&body[1..]);
        Greeting::Proven(size)
    }
}

/// HelloVerifyRequest, with the record's number of the ClientHello it answers.
fn write_request(asked: &[u8], cookie: &[u8], out: &mut [u8]) -> usize {
    let body = 3 + cookie.len();
    let size = RECORD + HANDSHAKE + body;
    out[..RECORD].copy_from_slice(&asked[..RECORD]);
    // DTLS 1.0 whatever is spoken afterwards (RFC 6347 §4.2.1).
    out[1..3].copy_from_slice(&[0xFE, 0xFF]);
    out[11..13].copy_from_slice(&((HANDSHAKE + body) as u16).to_be_bytes());
    out[RECORD..VERSION].copy_from_slice(&[3, 0, 0, body as u8, 0, 0, 0, 0, 0, 0, 0, body as u8]);
    out[VERSION..VERSION + 3].copy_from_slice(&[0xFE, 0xFF, cookie.len() as u8]);
    out[VERSION + 3..size].copy_from_slice(cookie);
    size
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(port: u16) -> Client {
        Client {
            listener: 0,
            address: ([192, 0, 2, 1], port).into(),
        }
    }

    /// The shortest there is: one cipher suite, one compression method.
    fn hello(number: u8, cookie: &[u8]) -> Vec<u8> {
        let mut body = [
            [0xFE, 0xFD].as_slice(),
            &[7; 32],
            &[0],
            &[cookie.len() as u8],
        ]
        .concat();
        body.extend_from_slice(cookie);
        body.extend_from_slice(&[0, 2, 0xC0, 0x2B, 1, 0]);
        let length = body.len() as u8;
        let record = [22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, number, 0, length + 12];
        let handshake = [1, 0, 0, length, 0, number, 0, 0, 0, 0, 0, length];
        [record.as_slice(), &handshake, &body].concat()
    }

    fn greet(cookies: &Cookies, now: Now, client: &Client, datagram: &[u8]) -> (Greeting, Vec<u8>) {
        let hello = Hello::parse(datagram).expect("a ClientHello");
        let mut out = vec![0xAA; datagram.len()];
        let greeting = cookies.greet(now, client, &hello, &mut out);
        (greeting, out)
    }

    fn cookie(cookies: &Cookies, now: Now, client: &Client) -> Vec<u8> {
        let asked = hello(0, b"");
        let (Greeting::Verify(size), out) = greet(cookies, now, client, &asked) else {
            panic!("nothing is known of it");
        };
        assert!(size < asked.len(), "less out than in");
        out[VERSION + 3..size].to_vec()
    }

    #[test]
    fn who_brings_the_cookie_back_has_proven_the_address() {
        let cookies = Cookies::new(&[1; 32]);
        let cookie = cookie(&cookies, 5000, &client(1));
        let (Greeting::Proven(size), first) = greet(&cookies, 9000, &client(1), &hello(1, &cookie))
        else {
            panic!("it is ours");
        };
        assert_eq!(first[..size], hello(0, b""), "as it came first");
    }

    #[test]
    fn a_cookie_is_good_for_its_address_and_a_minute() {
        let cookies = Cookies::new(&[1; 32]);
        let again = hello(1, &cookie(&cookies, 5000, &client(1)));
        for (who, now, other) in [
            (client(2), 5000, &cookies),
            (client(1), 66_000, &cookies),
            (client(1), 5000, &Cookies::new(&[2; 32])),
        ] {
            assert!(matches!(
                greet(other, now, &who, &again).0,
                Greeting::Verify(_)
            ));
        }
    }

    #[test]
    fn fragments_and_other_messages_are_none() {
        let whole = hello(0, b"");
        for (at, value) in [
            (0, 23),
            (1, 3),
            (4, 1),
            (RECORD, 2),
            (12, 1),
            (RECORD + 8, 1),
            (RECORD + 11, 1),
            (SESSION, 200),
        ] {
            let mut other = whole.clone();
            other[at] = value;
            assert!(Hello::parse(&other).is_none(), "{at}");
        }
        assert!((0..whole.len()).all(|size| Hello::parse(&whole[..size]).is_none()));
        assert!(Hello::parse(&[whole.as_slice(), &whole].concat()).is_none());
    }
}
