//! The STUN target over the shared vectors.

use meeting_fuzz::{mutate, stun};

fn corpus() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/stun");
    let mut packets = vec![
        b"\x40\x00\x00\x03abc\x00".to_vec(),
        b"\x4f\xff\x00\x00".to_vec(),
    ];
    for name in ["rfc.json", "malformed.json"] {
        let text =
            std::fs::read_to_string(format!("{folder}/{name}")).expect("the vectors are there");
        let vectors: serde_json::Value = serde_json::from_str(&text).expect("the vectors are JSON");
        for vector in vectors.as_array().expect("a list") {
            let hex = vector["packet"].as_str().expect("hex text");
            let bytes = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits"));
            packets.push(bytes.collect());
        }
    }
    assert!(packets.len() > 20);
    packets
}

#[test]
fn stun_survives_changed_packets() {
    mutate::run(stun::stun, &corpus(), 0x5_7014, 200_000);
}

#[test]
fn stun_survives_changed_attributes() {
    mutate::run(stun::stun_attributes, &corpus(), 0x8489, 200_000);
}
