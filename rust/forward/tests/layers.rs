//! Which layers a subscriber gets, and that a decoder can follow: temporal layers of VP8, both kinds of VP9, and any codec that
//! carries the dependency descriptor.

mod support;

use meeting_forward::{Layers, SinkConfig, Source};
use meeting_rtp::Extension;
use meeting_rtp::codec::{vp8, vp9};
use meeting_rtp::dependency::{Descriptor, Structure};
use std::time::Instant;
use support::*;

const ALL: Layers = Layers::ALL;
/// Temporal layers as libwebrtc makes them, four pictures a turn.
const PATTERN: [u8; 4] = [0, 2, 1, 2];

fn up_to(spatial: u8, temporal: u8) -> Layers {
    Layers { spatial, temporal }
}

struct Call {
    now: Instant,
    source: Source,
    to: Subscriber,
    got: Vec<Sent>,
}

impl Call {
    fn new(config: SinkConfig) -> Call {
        let mut to = Subscriber::new(config);
        to.sink.feed(Some(7));
        Call {
            now: Instant::now(),
            source: source(7),
            to,
            got: Vec::new(),
        }
    }

    fn send(&mut self, packet: &[u8]) {
        self.now += MILLISECOND;
        self.got
            .extend(self.to.pass(&mut self.source, packet, self.now));
    }

    /// What came since the last time, in order, without a gap.
    fn take(&mut self) -> Vec<Sent> {
        let got = std::mem::take(&mut self.got);
        let follows = |pair: &[Sent]| pair[0].index + 1 == pair[1].index;
        assert!(got.windows(2).all(follows), "a gap");
        got
    }
}

/// Two packets of VP8 picture `number`, a key picture if that is 0.
fn vp8_picture(number: u16) -> [Vec<u8>; 2] {
    let layer = PATTERN[usize::from(number % 4)];
    let sync = number % 4 < 3;
    [0, 1].map(|part| {
        let media = Media {
            timestamp: 3000 * u32::from(number),
            marker: part == 1,
            ..Media::video(100 + 2 * number + part)
        };
        let [high, low] = (number & 0x7fff | 0x8000).to_be_bytes();
        let indices = layer << 6 | u8::from(sync) << 5;
        let first = if part == 0 { 0x90 } else { 0x80 };
        let inter = u8::from(number > 0 || part > 0);
        let base = (number / 4) as u8;
        media.with(&[first, 0xf0, high, low, base, indices, inter, 1, 2, 3])
    })
}

/// Picture id and temporal layer of what went out, a picture once.
fn vp8_pictures(sent: &[Sent]) -> Vec<(u16, u8)> {
    let read = |sent: &Sent| vp8::Descriptor::parse(sent.payload()).unwrap();
    let mut pictures: Vec<_> = sent
        .iter()
        .map(read)
        .map(|one| (one.picture_id.unwrap().value, one.temporal_layer.unwrap()))
        .collect();
    assert!(sent.iter().step_by(2).all(|first| read(first).frame_start));
    pictures.dedup();
    pictures
}

#[test]
fn vp8_at_a_lower_frame_rate_has_no_gaps_in_its_numbers() {
    for (most, kept) in [(0, 1), (1, 2), (2, 4)] {
        let mut call = Call::new(video_config());
        call.to.sink.select(up_to(0, most));
        (0..32).for_each(|number| vp8_picture(number).iter().for_each(|one| call.send(one)));
        let sent = call.take();
        assert_eq!(sent.len(), 2 * 8 * kept);
        let pictures = vp8_pictures(&sent);
        let ids: Vec<u16> = pictures.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, (0..8 * kept as u16).collect::<Vec<_>>());
        assert!(pictures.iter().all(|(_, layer)| *layer <= most));
        assert!(
            sent.iter()
                .skip(1)
                .step_by(2)
                .all(|last| last.header.marker)
        );
    }
}

