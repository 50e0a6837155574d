//! Fuzz targets: every parser of bytes from outside, fed by a seeded mutator in `cargo test` and by a coverage-guided fuzzer elsewhere.
//!
//! A target is a plain `fn(&[u8])` that panics when a promise is broken; `tests/` drives each over its corpus, and `libfuzzer/`
//! (a workspace of its own, for nightly compilers) drives any of [`TARGETS`] by name.

pub mod forward;
pub mod framing;
pub mod mutate;
pub mod relay;
pub mod rtcp;
pub mod rtp;
pub mod srtp;
pub mod stun;

/// A target.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 14] = [
    ("stun", stun::stun),
    ("stun_attributes", stun::stun_attributes),
    ("framing", framing::framing),
    ("rtp", rtp::rtp),
    ("codecs", rtp::codecs),
    ("dependency", rtp::dependency),
    ("rtcp", rtcp::rtcp),
    ("estimate", rtcp::estimate),
    ("srtp", srtp::srtp),
    ("forward", forward::forward),
    ("relay_hello", relay::relay_hello),
    ("relay_icmp", relay::relay_icmp),
    ("relay_packets", relay::relay_packets),
    ("relay_story", relay::relay_story),
];
