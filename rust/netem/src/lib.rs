//! A seeded bad network for the tests of the sans-I/O crates: loss, delay, reordering, duplication.
