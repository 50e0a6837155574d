//! Who speaks: the level a publisher states with each audio packet (RFC 6464), smoothed.

use std::time::{Duration, Instant};

/// The level of silence.
pub(crate) const SILENT: u8 = 127;
/// Louder (numerically at most) than this many −dBov counts as speech.
const SPEECH: u8 = 45;
/// Speech goes on for so long after its last loud packet: people breathe.
const HANGOVER: Duration = Duration::from_millis(500);
/// A first loud packet is a click; so much loudness within the hangover is a voice.
const FEWEST_LOUD: u32 = 3;

#[derive(Debug, Default)]
pub(crate) struct Level {
    smoothed: f32,
    loud: u32,
    last_loud: Option<Instant>,
}

impl Level {
    pub(crate) fn update(&mut self, level: u8, now: Instant) {
        if self
            .last_loud
            .is_some_and(|then| now.saturating_duration_since(then) > HANGOVER)
        {
            *self = Level::default();
        }
        if level > SPEECH {
            return;
        }
        self.loud = self.loud.saturating_add(1);
        self.last_loud = Some(now);
        let level = f32::from(level);
        self.smoothed = if self.loud == 1 {
            level
        } else {
            self.smoothed + (level - self.smoothed) * 0.2
        };
    }

    /// −dBov of who speaks; [`SILENT`] otherwise.
    pub(crate) fn at(&self, now: Instant) -> u8 {
        let speaking = self.loud >= FEWEST_LOUD
            && self
                .last_loud
                .is_some_and(|then| now.saturating_duration_since(then) <= HANGOVER);
        if speaking {
            self.smoothed.round() as u8
        } else {
            SILENT
        }
    }
}
