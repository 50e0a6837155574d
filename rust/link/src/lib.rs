//! One participant's peer connection without I/O: ICE-lite, DTLS, SCTP.