#[test]
fn fewer_layers_begin_with_the_next_picture_and_more_where_a_decoder_can_follow() {
    let mut call = Call::new(video_config());
    (0..9).for_each(|number| vp8_picture(number).iter().for_each(|one| call.send(one)));
    let [first, second] = vp8_picture(9);
    call.send(&first);
    call.to.sink.select(up_to(0, 0));
    call.send(&second);
    assert_eq!(call.take().len(), 20, "a picture that was begun is ended");
    (10..15).for_each(|number| vp8_picture(number).iter().for_each(|one| call.send(one)));
    assert_eq!(vp8_pictures(&call.take()), [(10, 0)]);
    call.to.sink.select(ALL);
    // 15 is of layer 2 and needs 14, which was left out; 17, of layer 2, would do, but 18 of layer 1 is not there yet
    (15..19).for_each(|number| vp8_picture(number).iter().for_each(|one| call.send(one)));
    assert_eq!(vp8_pictures(&call.take()), [(11, 0), (12, 1)]);
    (19..25).for_each(|number| vp8_picture(number).iter().for_each(|one| call.send(one)));
    let rest = vp8_pictures(&call.take());
    assert_eq!(rest, [(13, 0), (14, 2), (15, 1), (16, 2), (17, 0)]);
    assert_eq!(call.to.sink.take_key_frame_request(), None);
}

#[test]
fn what_comes_late_of_a_layer_that_is_left_out_fills_its_number_empty() {
    for rtx_ssrc in [Some(SINK_RTX_SSRC), None] {
        let config = SinkConfig {
            rtx_ssrc,
            ..video_config()
        };
        let mut call = Call::new(config);
        call.to.sink.select(up_to(0, 0));
        let pictures: Vec<_> = (0..6).map(vp8_picture).collect();
        pictures[0].iter().for_each(|one| call.send(one));
        call.send(&pictures[1][0]);
        // the second half of picture 1 is missing, and the first of 2
        call.send(&pictures[2][1]);
        pictures[3..5]
            .iter()
            .flatten()
            .for_each(|one| call.send(one));
        assert_eq!(vp8_pictures_of(&call.got), [0, 0, 1, 1]);
        let late = call.got.len();
        call.send(&pictures[2][0]);
        call.send(&pictures[1][1]);
        let fillers = call.got.split_off(late);
        assert_eq!(fillers.len(), 2);
        assert!(
            fillers
                .iter()
                .all(|one| one.payload().is_empty() && !one.header.marker)
        );
        let mut numbers: Vec<u64> = call
            .got
            .iter()
            .chain(&fillers)
            .map(|one| one.index)
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=6).collect::<Vec<_>>());
        let lost: Vec<u16> = fillers.iter().map(|one| one.index as u16).collect();
        let again = call.to.nack(&[&call.source], &lost, call.now);
        assert_eq!(again.len(), 2);
        if rtx_ssrc.is_none() {
            assert!(again.iter().all(|one| fillers.contains(one)), "to the byte");
        }
    }
}

fn vp8_pictures_of(sent: &[Sent]) -> Vec<u16> {
    let id = |sent: &Sent| vp8::Descriptor::parse(sent.payload()).unwrap().picture_id;
    sent.iter().map(|one| id(one).unwrap().value).collect()
}

/// The three packets of a VP9 picture in three spatial layers.
fn vp9_picture(number: u16, key: bool, flexible: bool) -> Vec<Vec<u8>> {
    let temporal = PATTERN[usize::from(number % 4)];
    let packet = |spatial: u8| {
        let media = Media {
            payload_type: VP9,
            timestamp: 3000 * u32::from(number),
            marker: spatial == 2,
            ..Media::video(500 + 3 * number + u16::from(spatial))
        };
        let [high, low] = (number & 0x7fff | 0x8000).to_be_bytes();
        let first = 0xac | u8::from(!key) << 6 | u8::from(flexible) << 4;
        let up = u8::from(temporal == 0) << 4;
        let indices = temporal << 5 | up | spatial << 1 | u8::from(spatial > 0);
        let mut payload = vec![first, high, low, indices];
        if !flexible {
            payload.push((number / 4) as u8);
        } else if !key {
            payload.push(1 << 1);
        }
        payload.extend([spatial; 5]);
        media.with(&payload)
    };
    (0..3).map(packet).collect()
}

