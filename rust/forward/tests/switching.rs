//! A Sink fed from one Source after another: one stream to its subscriber.

mod support;

use meeting_forward::Source;
use meeting_rtp::codec::vp8::Descriptor;
use meeting_rtp::rtcp::SenderInfo;
use meeting_rtp::{Extension, NtpTime};
use std::time::{Duration, Instant};
use support::*;

fn picture_id(sent: &Sent) -> u16 {
    Descriptor::parse(sent.payload())
        .unwrap()
        .picture_id
        .unwrap()
        .value
}

fn at(media: Media, ssrc: u32) -> Media {
    Media { ssrc, ..media }
}

/// A Sink on which packets 10 and 11 of Source 1 have been sent.
fn flowing(now: Instant) -> (Subscriber, Source, Vec<Sent>) {
    let (mut to, mut low) = (Subscriber::new(video_config()), source(1));
    to.sink.feed(Some(1));
    let mut sent = vec![
        to.pass(&mut low, &Media::video(10).key_frame(), now)
            .unwrap(),
    ];
    sent.push(
        to.pass(
            &mut low,
            &Media::video(11).delta_frame(),
            now + 33 * MILLISECOND,
        )
        .unwrap(),
    );
    (to, low, sent)
}

#[test]
fn video_begins_at_a_key_frame_which_is_asked_for() {
    let now = Instant::now();
    let (mut to, mut from) = (Subscriber::new(video_config()), source(1));
    assert_eq!(
        to.pass(&mut from, &Media::video(1).key_frame(), now),
        None,
        "fed by nothing"
    );
    to.sink.feed(Some(1));
    assert_eq!(to.sink.take_key_frame_request(), Some(1));
    assert_eq!(to.sink.take_key_frame_request(), None, "once");
    assert_eq!(
        to.pass(&mut from, &Media::video(2).delta_frame(), now),
        None
    );
    assert_eq!(to.sink.flowing(), None);
    let first = to
        .pass(&mut from, &Media::video(3).key_frame(), now)
        .unwrap();
    assert_eq!(
        (first.header.ssrc, first.header.payload_type, first.index),
        (SINK_SSRC, OUT_VP8, 1)
    );
    assert_eq!(to.sink.flowing(), Some(1));
    assert_eq!(
        to.pass(&mut from, &Media::video(4).delta_frame(), now)
            .unwrap()
            .index,
        2
    );
}

#[test]
fn audio_begins_at_once_and_asks_for_nothing() {
    let now = Instant::now();
    let (mut to, mut from) = (Subscriber::new(audio_config()), audio_source(1));
    to.sink.feed(Some(1));
    assert_eq!(to.sink.take_key_frame_request(), None);
    let first = to
        .pass(&mut from, &Media::audio(7).with(b"opus"), now)
        .unwrap();
    assert_eq!(
        (first.payload(), first.header.payload_type),
        (&b"opus"[..], OUT_OPUS)
    );
    to.sink.key_frame_requested();
    assert_eq!(to.sink.take_key_frame_request(), None);
}

#[test]
fn a_switch_waits_for_the_other_layers_key_frame_while_the_old_one_flows_on() {
    let now = Instant::now();
    let (mut to, mut low, sent) = flowing(now);
    let mut high = source(2);
    to.sink.feed(Some(2));
    assert_eq!(to.sink.take_key_frame_request(), Some(2));
    let media = |sequence| at(Media::video(sequence), 0x300);
    assert_eq!(to.pass(&mut high, &media(500).delta_frame(), now), None);
    let still = to
        .pass(
            &mut low,
            &Media::video(12).delta_frame(),
            now + 66 * MILLISECOND,
        )
        .unwrap();
    assert_eq!(still.index, 3);
    let later = now + 100 * MILLISECOND;
    let first = to.pass(&mut high, &media(501).key_frame(), later).unwrap();
    assert_eq!(first.index, 4);
    assert_eq!(to.sink.flowing(), Some(2));
    assert_eq!(
        to.pass(&mut low, &Media::video(13).delta_frame(), later),
        None,
        "the old layer is cut off"
    );
    let second = to
        .pass(&mut high, &media(502).delta_frame(), later)
        .unwrap();
    assert_eq!(second.index, 5);
    // picture ids: 10, 11, 12 of the one, then 501, 502 of the other
    let ids: Vec<u16> = [&sent[0], &sent[1], &still, &first, &second]
        .map(picture_id)
        .into();
    assert_eq!(ids, [10, 11, 12, 13, 14]);
    // without sender reports the timestamp advances by the time that passed: 34 ms
    assert_eq!(
        first.header.timestamp.wrapping_sub(still.header.timestamp),
        90 * 34
    );
    assert_eq!(
        second.header.timestamp.wrapping_sub(first.header.timestamp),
        3000
    );
}

