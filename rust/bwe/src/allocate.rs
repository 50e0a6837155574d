//! Who gets how much of what a subscriber's path takes: sound first, then every picture at its smallest, then the important
//! ones at better. What does not fit at all is paused, the least important first, so that the others do not freeze.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

/// Steps a picture may be sent in: encodings, and frame rates of them.
pub const MOST_STEPS: usize = 12;
/// A step up needs so much more than its rate; one that is held does not.
const ABOVE: f64 = 1.15;
/// After something was taken away nothing is given for so long.
const RESTS: Duration = Duration::from_secs(1);
/// A shortage lasts so long before a picture is paused: a stall of the receiver must not blank it.
const PATIENCE: Duration = Duration::from_millis(1500);
/// An encoding whose rate is not known yet is taken for this.
const UNKNOWN: u64 = 50_000;

/// Who goes before whom, greatest first; the fields in the order they count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Importance {
    /// Somebody shows something.
    pub screen: bool,
    /// Its publisher speaks, or did a moment ago.
    pub speaks: bool,
    /// The area it is shown in, in pixels.
    pub size: u32,
}

/// One picture a subscriber looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// The caller's name for it.
    pub key: usize,
    /// Against the others.
    pub importance: Importance,
    /// Bit/s of each step, the smallest first; the last is all the subscriber wants.
    pub rates: [u64; MOST_STEPS],
    /// How many of them there are, at least one.
    pub steps: usize,
    /// The step that everybody is to have before anybody gets a higher one: the smallest at a frame rate that is bearable.
    pub fair: usize,
    /// The step it has; [`Allocator::allocate`] writes the one it gets. `None`: paused.
    pub given: Option<usize>,
}

/// The decisions of one subscriber's Link, and what they must not forget.
#[derive(Debug, Default)]
pub struct Allocator {
    short_since: Option<Instant>,
    lowered: Option<Instant>,
    limited: bool,
}

impl Allocator {
    /// Whether somebody gets less than wanted.
    pub fn limited(&self) -> bool {
        self.limited
    }

    /// Decides for all pictures of a Link. `estimate` is what the path takes (`None`: no bound is known), `sound` what of it is
    /// spoken for; bit/s. Returns what it takes for all that is wanted. The order of `wants` is not kept.
    pub fn allocate(
        &mut self,
        estimate: Option<u64>,
        sound: u64,
        wants: &mut [Want],
        now: Instant,
    ) -> u64 {
        let demand: u64 = sound
            + wants
                .iter()
                .map(|want| want.rate(want.steps - 1))
                .sum::<u64>();
        let margin = if self.limited { ABOVE } else { 1.0 };
        if estimate.is_none_or(|estimate| estimate as f64 >= margin * demand as f64)
            && (!self.limited || self.rested(now))
        {
            self.limited = false;
            self.short_since = None;
            for want in wants {
                want.given = Some(want.steps - 1);
            }
            return demand;
        }
        let budget = estimate.unwrap_or(demand).saturating_sub(sound) as f64;
        self.share_out(budget, wants, now);
        self.limited = wants
            .iter()
            .any(|want| want.given.is_none_or(|step| step + 1 < want.steps));
        if self.limited {
            (ABOVE * demand as f64) as u64 + 1
        } else {
            demand
        }
    }

    fn share_out(&mut self, budget: f64, wants: &mut [Want], now: Instant) {
        wants.sort_unstable_by_key(|want| (Reverse(want.importance), want.key));
        let may_rise = self.rested(now);
        let mut left = budget;
        let mut short = false;
        let patient = self
            .short_since
            .is_none_or(|since| now.saturating_duration_since(since) < PATIENCE);
        let had: Vec<Option<usize>> = wants.iter().map(|want| want.given).collect();
        for (want, had) in wants.iter_mut().zip(&had) {
            let rate = want.rate(0) as f64;
            let fits = match had {
                Some(_) => rate <= left,
                None => may_rise && ABOVE * rate <= left,
            };
            short |= had.is_some() && !fits;
            let stays = fits || had.is_some() && patient;
            want.given = stays.then_some(0);
            if stays {
                left -= rate;
            }
        }
        if !short {
            self.short_since = None;
        } else if self.short_since.is_none() {
            self.short_since = Some(now);
        }
        for (want, had) in wants.iter_mut().zip(&had) {
            left -= want.rise(*had, want.fair, left, may_rise);
        }
        for (want, had) in wants.iter_mut().zip(&had) {
            left -= want.rise(*had, want.steps - 1, left, may_rise);
        }
        if wants.iter().zip(&had).any(|(want, had)| want.given < *had) {
            self.lowered = Some(now);
        }
    }

    fn rested(&self, now: Instant) -> bool {
        self.lowered
            .is_none_or(|at| now.saturating_duration_since(at) >= RESTS)
    }
}

impl Want {
    /// Takes the highest step up to `most` that fits into `left`; returns what it takes of that.
    fn rise(&mut self, had: Option<usize>, most: usize, left: f64, may_rise: bool) -> f64 {
        let Some(given) = self.given else { return 0.0 };
        let base = self.rate(given) as f64;
        let held = had.unwrap_or(0);
        for step in (given + 1..=most.min(self.steps - 1)).rev() {
            let more = self.rate(step) as f64 - base;
            let needs = if step > held {
                ABOVE * self.rate(step) as f64 - base
            } else {
                more
            };
            if needs <= left && (step <= held || may_rise) {
                self.given = Some(step);
                return more.max(0.0);
            }
        }
        0.0
    }

    fn rate(&self, step: usize) -> u64 {
        match self.rates.get(step) {
            Some(0) | None => UNKNOWN,
            Some(rate) => *rate,
        }
    }
}
