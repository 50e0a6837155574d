"""`meeting probe`: a synthetic participant, for administrators and tests.

It takes a meeting's link, joins as a guest, sends a test picture and a test tone, receives what the others send, and
reports how well and by which way. It is a client: it knows the hub's HTTP API and LiveKit's protocol, and no daemon's
code. Needs the optional extra `meeting[probe]` (aiortc, which brings codecs along).
"""
