//! Redundant audio (RFC 2198) reaches those who take it, and is taken off for those who do not.

mod support;

use meeting_forward::{LOSSY, SinkConfig};
use meeting_rtp::red;
use meeting_rtp::rtcp::ReportBlock;
use std::time::{Duration, Instant};
use support::{Media, OPUS, OUT_OPUS, OUT_RED, RED, Sent, Subscriber, audio_config, audio_source};

/// A packet that repeats the one before it.
fn redundant(sequence: u16, before: &[u8], newest: &[u8]) -> Vec<u8> {
    let mut payload = vec![0x80 | OPUS];
    payload.extend_from_slice(&(960 << 10 | before.len() as u32).to_be_bytes()[1..]);
    payload.push(OPUS);
    payload.extend_from_slice(before);
    payload.extend_from_slice(newest);
    Media {
        payload_type: RED,
        ..Media::audio(sequence)
    }
    .with(&payload)
}

fn subscriber(payload_types: &[(u8, u8)]) -> Subscriber {
    let mut subscriber = Subscriber::new(SinkConfig {
        payload_types: payload_types.to_vec(),
        ..audio_config()
    });
    subscriber.sink.feed(Some(1));
    subscriber
}

#[test]
fn who_takes_it_gets_it_whole_under_their_own_types() {
    let (mut source, now) = (audio_source(1), Instant::now());
    let mut subscriber = subscriber(&[(OPUS, OUT_OPUS), (RED, OUT_RED)]);
    let sent = subscriber
        .pass(&mut source, &redundant(7, b"before", b"newest"), now)
        .unwrap();
    assert_eq!(sent.header.payload_type, OUT_RED);
    assert_eq!(red::primary(sent.payload()), Ok((OUT_OPUS, &b"newest"[..])));
    assert_eq!(sent.payload()[0], 0x80 | OUT_OPUS);
    assert!(sent.payload().ends_with(b"beforenewest"));
}

#[test]
fn who_does_not_gets_the_newest_alone() {
    let (mut source, now) = (audio_source(1), Instant::now());
    let mut subscriber = subscriber(&[(OPUS, OUT_OPUS), (RED, OUT_OPUS)]);
    let sent = subscriber
        .pass(&mut source, &redundant(7, b"before", b"newest"), now)
        .unwrap();
    assert_eq!(sent.header.payload_type, OUT_OPUS);
    assert_eq!(sent.payload(), b"newest");
    let plain = Media::audio(8).with(b"without");
    let sent = subscriber.pass(&mut source, &plain, now).unwrap();
    assert_eq!(sent.payload(), b"without");
}

#[test]
fn sent_again_it_is_the_same_to_the_byte() {
    for types in [
        [(OPUS, OUT_OPUS), (RED, OUT_RED)],
        [(OPUS, OUT_OPUS), (RED, OUT_OPUS)],
    ] {
        let (mut source, now) = (audio_source(1), Instant::now());
        let mut subscriber = subscriber(&types);
        let packet = redundant(7, b"before", b"newest");
        let sent = subscriber.pass(&mut source, &packet, now).unwrap();
        let later = now + Duration::from_millis(200);
        let again = subscriber.nack(&[&source], &[sent.header.sequence], later);
        assert_eq!(again, [sent]);
    }
}

/// Blocks as (ticks behind the packet, payload).
fn blocks(sent: &Sent) -> Vec<(u16, Vec<u8>)> {
    red::blocks(sent.payload())
        .map(Result::unwrap)
        .inspect(|block| assert_eq!(block.payload_type, OUT_OPUS))
        .map(|block| (block.timestamp_offset, block.payload.to_vec()))
        .collect()
}

fn report_loss(subscriber: &mut Subscriber, fraction_lost: u8, now: Instant) {
    let block = ReportBlock {
        ssrc: subscriber.sink.ssrc(),
        fraction_lost,
        cumulative_lost: 0,
        highest_sequence: 0,
        jitter: 0,
        last_sender_report: 0,
        delay_since: 0,
    };
    subscriber.sink.report_block(&block, now);
}

