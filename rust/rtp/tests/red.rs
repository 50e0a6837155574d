//! Redundant audio, as libwebrtc sends it.

use meeting_rtp::{Malformed, NoRoom, red};

/// Two older Opus payloads of 3 and 2 bytes and the newest, of 4; 960 ticks apart.
fn packet() -> Vec<u8> {
    let mut payload = vec![];
    for (offset, length) in [(1920u32, 3u32), (960, 2)] {
        payload.push(0x80 | 111);
        payload.extend_from_slice(&(offset << 10 | length).to_be_bytes()[1..]);
    }
    payload.push(111);
    payload.extend_from_slice(b"olderOpus"); // "old" + "er" + "Opus"
    payload
}

#[test]
fn the_newest_block_is_what_a_packet_without_redundancy_carries() {
    assert_eq!(red::primary(&packet()), Ok((111, &b"Opus"[..])));
    assert_eq!(red::primary(b"\x6fOpus"), Ok((111, &b"Opus"[..])));
    assert_eq!(red::primary(&[111]), Ok((111, &[][..])));
}

#[test]
fn every_block_gets_its_new_type_and_nothing_else_changes() {
    let mut renamed = packet();
    red::rename_types(&mut renamed, |from| (from == 111).then_some(109)).unwrap();
    assert_eq!(red::primary(&renamed), Ok((109, &b"Opus"[..])));
    let changed: Vec<_> = (0..renamed.len())
        .filter(|at| renamed[*at] != packet()[*at])
        .collect();
    assert_eq!(changed, [0, 4, 8]);
}

#[test]
fn a_block_of_an_unknown_type_is_refused() {
    assert_eq!(
        red::rename_types(&mut packet(), |_| None),
        Err(Malformed::Format)
    );
}

#[test]
fn cut_anywhere_in_headers_or_older_blocks_it_is_truncated() {
    for end in 0..14 {
        assert_eq!(
            red::primary(&packet()[..end]),
            Err(Malformed::Truncated),
            "{end}"
        );
    }
}

#[test]
fn blocks_come_oldest_first_and_are_written_back_the_same() {
    let packet = packet();
    let blocks: Vec<_> = red::blocks(&packet).map(Result::unwrap).collect();
    let seen: Vec<_> = blocks
        .iter()
        .map(|block| (block.timestamp_offset, block.payload))
        .collect();
    assert_eq!(seen, [(1920, &b"old"[..]), (960, b"er"), (0, b"Opus")]);
    assert!(
        blocks
            .iter()
            .all(|block| block.payload_type == 111 && red::is_repeatable(block))
    );
    let (newest, older) = blocks.split_last().unwrap();
    let mut written = [0; 64];
    assert_eq!(red::write(older, newest, &mut written), Ok(packet.len()));
    assert_eq!(written[..packet.len()], packet);
    assert_eq!(red::write(older, newest, &mut written[..9]), Err(NoRoom));
}

#[test]
fn after_a_block_that_ends_early_there_are_no_more() {
    for len in 0..packet().len() - 4 {
        let cut = &packet()[..len];
        assert_eq!(
            red::blocks(cut).find_map(Result::err),
            Some(Malformed::Truncated),
            "{len} bytes"
        );
        assert!(red::blocks(cut).count() <= 3);
    }
}

#[test]
fn a_block_too_long_or_too_old_for_its_header_is_not_repeatable() {
    let block = |timestamp_offset, payload| red::Block {
        payload_type: 111,
        timestamp_offset,
        payload,
    };
    assert!(red::is_repeatable(&block(0x3fff, &[0; 0x3ff])));
    assert!(!red::is_repeatable(&block(0x4000, &[0; 0x3ff])));
    assert!(!red::is_repeatable(&block(0x3fff, &[0; 0x400])));
}
