//! Answering a subscriber's NACK.

mod support;

use meeting_forward::{Kind, LOSSY, SinkConfig, Source, SourceConfig};
use meeting_rtp::rtcp::{Builder, ReportBlock};
use meeting_rtp::rtcp::{Packet, SenderInfo, packets};
use meeting_rtp::{Extension, NtpTime};
use std::time::{Duration, Instant};
use support::*;

/// A Sink to which packets 10 to 19 of `source` were sent as 1 to 10.
fn sent(config: SinkConfig, source: &mut Source, now: Instant) -> (Subscriber, Vec<Sent>) {
    let mut to = Subscriber::new(config);
    to.sink.feed(Some(1));
    let packet = |sequence: u16| match source.kind() {
        Kind::Video if sequence == 10 => Media::video(sequence).key_frame(),
        Kind::Video => Media::video(sequence).delta_frame(),
        Kind::Audio => Media::audio(sequence).with(&sequence.to_be_bytes()),
    };
    let packets: Vec<_> = (10..20).map(packet).collect();
    let sent = packets.iter().map(|packet| {
        to.departure
            .at(NtpTime((now.elapsed().as_nanos() as u64) << 20));
        to.pass(source, packet, now).unwrap()
    });
    let sent = sent.collect();
    (to, sent)
}

#[test]
fn a_lost_packet_comes_again_as_rtx() {
    let (now, mut source) = (Instant::now(), source(1));
    let (mut to, sent) = sent(video_config(), &mut source, now);
    let again = to.nack(&[&source], &[3, 5], now);
    assert_eq!(again.len(), 2);
    for (number, (again, original)) in again.iter().zip([&sent[2], &sent[4]]).enumerate() {
        assert_eq!(
            (again.header.ssrc, again.header.payload_type),
            (SINK_RTX_SSRC, OUT_RTX)
        );
        assert_eq!(again.index, number as u64 + 1);
        assert_eq!(again.header.timestamp, original.header.timestamp);
        assert_eq!(again.header.marker, original.header.marker);
        assert_eq!(again.payload()[..2], original.header.sequence.to_be_bytes());
        assert_eq!(&again.payload()[2..], original.payload());
        assert_eq!(again.value(Extension::Mid), Some(&b"3"[..]));
    }
    assert_eq!(
        again[1].value(Extension::TransportCc),
        Some(&[0, 11][..]),
        "it counts on the Link"
    );
    assert_eq!(to.sink.statistics().resent, 2);
}

/// RFC 7714 §8.1: one index, one packet. Else the key that authenticates could be computed.
#[test]
fn without_rtx_a_packet_comes_again_the_same_to_the_byte() {
    let (now, mut source) = (Instant::now(), audio_source(1));
    let (mut to, sent) = sent(audio_config(), &mut source, now);
    to.departure.at(NtpTime(u64::MAX / 3));
    let again = to.nack(&[&source], &[2, 3, 10], now + 5 * MILLISECOND);
    assert_eq!(again, [sent[1].clone(), sent[2].clone(), sent[9].clone()]);
    assert_eq!(
        to.departure.transport_sequence(),
        10,
        "no new number was taken"
    );
}

#[test]
fn without_rtx_a_packet_whose_stamp_is_forgotten_is_not_sent_again() {
    let (now, mut source) = (Instant::now(), audio_source(1));
    let (mut to, _) = sent(audio_config(), &mut source, now);
    for sequence in 20..700 {
        to.pass(&mut source, &Media::audio(sequence).with(b"x"), now)
            .unwrap();
    }
    assert_eq!(to.nack(&[&source], &[5], now), []);
    assert_eq!(to.sink.statistics().unavailable, 1);
    assert_eq!(to.nack(&[&source], &[600], now).len(), 1);
}

