//! A seeded mutator: the same seed gives the same packets, so a failure can be run again.

use meeting_netem::Random;

/// Numbers that sit at the edges of length fields.
const EDGES: [u8; 8] = [0, 1, 3, 4, 0x7F, 0x80, 0xFE, 0xFF];

/// Feeds `target` with every seed, then with `rounds` packets made from them by one to eight small changes each.
pub fn run(target: fn(&[u8]), corpus: &[Vec<u8>], seed: u64, rounds: usize) {
    let mut random = Random::new(seed);
    for packet in corpus {
        target(packet);
    }
    for _ in 0..rounds {
        let mut packet = corpus
            .get(random.below(corpus.len()))
            .cloned()
            .unwrap_or_default();
        for _ in 0..=random.below(8) {
            change(&mut packet, corpus, &mut random);
        }
        target(&packet);
    }
}

fn change(packet: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let at = random.below(packet.len());
    match random.below(7) {
        0 => packet.truncate(at),
        1 => packet.insert(at, random.bits() as u8),
        2 if !packet.is_empty() => drop(packet.remove(at)),
        3 => {
            let tail = corpus
                .get(random.below(corpus.len()))
                .map_or(&[][..], Vec::as_slice);
            let from = random.below(tail.len());
            packet.truncate(at);
            packet.extend_from_slice(&tail[from..]);
        }
        4 if !packet.is_empty() => packet[at] = EDGES[random.below(EDGES.len())],
        5 if !packet.is_empty() => packet[at] ^= 1 << random.below(8),
        _ if !packet.is_empty() => packet[at] = random.bits() as u8,
        _ => {}
    }
    packet.truncate(0x1_1000);
}
