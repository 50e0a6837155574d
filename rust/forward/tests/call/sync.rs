//! How far a receiver is wrong about when media was captured, going by sender reports.

use super::publisher::WALL;
use meeting_rtp::NtpTime;
use std::time::Duration;

#[derive(Debug)]
pub struct Sync {
    clock_rate: f64,
    report: Option<(NtpTime, u32)>,
    /// By how many seconds the newest report disagrees with the one before it.
    pub moved: f64,
    /// Seconds by which what is believed is later than the truth.
    pub error: Option<f64>,
}

impl Sync {
    pub fn new(clock_rate: u32) -> Sync {
        Sync {
            clock_rate: f64::from(clock_rate),
            report: None,
            moved: 0.0,
            error: None,
        }
    }

    /// A sender report: at `ntp` the timestamp was `rtp`.
    pub fn reported(&mut self, ntp: NtpTime, rtp: u32) {
        if let Some((then, before)) = self.report.replace((ntp, rtp)) {
            let ticks = f64::from(rtp.wrapping_sub(before).cast_signed());
            self.moved = (ntp.seconds_since(then) - ticks / self.clock_rate).abs();
        }
    }

    /// A packet that says it was captured so many milliseconds after the call began.
    pub fn note(&mut self, timestamp: u32, captured: u32) {
        let Some((ntp, rtp)) = self.report else {
            return;
        };
        let truth = NtpTime::default().after(WALL + Duration::from_millis(captured.into()));
        let since = f64::from(timestamp.wrapping_sub(rtp).cast_signed()) / self.clock_rate;
        self.error = Some(ntp.seconds_since(truth) + since);
    }
}
