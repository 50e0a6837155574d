//! Sound and picture stay together: through loss, SSRCs and timestamps made anew, and switches between layers whose timestamps
//! have nothing to do with one another.

mod call;
mod support;

use call::{Call, Conditions};
use meeting_netem::{Path, Random};
use std::time::Duration;
use support::MILLISECOND;

/// People notice sound that is early by 45 ms or late by 125 ms (ITU-R BT.1359-1); what we add must be nothing beside that.
const MOST_SKEW: f64 = 0.005;

/// A layer may begin with a frame older than the last one shown; then its timestamps are late for a moment.
const CATCHING_UP: Duration = Duration::from_secs(1);

#[test]
fn sound_and_picture_stay_together_over_loss_and_layer_switches() {
    let path = Path {
        delay: 40 * MILLISECOND,
        jitter: 10 * MILLISECOND,
        loss: 0.05,
        ..Path::default()
    };
    let conditions = Conditions {
        up: path,
        down: path,
        layer: 0,
        lossy: meeting_forward::LOSSY,
        length: Duration::from_secs(60),
    };
    for seed in 0..3 {
        let mut call = Call::new(&conditions, seed);
        let mut random = Random::new(seed);
        let (mut switches, mut switched, mut flowing) = (0, call.now, None);
        let (mut settled, mut moved) = (0.0f64, 0.0f64);
        while call.now < call.start + conditions.length {
            call.tick();
            let passed = call.now - call.start;
            if passed.as_millis().is_multiple_of(2_000) {
                call.server.show(Some(random.below(3)), call.now);
            }
            let now_flowing = call.server.video.flowing();
            if now_flowing != flowing {
                (switches, switched, flowing) = (switches + 1, call.now, now_flowing);
            }
            // the publisher's first reports tell how its layers relate
            if passed > Duration::from_secs(4) {
                moved = moved.max(call.pictures.sync.moved);
                if call.now - switched > CATCHING_UP {
                    settled = settled.max(call.skew().expect("reports of both").abs());
                }
            }
        }
        println!("seed {seed}: {switches} switches, {settled} s apart, reports {moved} s");
        assert!(switches > 10, "{switches} switches");
        assert!(settled < MOST_SKEW, "{settled} s apart");
        assert!(
            moved < MOST_SKEW,
            "a sender report moved the clock by {moved} s"
        );
    }
}
