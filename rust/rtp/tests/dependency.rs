//! The dependency descriptor, over what a browser sent (VP9, L3T3_KEY, as captured for the tests of livekit/livekit) and over
//! descriptors written bit by bit as appendix A of the AV1 RTP specification has them.

use meeting_rtp::Malformed;
use meeting_rtp::dependency::{Descriptor, Structure};

/// A key picture with its structure: three spatial and three temporal layers.
const KEY: &str = "c1017280081485214eafffaaaa863cf0430c10c302afc0aaa0063c00430010c002a000a80006000040001d954926e0\
82b04a0941b820ac1282503157f974000ca864330e222222eca8655304224230eca877530077004200ef008601df010d";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

/// Bits as text, spaces for people.
fn bits(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let byte = |digits: &[u8]| {
        (0..8).fold(0, |byte, at| {
            byte << 1 | u8::from(digits.get(at) == Some(&b'1'))
        })
    };
    digits.chunks(8).map(byte).collect()
}

fn structure() -> Structure {
    Descriptor::parse(&bytes(KEY), None).unwrap().1.unwrap()
}

/// Two temporal layers, one chain: templates T0 key, T0, T1.
const L1T2: &str = "1 1 000000 0000000000000111 1 0 0 0 0 \
    000000 00001 00 01 11 10 10 10 10 00 10 0 1 0001 0 1 0000 0 10 0000 0010 0001 0";

#[test]
fn a_browsers_structure_names_nine_decode_targets_in_order() {
    let expected: Vec<(u8, u8)> = (0..3).flat_map(|s| (0..3).map(move |t| (s, t))).collect();
    assert_eq!(structure().targets(), expected);
    let (key, _) = Descriptor::parse(&bytes(KEY), None).unwrap();
    assert!(key.begins && key.ends);
    assert_eq!((key.frame.spatial, key.frame.temporal), (0, 0));
    assert_eq!((key.number, key.frame.needs), (0x172, 0));
    assert_eq!(
        key.frame.switches, 0x1ff,
        "everything can be decoded from here"
    );
    assert_eq!(key.active, None);
}

#[test]
fn later_frames_are_told_by_their_template() {
    let known = structure();
    let read = |hex: &str| Descriptor::parse(&bytes(hex), Some(&known)).unwrap().0;
    let first = read("86017340fc");
    assert_eq!(
        (first.begins, first.ends, first.number),
        (true, false, 0x173)
    );
    assert_eq!((first.frame.spatial, first.frame.temporal), (1, 0));
    assert_eq!(first.active, Some(0b0_0011_1111), "the third layer is off");
    assert_eq!(first.frame.needs, 1, "the key picture's layer below");
    let last = read("460173");
    assert_eq!((last.begins, last.ends), (false, true));
    assert_eq!(last.frame, first.frame);
    let other = read("c30175");
    assert_eq!((other.frame.spatial, other.frame.temporal), (0, 2));
    assert_eq!(other.frame.switches, 0);
}

#[test]
fn templates_say_who_needs_whom() {
    let (key, known) = Descriptor::parse(&bits(L1T2), None).unwrap();
    let known = known.unwrap();
    assert_eq!(known.targets(), [(0, 0), (0, 1)]);
    assert_eq!((key.frame.present, key.frame.switches), (0b11, 0b11));
    let read = |text: &str| Descriptor::parse(&bits(text), Some(&known)).unwrap().0;
    let base = read("1 0 000001 0000000000001001");
    assert_eq!((base.frame.temporal, base.frame.needs), (0, 0b10));
    let upper = read("1 1 000010 0000000000001000");
    assert_eq!((upper.frame.temporal, upper.frame.needs), (1, 0b1));
    assert_eq!((upper.frame.present, upper.frame.switches), (0b10, 0b10));
    let custom = "1 1 000010 0000000000001000 0 0 1 1 1 00 01 01 0010 10 00100000 00 00000001";
    let custom = read(custom).frame;
    assert_eq!((custom.present, custom.switches), (0b10, 0));
    assert_eq!(custom.needs, 1 << 2 | 1 << 32);
    assert!(!custom.needs_older);
    let far = read("1 1 000010 0000000000001000 0 0 0 1 0 11 000001000001 00");
    assert_eq!((far.frame.needs, far.frame.needs_older), (0, true));
}

#[test]
fn it_is_rewritten_with_another_number_and_fewer_targets() {
    let known = structure();
    for (hex, mask) in [(KEY, 0b111), ("86017340fc", 0b111), ("460173", 0b111)] {
        let data = bytes(hex);
        let (before, attached) = Descriptor::parse(&data, Some(&known)).unwrap();
        let mut out = [0xff; 300];
        let len = before.rewrite(&data, 0xffff, None, &mut out).unwrap();
        assert_eq!(len, data.len());
        assert_eq!((out[0], &out[3..len]), (data[0], &data[3..]));
        assert_eq!(out[1..3], [0xff, 0xff]);
        let len = before.rewrite(&data, 5, Some(mask), &mut out).unwrap();
        assert!(len <= data.len() + 2);
        let (after, again) = Descriptor::parse(&out[..len], Some(&known)).unwrap();
        assert_eq!(again, attached, "the structure is kept");
        assert_eq!((after.number, after.active), (5, Some(mask)));
        assert_eq!(
            (after.begins, after.ends, after.frame),
            (before.begins, before.ends, before.frame)
        );
        assert!(before.rewrite(&data, 5, Some(mask), &mut out[..2]).is_err());
    }
    let (sender, _) = Descriptor::parse(&bytes("86017340fc"), Some(&known)).unwrap();
    let mut out = [0; 9];
    let data = bytes("86017340fc");
    let len = sender.rewrite(&data, 5, Some(0x1c7), &mut out).unwrap();
    let (after, _) = Descriptor::parse(&out[..len], Some(&known)).unwrap();
    assert_eq!(
        after.active,
        Some(0b111),
        "what the sender has off stays so"
    );
}

#[test]
fn what_contradicts_itself_is_refused() {
    let known = structure();
    let refused = |data: &[u8]| Descriptor::parse(data, Some(&known)).unwrap_err();
    assert_eq!(refused(&[0x80, 0]), Malformed::Truncated);
    assert_eq!(
        refused(&[0xff, 0, 1]),
        Malformed::Format,
        "no such template"
    );
    assert_eq!(refused(&[0x80, 0, 1, 0x80]), Malformed::Truncated);
    let endless = bits(&format!(
        "1 1 000000 {:016b} 1 0000 000000 00000 {}",
        1,
        "00".repeat(80)
    ));
    assert_eq!(refused(&endless), Malformed::Format, "65 templates");
    let high = bits(&format!(
        "1 1 000000 {:016b} 1 0000 000000 00000 10101010",
        1
    ));
    assert_eq!(refused(&high), Malformed::Format, "a fifth spatial layer");
    assert_eq!(
        Descriptor::parse(&bytes("460173"), None).unwrap_err(),
        Malformed::Format,
        "no structure came yet"
    );
    for len in 0..bytes(KEY).len() {
        assert!(
            Descriptor::parse(&bytes(KEY)[..len], None).is_err(),
            "{len}"
        );
    }
}
