//! RTCP: written, read again, damaged.

use meeting_rtp::rtcp::transport_cc::{Arrival, MOST_ARRIVALS};
use meeting_rtp::rtcp::{Builder, Packet, ReportBlock, SenderInfo, packets};
use meeting_rtp::{Malformed, NoRoom, NtpTime};

fn build(write: impl FnOnce(&mut Builder<'_>)) -> Vec<u8> {
    let mut out = [0; 1500];
    let mut builder = Builder::new(&mut out);
    write(&mut builder);
    builder.as_bytes().to_vec()
}

fn only(bytes: &[u8]) -> Packet<'_> {
    let mut all = packets(bytes);
    let packet = all.next().unwrap().unwrap();
    assert_eq!(all.next(), None);
    packet
}

const BLOCK: ReportBlock = ReportBlock {
    ssrc: 7,
    fraction_lost: 25,
    cumulative_lost: -3,
    highest_sequence: 0x1_2345,
    jitter: 99,
    last_sender_report: 0xaabb_ccdd,
    delay_since: 65_536,
};

#[test]
fn reports_say_what_was_put_in() {
    let info = SenderInfo::new(NtpTime(0x1234_5678_9abc_def0), 5, 6, 7);
    let bytes = build(|out| out.sender_report(1, info, &[BLOCK, BLOCK]).unwrap());
    assert_eq!(bytes.len(), 28 + 48);
    let Packet::SenderReport {
        ssrc: 1,
        info: read,
        blocks,
    } = only(&bytes)
    else {
        panic!()
    };
    assert_eq!(read, info);
    assert_eq!(blocks.iter().collect::<Vec<_>>(), [BLOCK, BLOCK]);
    let bytes = build(|out| out.receiver_report(2, &[BLOCK]).unwrap());
    let Packet::ReceiverReport { ssrc: 2, blocks } = only(&bytes) else {
        panic!()
    };
    assert_eq!(blocks.iter().collect::<Vec<_>>(), [BLOCK]);
}

#[test]
fn a_compound_is_read_packet_by_packet() {
    let bytes = build(|out| {
        out.receiver_report(1, &[]).unwrap();
        out.cname(1, "somebody").unwrap();
        out.picture_loss(1, 2).unwrap();
        out.goodbye(&[1, 5]).unwrap();
    });
    let read: Vec<_> = packets(&bytes).map(Result::unwrap).collect();
    assert!(matches!(read[0], Packet::ReceiverReport { ssrc: 1, .. }));
    let Packet::SourceDescription(chunks) = read[1] else {
        panic!()
    };
    assert_eq!(chunks, b"\0\0\0\x01\x01\x08somebody\0\0");
    assert_eq!(
        read[2],
        Packet::PictureLoss {
            sender: 1,
            media: 2
        }
    );
    let Packet::Goodbye(ssrcs) = read[3] else {
        panic!()
    };
    assert_eq!(ssrcs.iter().collect::<Vec<_>>(), [1, 5]);
}

#[test]
fn a_cname_ends_in_at_least_one_zero() {
    for len in 0..9 {
        let bytes = build(|out| out.cname(1, &"abcdefgh"[..len]).unwrap());
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(bytes[bytes.len() - 1], 0);
    }
}

#[test]
fn a_nack_names_each_packet_once_in_few_words() {
    let missing = [65_530, 65_531, 10, 11, 27, 28];
    let bytes = build(|out| out.nack(1, 2, missing.into_iter()).unwrap());
    let Packet::Nack(nack) = only(&bytes) else {
        panic!()
    };
    assert_eq!((nack.sender, nack.media), (1, 2));
    assert_eq!(nack.sequences().collect::<Vec<_>>(), missing);
    assert_eq!(bytes.len(), 12 + 3 * 4, "65530–10, 11–27, 28");
    assert!(build(|out| out.nack(1, 2, std::iter::empty()).unwrap()).is_empty());
}

#[test]
fn key_frame_requests_come_in_two_forms() {
    let bytes = build(|out| out.full_intra_request(1, 2, 3).unwrap());
    let Packet::Fir(fir) = only(&bytes) else {
        panic!()
    };
    assert_eq!(fir.sender, 1);
    assert_eq!(fir.requests().collect::<Vec<_>>(), [(2, 3)]);
}

#[test]
fn a_maximum_bitrate_keeps_its_upper_18_bits() {
    for bitrate in [
        0,
        1,
        0x3_ffff,
        0x4_0000,
        8_000_000,
        25_000_001,
        u64::from(u32::MAX),
        u64::MAX,
    ] {
        let bytes = build(|out| out.remb(1, bitrate, &[5, 6]).unwrap());
        let Packet::Remb(remb) = only(&bytes) else {
            panic!()
        };
        assert!(
            remb.bitrate <= bitrate && bitrate - remb.bitrate <= bitrate >> 17,
            "{bitrate}"
        );
        assert_eq!(remb.ssrcs.iter().collect::<Vec<_>>(), [5, 6]);
    }
}

fn feedback(arrivals: &[Arrival]) -> Vec<Arrival> {
    let bytes = build(|out| assert_eq!(out.transport_cc(1, 2, 3, arrivals), Ok(arrivals.len())));
    let Packet::TransportCc(feedback) = only(&bytes) else {
        panic!()
    };
    assert_eq!(
        (feedback.sender, feedback.media, feedback.feedback),
        (1, 2, 3)
    );
    feedback.arrivals().collect()
}

