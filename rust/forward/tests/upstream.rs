//! What a Source tells its publisher, and what is heard of it.

mod support;

use meeting_forward::{CodecParameters, Kind, Reception, Source, SourceConfig, SourceEvent};
use meeting_rtp::rtcp::{Builder, Packet, ReportBlock, SenderInfo, packets};
use meeting_rtp::{Codec, NtpTime};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::*;

fn take(source: &mut Source, bytes: &[u8], now: Instant) -> bool {
    receive(source, bytes, now, |_| ()).is_some()
}

/// Runs `source` from `from` to `to` by its own deadlines; what it sent, and when.
fn run(source: &mut Source, from: Instant, to: Instant) -> Vec<(Duration, Vec<u8>)> {
    let mut sent = vec![];
    while let Some(due) = source.deadline().filter(|due| *due <= to) {
        while source.poll_event(due).is_some() {}
        let datagram = feedback(source, due);
        if !datagram.is_empty() {
            sent.push((due.saturating_duration_since(from), datagram));
        }
        assert!(
            sent.len() < 100 && source.deadline() != Some(due),
            "it must get on"
        );
    }
    sent
}

#[test]
fn a_gap_is_asked_for_after_a_moment_then_with_growing_pauses_then_given_up() {
    let (start, mut source) = (Instant::now(), source(1));
    take(&mut source, &Media::video(1).key_frame(), start);
    take(&mut source, &Media::video(4).delta_frame(), start);
    let sent = run(&mut source, start, start + Duration::from_secs(5));
    let asked: Vec<_> = sent
        .iter()
        .filter(|(_, datagram)| !nacked(datagram).is_empty())
        .collect();
    assert!(asked.iter().all(|(_, datagram)| nacked(datagram) == [2, 3]));
    let times: Vec<u128> = asked.iter().map(|(when, _)| when.as_millis()).collect();
    assert_eq!(
        times,
        [5, 105, 230, 386, 581, 825],
        "first after 5 ms; for a second"
    );
    assert_eq!(source.statistics().given_up, 2);
    assert_eq!(source.statistics().asked, 12);
}

#[test]
fn reordering_is_not_loss() {
    let (now, mut source) = (Instant::now(), source(1));
    take(&mut source, &Media::video(1).key_frame(), now);
    take(&mut source, &Media::video(3).delta_frame(), now);
    assert!(take(
        &mut source,
        &Media::video(2).delta_frame(),
        now + 4 * MILLISECOND
    ));
    let sent = run(&mut source, now, now + Duration::from_secs(3));
    assert!(sent.iter().all(|(_, datagram)| nacked(datagram).is_empty()));
}

#[test]
fn a_repair_is_handed_out_as_the_packet_it_repeats() {
    let (now, mut source) = (Instant::now(), source(1));
    let lost = Media::video(2).delta_frame();
    assert!(
        !take(&mut source, &rtx(1, 0x101, &lost), now),
        "nothing to repair yet"
    );
    take(&mut source, &Media::video(1).key_frame(), now);
    take(&mut source, &Media::video(3).delta_frame(), now);
    feedback(&mut source, now + 5 * MILLISECOND);
    let again = now + 45 * MILLISECOND;
    let restored = receive(&mut source, &rtx(7, 0x101, &lost), again, |packet| {
        assert_eq!(
            (packet.header.ssrc, packet.header.payload_type),
            (0x100, VP8)
        );
        packet.bytes.to_vec()
    });
    assert_eq!(restored, Some(lost.clone()));
    assert!(!take(&mut source, &rtx(8, 0x101, &lost), again), "once");
    assert!(
        !take(
            &mut source,
            &rtx(9, 0x101, &Media::video(9).with(b""))[..12],
            again
        ),
        "a probe"
    );
    assert_eq!(source.statistics().repaired, 1);
    assert_eq!(
        source.deadline(),
        Some(now + Duration::from_secs(1)),
        "only the report is due"
    );
}

#[test]
fn what_is_not_negotiated_is_not_asked_for() {
    let codec = CodecParameters {
        payload_type: VP8,
        codec: Some(Codec::Vp8),
        clock_rate: 90_000,
        rtx_payload_type: None,
        nack: false,
        pli: false,
    };
    let reception = Arc::new(Reception::new(publisher_extensions(), [codec]));
    let mut source = Source::new(SourceConfig::new(1, Kind::Video, 1), reception);
    let now = Instant::now();
    take(&mut source, &Media::video(1).key_frame(), now);
    take(&mut source, &Media::video(3).delta_frame(), now);
    source.request_key_frame(now);
    let sent = feedback(&mut source, now + 10 * MILLISECOND);
    assert!(
        matches!(packets(&sent).next(), Some(Ok(Packet::Fir(_)))),
        "FIR stands in for PLI"
    );
    assert_eq!(packets(&sent).count(), 1);
    assert!(!take(
        &mut source,
        &Media {
            payload_type: 50,
            ..Media::video(4)
        }
        .with(b"x"),
        now
    ));
}

