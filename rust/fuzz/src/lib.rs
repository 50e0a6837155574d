//! Fuzz targets: every parser of bytes from outside, fed by a seeded mutator in 'cargo test' and by a coverage-guided fuzzer elsewhere.
//!
//! A target is a plain `fn(&[u8])` that panics when a promise is broken; `tests/` drives each over its corpus.

pub mod mutate;
pub mod stun;
