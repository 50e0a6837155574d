//! The relay's targets over packets, and over stories made of random steps.

use meeting_fuzz::{mutate, relay};
use meeting_netem::Random;

/// A client that allocates, permits, binds and sends; and one that lets it all run out.
const STORIES: [&[u8]; 2] = [
    b"\x00\x00\x00\xff\x02\x00\x00\xff\x03\x00\x00\xff\x06\x00\x00\x00\x08\x00\x00\x00\x07\x00\x01\x00\x04\x00\x00\x00",
    b"\x00\x01\x00\x10\x02\x01\x04\xfe\x08\x01\x04\x00\x05\x00\x00\x20\x08\x01\x04\x00\x09\x00\x00\x00\x00\x01\x00\xff",
];

fn random_stories(seed: u64) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    let mut story = |steps: usize| (0..4 * steps).map(|_| random.bits() as u8).collect();
    (0..200).map(|_| story(500)).collect()
}

#[test]
fn the_relay_does_what_a_simple_model_does() {
    let stories: Vec<Vec<u8>> = STORIES.iter().map(|story| story.to_vec()).collect();
    mutate::run(relay::relay_story, &stories, 0x8656, 20_000);
    mutate::run(relay::relay_story, &random_stories(0x5766), 0x8656, 200);
}

#[test]
fn the_relay_survives_any_packet() {
    let packets = [
        b"\x40\x00\x00\x04data".to_vec(),
        b"\x00\x16\x00\x18\x21\x12\xa4\x42transaction!\x00\x12\x00\x08\x00\x01\x3a\x4a\xe7\x21\xc0\x43\x00\x13\x00\x04data".to_vec(),
        b"\x00\x03\x00\x08\x21\x12\xa4\x42transaction!\x00\x19\x00\x04\x11\x00\x00\x00".to_vec(),
        b"\x00\x01\x00\x00\x21\x12\xa4\x42transaction!".to_vec(),
    ];
    mutate::run(relay::relay_packets, &packets, 0x8656, 20_000);
}

#[test]
fn the_beginning_of_dtls_survives_any_datagram() {
    let hello = |cookie: &[u8]| {
        let head = [0xFE, 0xFD];
        let tail = [0, 2, 0xC0, 0x2B, 1, 0];
        let body = [&head[..], &[7; 32], &[0, cookie.len() as u8], cookie, &tail].concat();
        let size = body.len() as u8;
        let record = [22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 1, 0, size + 12];
        let message = [1, 0, 0, size, 0, 1, 0, 0, 0, 0, 0, size];
        [&record[..], &message, &body].concat()
    };
    let seeds = [hello(b""), hello(b"AAAAAAAAAAAA")];
    mutate::run(relay::relay_hello, &seeds, 0x7350, 20_000);
}

#[test]
fn any_icmp_message_is_told_as_it_should_or_not_at_all() {
    let seeds = [
        b"\x03\x01\x00".to_vec(),
        b"\x03\x04\x01\x05\xdc".to_vec(),
        b"\x0b\x00\x02".to_vec(),
    ];
    mutate::run(relay::relay_icmp, &seeds, 0x0792, 20_000);
}
