//! Peer connections by order: whoever signals tells where each goes, and hears when it is connected and when the first
//! media came. For measuring a server's joining without a client's codecs.

use std::collections::HashMap;
use std::io::{self, BufRead, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use meeting_engine::sys::Epoll;
use meeting_link::{Identity, Remote};

use crate::{Identities, Participant};

const BATCH: usize = 512;
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Of the orders; those of peers are numbered from 1.
const ORDERS: u64 = 0;

/// What to do.
#[derive(Clone, Debug)]
pub enum Order {
    /// `connect NAME ADDRESS UFRAG PASSWORD HASH FINGERPRINT`, as the server's description tells them.
    Connect(String, Box<Remote>),
    /// `close NAME`
    Close(String),
}

/// Reads an order. The error says what it should be.
pub fn parse(line: &str) -> Result<Order, &'static str> {
    const USAGE: &str = "connect NAME ADDRESS UFRAG PASSWORD HASH FINGERPRINT or close NAME";
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["connect", name, address, ufrag, password, hash, fingerprint] => {
            let remote = Remote {
                address: address.parse().map_err(|_| USAGE)?,
                ufrag: ufrag.to_owned(),
                password: password.to_owned(),
                fingerprint: format!("{hash} {fingerprint}").parse().map_err(|_| USAGE)?,
            };
            Ok(Order::Connect(name.to_owned(), Box::new(remote)))
        }
        ["close", name] => Ok(Order::Close(name.to_owned())),
        _ => Err(USAGE),
    }
}

struct Peer {
    name: String,
    participant: Participant,
    connected: bool,
    heard: bool,
}

/// Obeys the orders of standard input until it ends, and tells what happens on standard output:
/// `connected NAME`, `media NAME` (the first packet that could be opened), `closed NAME REASON`.
pub fn run(own: &Identity) -> io::Result<()> {
    let (orders, mut bell) = listen()?;
    let mut epoll = Epoll::new(BATCH)?;
    epoll.watch(&bell, ORDERS)?;
    let mut peers: HashMap<u64, Peer> = HashMap::new();
    let (mut last, mut ready) = (ORDERS, Vec::new());
    loop {
        loop {
            match orders.try_recv() {
                Ok(Order::Connect(name, remote)) => {
                    last += 1;
                    let who = Identities {
                        remote: *remote,
                        own: own.clone(),
                        ufrag: format!("peer{last}"),
                    };
                    let mut participant = Participant::new(who, last, Instant::now())?;
                    epoll.watch(participant.wire(), last)?;
                    participant.flush();
                    let peer = Peer {
                        name,
                        participant,
                        connected: false,
                        heard: false,
                    };
                    peers.insert(last, peer);
                }
                Ok(Order::Close(name)) => {
                    for (_, mut peer) in peers.extract_if(|_, peer| peer.name == name) {
                        peer.participant.client().close(Instant::now());
                        peer.participant.flush();
                    }
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
        }
        let now = Instant::now();
        let next = peers
            .values_mut()
            .map(|peer| peer.participant.client().next_deadline())
            .min();
        let wait = next.map_or(LONGEST_WAIT, |at| {
            at.saturating_duration_since(now).min(LONGEST_WAIT)
        });
        epoll.wait((wait.as_micros() as u64).div_ceil(1000), &mut ready)?;
        let now = Instant::now();
        for token in ready.drain(..) {
            match peers.get_mut(&token) {
                Some(peer) => turn(peer, now)?,
                None => while bell.read(&mut [0; 64]).is_ok_and(|count| count > 0) {},
            }
        }
        for peer in peers.values_mut() {
            if peer.participant.client().next_deadline() <= now {
                turn(peer, now)?;
            }
        }
        for (_, peer) in peers.extract_if(|_, peer| peer.participant.closed.is_some()) {
            let reason = peer.participant.closed.unwrap_or_default();
            tell(&format!("closed {} {reason}", peer.name))?;
        }
    }
}

fn turn(peer: &mut Peer, now: Instant) -> io::Result<()> {
    let mut heard = peer.heard;
    peer.participant.turn(now, |_| heard = true);
    if peer.participant.is_connected() && !peer.connected {
        peer.connected = true;
        tell(&format!("connected {}", peer.name))?;
    }
    if heard && !peer.heard {
        peer.heard = true;
        tell(&format!("media {}", peer.name))?;
    }
    Ok(())
}

fn tell(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// The orders, and what becomes readable when there are some.
fn listen() -> io::Result<(Receiver<Order>, UnixStream)> {
    let (bell, button) = UnixStream::pair()?;
    bell.set_nonblocking(true)?;
    button.set_nonblocking(true)?;
    let (say, orders) = channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            match parse(&line) {
                Ok(order) => match say.send(order) {
                    Ok(()) => {}
                    Err(_) => return,
                },
                Err(usage) => eprintln!("{usage}"),
            }
            // Full: it rings already.
            let _ = (&button).write(&[0]);
        }
        drop(say);
        let _ = (&button).write(&[0]);
    });
    Ok((orders, bell))
}