#[test]
fn timestamps_follow_the_publishers_clock_where_sender_reports_tell_it() {
    let now = Instant::now();
    let (mut low, mut high) = (source(1), source(2));
    // at one moment the low layer's clock stands at 30 000, the high one's at 1 000 000
    let report = |rtp| SenderInfo::new(NtpTime(77 << 32), rtp, 0, 0);
    low.sender_report(&report(30_000), now);
    high.sender_report(&report(1_000_000), now);
    let mut to = Subscriber::new(video_config());
    to.sink.feed(Some(1));
    let key = |sequence, timestamp, ssrc| {
        Media {
            timestamp,
            ssrc,
            ..Media::video(sequence)
        }
        .key_frame()
    };
    let first = to.pass(&mut low, &key(1, 30_000, 0x100), now).unwrap();
    to.sink.feed(Some(2));
    // captured 40 ms after the first, delivered 300 ms after it: the capture time counts
    let second = to
        .pass(
            &mut high,
            &key(900, 1_003_600, 0x300),
            now + 300 * MILLISECOND,
        )
        .unwrap();
    assert_eq!(
        second.header.timestamp.wrapping_sub(first.header.timestamp),
        3600
    );
    // and back, to a frame captured before the last one sent: still later, by a millisecond
    to.sink.feed(Some(1));
    let third = to
        .pass(&mut low, &key(2, 30_900, 0x100), now + 310 * MILLISECOND)
        .unwrap();
    assert_eq!(
        third.header.timestamp.wrapping_sub(second.header.timestamp),
        90
    );
    // which is not carried on for ever
    to.sink.feed(Some(2));
    let fourth = to
        .pass(
            &mut high,
            &key(901, 1_009_000, 0x300),
            now + 400 * MILLISECOND,
        )
        .unwrap();
    assert_eq!(
        fourth.header.timestamp.wrapping_sub(first.header.timestamp),
        9000
    );
}

#[test]
fn a_pause_stops_at_once_and_resumes_without_a_gap() {
    let now = Instant::now();
    let (mut to, mut from, sent) = flowing(now);
    to.sink.feed(None);
    assert_eq!(to.sink.flowing(), None);
    assert_eq!(to.pass(&mut from, &Media::video(12).key_frame(), now), None);
    to.sink.feed(Some(1));
    assert_eq!(to.sink.take_key_frame_request(), Some(1));
    assert_eq!(
        to.pass(&mut from, &Media::video(13).delta_frame(), now),
        None
    );
    let later = now + Duration::from_secs(60);
    let resumed = to
        .pass(&mut from, &Media::video(14).key_frame(), later)
        .unwrap();
    assert_eq!(resumed.index, sent[1].index + 1);
    assert!(
        resumed
            .header
            .timestamp
            .wrapping_sub(sent[1].header.timestamp)
            .cast_signed()
            > 90 * 50_000
    );
}

#[test]
fn taking_a_switch_back_changes_nothing() {
    let now = Instant::now();
    let (mut to, mut from, _) = flowing(now);
    to.sink.feed(Some(2));
    to.sink.feed(Some(1));
    assert_eq!(to.sink.take_key_frame_request(), None);
    assert_eq!(
        to.pass(&mut from, &Media::video(12).delta_frame(), now)
            .unwrap()
            .index,
        3
    );
}

#[test]
fn probes_and_unknown_payload_types_leave_no_gap() {
    let now = Instant::now();
    let (mut to, mut from, _) = flowing(now);
    assert_eq!(to.pass(&mut from, &Media::video(12).probe(), now), None);
    assert_eq!(to.pass(&mut from, &Media::video(13).probe(), now), None);
    let next = to
        .pass(&mut from, &Media::video(14).delta_frame(), now)
        .unwrap();
    assert_eq!(next.index, 3);
    let unknown = Media {
        payload_type: OPUS,
        ..Media::video(15)
    };
    assert_eq!(to.pass(&mut from, &unknown.with(b"x"), now), None);
    assert_eq!(
        to.pass(&mut from, &Media::video(16).delta_frame(), now)
            .unwrap()
            .index,
        4
    );
    assert_eq!(to.sink.statistics().left_out, 3);
    // 14 was forwarded as 3: a late packet from before the probes still has its place
    assert_eq!(picture_id(&next), 14);
}

#[test]
fn reordered_packets_keep_their_places_around_a_probe() {
    let now = Instant::now();
    let (mut to, mut from, _) = flowing(now);
    // 12 is late, 13 a probe, 14 comes first
    assert_eq!(to.pass(&mut from, &Media::video(13).probe(), now), None);
    assert_eq!(
        to.pass(&mut from, &Media::video(14).delta_frame(), now)
            .unwrap()
            .index,
        4
    );
    assert_eq!(
        to.pass(&mut from, &Media::video(12).delta_frame(), now)
            .unwrap()
            .index,
        3
    );
    // a probe that comes too late to be left out is sent as an empty packet
    assert_eq!(
        to.pass(&mut from, &Media::video(16).delta_frame(), now)
            .unwrap()
            .index,
        6
    );
    let late = to.pass(&mut from, &Media::video(15).probe(), now).unwrap();
    assert_eq!(
        (late.index, late.payload(), late.header.padded),
        (5, &b""[..], false)
    );
}

