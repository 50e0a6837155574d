//! Bytes of every sort thrown at a connection that is being made or in use: it neither panics nor is disturbed.

mod support;

use std::time::Duration;

use support::*;

const STRANGER: &str = "203.0.113.66:6666";

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = self.next() as usize % (most + 1);
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// Captured from a good call: every datagram the client sent.
fn recorded() -> Vec<Vec<u8>> {
    use std::cell::RefCell;
    use std::rc::Rc;
    let tape = Rc::new(RefCell::new(Vec::new()));
    let copy = Rc::clone(&tape);
    let mut world = World::new(Box::new(move |way, bytes| {
        if way == Way::ToServer {
            copy.borrow_mut().push(bytes.to_vec());
        }
        Some(Duration::from_millis(5))
    }));
    world.connect();
    assert_alive(&mut world);
    tape.take()
}

#[test]
fn noise_from_the_peers_own_address_does_not_disturb_a_call() {
    let mut world = World::new(clear_sky());
    world.connect();
    let mut random = Random(1);
    for _ in 0..20_000 {
        let mut bytes = random.bytes(200);
        if let Some(first) = bytes.first_mut() {
            // Every class of RFC 7983, DTLS content types above all.
            *first =
                [0, 1, 19, 20, 21, 22, 23, 24, 25, 63, 64, 128, 192][random.next() as usize % 13];
        }
        world.inject(at(CLIENT), &bytes);
    }
    assert_eq!(world.closed(), None);
    assert_alive(&mut world);
}

#[test]
fn records_with_a_true_header_and_a_false_body_do_not_disturb_a_call() {
    let mut world = World::new(clear_sky());
    world.connect();
    let mut random = Random(2);
    for i in 0..20_000_u64 {
        let body = random.bytes(120);
        let content = [20, 21, 22, 23, 25][i as usize % 5];
        let epoch = (random.next() % 3) as u8;
        let mut bytes = vec![content, 0xfe, 0xfd, 0, epoch];
        bytes.extend_from_slice(&(random.next() % (1 << 20)).to_be_bytes()[2..]);
        bytes.extend_from_slice(&(body.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&body);
        world.inject(at(CLIENT), &bytes);
    }
    assert_eq!(world.closed(), None);
    assert_alive(&mut world);
}

#[test]
fn the_whole_handshake_and_its_mutations_again_do_not_disturb_a_call() {
    let tape = recorded();
    let mut world = World::new(clear_sky());
    world.connect();
    let mut random = Random(3);
    for round in 0..200 {
        for datagram in &tape {
            let mut bytes = datagram.clone();
            if round > 0 {
                for _ in 0..1 + random.next() % 4 {
                    let at = random.next() as usize % bytes.len();
                    bytes[at] ^= 1 << (random.next() % 8);
                }
                if random.next().is_multiple_of(4) {
                    bytes.truncate(random.next() as usize % bytes.len());
                }
            }
            world.inject(at(CLIENT), &bytes);
        }
    }
    assert_eq!(world.closed(), None);
    assert_alive(&mut world);
}

#[test]
fn nothing_from_a_strangers_address_reaches_dtls() {
    let tape = recorded();
    let mut world = World::new(clear_sky());
    world.connect();
    let before = world.server_datagrams.len();
    for datagram in tape.iter().filter(|datagram| datagram[0] > 3) {
        world.inject(at(STRANGER), datagram);
    }
    assert_eq!(
        world.server_datagrams.len(),
        before,
        "a stranger was answered"
    );
    assert!(world.link.refused() > 0);
    assert_alive(&mut world);
}

#[test]
fn garbage_before_the_hello_does_not_prevent_the_call() {
    for seed in 1..40 {
        let mut random = Random(seed);
        let mut world = World::new(clear_sky());
        // The check has passed; the hello is not there yet.
        world.run_for(Duration::from_millis(6));
        for _ in 0..50 {
            let mut bytes = random.bytes(100);
            if let Some(first) = bytes.first_mut() {
                *first = 20 + (*first % 6);
            }
            world.inject(at(CLIENT), &bytes);
        }
        world.connect();
        assert_alive(&mut world);
    }
}

#[test]
fn a_forged_alert_before_the_hello_does_not_prevent_the_call() {
    let mut world = World::new(clear_sky());
    world.run_for(Duration::from_millis(6));
    let alert = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40];
    world.inject(at(CLIENT), &alert);
    world.connect();
    assert_eq!(world.closed(), None);
}

#[test]
fn mutated_sctp_in_genuine_records_ends_no_more_than_the_channels() {
    // A peer that is authenticated and hostile: its SCTP is broken on purpose. Media must not suffer.
    let mut random = Random(5);
    for _ in 0..30 {
        let mut world = World::new(clear_sky());
        world
            .client
            .open_channel(world.now, "x", Default::default());
        world.connect();
        world.run_for(Duration::from_millis(200));
        for _ in 0..50 {
            let packet = sctp_packet(random.next() as u8, &random.bytes(80));
            world.client.send_raw(world.now, &packet);
            world.collect();
            world.run_for(Duration::from_millis(20));
        }
        assert_eq!(world.closed(), None);
    }
}

/// A packet with a right checksum and verification tag 0, as INIT has it, whatever its chunk is.
fn sctp_packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x13, 0x88, 0x13, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, kind % 16, 0];
    packet.extend_from_slice(&(4 + body.len() as u16).to_be_bytes());
    packet.extend_from_slice(body);
    let checksum = crc32c(&packet).to_le_bytes();
    packet[8..12].copy_from_slice(&checksum);
    packet
}

/// RFC 9260 appendix A, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg());
    !bytes
        .iter()
        .fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[test]
fn the_checksum_of_these_tests_is_crc32c() {
    assert_eq!(crc32c(b"123456789"), 0xE306_9283);
}
