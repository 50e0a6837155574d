//! The only I/O of the packet path: sockets, threads, timers.