#[test]
fn a_late_packet_of_the_old_layer_still_arrives_and_a_newer_one_does_not() {
    let now = Instant::now();
    let (mut to, mut low, _) = flowing(now);
    assert_eq!(
        to.pass(&mut low, &Media::video(13).delta_frame(), now)
            .unwrap()
            .index,
        4
    );
    let mut high = source(2);
    to.sink.feed(Some(2));
    let key = at(Media::video(700), 0x300).key_frame();
    assert_eq!(to.pass(&mut high, &key, now).unwrap().index, 5);
    assert_eq!(
        to.pass(&mut low, &Media::video(12).delta_frame(), now)
            .unwrap()
            .index,
        3
    );
    assert_eq!(
        to.pass(&mut low, &Media::video(14).delta_frame(), now),
        None
    );
}

#[test]
fn a_publisher_that_begins_anew_is_followed_at_its_key_frame() {
    let now = Instant::now();
    let (mut to, mut from, _) = flowing(now);
    let media = |sequence| at(Media::video(sequence), 0x900);
    assert_eq!(to.pass(&mut from, &media(5).delta_frame(), now), None);
    assert_eq!(to.sink.take_key_frame_request(), Some(1));
    assert_eq!(
        to.pass(&mut from, &media(6).key_frame(), now)
            .unwrap()
            .index,
        3
    );
    assert_eq!(from.ssrc(), Some(0x900));
}

#[test]
fn a_leap_of_the_sequence_numbers_is_believed_the_second_time() {
    let now = Instant::now();
    let (mut to, mut from, _) = flowing(now);
    assert_eq!(
        to.pass(&mut from, &Media::video(30_000).key_frame(), now),
        None
    );
    assert_eq!(
        to.pass(&mut from, &Media::video(12).delta_frame(), now)
            .unwrap()
            .index,
        3
    );
    assert_eq!(
        to.pass(&mut from, &Media::video(40_000).delta_frame(), now),
        None
    );
    assert_eq!(
        to.pass(&mut from, &Media::video(40_001).key_frame(), now)
            .unwrap()
            .index,
        4
    );
}

#[test]
fn the_hops_own_extensions_are_made_and_the_publishers_passed_on() {
    let now = Instant::now();
    let (mut to, mut from) = (Subscriber::new(video_config()), source(1));
    to.sink.feed(Some(1));
    let descriptor = [7; 30];
    let elements: [(u8, &[u8]); 6] = [
        (1, &[0x85]),
        (2, &[9; 3]),
        (3, &[9; 2]),
        (4, b"pub"),
        (13, &[2]),
        (12, &descriptor),
    ];
    to.departure.at(NtpTime(3 << 32));
    let av1 = Media {
        payload_type: AV1,
        ..Media::video(1)
    };
    let first = to
        .pass(&mut from, &av1.extended(&elements, &[0x18, 1]), now)
        .unwrap();
    assert_eq!(first.value(Extension::Mid), Some(&b"3"[..]));
    assert_eq!(first.value(Extension::AudioLevel), Some(&[0x85][..]));
    assert_eq!(first.value(Extension::AbsSendTime), Some(&[0x0c, 0, 0][..]));
    assert_eq!(first.value(Extension::TransportCc), Some(&[0, 0][..]));
    assert_eq!(first.value(Extension::VideoOrientation), Some(&[2][..]));
    assert_eq!(
        first.value(Extension::DependencyDescriptor),
        Some(&descriptor[..]),
        "in the two-byte form"
    );
    let plain = [(12, &descriptor[..])];
    let vp8 = Media::video(2).extended(&plain, &vp8(2, false, b""));
    let second = to.pass(&mut from, &vp8, now).unwrap();
    let described = second.value(Extension::DependencyDescriptor);
    assert_eq!(described, None, "VP8 says it all in its payload");
    assert_eq!(second.value(Extension::TransportCc), Some(&[0, 1][..]));
    assert_eq!(second.value(Extension::VideoOrientation), None);
    assert_eq!(to.departure.transport_sequence(), 2);
}

#[test]
fn without_mixed_forms_a_long_descriptor_is_left_out() {
    let now = Instant::now();
    let config = meeting_forward::SinkConfig {
        mixed_extensions: false,
        ..video_config()
    };
    let (mut to, mut from) = (Subscriber::new(config), source(1));
    to.sink.feed(Some(1));
    let av1 = Media {
        payload_type: AV1,
        ..Media::video(1)
    };
    let packet = av1.extended(&[(12, &[7; 30])], &[0x18, 1]);
    let sent = to.pass(&mut from, &packet, now).unwrap();
    assert_eq!(sent.value(Extension::DependencyDescriptor), None);
    assert_eq!(sent.value(Extension::Mid), Some(&b"3"[..]));
}