#[test]
fn a_request_is_refused_only_while_the_resend_is_on_its_way() {
    let (now, mut source) = (Instant::now(), source(1));
    let (mut to, _) = sent(video_config(), &mut source, now);
    assert_eq!(to.nack(&[&source], &[3, 3, 3], now).len(), 1);
    assert_eq!(to.nack(&[&source], &[3], now + 49 * MILLISECOND).len(), 0);
    assert_eq!(to.nack(&[&source], &[3], now + 51 * MILLISECOND).len(), 1);
}

#[test]
fn what_the_history_got_late_is_sent_when_it_is_asked_for_again() {
    let (now, mut source) = (Instant::now(), source(1));
    let mut to = Subscriber::new(video_config());
    to.sink.feed(Some(1));
    to.pass(&mut source, &Media::video(1).key_frame(), now);
    to.pass(&mut source, &Media::video(3).delta_frame(), now);
    assert_eq!(to.nack(&[&source], &[2], now), []);
    to.pass(&mut source, &Media::video(2).delta_frame(), now);
    assert_eq!(to.nack(&[&source], &[2], now + MILLISECOND).len(), 1);
}

#[test]
fn over_a_lossy_path_a_resend_goes_out_twice_a_moment_apart() {
    let (now, mut source) = (Instant::now(), source(1));
    let (mut to, _) = sent(video_config(), &mut source, now);
    let report = |fraction_lost| ReportBlock {
        ssrc: SINK_SSRC,
        fraction_lost,
        ..ReportBlock::default()
    };
    to.sink.report_block(&report(LOSSY - 1), now);
    to.nack(&[&source], &[3], now);
    assert_eq!(to.sink.resend_deadline(), None);
    to.sink.report_block(&report(LOSSY), now);
    let first = to.nack(&[&source], &[4], now);
    let due = to.sink.resend_deadline().unwrap();
    assert!((10..=20).contains(&(due - now).as_millis()));
    assert_eq!(to.nack(&[&source], &[], due - MILLISECOND), []);
    let second = to.nack(&[&source], &[], due);
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_eq!(first[0].payload(), second[0].payload());
    assert_ne!(
        first[0].index, second[0].index,
        "two packets of the RTX stream"
    );
    assert_eq!(to.sink.resend_deadline(), None);
    // one bad second is believed at once, and takes some good ones to be forgotten
    for _ in 0..8 {
        to.sink.report_block(&report(0), now);
    }
    to.nack(&[&source], &[5], now);
    assert_eq!(to.sink.resend_deadline(), None);
}

#[test]
fn the_round_trip_is_measured_from_the_subscribers_reports() {
    let (now, mut source) = (Instant::now(), source(1));
    source.sender_report(&SenderInfo::new(NtpTime(5 << 32), 0, 0, 0), now);
    let (mut to, _) = sent(video_config(), &mut source, now);
    let mut bytes = [0; 100];
    let mut builder = Builder::new(&mut bytes);
    to.sink.write_report(now, &mut builder);
    let Some(Ok(Packet::SenderReport { info, .. })) = packets(builder.as_bytes()).next() else {
        panic!()
    };
    let block = ReportBlock {
        ssrc: SINK_SSRC,
        fraction_lost: 5,
        last_sender_report: info.ntp.middle(),
        delay_since: 65_536 / 2,
        ..ReportBlock::default()
    };
    to.sink.report_block(&block, now + 530 * MILLISECOND);
    let statistics = to.sink.statistics();
    assert_eq!(
        (statistics.round_trip, statistics.fraction_lost),
        (Some(30 * MILLISECOND), 5)
    );
    assert_eq!(to.nack(&[&source], &[3], now).len(), 1);
    assert_eq!(to.nack(&[&source], &[3], now + 14 * MILLISECOND).len(), 0);
    assert_eq!(to.nack(&[&source], &[3], now + 16 * MILLISECOND).len(), 1);
}

#[test]
fn what_was_never_sent_is_not_answered() {
    let (now, mut source) = (Instant::now(), source(1));
    let (mut to, _) = sent(video_config(), &mut source, now);
    assert_eq!(to.nack(&[&source], &[0, 11, 500, 40_000, 65_535], now), []);
}

