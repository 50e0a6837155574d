//! Padding that asks a path for more.

use meeting_forward::{Departure, Kind, Sink, SinkConfig};
use meeting_rtp::extension::Values;
use meeting_rtp::{Extension, ExtensionMap, Header};

fn sink(rtx_ssrc: Option<u32>, extensions: &[(Extension, u8)]) -> Sink {
    Sink::new(SinkConfig {
        kind: Kind::Video,
        ssrc: 500,
        rtx_ssrc,
        mid: "7".to_owned(),
        payload_types: vec![(96, 100)],
        rtx_payload_types: vec![(100, 101)],
        extensions: ExtensionMap::new(extensions.iter().copied()),
        mixed_extensions: true,
        lossy: 255,
    })
}

const ALL: [(Extension, u8); 2] = [(Extension::Mid, 1), (Extension::TransportCc, 3)];

#[test]
fn it_goes_among_the_retransmissions_numbered_like_them() {
    let mut departure = Departure::default();
    let mut sink = sink(Some(501), &ALL);
    for number in 0..3 {
        let mut buffer = [0xff; 400];
        let out = sink.pad(&mut departure, &mut buffer).unwrap();
        let packet = &buffer[..out.len];
        let header = Header::parse(packet).unwrap();
        assert_eq!((header.ssrc, header.payload_type), (501, 101));
        assert_eq!(u64::from(header.sequence), out.index);
        assert_eq!(out.index, 1 + number);
        assert_eq!(header.payload(packet), Ok(&[][..]), "nothing but padding");
        assert_eq!(out.len - out.header, 255);
        let values = Values::parse(&header, packet, &ExtensionMap::new(ALL));
        assert_eq!(values.get(Extension::Mid, packet), Some(&b"7"[..]));
        assert_eq!(values.transport_cc(packet), Some(number as u16));
        assert_eq!(out.transport_sequence, Some(number as u16));
    }
}

#[test]
fn there_is_none_where_nobody_would_tell_of_it() {
    let mut departure = Departure::default();
    let mut buffer = [0; 400];
    assert_eq!(sink(None, &ALL).pad(&mut departure, &mut buffer), None);
    let deaf = [(Extension::Mid, 1)];
    assert_eq!(
        sink(Some(501), &deaf).pad(&mut departure, &mut buffer),
        None
    );
    let short = &mut buffer[..100];
    assert_eq!(sink(Some(501), &ALL).pad(&mut departure, short), None);
}
