//! The loop: wait, take commands, receive, forward, send; and time.

use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use meeting_link::framing::Frames;
use meeting_link::{Identity, Limits};
use meeting_rtp::NtpClock;

use super::command::Command;
use super::event::{Event, Events};
use super::exit::{Exit, MOST_DATAGRAM};
use super::plane::Plane;
use super::streams::{StreamLimits, Streams};
use super::upkeep::{SNAPSHOT, TICK};
use crate::queue::Queue;
use crate::sys::{Epoll, Receiver, go_first};

/// Datagrams of one recvmmsg.
const BATCH: usize = 64;
/// Batches of one socket before others, commands and time get their turn.
const MOST_BATCHES: usize = 8;
/// What forwarding adds has to fit as well (see `meeting_forward::HEADROOM`); nobody sends media packets of this size.
const MOST_INCOMING: usize = MOST_DATAGRAM - 128;
/// Media goes before everything else on the machine, where permitted.
const NICE: i32 = -10;
/// The token of the command queue; sockets have their index.
const COMMANDS: u64 = u64::MAX;
/// Those of listeners begin here, and those of connections there.
const LISTENERS: u64 = 1 << 32;
const STREAMS: u64 = 2 << 32;

/// What the thread is given.
pub(super) struct Thread {
    pub sockets: Vec<UdpSocket>,
    pub listeners: Vec<TcpListener>,
    pub identity: Identity,
    pub limits: Limits,
    pub streams: StreamLimits,
    pub commands: Arc<Queue<Command>>,
    pub events: Arc<Queue<Event>>,
}

impl Thread {
    pub(super) fn run(self) {
        go_first(NICE);
        let events = Arc::clone(&self.events);
        if let Err(error) = self.serve() {
            events.push_always(Event::Trouble(format!("the media thread ended: {error}")));
        }
    }

    fn serve(self) -> std::io::Result<()> {
        let mut epoll = Epoll::new(BATCH + self.sockets.len() + self.listeners.len() + 1)?;
        epoll.watch(&*self.commands, COMMANDS)?;
        for (token, socket) in (0..).zip(&self.sockets) {
            epoll.watch(socket, token)?;
        }
        for (token, listener) in (LISTENERS..).zip(&self.listeners) {
            epoll.watch_changes(listener, token)?;
        }
        let began = Instant::now();
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mut plane = Plane::new(
            self.identity,
            self.limits,
            NtpClock::new(began, since_1970),
            began,
            Events::new(Arc::clone(&self.events)),
            self.sockets
                .into_iter()
                .map(Exit::udp)
                .chain([Exit::tcp(Streams::new(self.streams))])
                .collect(),
        );
        let mut receiver = Receiver::new(BATCH, 0, MOST_INCOMING, 0);
        let mut reader = Reader::default();
        let mut commands = Vec::new();
        let mut ready = Vec::new();
        let (mut ticks, mut turns) = (0_u64, 0_u64);
        let mut next_tick = began + TICK;
        let mut serving = true;
        while serving {
            let due = plane
                .schedule
                .next()
                .map_or(next_tick, |at| at.min(next_tick));
            let patience = if plane.touched.is_empty() && reader.unread.is_empty() {
                due.saturating_duration_since(Instant::now())
            } else {
                Duration::ZERO
            };
            // Rounded up: waking a moment too early would only mean to wait again.
            epoll.wait(patience.as_micros().div_ceil(1000) as u64, &mut ready)?;
            turns += 1;
            let now = Instant::now();
            for token in ready.drain(..) {
                if token == COMMANDS {
                    self.commands.take(&mut commands);
                    for command in commands.drain(..) {
                        plane.guarded("a command", |plane| {
                            serving &= plane.execute(now, command);
                        });
                    }
                } else if token >= STREAMS {
                    reader.unread.push((token - STREAMS) as usize);
                } else if token >= LISTENERS {
                    accept(&mut plane, &self.listeners[(token - LISTENERS) as usize]);
                } else {
                    receive(&mut plane, &mut receiver, token as usize);
                }
            }
            reader.turn(&mut plane, &epoll);
            let now = Instant::now();
            plane.guarded("its timers", |plane| plane.visit(now));
            if now >= next_tick {
                ticks += 1;
                next_tick = now + TICK;
                // Where descriptors had run out, there may be some again.
                self.listeners
                    .iter()
                    .for_each(|one| accept(&mut plane, one));
                plane.guarded("its reports", |plane| plane.tick(now));
                if ticks.is_multiple_of(SNAPSHOT) {
                    plane.note_losses();
                    let statistics = Box::new(plane.snapshot(now, turns));
                    plane.events.offer(Event::Statistics(statistics));
                    plane.events.tell_drops();
                }
            }
            plane.exits.iter_mut().for_each(Exit::flush);
            plane.leave_ended();
        }
        Ok(())
    }
}

/// Takes what a socket has, up to a bound.
fn receive(plane: &mut Plane, receiver: &mut Receiver, socket: usize) {
    for _ in 0..MOST_BATCHES {
        // An error of recvmmsg is about a datagram we sent before (ICMP) or means that there is nothing.
        let Some(Ok(count)) = plane.exits[socket]
            .socket()
            .map(|socket| receiver.receive(socket, 0, BATCH))
        else {
            return;
        };
        if count == 0 {
            return;
        }
        let now = Instant::now();
        plane.guarded("the datagrams", |plane| {
            plane.batch(now, socket, receiver.datagrams(count))
        });
        plane.exits.iter_mut().for_each(Exit::flush);
        if count < BATCH {
            return;
        }
    }
}

fn accept(plane: &mut Plane, listener: &TcpListener) {
    if let Some(streams) = plane.streams() {
        streams.accept(Instant::now(), listener);
    }
}

/// Reads from TCP connections.
#[derive(Default)]
struct Reader {
    buffer: Vec<u8>,
    /// Where there is, or may be, something to read.
    unread: Vec<usize>,
}

impl Reader {
    /// One read of each that has something: whoever sends much does not keep the others waiting.
    fn turn(&mut self, plane: &mut Plane, epoll: &Epoll) {
        let Some(streams) = plane.streams() else {
            return;
        };
        for key in streams.take_fresh() {
            let watched = streams
                .descriptor(key)
                .is_some_and(|it| epoll.watch_changes(&it, STREAMS + key as u64).is_ok());
            if watched {
                self.unread.push(key);
            } else {
                streams.close(key);
            }
        }
        for key in std::mem::take(&mut self.unread) {
            plane.guarded("a stream", |plane| {
                if self.read(plane, key) {
                    self.unread.push(key);
                }
            });
        }
    }

    /// True when there may be more.
    fn read(&mut self, plane: &mut Plane, key: usize) -> bool {
        let exit = plane.exits.len() - 1;
        let Some(streams) = plane.streams() else {
            return false;
        };
        // The event may have been about room to write.
        streams.write(key);
        let Some(arrival) = streams.read(key, &mut self.buffer) else {
            return false;
        };
        let mut frames = Frames::new(&mut self.buffer[..arrival.length], MOST_INCOMING);
        let datagrams = frames.by_ref().map(|frame| (arrival.peer, frame));
        plane.batch(Instant::now(), exit, datagrams);
        let rest = frames.rest();
        let Some(streams) = plane.streams() else {
            return false;
        };
        match rest {
            Ok(rest) => streams.keep(key, &self.buffer[arrival.length - rest..arrival.length]),
            Err(_) => streams.close(key),
        }
        arrival.more
    }
}
