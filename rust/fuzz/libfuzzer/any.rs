//! Drives the target named by `FUZZ_TARGET`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meeting_fuzz::TARGETS;
use std::sync::LazyLock;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let names = TARGETS.map(|(name, _)| name).join(", ");
    let found = TARGETS.into_iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("set FUZZ_TARGET to one of {names}")).1
});

fuzz_target!(|data: &[u8]| TARGET(data));
