//! What a connectivity check costs: parse, verify, answer. `cargo bench -p meeting-stun`; the aim is 0.6 µs.

use std::hint::black_box;
use std::time::Instant;

use meeting_stun::{BindingRequest, Class, IntegrityKey, Message, Method, Writer, attribute};

fn main() {
    let key = IntegrityKey::new(b"a password of 24 letters");
    let mut packet = [0; 256];
    let size = Writer::new(&mut packet, Class::Request, Method::BINDING, &[1; 12])
        .attribute(attribute::USERNAME, b"serverufrag:clnt")
        .u64(attribute::ICE_CONTROLLING, 1)
        .attribute(attribute::USE_CANDIDATE, &[])
        .u32(attribute::PRIORITY, 1)
        .integrity(&key)
        .fingerprint()
        .finish()
        .expect("256 bytes are enough");
    let source = "192.0.2.1:50000".parse().expect("an address");
    let mut out = [0; 128];
    let rounds = 200_000;
    let mut best = f64::MAX;
    for _ in 0..7 {
        let begin = Instant::now();
        for _ in 0..rounds {
            let message = Message::parse(black_box(&packet[..size])).expect("well-formed");
            let request = BindingRequest::new(message).expect("a check");
            assert!(request.verify(&key) && !request.has_unknown());
            black_box(
                request
                    .write_success(&key, source, &mut out)
                    .expect("128 bytes are enough"),
            );
        }
        best = best.min(begin.elapsed().as_secs_f64() / f64::from(rounds));
    }
    println!("ICE check, {size} bytes: {:.0} ns", best * 1e9);
}
