//! RTP and RTCP as bytes: headers, extensions, codec payload descriptors, feedback packets.
