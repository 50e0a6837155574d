//! RTP headers, extensions, retransmissions, payload descriptors.

use meeting_rtp::codec::{Codec, vp8, vp9};
use meeting_rtp::dependency::{Descriptor, Structure};
use meeting_rtp::extension::{Values, Writer};
use meeting_rtp::{Extension, ExtensionMap, Header, is_rtcp, red, rtx};

/// Nothing panics, what is found lies within the packet, and what is written again reads the same.
pub fn rtp(data: &[u8]) {
    let _ = is_rtcp(data);
    let Ok(header) = Header::parse(data) else {
        return;
    };
    assert!(header.len <= data.len());
    let _ = header.csrcs(data).count();
    let elements: Vec<_> = header.extensions(data).collect();
    assert!(
        elements
            .iter()
            .all(|(id, place)| *id != 0 && place.end <= header.len)
    );
    let map = ExtensionMap::new(Extension::ALL.into_iter().zip(1..));
    let values = Values::parse(&header, data, &map);
    let _ = (
        values.audio_level(data),
        values.transport_cc(data),
        values.abs_send_time(data),
    );
    if let Ok(payload) = header.payload(data) {
        rewrite(&header, data, payload);
        codecs(payload);
    }
    restore(&header, data);
}

fn rewrite(header: &Header, data: &[u8], payload: &[u8]) {
    let mut out = vec![0; 2 * data.len() + 64];
    let Ok(mut len) = header.write(true, &mut out) else {
        panic!("there is room for a header")
    };
    let Ok(mut writer) = Writer::new(&mut out[len..], true) else {
        panic!("there is room for a block")
    };
    let mut written = vec![];
    for (id, place) in header.extensions(data) {
        if writer.push(id, &data[place.clone()]) {
            written.push((id, &data[place]));
        }
    }
    let Ok(block) = writer.finish() else { return }; // more than 65535 words
    len += block;
    out[len..len + payload.len()].copy_from_slice(payload);
    out.truncate(len + payload.len());
    let again = Header::parse(&out).expect("we wrote it");
    assert_eq!(
        (again.ssrc, again.sequence, again.timestamp),
        (header.ssrc, header.sequence, header.timestamp)
    );
    assert_eq!(again.payload(&out), Ok(payload));
    let read: Vec<_> = again
        .extensions(&out)
        .map(|(id, place)| (id, &out[place]))
        .collect();
    assert_eq!(read, written);
}

fn restore(header: &Header, data: &[u8]) {
    let mut packet = data.to_vec();
    if let Ok(Some((restored, end))) = rtx::restore(&mut packet, header, 96, 7) {
        let bytes = &packet[rtx::OSN..end];
        assert_eq!(Header::parse(bytes), Ok(restored));
        assert_eq!((restored.payload_type, restored.ssrc), (96, 7));
        assert!(restored.payload(bytes).is_ok());
    }
}

/// Payload descriptors of every codec.
pub fn codecs(payload: &[u8]) {
    redundancy(payload);
    for codec in [
        Codec::Vp8,
        Codec::Vp9,
        Codec::H264,
        Codec::H265,
        Codec::Av1,
        Codec::Opus,
    ] {
        let _ = codec.starts_decoding(payload);
    }
    if let Ok(descriptor) = vp9::Descriptor::parse(payload) {
        let mut shifted = payload.to_vec();
        descriptor.shift(&mut shifted, 1000, 10);
        let again = vp9::Descriptor::parse(&shifted).expect("its shape is the same");
        assert_eq!(again.layers, descriptor.layers);
        again.shift(&mut shifted, 0u16.wrapping_sub(1000), 0u8.wrapping_sub(10));
        assert_eq!(shifted, payload);
    }
    if let Ok(descriptor) = vp8::Descriptor::parse(payload) {
        assert!(descriptor.len < payload.len());
        let mut shifted = payload.to_vec();
        descriptor.shift(&mut shifted, 1000, 10);
        let again = vp8::Descriptor::parse(&shifted).expect("its shape is the same");
        assert_eq!(
            (again.len, again.key_frame),
            (descriptor.len, descriptor.key_frame)
        );
        again.shift(&mut shifted, 0u16.wrapping_sub(1000), 0u8.wrapping_sub(10));
        assert_eq!(shifted, payload);
    }
}

/// The data of dependency descriptors, each behind a byte with its length: what is written again says the same.
pub fn dependency(data: &[u8]) {
    let mut known: Option<Structure> = None;
    let mut rest = data;
    while let [len, tail @ ..] = rest {
        let (one, tail) = tail.split_at(usize::from(*len).min(tail.len()));
        rest = tail;
        let Ok((descriptor, attached)) = Descriptor::parse(one, known.as_ref()) else {
            continue;
        };
        for active in [None, Some(0), Some(0x5555_5555)] {
            let mut out = vec![0; one.len() + 5];
            let len = descriptor
                .rewrite(one, 7, active, &mut out)
                .expect("flags and a mask are 37 bits");
            let (again, same) =
                Descriptor::parse(&out[..len], known.as_ref()).expect("we wrote it");
            assert_eq!(same, attached);
            assert_eq!((again.number, again.frame), (7, descriptor.frame));
            assert_eq!(
                again.active.is_some(),
                active.or(descriptor.active).is_some()
            );
        }
        if let Some(attached) = attached {
            assert!((1..=32).contains(&attached.targets().len()));
            known = Some(attached);
        }
    }
}

fn redundancy(payload: &[u8]) {
    let mut renamed = payload.to_vec();
    let Ok((within, block)) = red::primary(payload) else {
        return;
    };
    red::rename_types(&mut renamed, |from| Some(from ^ 1)).expect("its headers are whole");
    assert_eq!(red::primary(&renamed), Ok((within ^ 1, block)));
    let blocks: Vec<_> = red::blocks(payload)
        .map(|block| block.expect("they end where the newest begins"))
        .collect();
    let (newest, older) = blocks.split_last().expect("the newest at least");
    assert_eq!((newest.payload_type, newest.payload), (within, block));
    let mut written = vec![0; payload.len()];
    assert_eq!(red::write(older, newest, &mut written), Ok(payload.len()));
    assert_eq!(written, payload);
}
