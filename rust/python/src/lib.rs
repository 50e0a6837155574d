//! The thin binding: commands in, batches of events out.