fn arrivals(first: u16, ticks: &[Option<i64>]) -> Vec<Arrival> {
    let numbered = (0..).zip(ticks);
    numbered
        .map(|(i, ticks)| Arrival {
            sequence: first.wrapping_add(i),
            ticks: *ticks,
        })
        .collect()
}

#[test]
fn transport_feedback_tells_each_arrival() {
    for sent in [
        arrivals(
            65_530,
            &[
                Some(1000),
                Some(1001),
                None,
                Some(1300),
                None,
                None,
                Some(1290),
                Some(9000),
            ],
        ),
        arrivals(0, &[Some(0)]),
        arrivals(0, &[None, None, Some(77)]),
        arrivals(9, &[Some(5); 300]),
        arrivals(9, &(0..400).map(|i| Some(i * 4)).collect::<Vec<_>>()),
        arrivals(
            9,
            &(0..200)
                .map(|i| (i % 5 != 0 || i > 100).then_some(i * 300))
                .collect::<Vec<_>>(),
        ),
        arrivals(
            9,
            &(0..120)
                .map(|i| (i < 20 || i == 119).then_some(i))
                .collect::<Vec<_>>(),
        ),
    ] {
        assert_eq!(feedback(&sent), sent);
    }
}

#[test]
fn transport_feedback_ends_before_a_pause_too_long_to_tell() {
    let sent = arrivals(0, &[Some(0), Some(1), Some(40_000)]);
    let mut covered = 0;
    build(|out| covered = out.transport_cc(1, 2, 3, &sent).unwrap());
    assert_eq!(covered, 2);
}

#[test]
fn transport_feedback_covers_what_fits() {
    let sent = arrivals(0, &(0..600).map(|i| Some(i * 300)).collect::<Vec<_>>());
    let mut out = [0; 200];
    let mut builder = Builder::new(&mut out);
    let covered = builder.transport_cc(1, 2, 3, &sent).unwrap();
    assert!((50..100).contains(&covered), "{covered}");
    let Packet::TransportCc(feedback) = only(builder.as_bytes()) else {
        panic!()
    };
    assert_eq!(feedback.arrivals().collect::<Vec<_>>(), sent[..covered]);
    let mut covered = 0;
    build(|out| {
        covered = out
            .transport_cc(1, 2, 3, &arrivals(0, &[Some(1); 600]))
            .unwrap()
    });
    assert_eq!(covered, MOST_ARRIVALS);
}

#[test]
fn transport_feedback_of_other_makers_is_read() {
    // a one-bit status vector, a run that overruns the count, a reserved symbol
    let read = |count: u8, chunks: &[u8]| {
        let mut bytes = vec![
            0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 10, 0, count, 0, 0, 1, 0,
        ];
        bytes.extend_from_slice(chunks);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes[3] = (bytes.len() / 4 - 1) as u8;
        let Packet::TransportCc(feedback) = only(&bytes) else {
            panic!()
        };
        feedback
            .arrivals()
            .map(|arrival| arrival.ticks)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        read(4, &[0b1010_1000, 0, 1, 2]),
        [Some(257), None, Some(259), None]
    );
    assert_eq!(read(2, &[0x20, 0x09, 1, 1, 9, 9]), [Some(257), Some(258)]);
    assert_eq!(read(3, &[0b1111_0100, 0, 1, 0]), [None, Some(257), None]);
    assert_eq!(read(200, &[0x20, 0x02]), [], "it ends before the times");
}

#[test]
fn bad_framing_ends_the_compound_and_bad_contents_do_not() {
    let good = build(|out| out.picture_loss(1, 2).unwrap());
    let short_report = [0x81, 201, 0, 1, 0, 0, 0, 1]; // promises a block
    let bytes = [&short_report[..], &good, &[0x80, 201, 0, 9]].concat();
    let read: Vec<_> = packets(&bytes).collect();
    assert_eq!(read[0], Err(Malformed::Truncated));
    assert_eq!(
        read[1],
        Ok(Packet::PictureLoss {
            sender: 1,
            media: 2
        })
    );
    assert_eq!(read[2..], [Err(Malformed::Truncated)]);
    assert_eq!(
        packets(&[0x40, 201, 0, 0]).next(),
        Some(Err(Malformed::Version))
    );
    let padding = [0xa0, 201, 0, 1, 0, 0, 0, 9];
    assert_eq!(packets(&padding).next(), Some(Err(Malformed::Padding)));
}

#[test]
fn what_does_not_fit_leaves_the_datagram_as_it_was() {
    let mut out = [0; 40];
    let mut builder = Builder::new(&mut out);
    builder.receiver_report(1, &[BLOCK]).unwrap();
    let before = builder.as_bytes().to_vec();
    assert_eq!(builder.receiver_report(1, &[BLOCK]), Err(NoRoom));
    assert_eq!(builder.nack(1, 2, 0..9), Err(NoRoom));
    assert_eq!(builder.cname(1, "x"), Err(NoRoom));
    assert_eq!(builder.as_bytes(), before);
    assert_eq!(builder.receiver_report(1, &[BLOCK; 32]), Err(NoRoom));
}
