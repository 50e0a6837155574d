//! The calling thread: what it has used, and its place in the queue.

use std::time::Duration;

/// CPU time the calling thread has used.
pub fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes the one timespec, which outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Asks that the calling thread goes before others (negative nice, CAP_SYS_NICE or LimitNICE); false when not permitted.
pub fn go_first(nice: i32) -> bool {
    // SAFETY: takes no pointers. On Linux the id 0 is the calling thread's.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) == 0 }
}
