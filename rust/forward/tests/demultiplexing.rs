//! Finding a packet's Source.

mod support;

use meeting_forward::Demux;
use meeting_rtp::{Extension, ExtensionMap, Header};
use support::Media;

fn demux() -> Demux {
    Demux::new(ExtensionMap::new([
        (Extension::Mid, 4),
        (Extension::Rid, 10),
        (Extension::RepairedRid, 11),
    ]))
}

fn route(demux: &mut Demux, ssrc: u32, elements: &[(u8, &[u8])]) -> Option<u64> {
    let packet = Media {
        ssrc,
        ..Media::video(1)
    }
    .extended(elements, b"payload");
    demux.route(&Header::parse(&packet).unwrap(), &packet)
}

#[test]
fn ssrcs_that_were_told_need_no_extension() {
    let mut demux = demux();
    demux.add(1, "0", None, [5, 6]);
    assert_eq!(route(&mut demux, 5, &[]), Some(1));
    assert_eq!(route(&mut demux, 6, &[]), Some(1));
    assert_eq!(route(&mut demux, 7, &[]), None);
}

#[test]
fn simulcast_layers_are_told_apart_by_rid_and_remembered() {
    let mut demux = demux();
    for (source, rid) in [(1, "q"), (2, "h"), (3, "f")] {
        demux.add(source, "1", Some(rid), []);
    }
    assert_eq!(route(&mut demux, 70, &[(4, b"1"), (10, b"h")]), Some(2));
    assert_eq!(
        route(&mut demux, 71, &[(4, b"1"), (11, b"f")]),
        Some(3),
        "its retransmissions"
    );
    assert_eq!(
        route(&mut demux, 70, &[]),
        Some(2),
        "later packets leave the extensions out"
    );
    assert_eq!(demux.source_of(71), Some(3));
    assert_eq!(route(&mut demux, 72, &[(4, b"1")]), None, "which layer?");
    assert_eq!(route(&mut demux, 72, &[(4, b"1"), (10, b"x")]), None);
    assert_eq!(route(&mut demux, 72, &[(10, b"q")]), None, "which track?");
}

#[test]
fn a_track_without_layers_is_found_by_its_mid() {
    let mut demux = demux();
    demux.add(1, "0", None, []);
    assert_eq!(route(&mut demux, 8, &[(4, b"0")]), Some(1));
    assert_eq!(
        route(&mut demux, 9, &[(4, b"0")]),
        Some(1),
        "its retransmissions"
    );
}

#[test]
fn a_removed_source_is_forgotten() {
    let mut demux = demux();
    demux.add(1, "0", None, [5]);
    route(&mut demux, 8, &[(4, b"0")]);
    demux.remove(1);
    assert_eq!(route(&mut demux, 8, &[(4, b"0")]), None);
    assert_eq!(route(&mut demux, 5, &[]), None);
}

#[test]
fn so_many_ssrcs_are_learned_and_told_ones_stay() {
    let mut demux = demux();
    demux.add(1, "0", None, [5]);
    for ssrc in 100..1100 {
        assert_eq!(route(&mut demux, ssrc, &[(4, b"0")]), Some(1));
    }
    assert_eq!(demux.source_of(5), Some(1));
    let learned = (100..1100)
        .filter(|ssrc| demux.source_of(*ssrc).is_some())
        .count();
    assert_eq!(learned, 64);
    assert_eq!(demux.source_of(1099), Some(1));
}
