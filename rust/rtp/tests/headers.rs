//! RTP headers and their extensions, whole and damaged.

use meeting_rtp::extension::{Values, Writer};
use meeting_rtp::{Extension, ExtensionMap, Header, Malformed, NoRoom, is_rtcp, rtx};

fn fixed(first: u8) -> Vec<u8> {
    vec![
        first, 0xe0, 0x12, 0x34, 0, 0, 0x10, 0, 0xca, 0xfe, 0xba, 0xbe,
    ]
}

fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
    [&fixed(first), rest].concat()
}

#[test]
fn a_plain_header_is_read() {
    let packet = packet(0x80, b"payload");
    let header = Header::parse(&packet).unwrap();
    assert_eq!(header.sequence, 0x1234);
    assert_eq!(header.timestamp, 0x1000);
    assert_eq!(header.ssrc, 0xcafe_babe);
    assert_eq!((header.marker, header.payload_type), (true, 0x60));
    assert_eq!(header.payload(&packet), Ok(&b"payload"[..]));
    assert_eq!(header.extensions(&packet).count(), 0);
}

#[test]
fn contributing_sources_and_extension_count_to_the_header() {
    let rest = [
        0, 0, 0, 1, 0, 0, 0, 2, 0xbe, 0xde, 0, 1, 0x10, 0x7f, 0, 0, b'x',
    ];
    let packet = packet(0x92, &rest);
    let header = Header::parse(&packet).unwrap();
    assert_eq!(header.len, 12 + 8 + 8);
    assert_eq!(header.csrcs(&packet).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(
        header.extensions(&packet).collect::<Vec<_>>(),
        [(1, 25..26)]
    );
    assert_eq!(header.payload(&packet), Ok(&b"x"[..]));
}

#[test]
fn headers_that_promise_more_than_there_is_are_truncated() {
    for len in 0..12 {
        assert_eq!(
            Header::parse(&fixed(0x80)[..len]),
            Err(Malformed::Truncated)
        );
    }
    assert_eq!(Header::parse(&fixed(0x81)), Err(Malformed::Truncated));
    assert_eq!(
        Header::parse(&packet(0x90, &[0xbe, 0xde, 0, 1])),
        Err(Malformed::Truncated)
    );
    assert_eq!(
        Header::parse(&packet(0x90, &[0xbe, 0xde, 0])),
        Err(Malformed::Truncated)
    );
    assert_eq!(Header::parse(&fixed(0x40)), Err(Malformed::Version));
}

#[test]
fn padding_is_cut_off_and_must_fit() {
    let read = |rest: &[u8]| {
        let packet = packet(0xa0, rest);
        Header::parse(&packet)
            .unwrap()
            .payload(&packet)
            .map(<[u8]>::to_vec)
    };
    assert_eq!(read(&[7, 7, 0, 0, 3]), Ok(vec![7, 7]));
    assert_eq!(read(&[0, 0, 3]), Ok(vec![]));
    assert_eq!(read(&[7, 4]), Err(Malformed::Padding));
    assert_eq!(read(&[7, 0]), Err(Malformed::Padding));
    assert_eq!(read(&[]), Err(Malformed::Padding));
}

fn elements(profile: [u8; 2], block: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let words = (block.len() / 4) as u8;
    let packet = packet(0x90, &[&profile[..], &[0, words], block].concat());
    let header = Header::parse(&packet).unwrap();
    header
        .extensions(&packet)
        .map(|(id, place)| (id, packet[place].to_vec()))
        .collect()
}

#[test]
fn one_byte_extensions_are_read_as_rfc_8285_section_4_2_says() {
    let read = elements(
        [0xbe, 0xde],
        &[0x10, 0xaa, 0, 0, 0x31, 1, 2, 0xe0, 9, 0, 0, 0],
    );
    assert_eq!(read, [(1, vec![0xaa]), (3, vec![1, 2]), (14, vec![9])]);
    // id 15 ends the list; an element beyond the block is not read
    assert_eq!(
        elements([0xbe, 0xde], &[0x10, 1, 0xf0, 2, 0x20, 3, 0, 0]),
        [(1, vec![1])]
    );
    assert_eq!(elements([0xbe, 0xde], &[0x10, 1, 0x2f, 3]), [(1, vec![1])]);
}

#[test]
fn two_byte_extensions_are_read_as_rfc_8285_section_4_3_says() {
    let read = elements([0x10, 0x05], &[1, 0, 20, 3, 7, 8, 9, 0, 255, 1, 5, 0]);
    assert_eq!(read, [(1, vec![]), (20, vec![7, 8, 9]), (255, vec![5])]);
    assert_eq!(elements([0x10, 0], &[1, 3, 1, 2]), []);
    assert_eq!(elements([0x10, 0], &[0, 0, 0, 1]), []);
    assert_eq!(
        elements([0x12, 0x34], &[1, 1, 1, 1]),
        [],
        "an extension of another kind"
    );
}

#[test]
fn values_are_found_by_the_ids_of_the_link() {
    let map = ExtensionMap::from_uris([
        ("urn:ietf:params:rtp-hdrext:sdes:mid", 4),
        ("urn:ietf:params:rtp-hdrext:ssrc-audio-level", 1),
        ("urn:ietf:params:rtp-hdrext:toffset", 2),
        (
            "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
            3,
        ),
        (
            "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            5,
        ),
    ]);
    let block = [
        0x10,
        0x80 | 23,
        0x31,
        1,
        2,
        0x40,
        b'7',
        0x52,
        1,
        2,
        3,
        0x21,
        9,
        9,
        9,
        0,
    ];
    let packet = packet(0x90, &[&[0xbe, 0xde, 0, 4][..], &block].concat());
    let values = Values::parse(&Header::parse(&packet).unwrap(), &packet, &map);
    assert_eq!(values.get(Extension::Mid, &packet), Some(&b"7"[..]));
    assert_eq!(values.audio_level(&packet), Some((true, 23)));
    assert_eq!(values.transport_cc(&packet), Some(0x102));
    assert_eq!(values.abs_send_time(&packet), Some(0x1_0203));
    assert_eq!(values.get(Extension::Rid, &packet), None);
}

#[test]
fn an_id_is_given_once_and_never_zero() {
    let map = ExtensionMap::new([
        (Extension::Mid, 3),
        (Extension::Rid, 3),
        (Extension::AudioLevel, 0),
    ]);
    assert_eq!(map.id(Extension::Mid), Some(3));
    assert_eq!(map.id(Extension::Rid), None);
    assert_eq!(map.extension(0), None);
    assert!(map.fits_one_byte());
    assert!(!ExtensionMap::new([(Extension::Mid, 15)]).fits_one_byte());
}

#[test]
fn what_is_written_is_read_again_in_both_forms() {
    for two_byte in [false, true] {
        let mut out = fixed(0x80);
        out.resize(100, 0xff);
        let header = Header::new(96, 0x1234, 0x1000, 0xcafe_babe, true);
        let mut writer = Writer::new(&mut out[12..], two_byte).unwrap();
        assert!(writer.push(1, b"a"));
        assert!(writer.push(14, &[7; 16]));
        assert_eq!(
            writer.push(2, &[7; 17]),
            two_byte,
            "17 bytes need the two-byte form"
        );
        assert_eq!(writer.push(15, b"x"), two_byte, "so does id 15");
        assert_eq!(writer.push(3, b""), two_byte, "and an empty element");
        assert!(!writer.push(0, b"x"));
        let block = writer.finish().unwrap();
        header.write(true, &mut out).unwrap();
        let read = Header::parse(&out).unwrap();
        assert_eq!(read.len, 12 + block);
        let ids: Vec<u8> = read.extensions(&out).map(|(id, _)| id).collect();
        assert_eq!(
            ids,
            if two_byte {
                vec![1, 14, 2, 15, 3]
            } else {
                vec![1, 14]
            }
        );
        assert_eq!((read.ssrc, read.payload_type), (0xcafe_babe, 96));
    }
}

#[test]
fn a_block_that_does_not_fit_is_left_out() {
    let mut out = [0; 9];
    let mut writer = Writer::new(&mut out, false).unwrap();
    assert!(writer.push(1, &[1; 3]));
    assert!(!writer.push(1, &[1; 3]));
    assert_eq!(writer.finish(), Ok(8));
    assert_eq!(Writer::new(&mut [0; 3], false).map(|_| ()), Err(NoRoom));
}

#[test]
fn a_retransmission_is_the_original_again() {
    // RFC 4588 §4: the original number precedes the payload; extensions and padding are the RTX packet's own
    let rest = [
        0xbe, 0xde, 0, 1, 0x10, 0x7f, 0, 0, 0x00, 0x2a, b'p', b'a', b'y', 0, 2,
    ];
    let mut packet = packet(0xb0, &rest);
    let header = Header::parse(&packet).unwrap();
    let (restored, end) = rtx::restore(&mut packet, &header, 96, 7).unwrap().unwrap();
    let bytes = &packet[rtx::OSN..end];
    assert_eq!(Header::parse(bytes), Ok(restored));
    assert_eq!(
        (restored.sequence, restored.ssrc, restored.payload_type),
        (0x2a, 7, 96)
    );
    assert_eq!(
        (restored.timestamp, restored.marker, restored.padded),
        (0x1000, true, false)
    );
    assert_eq!(restored.payload(bytes), Ok(&b"pay"[..]));
    assert_eq!(restored.extensions(bytes).count(), 1);
}

#[test]
fn a_retransmission_of_nothing_is_a_probe() {
    let mut probe = packet(0xa0, &[0, 0, 3]);
    let header = Header::parse(&probe).unwrap();
    assert_eq!(rtx::restore(&mut probe, &header, 96, 7), Ok(None));
    let mut cut = packet(0x80, &[1]);
    let header = Header::parse(&cut).unwrap();
    assert_eq!(
        rtx::restore(&mut cut, &header, 96, 7),
        Err(Malformed::Truncated)
    );
}

#[test]
fn rtcp_is_told_from_rtp_by_its_packet_type() {
    assert!(is_rtcp(&[0x80, 200]));
    assert!(is_rtcp(&[0x80, 206]));
    assert!(!is_rtcp(&[0x80, 96]));
    assert!(!is_rtcp(&[0x80, 0x80 | 96]));
    assert!(!is_rtcp(&[0x80]));
}
