//! Whole calls over paths that change, lose and queue, in virtual time.

mod support;

use meeting_netem::Path;
use support::{Call, MILLISECOND, path};

#[test]
fn over_a_clean_path_everything_is_sent_from_the_start() {
    let mut call = Call::new(path(0), path(0), 1);
    call.until(30_000);
    assert_eq!(call.settled(2, 0, 30_000), Some(0));
    assert_eq!(call.paced_at_most, 0, "far from the estimate nothing waits");
    assert_eq!(call.sound(0, 29_000), (0.0, 40 * MILLISECOND));
}

#[test]
fn a_path_that_narrows_is_followed_at_once_and_asked_for_more_when_it_widens() {
    for seed in 1..=5 {
        let mut call = Call::new(path(4_000_000), path(0), seed);
        call.until(10_000);
        call.path.change(call.now, path(500_000));
        call.until(40_000);
        call.path.change(call.now, path(4_000_000));
        call.until(60_000);
        let down = call.settled(0, 10_000, 40_000);
        assert!(
            down.is_some_and(|ms| ms <= 1500),
            "adapted after {down:?} ms"
        );
        let up = call.settled(2, 40_000, 60_000);
        assert!(up.is_some_and(|ms| ms <= 6000), "back after {up:?} ms");
        let (lost, _) = call.sound(10_000, 59_000);
        assert!(lost <= 0.005, "sound lost: {lost}");
        let (lost, delay) = call.sound(13_000, 59_000);
        assert!(
            lost == 0.0 && delay < 250 * MILLISECOND,
            "once adapted: {lost}, {delay:?}"
        );
        let (low, high) = call.estimates(13_000, 40_000);
        assert!(
            low > 300_000 && high < 600_000,
            "{low} to {high} of 500,000"
        );
    }
}

#[test]
fn a_narrow_path_from_the_start_is_used_and_not_overrun() {
    for seed in 1..=5 {
        let mut call = Call::new(path(800_000), path(0), seed);
        call.until(40_000);
        let (low, high) = call.estimates(5_000, 40_000);
        assert!(
            low > 400_000 && high < 1_200_000,
            "{low} to {high} of 800,000"
        );
        let looks = call.log.iter().filter(|(ms, ..)| *ms >= 5_000);
        let middle = looks
            .clone()
            .filter(|(.., given)| *given == Some(1))
            .count();
        assert!(
            middle as f64 > 0.7 * looks.count() as f64,
            "the middle encoding in {middle} looks"
        );
        let (lost, delay) = call.sound(5_000, 39_000);
        assert!(
            lost == 0.0 && delay < 300 * MILLISECOND,
            "{lost}, {delay:?}"
        );
    }
}

#[test]
fn chance_loss_does_not_bring_the_picture_down() {
    for (loss, within) in [(0.05, 0), (0.10, 8_000), (0.20, 12_000)] {
        for seed in 1..=3 {
            let lossy = Path { loss, ..path(0) };
            let mut call = Call::new(lossy, path(0), seed);
            call.until(30_000);
            let settled = call.settled(2, 0, 30_000);
            assert!(
                settled.is_some_and(|ms| ms <= within),
                "{loss}: the best picture after {settled:?} ms"
            );
        }
    }
}

#[test]
fn loss_of_a_queue_that_hardly_exists_is_taken_for_what_it_is() {
    let shallow = Path {
        buffer: 3_000,
        ..path(700_000)
    };
    for seed in 1..=3 {
        let mut call = Call::new(shallow, path(0), seed);
        call.until(30_000);
        let (_, high) = call.estimates(5_000, 30_000);
        assert!(high < 1_300_000, "{high} of 700,000");
        assert!(call.settled(2, 0, 30_000).is_none());
        let (lost, _) = call.sound(5_000, 29_000);
        assert!(lost < 0.05, "sound lost: {lost}");
    }
}

#[test]
fn jitter_is_not_congestion() {
    for seed in 1..=5 {
        let shaky = Path {
            jitter: 60 * MILLISECOND,
            ..path(0)
        };
        let mut call = Call::new(shaky, path(0), seed);
        call.until(30_000);
        let best = call.log.iter().filter(|(.., given)| *given == Some(2));
        assert!(best.count() as f64 > 0.9 * call.log.len() as f64);
    }
}

#[test]
fn another_flow_is_made_room_for_and_its_end_is_noticed() {
    for seed in 1..=3 {
        let mut call = Call::new(path(3_000_000), path(0), seed);
        call.until(5_000);
        call.competitor = 2_300_000;
        call.until(25_000);
        call.competitor = 0;
        call.until(45_000);
        let (lost, delay) = call.sound(10_000, 24_000);
        assert!(
            lost < 0.01 && delay < 350 * MILLISECOND,
            "{lost}, {delay:?}"
        );
        let used = call
            .log
            .iter()
            .filter(|(ms, ..)| (10_000..25_000).contains(ms));
        assert!(
            used.clone().all(|(.., given)| given.is_some()),
            "never starved"
        );
        let up = call.settled(2, 25_000, 45_000);
        assert!(up.is_some_and(|ms| ms <= 8000), "back after {up:?} ms");
    }
}

#[test]
fn lost_feedback_is_not_lost_media() {
    for seed in 1..=3 {
        let back = Path {
            loss: 0.4,
            ..path(0)
        };
        let mut call = Call::new(path(4_000_000), back, seed);
        call.until(15_000);
        assert_eq!(call.settled(2, 0, 15_000), Some(0), "seed {seed}");
        call.path.change(call.now, path(500_000));
        call.until(30_000);
        let down = call.settled(0, 15_000, 30_000);
        assert!(
            down.is_some_and(|ms| ms <= 3000),
            "adapted after {down:?} ms"
        );
    }
}

#[test]
fn a_receiver_that_falls_silent_is_sent_less_and_gets_everything_back() {
    let mut call = Call::new(path(4_000_000), path(0), 1);
    call.until(5_000);
    call.receives = false;
    call.until(25_000);
    let (_, given) = (call.log[240].1, call.log[240].2);
    assert!(given.is_none_or(|encoding| encoding < 2), "still {given:?}");
    call.receives = true;
    call.until(40_000);
    let up = call.settled(2, 25_000, 40_000);
    assert!(up.is_some_and(|ms| ms <= 10_000), "back after {up:?} ms");
}
