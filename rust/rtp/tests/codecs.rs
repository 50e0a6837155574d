//! Where decoding can begin, codec by codec.

use meeting_rtp::codec::vp8::{Descriptor, PictureId};
use meeting_rtp::codec::vp9;
use meeting_rtp::{Codec, Malformed};

#[test]
fn vp8_descriptors_are_read_as_rfc_7741_section_4_2_says() {
    let full = [0x90, 0xf0, 0x81, 0x23, 0x45, 0x80, 0x00, 0x9d];
    let descriptor = Descriptor::parse(&full).unwrap();
    assert_eq!(
        descriptor.picture_id,
        Some(PictureId {
            value: 0x123,
            long: true,
            at: 2
        })
    );
    assert_eq!(descriptor.tl0_picture_index, Some((0x45, 4)));
    assert_eq!(descriptor.temporal_layer, Some(2));
    assert_eq!((descriptor.len, descriptor.key_frame), (6, true));
    assert!(!descriptor.layer_sync);
    let short = Descriptor::parse(&[0x90, 0x80, 0x23, 0x01]).unwrap();
    assert_eq!(
        short.picture_id,
        Some(PictureId {
            value: 0x23,
            long: false,
            at: 2
        })
    );
    assert!(!short.key_frame, "an inter frame");
    assert!(short.frame_start);
}

#[test]
fn vp8_begins_at_the_first_partition_of_a_key_frame_only() {
    assert!(Codec::Vp8.starts_decoding(&[0x10, 0x00]));
    assert!(!Codec::Vp8.starts_decoding(&[0x00, 0x00]), "a continuation");
    assert!(
        !Codec::Vp8.starts_decoding(&[0x11, 0x00]),
        "another partition"
    );
    assert!(!Codec::Vp8.starts_decoding(&[0x10, 0x01]), "an inter frame");
    for len in 0..7 {
        let cut = &[0x90, 0xf0, 0x81, 0x23, 0x45, 0x80, 0x00][..len];
        assert_eq!(Descriptor::parse(cut), Err(Malformed::Truncated), "{len}");
    }
    assert_eq!(Descriptor::parse(&[]), Err(Malformed::Truncated));
}

#[test]
fn vp8_picture_ids_are_shifted_within_their_width() {
    let shifted = |payload: &[u8], by| {
        let mut payload = payload.to_vec();
        Descriptor::parse(&payload)
            .unwrap()
            .shift(&mut payload, by, 0xff);
        payload
    };
    assert_eq!(
        shifted(&[0x90, 0xc0, 0xff, 0xff, 0x01, 0], 2),
        [0x90, 0xc0, 0x80, 0x01, 0x00, 0]
    );
    assert_eq!(shifted(&[0x90, 0x80, 0x7f, 0], 3), [0x90, 0x80, 0x02, 0]);
    assert_eq!(shifted(&[0x10, 0], 3), [0x10, 0]);
}

#[test]
fn h264_begins_at_a_sequence_parameter_set() {
    assert!(Codec::H264.starts_decoding(&[0x67, 0x42]));
    assert!(
        Codec::H264.starts_decoding(&[0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68]),
        "aggregated"
    );
    assert!(
        Codec::H264.starts_decoding(&[0x78, 0, 1, 0x09, 0, 2, 0x67, 0x42]),
        "behind a delimiter"
    );
    assert!(
        !Codec::H264.starts_decoding(&[0x78, 0, 1, 0x09]),
        "an aggregate of others"
    );
    assert!(
        !Codec::H264.starts_decoding(&[0x65, 0x88]),
        "an IDR slice: its parameters came before"
    );
    assert!(
        !Codec::H264.starts_decoding(&[0x7c, 0x85]),
        "a fragment of one"
    );
    assert!(!Codec::H264.starts_decoding(&[0x41, 0x9a]), "inter");
    assert!(
        !Codec::H264.starts_decoding(&[0x78, 0, 0, 0, 0]),
        "an empty unit ends the list"
    );
}