#[test]
fn over_a_lossy_path_two_packets_are_repeated() {
    let (mut source, now) = (audio_source(1), Instant::now());
    let mut subscriber = subscriber(&[(OPUS, OUT_OPUS), (RED, OUT_RED)]);
    let mut pass = |subscriber: &mut Subscriber, sequence, before: &[u8], newest: &[u8]| {
        subscriber
            .pass(&mut source, &redundant(sequence, before, newest), now)
            .unwrap()
    };
    let sent = pass(&mut subscriber, 7, b"6", b"7");
    assert_eq!(blocks(&sent).len(), 2);
    report_loss(&mut subscriber, LOSSY, now);
    let sent = pass(&mut subscriber, 8, b"7", b"8");
    assert_eq!(blocks(&sent), [(960, b"7".into()), (0, b"8".into())]);
    let sent = pass(&mut subscriber, 9, b"8", b"9");
    let two = [(1920, b"7".into()), (960, b"8".into()), (0, b"9".into())];
    assert_eq!(blocks(&sent), two);
    // 10 was lost on the way to us: 11 brings it
    let sent = pass(&mut subscriber, 11, b"10", b"11");
    let found = [(1920, b"9".into()), (960, b"10".into()), (0, b"11".into())];
    assert_eq!(blocks(&sent), found);
    // the path has become better
    for _ in 0..20 {
        report_loss(&mut subscriber, 0, now);
    }
    let sent = pass(&mut subscriber, 12, b"11", b"12");
    assert_eq!(blocks(&sent).len(), 2);
}

#[test]
fn what_was_repeated_is_sent_again_the_same_to_the_byte_or_not_at_all() {
    let (mut source, now) = (audio_source(1), Instant::now());
    let mut subscriber = subscriber(&[(OPUS, OUT_OPUS), (RED, OUT_RED)]);
    report_loss(&mut subscriber, 50, now);
    let sent: Vec<Sent> = (1..100)
        .map(|sequence| {
            let packet = redundant(
                sequence,
                &(sequence - 1).to_be_bytes(),
                &sequence.to_be_bytes(),
            );
            subscriber.pass(&mut source, &packet, now).unwrap()
        })
        .collect();
    let newest = sent.last().unwrap();
    let later = now + Duration::from_millis(200);
    let again = subscriber.nack(&[&source], &[newest.header.sequence], later);
    assert_eq!(again, std::slice::from_ref(newest));
    let oldest = &sent[0];
    let again = subscriber.nack(&[&source], &[oldest.header.sequence], later);
    assert_eq!(again, [], "it is not known any more how it went out");
}

#[test]
fn a_payload_too_long_to_repeat_goes_as_it_came() {
    let (mut source, now) = (audio_source(1), Instant::now());
    let mut subscriber = subscriber(&[(OPUS, OUT_OPUS), (RED, OUT_RED)]);
    report_loss(&mut subscriber, 50, now);
    for sequence in 1..5 {
        let packet = redundant(sequence, &[1; 500], &[2; 500]);
        let sent = subscriber.pass(&mut source, &packet, now).unwrap();
        assert_eq!(blocks(&sent).len(), 2);
    }
}

#[test]
fn what_cannot_be_read_is_left_out_and_the_next_goes_on() {
    let (mut source, now) = (audio_source(1), Instant::now());
    let mut subscriber = subscriber(&[(OPUS, OUT_OPUS), (RED, OUT_RED)]);
    let unknown = Media {
        payload_type: RED,
        ..Media::audio(7)
    };
    for payload in [&[0x80 | OPUS, 1][..], &[99, 1, 2]] {
        assert!(
            subscriber
                .pass(&mut source, &unknown.with(payload), now)
                .is_none()
        );
    }
    assert!(
        subscriber
            .pass(&mut source, &redundant(8, b"before", b"newest"), now)
            .is_some()
    );
}
