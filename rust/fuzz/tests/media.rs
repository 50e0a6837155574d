//! The media targets over packets as browsers send them, built here.

use meeting_fuzz::{forward, mutate, rtcp, rtp, srtp};
use meeting_rtp::extension::Writer;
use meeting_rtp::rtcp::transport_cc::Arrival;
use meeting_rtp::rtcp::{Builder, ReportBlock, SenderInfo};
use meeting_rtp::{Header, NtpTime};

fn packet(
    payload_type: u8,
    sequence: u16,
    ssrc: u32,
    elements: &[(u8, &[u8])],
    payload: &[u8],
) -> Vec<u8> {
    let header = Header::new(
        payload_type,
        sequence,
        3000 * u32::from(sequence),
        ssrc,
        true,
    );
    let mut packet = vec![0; 200];
    let mut len = header.write(!elements.is_empty(), &mut packet).unwrap();
    if !elements.is_empty() {
        let two_byte = elements
            .iter()
            .any(|(id, value)| *id > 14 || value.len() > 16);
        let mut writer = Writer::new(&mut packet[len..], two_byte).unwrap();
        for (id, value) in elements {
            assert!(writer.push(*id, value));
        }
        len += writer.finish().unwrap();
    }
    packet.truncate(len);
    packet.extend_from_slice(payload);
    packet
}

fn rtp_corpus() -> Vec<Vec<u8>> {
    let mut padded = packet(96, 4, 1, &[], &[0x10, 0, 1, 2, 0, 0, 3]);
    padded[0] |= 0x20;
    let mut with_csrc = packet(96, 5, 1, &[], &[0, 0, 0, 9, 0x10, 0]);
    with_csrc[0] |= 1;
    vec![
        packet(
            96,
            1,
            1,
            &[(1, b"0"), (2, b"q"), (4, &[0x85]), (6, &[0, 1])],
            &[0x90, 0xe0, 0x81, 2, 3, 0x40, 0, 9],
        ),
        packet(
            96,
            2,
            1,
            &[(9, &[7; 20]), (5, &[1, 2, 3])],
            &[0x10, 1, 2, 3],
        ),
        packet(97, 9, 1, &[(1, b"0"), (3, b"q")], &[0, 3, 0x10, 0, 5]),
        packet(
            98,
            3,
            2,
            &[(1, b"1")],
            &[0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68],
        ),
        packet(111, 3, 2, &[(1, b"1"), (4, &[0x7f])], b"opus"),
        packet(
            99,
            1,
            3,
            &[(1, b"2")],
            &[0xbc, 0x81, 2, 0x33, 0x25, 0x18, 1, 0, 0, 0],
        ),
        padded,
        with_csrc,
    ]
}

fn rtcp_corpus() -> Vec<Vec<u8>> {
    let build = |write: &dyn Fn(&mut Builder<'_>)| {
        let mut out = [0; 1200];
        let mut builder = Builder::new(&mut out);
        write(&mut builder);
        builder.as_bytes().to_vec()
    };
    let info = SenderInfo::new(NtpTime(0x1234_5678_9abc_def0), 1, 2, 3);
    let arrivals: Vec<_> = (0..60u16)
        .map(|i| Arrival {
            sequence: i,
            ticks: (i % 7 != 3).then_some(i64::from(i) * i64::from(i)),
        })
        .collect();
    vec![
        build(&|out| {
            out.sender_report(1, info, &[ReportBlock::default()])
                .unwrap()
        }),
        build(&|out| {
            out.receiver_report(1, &[ReportBlock::default(); 2])
                .unwrap()
        }),
        build(&|out| out.cname(1, "name").unwrap()),
        build(&|out| out.goodbye(&[1, 2]).unwrap()),
        build(&|out| out.nack(1, 77, [1, 2, 9, 40].into_iter()).unwrap()),
        build(&|out| out.picture_loss(1, 2).unwrap()),
        build(&|out| out.full_intra_request(1, 2, 3).unwrap()),
        build(&|out| out.remb(1, 8_000_000, &[2, 3]).unwrap()),
        build(&|out| assert_eq!(out.transport_cc(1, 2, 3, &arrivals), Ok(60))),
    ]
}