#[test]
fn a_hole_too_large_to_repair_asks_for_a_key_frame() {
    let (now, mut source) = (Instant::now(), source(1));
    take(&mut source, &Media::video(1).key_frame(), now);
    take(&mut source, &Media::video(1000).delta_frame(), now);
    let sent = feedback(&mut source, now + 5 * MILLISECOND);
    assert_eq!((nacked(&sent).len(), picture_losses(&sent)), (0, 1));
}

#[test]
fn many_wishes_for_a_key_frame_are_one_request_each_half_second() {
    let (start, mut source) = (Instant::now(), source(1));
    take(&mut source, &Media::video(1).delta_frame(), start);
    let mut requests = vec![];
    for tick in 0..200u16 {
        let now = start + 10 * MILLISECOND * u32::from(tick);
        source.request_key_frame(now);
        if picture_losses(&feedback(&mut source, now)) > 0 {
            requests.push(tick);
            // the key frame comes 30 ms later, and new wishes right after it
        }
        let frame = Media::video(2 + tick);
        let key = requests.last().is_some_and(|sent| tick == sent + 3);
        take(
            &mut source,
            &if key {
                frame.key_frame()
            } else {
                frame.delta_frame()
            },
            now,
        );
    }
    assert_eq!(requests, [0, 50, 100, 150]);
}

#[test]
fn an_unanswered_request_is_repeated_while_packets_come() {
    let (start, mut source) = (Instant::now(), source(1));
    let mut requests = vec![];
    for tick in 0..1000u32 {
        let now = start + 10 * MILLISECOND * tick;
        if tick < 800 {
            take(&mut source, &Media::video(tick as u16).delta_frame(), now);
        }
        if tick == 0 {
            source.request_key_frame(now);
        }
        if picture_losses(&feedback(&mut source, now)) > 0 {
            requests.push(tick);
        }
    }
    assert_eq!(
        requests,
        [0, 50, 150, 350, 750],
        "then the publisher fell silent"
    );
    let now = start + Duration::from_secs(20);
    take(&mut source, &Media::video(5000).key_frame(), now);
    assert_eq!(
        picture_losses(&feedback(&mut source, now)),
        0,
        "a key frame came"
    );
}

fn report(datagram: &[u8]) -> Option<ReportBlock> {
    packets(datagram).find_map(|packet| match packet {
        Ok(Packet::ReceiverReport { ssrc: OURS, blocks }) => blocks.iter().next(),
        _ => None,
    })
}

#[test]
fn receiver_reports_say_what_rfc_3550_appendix_a_says() {
    let (start, mut source) = (Instant::now(), source(1));
    // 100 packets, every 20 ms, a quarter lost, then repaired: repair does not make a path look good
    for sequence in 0..100u16 {
        let now = start + 20 * MILLISECOND * u32::from(sequence);
        let media = Media {
            timestamp: 1800 * u32::from(sequence),
            ..Media::video(sequence.wrapping_add(65_500))
        };
        if sequence % 4 != 3 {
            take(&mut source, &media.delta_frame(), now);
        } else if sequence > 50 {
            take(
                &mut source,
                &rtx(sequence, 0x101, &media.delta_frame()),
                now,
            );
        }
    }
    source.sender_report(
        &SenderInfo::new(NtpTime(0x0001_0002_0003_0004), 0, 0, 0),
        start + Duration::from_secs(1),
    );
    let block = report(&feedback(&mut source, start + Duration::from_secs(2))).unwrap();
    assert_eq!(block.ssrc, 0x100);
    assert_eq!(block.cumulative_lost, 25);
    assert_eq!(block.fraction_lost, 64);
    assert_eq!(block.highest_sequence, 0x1_0000 + 65_500 + 99 - 0x1_0000);
    assert_eq!(block.jitter, 0, "a steady stream");
    assert_eq!(
        (block.last_sender_report, block.delay_since),
        (0x0002_0003, 65_536)
    );
    assert_eq!(source.statistics().fraction_lost, 64);
}

#[test]
fn reports_come_each_second_while_packets_do() {
    let (start, mut source) = (Instant::now(), source(1));
    let mut reports = 0;
    for tick in 0..500u32 {
        let now = start + 10 * MILLISECOND * tick;
        if tick < 300 {
            take(&mut source, &Media::video(tick as u16).delta_frame(), now);
        }
        reports += usize::from(report(&feedback(&mut source, now)).is_some());
    }
    assert_eq!(reports, 3);
}

#[test]
fn jitter_is_that_of_the_arrivals() {
    let (start, mut source) = (Instant::now(), source(1));
    for sequence in 0..500u16 {
        // every other packet 10 ms late: differences of 10 ms = 900 ticks
        let late = if sequence % 2 == 0 { 0 } else { 10 };
        let now = start + MILLISECOND * (20 * u32::from(sequence) + late);
        take(
            &mut source,
            &Media {
                timestamp: 1800 * u32::from(sequence),
                ..Media::video(sequence)
            }
            .delta_frame(),
            now,
        );
    }
    let block = report(&feedback(&mut source, start + Duration::from_secs(20))).unwrap();
    assert!((890..=900).contains(&block.jitter), "{}", block.jitter);
}