/// Picture id, spatial and temporal layer, marker.
fn vp9_frames(sent: &[Sent]) -> Vec<(u16, u8, u8, bool)> {
    let read = |sent: &Sent| {
        let descriptor = vp9::Descriptor::parse(sent.payload()).unwrap();
        let layers = descriptor.layers.unwrap();
        let id = descriptor.picture_id.unwrap().value;
        (id, layers.spatial, layers.temporal, sent.header.marker)
    };
    sent.iter().map(read).collect()
}

#[test]
fn vp9_in_layers_is_cut_to_a_smaller_picture_whose_last_packet_is_marked() {
    for flexible in [false, true] {
        let mut call = Call::new(video_config());
        call.to.sink.select(up_to(1, 0));
        for number in 0..8 {
            let picture = vp9_picture(number, number == 0, flexible);
            picture.iter().for_each(|one| call.send(one));
        }
        let expected = [0, 4].map(|id| [(id, 0, 0, false), (id, 1, 0, true)]);
        assert_eq!(vp9_frames(&call.take()), expected.as_flattened());
        assert_eq!(call.to.sink.take_key_frame_request(), None);
    }
}

#[test]
fn a_bigger_vp9_picture_waits_for_a_key_frame_and_a_smaller_one_does_not() {
    let mut call = Call::new(video_config());
    let send = |call: &mut Call, numbers: std::ops::Range<u16>, key: u16| {
        for number in numbers {
            let picture = vp9_picture(number, number == key, true);
            picture.iter().for_each(|one| call.send(one));
        }
        vp9_frames(&call.take())
    };
    assert_eq!(send(&mut call, 0..2, 0).len(), 6);
    call.to.sink.take_key_frame_request();
    call.to.sink.select(up_to(0, 255));
    assert_eq!(send(&mut call, 2..4, 0), [(2, 0, 1, true), (3, 0, 2, true)]);
    assert_eq!(call.to.sink.take_key_frame_request(), None);
    call.to.sink.select(ALL);
    assert_eq!(send(&mut call, 4..6, 0).len(), 2);
    assert_eq!(call.to.sink.take_key_frame_request(), Some(7));
    assert_eq!(call.to.sink.layers(), up_to(0, 255));
    let frames = send(&mut call, 8..9, 8);
    assert_eq!(
        frames,
        [(8, 0, 0, false), (8, 1, 0, false), (8, 2, 0, true)]
    );
    assert_eq!(call.to.sink.layers(), ALL);
    assert_eq!(call.to.sink.take_key_frame_request(), None);
}

#[test]
fn a_faster_vp9_stream_begins_behind_a_picture_that_says_so() {
    let mut call = Call::new(video_config());
    call.to.sink.select(up_to(255, 0));
    let send = |call: &mut Call, number: u16| {
        let picture = vp9_picture(number, number == 0, true);
        picture.iter().for_each(|one| call.send(one));
        call.take().len()
    };
    let before: Vec<usize> = (0..4).map(|number| send(&mut call, number)).collect();
    assert_eq!(before, [3, 0, 0, 0]);
    call.to.sink.select(ALL);
    assert_eq!(send(&mut call, 3), 0, "not in the middle of the turn");
    let after: Vec<usize> = (4..8).map(|number| send(&mut call, number)).collect();
    assert_eq!(after, [3; 4]);
}

/// L1T3: templates T0 key, T0, T1, T2; the layers above T0 need what was before them.
const L1T3: &str =
    "000000 00010 00 01 01 11 101010 101010 000110 000001 0 1 0011 0 1 0001 0 1 0000 0 00 0";

