//! Key-frame requests towards a publisher: many wishes, few messages.

use meeting_rtp::rtcp::Builder;
use std::time::{Duration, Instant};

/// Between two requests: an encoder needs the time, and every key frame costs all receivers bandwidth.
const THROTTLE: Duration = Duration::from_millis(500);
/// An unanswered request is repeated after the throttle, then after twice as long each time, up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// The merged wishes for one Source.
#[derive(Debug, Default)]
pub(crate) struct KeyFrameRequests {
    /// When to ask next; `None`: nobody wishes.
    due: Option<Instant>,
    sent: Option<Instant>,
    tries: u32,
    command: u8,
    pub(crate) count: u64,
}

impl KeyFrameRequests {
    /// Somebody needs a key frame.
    pub(crate) fn request(&mut self, now: Instant) {
        if self.due.is_none() {
            self.due = Some(self.sent.map_or(now, |sent| now.max(sent + THROTTLE)));
            self.tries = 0;
            self.command = self.command.wrapping_add(1);
        }
    }

    /// A key frame begins: every wish so far is served.
    pub(crate) fn arrived(&mut self) {
        self.due = None;
    }

    /// Sends what is due, by PLI, or else FIR (RFC 5104 §4.3.1: a repetition keeps its command number).
    pub(crate) fn write(
        &mut self,
        now: Instant,
        sender: u32,
        media: u32,
        pli: bool,
        out: &mut Builder<'_>,
    ) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        let written = if pli {
            out.picture_loss(sender, media)
        } else {
            out.full_intra_request(sender, media, self.command)
        };
        if written.is_ok() {
            self.due =
                Some(now + (THROTTLE * 2u32.saturating_pow(self.tries.min(8))).min(LONGEST_WAIT));
            self.sent = Some(now);
            self.tries += 1;
            self.count += 1;
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due
    }
}
