//! The data path of TURN: allocations, permissions, channels (RFC 8656).
