//! Sequence numbers and times.

use meeting_rtp::{NtpClock, NtpTime, Seen, Unwrapper};
use std::time::{Duration, Instant};

#[test]
fn sequence_numbers_keep_growing_over_the_wrap_and_reordering() {
    let mut unwrapper = Unwrapper::default();
    let first = unwrapper.unwrap(65_534);
    assert_eq!(unwrapper.unwrap(1), first + 3);
    assert_eq!(unwrapper.unwrap(65_535), first + 1);
    assert_eq!(unwrapper.unwrap(2), first + 4);
    assert_eq!(unwrapper.peek(65_000), first - 534);
    assert_eq!(unwrapper.newest(), Some(first + 4));
}

#[test]
fn what_came_before_the_first_has_a_number_too() {
    let mut unwrapper = Unwrapper::default();
    let first = unwrapper.unwrap(0);
    assert_eq!(unwrapper.unwrap(65_535), first - 1);
}

#[test]
fn a_restart_is_above_everything_before() {
    let mut unwrapper = Unwrapper::default();
    let before = unwrapper.unwrap(60_000);
    let after = unwrapper.restart(5);
    assert!(after > before + 0x8000);
    assert_eq!(unwrapper.unwrap(4), after - 1);
}

#[test]
fn a_number_is_new_once_and_not_when_too_old() {
    let mut seen = Seen::default();
    for number in [10, 12, 11, 5000, 4000] {
        assert!(seen.is_new(number));
        seen.record(number);
        assert!(!seen.is_new(number));
    }
    assert!(seen.is_new(4999));
    assert!(!seen.is_new(5000 - 2048));
    seen.record(1); // too old: changes nothing
    assert_eq!(seen.newest(), Some(5000));
    assert!(seen.is_new(2048 + 1 + 2048));
}

#[test]
fn wall_time_follows_the_monotonic_clock() {
    let start = Instant::now();
    let clock = NtpClock::new(start, Duration::from_secs(0));
    assert_eq!(clock.at(start).0 >> 32, 2_208_988_800);
    let later = clock.at(start + Duration::from_millis(1500));
    assert!((later.seconds_since(clock.at(start)) - 1.5).abs() < 1e-9);
    assert!((clock.at(start).seconds_since(later) + 1.5).abs() < 1e-9);
    assert_eq!(later.before(Duration::from_millis(1500)), clock.at(start));
}

#[test]
fn short_forms_take_the_middle() {
    let time = NtpTime(0x1234_5678_9abc_def0);
    assert_eq!(time.middle(), 0x5678_9abc);
    // 6 bits of seconds, 18 of fraction
    assert_eq!(NtpTime(1 << 32).abs_send_time(), 1 << 18);
    assert_eq!(NtpTime(64 << 32).abs_send_time(), 0);
}