#[test]
fn repairs_reach_back_over_a_switch_and_into_gaps() {
    let now = Instant::now();
    let (mut low, mut high) = (source(1), source(2));
    let mut to = Subscriber::new(video_config());
    to.sink.feed(Some(1));
    let pass =
        |to: &mut Subscriber, from: &mut Source, packet: Vec<u8>| to.pass(from, &packet, now);
    pass(&mut to, &mut low, Media::video(1).key_frame());
    pass(&mut to, &mut low, Media::video(4).delta_frame()); // 2 and 3 are missing
    to.sink.feed(Some(2));
    let other = |sequence| Media {
        ssrc: 0x300,
        ..Media::video(sequence)
    };
    let switched = pass(&mut to, &mut high, other(77).key_frame()).unwrap();
    assert_eq!(switched.index, 5);
    let original = |sent: &Sent| u16::from_be_bytes([sent.payload()[0], sent.payload()[1]]);
    // 2 is missing here too; then it comes, too late for the Sink's own order but in time to be asked for
    assert_eq!(to.nack(&[&low, &high], &[2], now), []);
    receive(&mut low, &Media::video(2).delta_frame(), now, |_| ());
    let later = now + 200 * MILLISECOND;
    let again = to.nack(&[&low, &high], &[1, 2, 4, 5], later);
    assert_eq!(again.iter().map(original).collect::<Vec<_>>(), [1, 2, 4, 5]);
    assert_eq!(
        &again[3].payload()[2..],
        switched.payload(),
        "picture ids as they were sent"
    );
    // a Source that is closed has no history
    assert_eq!(to.nack(&[&high], &[1], later + Duration::from_secs(1)), []);
}

#[test]
fn the_history_keeps_a_second_whatever_the_bitrate() {
    let start = Instant::now();
    for (packets_a_second, size) in [(50u32, 80), (300, 1100), (3000, 1100)] {
        let mut source = audio_source(1);
        let mut count = 0u32;
        for number in 0..packets_a_second * 3 {
            let now = start + Duration::from_secs(1) * number / packets_a_second;
            receive(
                &mut source,
                &Media::audio(number as u16).with(&vec![1; size]),
                now,
                |_| (),
            )
            .unwrap();
            count = number;
        }
        let kept = (0..=u64::from(count))
            .filter(|back| {
                source
                    .history()
                    .get(0x1_0000 + u64::from(count) - back)
                    .is_some()
            })
            .count();
        assert!(
            kept >= packets_a_second as usize * 9 / 10,
            "{packets_a_second}: {kept}"
        );
        let second = packets_a_second as usize * (size + 12);
        assert!(
            source.history().bytes() <= second * 5 / 4 + 3 * 16 * 1024,
            "{} for {second}",
            source.history().bytes()
        );
    }
}

#[test]
fn the_history_is_bounded_and_gives_back() {
    let start = Instant::now();
    let config = SourceConfig {
        most_bytes: 256 * 1024,
        ..SourceConfig::new(1, Kind::Audio, 1)
    };
    let mut source = Source::new(config, reception());
    for number in 0..2000u16 {
        receive(
            &mut source,
            &Media::audio(number).with(&[1; 1100]),
            start,
            |_| (),
        )
        .unwrap();
    }
    assert!(source.history().bytes() <= 256 * 1024);
    assert!(source.history().get(0x1_0000 + 1999).is_some());
    assert!(source.history().get(0x1_0000 + 1000).is_none());
    for number in 2000..2100u16 {
        let now = start + Duration::from_secs(2) + 20 * MILLISECOND * u32::from(number - 2000);
        receive(
            &mut source,
            &Media::audio(number).with(&[1; 200]),
            now,
            |_| (),
        )
        .unwrap();
    }
    assert!(
        source.history().bytes() <= 4 * 16 * 1024,
        "{}",
        source.history().bytes()
    );
}
