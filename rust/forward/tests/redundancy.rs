//! Redundant audio (RFC 2198) reaches those who take it, and is taken off for those who do not.

mod support;

use meeting_forward::SinkConfig;
use meeting_rtp::red;
use std::time::{Duration, Instant};
use support::{Media, OPUS, OUT_OPUS, OUT_RED, RED, Subscriber, audio_config, audio_source};

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
