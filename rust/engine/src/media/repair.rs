//! Packets sent again: at once when they are asked for, over a lossy path a second time a moment later.

use std::time::Instant;

use meeting_rtp::rtcp::Nack;

use super::bandwidth::Leaving;
use super::plane::Plane;
use super::tracks::place_of;

impl Plane {
    pub(super) fn nack(&mut self, now: Instant, at: usize, nack: &Nack<'_>) {
        let Some(place) = self.sink_of(at, nack.media) else {
            return;
        };
        let sink = &mut self.sinks[place];
        sink.nacks_received += nack.sequences().count() as u64;
        let path = self.links[at].path;
        if path.is_some_and(|(to, socket)| self.exits[socket].is_behind(&to)) {
            // A stream loses nothing by itself: it is asked for what was held back, and would fall behind even more.
            return;
        }
        sink.machine.nack(nack, now);
        self.resend(now, at, place);
    }

    /// Sends the second copies that are due to a Link; when the next one is.
    pub(super) fn repeat(&mut self, now: Instant, at: usize) -> Option<Instant> {
        for place in std::mem::take(&mut self.links[at].repeating) {
            // a Sink may have gone, and another have its place
            if self.sinks.get(place).is_some_and(|sink| sink.link == at) {
                self.resend(now, at, place);
            }
        }
        let deadline = |place: &usize| self.sinks[*place].machine.resend_deadline();
        self.links[at].repeating.iter().filter_map(deadline).min()
    }

    fn resend(&mut self, now: Instant, at: usize, place: usize) {
        let (sink, link) = (&mut self.sinks[place], &mut self.links[at]);
        let (Some(_), Some((_, socket))) = (&link.outbound, link.path) else {
            return;
        };
        link.departure.at(self.clock.at(now));
        let sources = &self.sources;
        let exit = &mut self.exits[socket];
        loop {
            let room = exit.room();
            let resent = sink.machine.resend(
                now,
                &mut link.departure,
                |name| Some(sources[place_of(sources, name)?].machine.history()),
                room,
            );
            let Some(out) = resent else { break };
            let protected = link
                .outbound
                .as_ref()
                .map(|outbound| outbound.protect_rtp(room, out.header, out.len, out.index));
            if let Some(Ok(len)) = protected {
                let leaving = Leaving {
                    kind: sink.choice.kind,
                    sequence: out.transport_sequence,
                    len,
                };
                if link.leave(leaving, exit, now) {
                    self.touched.push(at);
                }
            }
        }
        if sink.machine.resend_deadline().is_some() && !link.repeating.contains(&place) {
            link.repeating.push(place);
        }
    }
}
