//! The loop: wait, take commands, receive, forward, send; and time.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use meeting_link::{Identity, Limits};
use meeting_rtp::NtpClock;

use super::command::Command;
use super::event::{Event, Events};
use super::exit::{Exit, MOST_DATAGRAM};
use super::plane::Plane;
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

/// What the thread is given.
pub(super) struct Thread {
    pub sockets: Vec<UdpSocket>,
    pub identity: Identity,
    pub limits: Limits,
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
        let mut epoll = Epoll::new(self.sockets.len() + 1)?;
        epoll.watch(&*self.commands, COMMANDS)?;
        for (token, socket) in (0..).zip(&self.sockets) {
            epoll.watch(socket, token)?;
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
            self.sockets.into_iter().map(Exit::new).collect(),
        );
        let mut receiver = Receiver::new(BATCH, 0, MOST_INCOMING, 0);
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
            let patience = if plane.touched.is_empty() {
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
                } else {
                    receive(&mut plane, &mut receiver, token as usize);
                }
            }
            let now = Instant::now();
            plane.guarded("its timers", |plane| plane.visit(now));
            if now >= next_tick {
                ticks += 1;
                next_tick = now + TICK;
                plane.guarded("its reports", |plane| plane.tick(now));
                if ticks.is_multiple_of(SNAPSHOT) {
                    plane.note_losses();
                    let statistics = Box::new(plane.snapshot(now, turns));
                    plane.events.offer(Event::Statistics(statistics));
                    plane.events.tell_drops();
                }
            }
            plane.exits.iter_mut().for_each(Exit::flush);
        }
        Ok(())
    }
}

/// Takes what a socket has, up to a bound.
fn receive(plane: &mut Plane, receiver: &mut Receiver, socket: usize) {
    for _ in 0..MOST_BATCHES {
        // An error of recvmmsg is about a datagram we sent before (ICMP) or means that there is nothing.
        let Ok(count) = receiver.receive(&plane.exits[socket].socket, 0) else {
            return;
        };
        if count == 0 {
            return;
        }
        let now = Instant::now();
        plane.guarded("the datagrams", |plane| {
            plane.batch(now, socket, receiver, count)
        });
        plane.exits.iter_mut().for_each(Exit::flush);
        if count < BATCH {
            return;
        }
    }
}