/// Scripts of the forward target: a call, then whatever.
fn scripts() -> Vec<Vec<u8>> {
    let step = |operation: u8, bytes: &[u8]| [&[operation, bytes.len() as u8][..], bytes].concat();
    let mut script = step(5, &[0]);
    let vp8 = |sequence: u16, key: bool| {
        let payload = [
            0x90,
            0xc0,
            0x80 | (sequence >> 8) as u8,
            sequence as u8,
            1,
            u8::from(!key),
            7,
            7,
        ];
        packet(96, sequence, 1, &[(4, &[0x85])], &payload)
    };
    for sequence in 1..20 {
        if sequence % 5 != 2 {
            script.extend(step(0, &vp8(sequence, sequence % 8 == 1)));
        }
        script.extend(step(7, &[sequence as u8, 2]));
        script.extend(step(4, &[20]));
    }
    let mut switching = script.clone();
    switching.extend(step(5, &[1]));
    for sequence in 500..510u16 {
        let key = [0x90, 0x80, 0x05, 0, 9];
        switching.extend(step(1, &packet(96, sequence, 2, &[], &key)));
        // the layer that was left, late and going on
        switching.extend(step(0, &vp8(sequence - 498, false)));
        switching.extend(step(0, &vp8(sequence - 480, false)));
        switching.extend(step(7, &[3, 19, 21, sequence as u8]));
        switching.extend(step(4, &[120]));
    }
    let mut audio = step(5, &[1]);
    for sequence in 1..20u16 {
        audio.extend(step(2, &packet(111, sequence, 2, &[(4, &[0x10])], b"opus")));
        audio.extend(step(7, &[sequence as u8, 1]));
        audio.extend(step(4, &[20]));
    }
    let mut layers = step(5, &[0]);
    let mut described = step(5, &[0]);
    for sequence in 1..40u16 {
        let (picture, layer) = (sequence / 3, (sequence % 3) as u8);
        let temporal = [0, 2, 1, 2][usize::from(picture % 4)];
        let first = if picture == 0 { 0xac } else { 0xec };
        let indices = temporal << 5 | 0x10 | layer << 1 | u8::from(layer > 0);
        let vp9 = [first, 0x80, picture as u8, indices, picture as u8, 9, 9];
        layers.extend(step(0, &packet(35, sequence ^ 1, 1, &[], &vp9)));
        layers.extend(step(7, &[sequence as u8, 2]));
        let descriptor = if sequence == 1 {
            dependency_key()
        } else {
            vec![0xc0 | ((sequence % 12) as u8 + 1), 1, 0x70 + sequence as u8]
        };
        let av1 = packet(45, sequence, 1, &[(9, &descriptor)], &[0x18, 1, 2]);
        described.extend(step(0, &av1));
        described.extend(step(7, &[sequence as u8, 2]));
        if sequence % 7 == 3 {
            for script in [&mut layers, &mut described] {
                script.extend(step(8, &[picture as u8, sequence as u8]));
                script.extend(step(4, &[120]));
            }
        }
    }
    let reports = rtcp_corpus()
        .iter()
        .flat_map(|packet| step(3, packet))
        .collect();
    vec![script, switching, audio, layers, described, reports]
}

#[test]
fn rtp_survives_changed_packets() {
    mutate::run(rtp::rtp, &rtp_corpus(), 0x3550, 200_000);
}

#[test]
fn payload_descriptors_survive_changed_payloads() {
    let payloads: Vec<_> = rtp_corpus()
        .iter()
        .map(|packet| packet[Header::parse(packet).unwrap().len..].to_vec())
        .collect();
    mutate::run(rtp::codecs, &payloads, 0x7741, 200_000);
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

/// What a browser sent with a key picture of VP9 in nine layers.
fn dependency_key() -> Vec<u8> {
    bytes(
        "c1017280081485214eafffaaaa863cf0430c10c302afc0aaa0063c00430010c002a000a80006000040001d954926e0\
        82b04a0941b820ac1282503157f974000ca864330e222222eca8655304224230eca877530077004200ef008601df010d",
    )
}

/// That, and the frames behind it.
fn dependency_corpus() -> Vec<Vec<u8>> {
    let frames = [
        "86017340fc",
        "460173",
        "c30175",
        "88017640fc",
        "8b0174",
        "c3017518",
    ];
    let whole = [dependency_key()]
        .into_iter()
        .chain(frames.map(bytes))
        .flat_map(|one| [vec![one.len() as u8], one].concat());
    vec![whole.collect()]
}

#[test]
fn dependency_descriptors_survive_changed_ones() {
    mutate::run(rtp::dependency, &dependency_corpus(), 0xa1, 100_000);
}

#[test]
fn rtcp_survives_changed_packets() {
    mutate::run(rtcp::rtcp, &rtcp_corpus(), 0x4585, 200_000);
}

#[test]
fn srtp_opens_no_strangers_packets() {
    let corpus = [rtp_corpus(), rtcp_corpus()].concat();
    mutate::run(srtp::srtp, &corpus, 0x3711, 5_000);
}

#[test]
fn forwarding_survives_changed_calls() {
    mutate::run(forward::forward, &scripts(), 0x4588, 20_000);
}

#[test]
fn an_estimate_survives_any_feedback() {
    mutate::run(rtcp::estimate, &rtcp_corpus(), 0x9cc, 1_000);
}
