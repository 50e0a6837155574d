//! Fuzz targets: every parser of bytes from outside, fed by a seeded mutator in 'cargo test' and by a coverage-guided fuzzer elsewhere.
