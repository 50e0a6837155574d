//! What another process has used, from the kernel (proc(5)).

use std::fs;
use std::io;
use std::time::Duration;

/// The size of a page where this runs.
const PAGE: u64 = 4096;

/// CPU time of all threads, to the nanosecond. Threads that have ended do not count.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let ran = text.split_whitespace().next().and_then(|n| n.parse().ok());
        nanoseconds += ran.unwrap_or(0_u64);
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Bytes in memory, without what the kernel keeps for its sockets.
pub fn resident(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let pages = text.split_whitespace().nth(1).and_then(|n| n.parse().ok());
    Ok(pages.unwrap_or(0_u64) * PAGE)
}
