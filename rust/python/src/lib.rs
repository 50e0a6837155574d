//! The thin binding: commands in, batches of events out.

use pyo3::prelude::*;

mod media;
mod relay;
mod relay_table;
mod relay_values;

/// `meeting.dataplane._native`: opened by `meeting.dataplane` alone.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("SOURCE_HASH", env!("MEETING_SOURCE_HASH"))?;
    media::register(module)?;
    relay::register(module)?;
    relay_table::register(module)
}
