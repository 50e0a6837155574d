"""The values that cross the seam between Python and Rust; they hold no state and know no engine.

The nouns (Port, Link, Source, Sink, Channel) are told in docs/protocols/dataplane.md.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

__all__ = [
    "Certificate",
    "Codec",
    "Kind",
    "LinkStatistics",
    "PortLimits",
    "PortStatistics",
    "RelayClient",
    "RelayCounters",
    "RelayLimits",
    "RelayPort",
    "SinkStatistics",
    "SourceStatistics",
    "StreamLimits",
    "ThreadStatistics",
]


class Kind(enum.Enum):
    """What a track carries; the value is the media name of its SDP section."""

    AUDIO = "audio"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a Port shows in DTLS: an ECDSA P-256 certificate and its key, fresh for each process."""

    certificate: bytes
    """X.509, DER."""
    key: bytes = field(repr=False)
    """PKCS#8, DER, not encrypted."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One payload type a Link receives, with the feedback agreed for it (a=rtpmap, a=rtcp-fb)."""

    payload_type: int
    """0 … 127."""
    name: str
    """The encoding name of a=rtpmap in any case: "opus", "VP8", "H264"."""
    clock_rate: int
    """Hz."""
    channels: int = 1
    rtx_payload_type: int | None = None
    """The payload type of its retransmissions (RFC 4588), if agreed."""
    nack: bool = False
    pli: bool = False
    transport_cc: bool = False
    remb: bool = False


@dataclass(frozen=True, slots=True)
class PortLimits:
    """Bounds of one Port. What goes over a bound is dropped, counted, and told where one can act on it."""

    links: int = 5000
    """Links at one time; add_link beyond it raises LimitReached."""
    events: int = 4096
    """Events waiting for the reactor; more are dropped and told as trouble."""
    commands: int = 65536
    """Commands waiting for the media thread; more raise LimitReached."""
    early_data: int = 1024 * 1024
    """Bytes kept for channels of one Link that are not open yet."""
    message: int = 256 * 1024
    """Bytes of one data message, both ways."""
    channel_buffer: int = 4 * 1024 * 1024
    """Bytes of one Link's data not yet acknowledged by the peer; more are dropped and told as trouble."""
    connect_seconds: float = 30.0
    """A Link that is not connected after this time closes."""
    consent_seconds: float = 30.0
    """A Link without a valid connectivity check for this time closes (RFC 7675)."""
    socket_buffer: int = 4 * 1024 * 1024
    """Bytes asked of the kernel for SO_RCVBUF and SO_SNDBUF each; the kernel may give less."""
    streams: int = 10_000
    """TCP connections at one time; more are closed."""
    unknown_streams: int = 512
    """Of them, those that no Link has recognised yet; one more, and the oldest of them is closed."""
    stream_seconds: float = 10.0
    """A TCP connection that no Link recognises within this time is closed."""
    stream_video_queue: int = 128 * 1024
    """Bytes that wait for a peer who reads slowly before its video is held back."""
    stream_queue: int = 512 * 1024
    """Bytes that wait for a peer before everything to it is dropped."""


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """Counts since the Link was made."""

    packets_received: int
    """Datagrams of any sort that were this Link's."""
    bytes_received: int
    packets_sent: int
    bytes_sent: int
    refused: int
    """Datagrams that failed authentication, were replayed or were malformed."""
    round_trip: float | None
    """Seconds, from the newest receiver report; None when nothing was sent or reported yet."""
    connected: bool
    estimate: int | None = None
    """Bit/s the path to the peer takes; None while nothing is known of it."""
    acknowledged: int | None = None
    """Bit/s that arrived lately, of what carries transport-wide numbers; None without feedback on them."""
    demand: int = 0
    """Bit/s it would take to send all that the peer wants."""
    paused: int = 0
    """Pictures there is no room for."""


@dataclass(frozen=True, slots=True)
class SourceStatistics:
    """Counts since the Source was made."""

    link: int
    """The Link's id."""
    packets: int
    bytes: int
    ignored: int
    """Packets that went no further: duplicates, probes, payload types that were not agreed."""
    lost: int
    """Packets that never came, although asked for again."""
    nacks_sent: int
    """Times a missing packet was asked for."""
    repaired: int
    """Missing packets that came after having been asked for."""
    plis_sent: int
    """Key frames asked for."""
    key_frames: int
    spatial_layers: int = 1
    """Layers that have come in this one stream: sizes, and frame rates."""
    temporal_layers: int = 1


