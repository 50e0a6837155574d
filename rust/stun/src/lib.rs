//! STUN and TURN messages as bytes (RFC 8489, RFC 8656), shared by ICE and the TURN relay.
