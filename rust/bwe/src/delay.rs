//! Whether queues on the path grow, from how arrival times drift from sending times (draft-ietf-rmcat-gcc-02 §5.1 to 5.4, with
//! the line fitted to the accumulated delay in place of the Kalman filter, as libwebrtc does since 2017).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets sent within this time are one group (§5.2): how they were spread on their way says nothing.
const GROUP: Duration = Duration::from_millis(5);
/// Arrivals that jump by more are a new beginning of the receiver's clock, or a joke.
const JUMP: f64 = 3_000.0;
/// Groups the line is fitted to.
const WINDOW: usize = 20;
const SMOOTHING: f64 = 0.9;
const GAIN: f64 = 4.0;
/// A slope over few groups is taken for less.
const MOST_WEIGHT: usize = 60;
/// The threshold in ms and its bounds, and how fast it follows what is measured (§5.4): slowly down, so that the flows of
/// those who fill queues do not starve ours.
const THRESHOLD: f64 = 12.5;
const THRESHOLDS: (f64, f64) = (6.0, 600.0);
const FOLLOWS_UP: f64 = 0.0087;
const FOLLOWS_DOWN: f64 = 0.039;
/// ms the slope must be over the threshold.
const OVERUSE_TIME: f64 = 10.0;

/// What the path's queues do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    Normal,
    /// They grow.
    Over,
    /// They drain.
    Under,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    first_sent: Instant,
    last_sent: Instant,
    arrived: f64,
}

#[derive(Debug)]
pub(crate) struct DelayDetector {
    current: Option<Group>,
    previous: Option<Group>,
    /// Sum of the differences, and its smoothed value, in ms.
    accumulated: f64,
    smoothed: f64,
    /// (arrival, smoothed delay) in ms.
    line: VecDeque<(f64, f64)>,
    groups: usize,
    slope: f64,
    threshold: f64,
    threshold_at: Option<f64>,
    over_for: Option<f64>,
    over_count: u32,
    usage: Usage,
}

impl DelayDetector {
    pub(crate) fn new() -> DelayDetector {
        DelayDetector {
            current: None,
            previous: None,
            accumulated: 0.0,
            smoothed: 0.0,
            line: VecDeque::with_capacity(WINDOW + 1),
            groups: 0,
            slope: 0.0,
            threshold: THRESHOLD,
            threshold_at: None,
            over_for: None,
            over_count: 0,
            usage: Usage::Normal,
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    /// A packet sent at `sent` arrived at `arrived` on the receiver's clock; in the order of sending.
    pub(crate) fn arrived(&mut self, sent: Instant, arrived: Duration) {
        let arrived = 1000.0 * arrived.as_secs_f64();
        let Some(group) = &mut self.current else {
            self.current = Some(Group {
                first_sent: sent,
                last_sent: sent,
                arrived,
            });
            return;
        };
        if sent < group.first_sent {
            return; // it was overtaken by a whole group
        }
        if sent.saturating_duration_since(group.first_sent) <= GROUP {
            group.last_sent = group.last_sent.max(sent);
            group.arrived = group.arrived.max(arrived);
            return;
        }
        let complete = *group;
        *group = Group {
            first_sent: sent,
            last_sent: sent,
            arrived,
        };
        if let Some(before) = self.previous.replace(complete) {
            let passed = milliseconds(
                complete
                    .last_sent
                    .saturating_duration_since(before.last_sent),
            );
            let drift = complete.arrived - before.arrived - passed;
            if drift.abs() > JUMP || complete.arrived < before.arrived {
                let threshold = self.threshold;
                *self = DelayDetector::new();
                self.threshold = threshold;
            } else {
                self.drifted(drift, passed, complete.arrived);
            }
        }
    }

    /// After what was sent in between is known not to say anything (a probe, say): begins again at the next packet.
    pub(crate) fn skip(&mut self) {
        self.current = None;
        self.previous = None;
        self.line.clear();
        self.groups = 0;
        self.over_for = None;
        self.usage = Usage::Normal;
    }

    fn drifted(&mut self, drift: f64, passed: f64, arrived: f64) {
        self.accumulated += drift;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.accumulated;
        self.groups = (self.groups + 1).min(1000);
        self.line.push_back((arrived, self.smoothed));
        if self.line.len() > WINDOW {
            self.line.pop_front();
        }
        let before = self.slope;
        self.slope = slope(&self.line).unwrap_or(before);
        let trend = self.groups.min(MOST_WEIGHT) as f64 * self.slope * GAIN;
        if trend > self.threshold {
            let over = self.over_for.map_or(passed / 2.0, |over| over + passed);
            self.over_for = Some(over);
            self.over_count += 1;
            if over > OVERUSE_TIME && self.over_count > 1 && self.slope >= before {
                self.over_for = Some(0.0);
                self.over_count = 0;
                self.usage = Usage::Over;
            }
        } else {
            self.over_for = None;
            self.over_count = 0;
            self.usage = if trend < -self.threshold {
                Usage::Under
            } else {
                Usage::Normal
            };
        }
        self.follow(trend.abs(), arrived);
    }

    fn follow(&mut self, trend: f64, arrived: f64) {
        let passed = (arrived - self.threshold_at.unwrap_or(arrived)).clamp(0.0, 100.0);
        self.threshold_at = Some(arrived);
        if trend > self.threshold + 15.0 {
            return; // a jump, of a route say, must not deafen us
        }
        let speed = if trend < self.threshold {
            FOLLOWS_DOWN
        } else {
            FOLLOWS_UP
        };
        self.threshold = (self.threshold + speed * (trend - self.threshold) * passed)
            .clamp(THRESHOLDS.0, THRESHOLDS.1);
    }
}

/// The slope of the line with the smallest sum of squared distances; `None` while there are too few points.
fn slope(points: &VecDeque<(f64, f64)>) -> Option<f64> {
    if points.len() < WINDOW / 2 {
        return None;
    }
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = points
        .iter()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    let below: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    (below > 0.0).then(|| above / below)
}

fn milliseconds(duration: Duration) -> f64 {
    1000.0 * duration.as_secs_f64()
}