@dataclass(frozen=True, slots=True)
class SinkStatistics:
    """Counts since the Sink was made."""

    link: int
    """The Link's id."""
    packets: int
    bytes: int
    lost: int
    """Cumulative loss as the subscriber reports it."""
    fraction_lost: float
    """0 … 1, of the newest receiver report."""
    nacks_received: int
    """Packets the subscriber asked for again."""
    retransmitted: int
    plis_received: int
    """Key frames the subscriber asked for."""
    paused: bool = False
    """For want of room on the subscriber's path."""
    spatial: int | None = None
    """The highest layers sent of the stream it is fed from; None: all there are."""
    temporal: int | None = None


@dataclass(frozen=True, slots=True)
class ThreadStatistics:
    """One engine thread."""

    name: str
    cpu_seconds: float
    """CPU time of this thread since it began."""
    turns: int
    """Times it woke up."""


@dataclass(frozen=True, slots=True)
class PortStatistics:
    """A snapshot taken once a second. Keys are the ids of the handles (`link.id`, `source.id`, `sink.id`)."""

    uptime: float = 0.0
    """Seconds since the Port started."""
    links: Mapping[int, LinkStatistics] = field(default_factory=dict)
    sources: Mapping[int, SourceStatistics] = field(default_factory=dict)
    sinks: Mapping[int, SinkStatistics] = field(default_factory=dict)
    threads: Sequence[ThreadStatistics] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    """Counts of the whole Port since its start, by name: docs/protocols/dataplane.md lists them."""

    def as_json(self) -> dict[str, Any]:
        """The same as plain dicts, lists and numbers."""
        return asdict(self)


RelayPort = Literal["any", "even", "pair"]
"""Which relay port: any, an even one, or an even one while the next is kept for who asks for it (RFC 8656 §7.2)."""


class RelayClient(NamedTuple):
    """A TURN client: its 5-tuple, and the thread that has it. Equal for as long as the 5-tuple is."""

    worker: int
    listener: int
    """Index into `IRelay.addresses`: the server's end of the 5-tuple."""
    host: str
    """Its IP address, as we see it."""
    port: int


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """Bounds of a Relay. What goes over a bound is dropped and counted."""

    events: int = 4096
    """Requests waiting for the reactor."""
    nonce_seconds: int = 600
    """How long a nonce is good; 3600 at most."""
    challenges_per_second: int = 100
    """Error answers for one source address (IPv6: /64) and thread before it is authenticated."""
    requests_per_second: int = 500
    """Requests with credentials handed up for one source address and thread."""
    allocation_bytes_per_second: int = 0
    """Payload that one relay address may pass on in each direction; 0: no limit."""
    bytes_per_second: int = 0
    """Payload that all of them may pass on together; 0: no limit."""


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds of a Relay's TCP and TLS connections. Times are seconds, a source is an IPv4 address or an IPv6 /64."""

    connections: int = 16_000
    per_source: int = 8000
    half_open: int = 1000
    """Connections of one source without an allocation (yet)."""
    handshake: float = 10.0
    """How long a TLS handshake may take."""
    idle: float = 30.0
    """How long a connection without an allocation may say nothing that is whole."""
    queue: int = 256 << 10
    """Bytes that may wait for a slow reader. Data beyond is dropped; twice as much ends the connection."""
    stuck: float = 30.0
    """How long a reader may take none of what waits for it."""
    peers: int = 16_000
    """Connections with peers in all (RFC 6062)."""
    peers_of_one: int = 16
    """Of one allocation."""
    connect: float = 30.0
    """How long one that a client asks for may take to be made."""


@dataclass(frozen=True, slots=True)
class RelayCounters:
    """Totals since the Relay started."""

    totals: Mapping[str, int]
    """to_peers, to_peers_bytes, to_clients, to_clients_bytes, bindings, challenges, requests; allocations and
    connections now."""
    dropped: Mapping[str, int]
    """By cause: docs/protocols/dataplane.md lists them."""