#[test]
fn h265_begins_at_a_parameter_set() {
    assert!(Codec::H265.starts_decoding(&[0x40, 1, 0x0c]), "VPS");
    assert!(Codec::H265.starts_decoding(&[0x42, 1]), "SPS");
    assert!(
        Codec::H265.starts_decoding(&[0x60, 1, 0, 4, 0x40, 1, 0, 0]),
        "aggregated"
    );
    assert!(
        !Codec::H265.starts_decoding(&[0x62, 1, 0x80 | 19]),
        "a fragment of an IDR picture"
    );
    assert!(!Codec::H265.starts_decoding(&[0x02, 1, 0x80]), "inter");
}

#[test]
fn vp9_begins_at_the_base_layer_of_a_key_picture() {
    assert!(Codec::Vp9.starts_decoding(&[0x08]));
    assert!(Codec::Vp9.starts_decoding(&[0xa8, 0x80, 0x01, 0x00, 0x07]));
    assert!(
        !Codec::Vp9.starts_decoding(&[0xa8, 0x01, 0x02, 0x07]),
        "spatial layer 1"
    );
    assert!(!Codec::Vp9.starts_decoding(&[0x48]), "predicted");
    assert!(!Codec::Vp9.starts_decoding(&[0x00]), "not the start");
}

#[test]
fn av1_begins_at_a_new_coded_video_sequence() {
    assert!(Codec::Av1.starts_decoding(&[0x18]));
    assert!(!Codec::Av1.starts_decoding(&[0x10]));
    assert!(
        !Codec::Av1.starts_decoding(&[0x98]),
        "the continuation of a fragment"
    );
}

#[test]
fn nothing_begins_in_an_empty_payload_of_video() {
    for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1] {
        assert!(!codec.starts_decoding(&[]), "{codec:?}");
    }
}

#[test]
fn names_are_those_of_sdp() {
    assert_eq!(Codec::from_name("vp8"), Some(Codec::Vp8));
    assert_eq!(Codec::from_name("OPUS"), Some(Codec::Opus));
    assert_eq!(Codec::from_name("rtx"), None);
}

#[test]
fn vp9_descriptors_are_read_as_rfc_9628_section_4_2_says() {
    let flexible = vp9::Descriptor::parse(&[0xfc, 0x81, 0x23, 0x55, 0x02, 9]).unwrap();
    assert_eq!(flexible.picture_id.map(|id| id.value), Some(0x123));
    let layers = flexible.layers.unwrap();
    assert_eq!((layers.temporal, layers.spatial), (2, 2));
    assert!(layers.switching_up && layers.needs_below);
    assert!(flexible.begins && flexible.ends && flexible.predicted);
    assert_eq!(flexible.tl0_picture_index, None, "flexible mode has none");
    let fixed = vp9::Descriptor::parse(&[0xa8, 0x23, 0x20, 0x45, 9]).unwrap();
    assert_eq!(fixed.tl0_picture_index, Some((0x45, 3)));
    assert_eq!(fixed.layers.unwrap().temporal, 1);
    assert!(fixed.key_frame() && !fixed.ends);
    for len in 0..4 {
        let cut = vp9::Descriptor::parse(&[0xa8, 0x81, 0x23, 0x20, 0x45][..len]);
        assert_eq!(cut, Err(Malformed::Truncated), "{len}");
    }
}

#[test]
fn vp9_picture_ids_and_the_base_layers_index_are_shifted_within_their_width() {
    let shifted = |payload: &[u8]| {
        let mut payload = payload.to_vec();
        let descriptor = vp9::Descriptor::parse(&payload).unwrap();
        descriptor.shift(&mut payload, 2, 0xff);
        payload
    };
    let long = shifted(&[0xa8, 0xff, 0xff, 0x20, 0x00, 9]);
    assert_eq!(long, [0xa8, 0x80, 0x01, 0x20, 0xff, 9]);
    assert_eq!(shifted(&[0xb8, 0x7f, 0x20, 9]), [0xb8, 0x01, 0x20, 9]);
}
