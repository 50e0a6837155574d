//! What a subscriber sees and hears over bad networks: the goal lines of the media plane, on the network simulator.
//! `cargo test -p meeting-forward --test loss_matrix -- --nocapture` prints the table of docs/performance.md.

mod call;
mod support;

use call::{Conditions, Outcome, call};
use meeting_netem::Path;
use std::time::Duration;
use support::MILLISECOND;

const HIGH: usize = 2;
const SEEDS: u64 = 5;

fn far() -> Path {
    Path {
        delay: 40 * MILLISECOND,
        ..Path::default()
    }
}

fn near() -> Path {
    Path {
        delay: 5 * MILLISECOND,
        ..Path::default()
    }
}

fn lossy(loss: f64) -> Path {
    Path { loss, ..far() }
}

fn down(down: Path) -> Conditions {
    Conditions {
        up: near(),
        down,
        layer: HIGH,
        lossy: meeting_forward::LOSSY,
        length: Duration::from_secs(60),
    }
}

/// The mean of some calls; the longest gap of all.
fn calls(what: &str, conditions: &Conditions) -> Outcome {
    let all: Vec<Outcome> = (0..SEEDS).map(|seed| call(conditions, seed)).collect();
    let mean = |of: fn(&Outcome) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
    let outcome = Outcome {
        frozen_per_minute: mean(|it| it.frozen_per_minute),
        longest_gap: all.iter().map(|it| it.longest_gap).max().unwrap(),
        frames_per_second: mean(|it| it.frames_per_second),
        bits_per_second: mean(|it| it.bits_per_second),
        concealed: mean(|it| it.concealed),
        lost_down: mean(|it| it.lost_down),
        overhead: mean(|it| it.overhead),
        key_frame_requests: all.iter().map(|it| it.key_frame_requests).sum(),
    };
    println!(
        "| {what} | {:.1} s/min | {} ms | {:.1} | {:.2} Mbit/s | {:.2} % | {:.0} % |",
        outcome.frozen_per_minute,
        outcome.longest_gap.as_millis(),
        outcome.frames_per_second,
        outcome.bits_per_second / 1e6,
        outcome.concealed * 100.0,
        (outcome.overhead - 1.0) * 100.0,
    );
    outcome
}

struct Goal {
    what: &'static str,
    conditions: Conditions,
    frozen_per_minute: f64,
    longest_gap: Duration,
    frames_per_second: f64,
    bits_per_second: f64,
    concealed: f64,
}

/// The lines of the table; what they leave open may be anything.
fn goals() -> Vec<Goal> {
    let open = |what, conditions| Goal {
        what,
        conditions,
        frozen_per_minute: 60.0,
        longest_gap: Duration::MAX,
        frames_per_second: 0.0,
        bits_per_second: 0.0,
        concealed: 1.0,
    };
    let bursts = Path {
        burst: 0.05 / 9.5,
        burst_length: 10.0,
        ..far()
    };
    let jitter = Path {
        jitter: 60 * MILLISECOND,
        ..far()
    };
    let from_publisher = Conditions {
        up: lossy(0.05),
        ..down(far())
    };
    vec![
        Goal {
            frozen_per_minute: 0.0,
            frames_per_second: 29.9,
            bits_per_second: 1.65e6,
            concealed: 0.0,
            ..open("clean", down(far()))
        },
        Goal {
            frozen_per_minute: 3.0,
            frames_per_second: 28.0,
            bits_per_second: 1.5e6,
            concealed: 0.003,
            ..open("5 %", down(lossy(0.05)))
        },
        Goal {
            frozen_per_minute: 8.0,
            frames_per_second: 27.0,
            bits_per_second: 1.0e6,
            concealed: 0.006,
            ..open("10 %", down(lossy(0.10)))
        },
        Goal {
            frozen_per_minute: 20.0,
            longest_gap: Duration::from_secs(1),
            bits_per_second: 0.5e6,
            concealed: 0.04,
            ..open("20 %", down(lossy(0.20)))
        },
        Goal {
            frozen_per_minute: 2.0,
            bits_per_second: 1.65e6,
            concealed: 0.025,
            ..open("bursts of 10, 5 %", down(bursts))
        },
        Goal {
            frozen_per_minute: 3.0,
            frames_per_second: 29.0,
            bits_per_second: 1.0e6,
            concealed: 0.002,
            ..open("5 % from the publisher", from_publisher)
        },
        Goal {
            frozen_per_minute: 0.0,
            frames_per_second: 29.9,
            concealed: 0.001,
            ..open("60 ms of ordered jitter", down(jitter))
        },
    ]
}

#[test]
fn every_line_of_the_table_is_met() {
    println!("| path | frozen | longest gap | frames/s | picture | sound concealed | sent more |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for goal in goals() {
        let outcome = calls(goal.what, &goal.conditions);
        let met = outcome.frozen_per_minute <= goal.frozen_per_minute
            && outcome.longest_gap <= goal.longest_gap
            && outcome.frames_per_second >= goal.frames_per_second
            && outcome.bits_per_second >= goal.bits_per_second
            && outcome.concealed <= goal.concealed;
        assert!(met, "{}: {outcome:?}", goal.what);
    }
}

#[test]
fn what_a_lossy_path_gets_more_pays() {
    for loss in [0.10, 0.20] {
        let with = down(lossy(loss));
        let without = Conditions {
            lossy: u8::MAX,
            ..with
        };
        let with = calls("with", &with);
        let without = calls("without", &without);
        assert!(with.frozen_per_minute < 0.6 * without.frozen_per_minute);
        assert!(with.concealed < 0.3 * without.concealed);
    }
}
