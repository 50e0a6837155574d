//! What a sender hears about its packets.

use meeting_bwe::{ArrivalRecorder, ReceiverEstimate};
use meeting_rtp::rtcp::{Builder, Packet, packets};
use std::time::{Duration, Instant};

const MILLISECOND: Duration = Duration::from_millis(1);

/// Sequence numbers and arrival times in ms of each message written at `now`.
fn messages(recorder: &mut ArrivalRecorder, now: Instant) -> Vec<Vec<(u16, Option<i64>)>> {
    let mut bytes = [0; 1200];
    let mut builder = Builder::new(&mut bytes);
    recorder.write_feedback(now, 1, &mut builder);
    let read = packets(builder.as_bytes()).map(|packet| {
        let Ok(Packet::TransportCc(feedback)) = packet else {
            panic!()
        };
        assert_eq!((feedback.sender, feedback.media), (1, 7));
        feedback
            .arrivals()
            .map(|arrival| (arrival.sequence, arrival.ticks.map(|ticks| ticks / 4)))
            .collect()
    });
    read.collect()
}

#[test]
fn arrivals_are_reported_every_100_ms_gaps_included() {
    let start = Instant::now();
    let mut recorder = ArrivalRecorder::new(start);
    assert_eq!(recorder.deadline(), None);
    for (sequence, at) in [(65_534, 10), (65_535, 11), (1, 30)] {
        recorder.arrived(sequence, 7, start + at * MILLISECOND);
    }
    assert_eq!(recorder.deadline(), Some(start + 110 * MILLISECOND));
    assert_eq!(messages(&mut recorder, start + 109 * MILLISECOND), [[]; 0]);
    let sent = messages(&mut recorder, start + 110 * MILLISECOND);
    assert_eq!(
        sent,
        [[
            (65_534, Some(10)),
            (65_535, Some(11)),
            (0, None),
            (1, Some(30))
        ]]
    );
    assert_eq!(recorder.deadline(), None, "nothing new");
    recorder.arrived(2, 7, start + 200 * MILLISECOND);
    assert_eq!(
        messages(&mut recorder, start + 300 * MILLISECOND),
        [[(2, Some(200))]]
    );
}

#[test]
fn a_late_packet_is_reported_with_what_followed_it() {
    let start = Instant::now();
    let mut recorder = ArrivalRecorder::new(start);
    recorder.arrived(1, 7, start);
    recorder.arrived(3, 7, start + MILLISECOND);
    messages(&mut recorder, start + 100 * MILLISECOND);
    recorder.arrived(2, 7, start + 110 * MILLISECOND);
    recorder.arrived(2, 7, start + 150 * MILLISECOND); // a duplicate
    let sent = messages(&mut recorder, start + 210 * MILLISECOND);
    assert_eq!(sent, [[(2, Some(110)), (3, Some(1))]]);
}

#[test]
fn many_packets_are_reported_sooner_and_each_once() {
    let start = Instant::now();
    let mut recorder = ArrivalRecorder::new(start);
    let mut reported = vec![];
    for number in 0..5000u32 {
        let now = start + MILLISECOND / 10 * number;
        if number % 10 != 3 {
            recorder.arrived(number as u16, 7, now);
        }
        if recorder.deadline().is_some_and(|due| due <= now) {
            reported.extend(messages(&mut recorder, now).concat());
        }
    }
    reported.extend(messages(&mut recorder, start + Duration::from_secs(2)).concat());
    let sequences: Vec<u16> = reported.iter().map(|(sequence, _)| *sequence).collect();
    assert_eq!(sequences, (0..5000).collect::<Vec<u16>>());
    assert!(
        reported
            .iter()
            .all(|(sequence, at)| at.is_some() == (sequence % 10 != 3))
    );
}

#[test]
fn what_does_not_fit_is_reported_next_time() {
    let start = Instant::now();
    let mut recorder = ArrivalRecorder::new(start);
    (0..150).for_each(|sequence| recorder.arrived(sequence, 7, start));
    let now = start + 100 * MILLISECOND;
    let mut bytes = [0; 20];
    let mut builder = Builder::new(&mut bytes);
    recorder.write_feedback(now, 1, &mut builder);
    assert!(builder.is_empty());
    assert_eq!(recorder.deadline(), Some(now));
    assert_eq!(messages(&mut recorder, now).concat().len(), 150);
}

#[test]
fn a_leap_of_the_numbers_is_not_reported_packet_by_packet() {
    let start = Instant::now();
    let mut recorder = ArrivalRecorder::new(start);
    recorder.arrived(0, 7, start);
    recorder.arrived(20_000, 7, start);
    let reported: usize = messages(&mut recorder, start + 100 * MILLISECOND)
        .iter()
        .map(Vec::len)
        .sum();
    assert!(reported <= 1024, "{reported}");
}

/// The bitrate named at `now`, if a message is due.
fn bitrate(estimate: &mut ReceiverEstimate, now: Instant) -> Option<(u64, Vec<u32>)> {
    let mut bytes = [0; 200];
    let mut builder = Builder::new(&mut bytes);
    estimate.write_feedback(now, 1, &mut builder);
    match packets(builder.as_bytes()).next()? {
        Ok(Packet::Remb(remb)) => Some((remb.bitrate, remb.ssrcs.iter().collect())),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_good_path_is_told_the_ceiling_at_once_and_every_second() {
    let start = Instant::now();
    let mut estimate = ReceiverEstimate::new(300_000, 8_000_000);
    assert_eq!(bitrate(&mut estimate, start), None, "nobody sends");
    estimate.received(7, 1000, start);
    estimate.received(8, 1000, start);
    assert_eq!(bitrate(&mut estimate, start), Some((8_000_000, vec![7, 8])));
    assert_eq!(bitrate(&mut estimate, start + 999 * MILLISECOND), None);
    assert_eq!(estimate.deadline(), Some(start + Duration::from_secs(1)));
    assert_eq!(
        bitrate(&mut estimate, start + Duration::from_secs(1)),
        Some((8_000_000, vec![7, 8]))
    );
}

#[test]
fn heavy_loss_lowers_it_to_what_arrives_and_it_recovers_gently() {
    let start = Instant::now();
    let mut estimate = ReceiverEstimate::new(300_000, 8_000_000);
    estimate.received(7, 0, start);
    bitrate(&mut estimate, start);
    estimate.received(7, 250_000, start + 500 * MILLISECOND); // 2 Mbit/s
    estimate.lost(51); // 20 %
    let second = |number| start + Duration::from_secs(number);
    assert_eq!(bitrate(&mut estimate, second(1)).unwrap().0, 1_800_000);
    estimate.lost(15); // 6 %: neither
    assert_eq!(bitrate(&mut estimate, second(2)).unwrap().0, 1_800_000);
    assert_eq!(bitrate(&mut estimate, second(3)).unwrap().0, 1_950_000);
    (4..40).for_each(|number| drop(bitrate(&mut estimate, second(number))));
    assert_eq!(estimate.bitrate(), 8_000_000);
    estimate.lost(255);
    bitrate(&mut estimate, second(40));
    assert_eq!(estimate.bitrate(), 300_000, "the floor");
}
