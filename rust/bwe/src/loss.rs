//! Which of the losses are ours. Wi-Fi loses some packets whatever is sent; a queue that overflows loses more the more is sent.
//! What stays after sending less is the path's own and does not count (the idea of libwebrtc's loss-based estimator v2, told
//! by one number).

use std::time::{Duration, Instant};

/// A window ends after this time and so many packets …
const WINDOW: Duration = Duration::from_millis(400);
const PACKETS: u32 = 50;
/// … or after this, with fewer.
const LONGEST: Duration = Duration::from_secs(1);
const FEWEST: u32 = 20;
/// Beyond the path's own loss and what chance adds.
const MARGIN: f64 = 0.05;
/// So much more needs no second window to be sure.
const GROSS: f64 = 0.2;
/// Loss that sending less did not take away, by this share at least, is the path's own.
const STAYS: f64 = 0.6;

/// What a window told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is lost that would not be anyhow.
    Clear,
    /// More is lost than the path loses by itself.
    Congested,
}

#[derive(Debug, Default)]
pub(crate) struct Losses {
    began: Option<Instant>,
    sent: u32,
    lost: u32,
    /// The path's own share.
    own: f64,
    /// The share at which less was sent, and from when on packets are of that lower rate.
    lowered: Option<(f64, Instant)>,
    share: f64,
    /// The last window lost too much, which may have been chance.
    suspected: bool,
}

impl Losses {
    /// A packet sent at `sent` is missing, or arrived.
    pub(crate) fn told(&mut self, missing: bool, late: bool, sent: Instant) {
        if late {
            self.lost = self.lost.saturating_sub(1);
            return;
        }
        if self.lowered.is_some_and(|(_, since)| sent < since) {
            return; // of the time before
        }
        self.began.get_or_insert(sent);
        self.sent += 1;
        self.lost += u32::from(missing);
    }

    /// Whether the window that ends at `newest`, the sending time of the newest packet told of, is complete, and what it told.
    pub(crate) fn verdict(&mut self, newest: Instant) -> Option<Verdict> {
        let passed = newest.saturating_duration_since(self.began?);
        let complete =
            passed >= WINDOW && self.sent >= PACKETS || passed >= LONGEST && self.sent >= FEWEST;
        if !complete {
            if passed > 4 * LONGEST {
                self.restart();
            }
            return None;
        }
        let count = f64::from(self.sent);
        let share = f64::from(self.lost) / count;
        self.share = share;
        self.restart();
        if let Some((before, _)) = self.lowered.take()
            && share >= STAYS * before
        {
            self.own = share;
        }
        let expected = self.own.max(0.05);
        let chance = 2.5 * (expected * (1.0 - expected) / count).sqrt();
        if share > self.own + MARGIN + chance {
            let sure = self.suspected || share > self.own + GROSS;
            self.suspected = !sure;
            return Some(if sure {
                Verdict::Congested
            } else {
                Verdict::Clear
            });
        }
        self.suspected = false;
        let weight = if share < self.own { 0.3 } else { 0.1 };
        self.own += weight * (share - self.own);
        Some(Verdict::Clear)
    }

    /// Less is sent because of the last verdict; it shows in what is sent from `since` on.
    pub(crate) fn lowered(&mut self, since: Instant) {
        self.lowered = Some((self.share, since));
        self.restart();
    }

    fn restart(&mut self) {
        self.began = None;
        self.sent = 0;
        self.lost = 0;
    }
}
