"""SDP and offer/answer, without I/O."""
