//! The thin binding: commands in, batches of events out.

use pyo3::prelude::*;

mod relay;

/// `meeting.dataplane._native`: opened by `meeting.dataplane` alone.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    relay::register(module)
}