#[test]
fn a_source_starts_stops_and_starts_again() {
    let (start, mut video) = (Instant::now(), source(1));
    assert_eq!(video.poll_event(start), None);
    take(&mut video, &Media::video(1).delta_frame(), start);
    assert_eq!(
        video.poll_event(start),
        Some(SourceEvent::Started { ssrc: 0x100 })
    );
    assert_eq!(video.poll_event(start + 1900 * MILLISECOND), None);
    feedback(&mut video, start + Duration::from_secs(1));
    assert_eq!(video.deadline(), Some(start + Duration::from_secs(2)));
    assert_eq!(
        video.poll_event(start + Duration::from_secs(2)),
        Some(SourceEvent::Stopped)
    );
    assert_eq!(video.poll_event(start + Duration::from_secs(3)), None);
    take(
        &mut video,
        &Media::video(2).delta_frame(),
        start + Duration::from_secs(4),
    );
    let event = video.poll_event(start + Duration::from_secs(4));
    assert_eq!(event, Some(SourceEvent::Started { ssrc: 0x100 }));
    let mut audio = audio_source(2);
    take(&mut audio, &Media::audio(1).with(b"x"), start);
    audio.poll_event(start);
    assert_eq!(
        audio.poll_event(start + Duration::from_secs(60)),
        None,
        "silence is not the end of audio"
    );
}

#[test]
fn who_speaks_is_heard_and_a_click_is_not() {
    let (start, mut source) = (Instant::now(), audio_source(1));
    let mut sequence = 0;
    let mut say = |source: &mut Source, level: u8, now| {
        sequence += 1;
        take(
            source,
            &Media::audio(sequence).extended(&[(1, &[0x80 | level])], b"opus"),
            now,
        );
    };
    assert_eq!(source.audio_level(start), 127);
    say(&mut source, 20, start);
    assert_eq!(source.audio_level(start), 127, "a click");
    for tick in 1..20 {
        say(&mut source, 30, start + 20 * MILLISECOND * tick);
    }
    let now = start + 400 * MILLISECOND;
    assert!(
        (28..=30).contains(&source.audio_level(now)),
        "{}",
        source.audio_level(now)
    );
    say(&mut source, 127, now);
    assert!(source.audio_level(now) < 127, "a breath");
    assert_eq!(source.audio_level(now + 600 * MILLISECOND), 127);
}

#[test]
fn sender_reports_speak_the_publishers_time_of_the_sinks_stream() {
    let (start, mut low) = (Instant::now(), source(1));
    low.sender_report(&SenderInfo::new(NtpTime(100 << 32), 90_000, 0, 0), start);
    let mut to = Subscriber::new(video_config());
    to.sink.feed(Some(1));
    assert_eq!(to.sink.deadline(), None);
    let sent = to
        .pass(
            &mut low,
            &Media {
                timestamp: 90_000,
                ..Media::video(1)
            }
            .key_frame(),
            start,
        )
        .unwrap();
    let mut times = vec![];
    while let Some(due) = to
        .sink
        .deadline()
        .filter(|due| *due < start + Duration::from_secs(8))
    {
        let mut bytes = [0; 100];
        let mut builder = Builder::new(&mut bytes);
        to.sink.write_report(due, &mut builder);
        let Some(Ok(Packet::SenderReport { ssrc, info, .. })) = packets(builder.as_bytes()).next()
        else {
            panic!()
        };
        let passed = due - start;
        times.push(passed.as_millis());
        assert_eq!(ssrc, SINK_SSRC);
        assert_eq!(info.ntp, NtpTime(100 << 32).after(passed));
        assert_eq!(
            info.rtp_timestamp,
            sent.header.timestamp + 90 * passed.as_millis() as u32
        );
        assert_eq!(
            (info.packets, info.octets as usize),
            (1, sent.payload().len())
        );
    }
    assert_eq!(times, [0, 500, 1500, 3500, 7500]);
}

#[test]
fn no_report_is_due_before_the_publishers_own_nor_in_a_pause() {
    let (start, mut from) = (Instant::now(), source(1));
    let mut to = Subscriber::new(video_config());
    to.sink.feed(Some(1));
    to.pass(&mut from, &Media::video(1).key_frame(), start)
        .unwrap();
    assert_eq!(to.sink.deadline(), None);
    let mut bytes = [0; 100];
    let mut builder = Builder::new(&mut bytes);
    to.sink
        .write_report(start + Duration::from_secs(1), &mut builder);
    assert!(builder.is_empty());
    from.sender_report(&SenderInfo::new(NtpTime(100 << 32), 0, 0, 0), start);
    to.pass(&mut from, &Media::video(2).delta_frame(), start)
        .unwrap();
    assert_eq!(to.sink.deadline(), Some(start));
    to.sink.feed(None);
    assert_eq!(to.sink.deadline(), None);
}
