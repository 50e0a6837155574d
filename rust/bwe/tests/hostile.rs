//! Feedback as nobody would send it in earnest.

use meeting_bwe::{Basis, Bounds, SendEstimate};
use meeting_netem::Random;
use meeting_rtp::rtcp::transport_cc::Arrival;
use meeting_rtp::rtcp::{Builder, Packet, packets};
use std::time::{Duration, Instant};

const MILLISECOND: Duration = Duration::from_millis(1);

fn feed(estimate: &mut SendEstimate, arrivals: &[Arrival], now: Instant) {
    let mut bytes = [0; 1200];
    let mut rtcp = Builder::new(&mut bytes);
    if rtcp.transport_cc(1, 2, 0, arrivals).is_err() {
        return;
    }
    for packet in packets(rtcp.as_bytes()).flatten() {
        if let Packet::TransportCc(feedback) = packet {
            estimate.feedback(&feedback, now);
        }
    }
}

#[test]
fn feedback_about_what_was_never_sent_says_nothing() {
    let start = Instant::now();
    let mut estimate = SendEstimate::new(Bounds::default(), start);
    let arrival = |sequence| Arrival {
        sequence,
        ticks: Some(4),
    };
    feed(&mut estimate, &[arrival(7)], start);
    assert_eq!((estimate.bitrate(), estimate.basis()), (None, Basis::None));
    estimate.sent(7, 1000, start);
    feed(&mut estimate, &[arrival(8)], start);
    assert_eq!(estimate.bitrate(), None);
    feed(&mut estimate, &[arrival(7)], start);
    assert_eq!(estimate.basis(), Basis::Feedback);
}

#[test]
fn any_feedback_leaves_the_estimate_within_its_bounds() {
    let bounds = Bounds::default();
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let start = Instant::now();
        let mut estimate = SendEstimate::new(bounds, start);
        estimate.demand(20_000_000);
        let (mut sequence, mut ticks) = (random.bits() as u16, random.bits() as u32);
        for ms in 0..20_000 {
            let now = start + ms * MILLISECOND;
            estimate.sent(sequence, 1 + random.below(1400), now);
            sequence = sequence.wrapping_add(1 + u16::from(random.chance(0.01)) * 3000);
            if ms % 50 == 0 {
                estimate.advance(now);
                ticks = ticks.wrapping_add(random.bits() as u32 >> random.below(32));
                let base = sequence.wrapping_sub(random.below(90) as u16);
                let mut at = i64::from(ticks & 0x3fff_ffff);
                let arrivals: Vec<_> = (0..random.below(90) as u16)
                    .map(|i| {
                        at += random.below(3000) as i64 - 1000;
                        Arrival {
                            sequence: base.wrapping_add(i),
                            ticks: (!random.chance(0.3)).then_some(at.max(0)),
                        }
                    })
                    .collect();
                feed(&mut estimate, &arrivals, now);
            }
            assert!(estimate.padding(now) < 200_000);
            if let Some(bitrate) = estimate.bitrate() {
                assert!(
                    (bounds.floor..=bounds.ceiling).contains(&bitrate),
                    "{bitrate}"
                );
            }
        }
    }
}

#[test]
fn a_receiver_without_feedback_names_a_bitrate_or_is_judged_by_its_loss() {
    let start = Instant::now();
    let mut estimate = SendEstimate::new(Bounds::default(), start);
    let report = |estimate: &mut SendEstimate, fraction, second| {
        estimate.loss_reported(fraction, 2_000_000, start + second * Duration::from_secs(1));
    };
    report(&mut estimate, 0, 0);
    report(&mut estimate, 0, 1);
    assert_eq!(estimate.bitrate(), None, "nothing is wrong");
    report(&mut estimate, 64, 2);
    report(&mut estimate, 0, 3);
    assert_eq!(
        estimate.bitrate(),
        Some(1_750_000 * 108 / 100),
        "then it grows again"
    );
    let later = start + 4 * Duration::from_secs(1);
    estimate.named(700_000, 2_000_000, later);
    assert_eq!(estimate.bitrate(), Some(700_000));
    report(&mut estimate, 128, 4);
    report(&mut estimate, 128, 5);
    assert_eq!(
        estimate.bitrate(),
        Some(700_000),
        "the receiver knows better"
    );
    estimate.named(300_000, 200_000, later);
    assert_eq!(estimate.bitrate(), Some(700_000), "more than it is sent");
    estimate.demand(2_000_000);
    estimate.advance(later + Duration::from_secs(1));
    assert_eq!(estimate.bitrate(), Some(756_000), "more is tried with care");
    estimate.named(u64::MAX, 0, later);
    assert_eq!(estimate.bitrate(), Some(Bounds::default().ceiling));
}