fn bits(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let byte = |digits: &[u8]| {
        (0..8).fold(0, |byte, at| {
            byte << 1 | u8::from(digits.get(at) == Some(&b'1'))
        })
    };
    digits.chunks(8).map(byte).collect()
}

/// A packet of AV1 that is a whole frame.
fn av1_frame(number: u16, key: bool, ssrc: u32) -> Vec<u8> {
    let media = Media {
        payload_type: AV1,
        ssrc,
        ..Media::video(number)
    };
    let template = if key {
        0
    } else {
        [1, 3, 2, 3][usize::from(number % 4)]
    };
    let mut descriptor = format!("11 {template:06b} {number:016b}");
    if key {
        descriptor += &format!("1 0000 {L1T3}");
    }
    let payload = [if key { 0x18 } else { 0x10 }, number as u8];
    media.extended(&[(12, &bits(&descriptor))], &payload)
}

/// Frame number, temporal layer and active decode targets of what went out.
fn av1_frames(sent: &[Sent], known: &mut Option<Structure>) -> Vec<(u16, u8, Option<u32>)> {
    let mut read = |sent: &Sent| {
        let data = sent.value(Extension::DependencyDescriptor).unwrap();
        let (descriptor, attached) = Descriptor::parse(data, known.as_ref()).unwrap();
        if let Some(attached) = attached {
            *known = Some(attached);
        }
        (
            descriptor.number,
            descriptor.frame.temporal,
            descriptor.active,
        )
    };
    sent.iter().map(&mut read).collect()
}

#[test]
fn what_a_dependency_descriptor_says_of_layers_is_kept_to_and_told_on() {
    let mut call = Call::new(video_config());
    let mut known = None;
    call.to.sink.select(up_to(255, 1));
    (0..8).for_each(|number| call.send(&av1_frame(number, number == 0, 1)));
    let mask = Some(0b011);
    let expected = [(0, 0, mask), (2, 1, mask), (4, 0, mask), (6, 1, mask)];
    assert_eq!(av1_frames(&call.take(), &mut known), expected);
    call.to.sink.select(ALL);
    (9..12).for_each(|number| call.send(&av1_frame(number, false, 1)));
    // picture 8 got lost, so that neither 10 nor 12 is a place to begin
    assert_eq!(av1_frames(&call.take(), &mut known), [(10, 1, mask)]);
    (12..14).for_each(|number| call.send(&av1_frame(number, false, 1)));
    assert_eq!(av1_frames(&call.take(), &mut known), [(12, 0, mask)]);
    (14..17).for_each(|number| call.send(&av1_frame(number, false, 1)));
    let all = Some(0b111);
    let expected = [(14, 1, all), (15, 2, all), (16, 0, all)];
    assert_eq!(av1_frames(&call.take(), &mut known), expected);
    call.send(&av1_frame(20, true, 1));
    let key = call.take();
    assert_eq!(av1_frames(&key, &mut known), [(20, 0, None)]);
    let data = key[0].value(Extension::DependencyDescriptor).unwrap();
    let mut before = bits(&format!("11 000000 {:016b} 1 0000 {L1T3}", 20));
    before.truncate(data.len());
    assert_eq!(data, before, "as it came");
}

#[test]
fn frame_numbers_go_on_over_a_switch_of_sources() {
    let mut call = Call::new(video_config());
    let mut known = None;
    (0..3).for_each(|number| call.send(&av1_frame(number, number == 0, 1)));
    let mut other = source(8);
    call.to.sink.feed(Some(8));
    for number in 700..703 {
        let packet = av1_frame(number, number == 700, 2);
        call.now += MILLISECOND;
        call.got.extend(call.to.pass(&mut other, &packet, call.now));
    }
    let frames = av1_frames(&call.take(), &mut known);
    let numbers: Vec<u16> = frames.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
}
