"""The data plane as its users see it: docs/protocols/dataplane.md, in types.

Commands return at once and never fail because a peer has gone: everything after a close is a no-op. What
happens is heard through `IPortListener`, on the reactor thread, in order, never from within a command.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from zope.interface import Attribute, Interface

from meeting.dataplane.values import Codec, Kind, PortStatistics, RelayClient, RelayCounters, RelayPort

__all__ = [
    "ILink",
    "IPort",
    "IPortListener",
    "IRelay",
    "IRelayAllocation",
    "IRelayListener",
    "ISink",
    "ISource",
]


class ISource(Interface):
    """One encoding of a published track: one rid, or the only one."""

    id: int = Attribute("Made in Python, never reused within a process.")

    def request_key_frame() -> None:
        """Ask the publisher for a key frame (PLI, throttled). Nothing happens for audio."""

    def close() -> None:
        """Forget it. Sinks it feeds stay, silent, until they are fed by another or closed."""


class ISink(Interface):
    """One track as one subscriber gets it; fed by one Source at a time."""

    id: int = Attribute("Made in Python, never reused within a process.")

    def feed(
        *sources: ISource,
        screen: bool = False,
        size: int = 0,
        spatial: int | None = None,
        frame_rate: int | None = None,
    ) -> None:
        """Attach, switch or (without Sources) pause.

        Of several Sources, the encodings of one track from the smallest on, the last one is sent where the subscriber's
        path has room for it, else a smaller one, else none (`IPortListener.sinks_paused`). Who gets the room: `screen`
        first, then those whose publisher speaks, then by `size`, the area it is shown in, in pixels. After a switch
        video goes on at the new Source's next key frame, which is requested.

        Of a Source that has layers in itself (temporal ones, or VP9 and AV1 with several sizes in one stream), no more
        than spatial layer `spatial` is sent, counted from 0 for the smallest, and no higher frame rate than
        `frame_rate` needs; and fewer where the path has no room.
        """

    def close() -> None:
        """Stop and forget it; nothing else changes."""


class ILink(Interface):
    """One peer connection: ICE-lite, DTLS 1.2 server, SRTP, SCTP."""

    id: int = Attribute("Made in Python, never reused within a process.")

    def set_remote(*, fingerprint: str, ufrag: str) -> None:
        """The peer's description is known. No key is used before.

        `fingerprint` is the value of a=fingerprint, such as "sha-256 AB:CD:…" (RFC 8122 §5; sha-256, sha-384,
        sha-512). Raises ValueError when it is not one.
        """

    def configure(*, codecs: Sequence[Codec], extensions: Mapping[str, int]) -> None:
        """What is received: payload types, and header-extension ids by URI, one map for the bundle.

        May be called again when the peer's description changes.
        """

    def add_source(
        *, mid: str, kind: Kind, rid: str | None = None, ssrc: int | None = None, rtx_ssrc: int | None = None
    ) -> ISource:
        """Expect an encoding: found by `ssrc` if given, else by the mid (and rid) header extensions."""

    def add_sink(
        *,
        mid: str,
        kind: Kind,
        ssrc: int,
        rtx_ssrc: int | None,
        payload_types: Mapping[int, int],
        rtx_payload_types: Mapping[int, int],
        extensions: Mapping[str, int],
    ) -> ISink:
        """Make a track to send; silent until it is fed.

        `payload_types` maps the Source's payload type to this subscriber's, `rtx_payload_types` this
        subscriber's payload type to the one of its retransmissions; `extensions` is this subscriber's map by
        URI.
        """

    def open_channel(
        label: str,
        *,
        ordered: bool = True,
        max_retransmits: int | None = None,
        negotiated: int | None = None,
    ) -> None:
        """Open a data channel, as soon as SCTP is up; a second time is a no-op.

        In-band (RFC 8832), or with the stream id both sides agreed on (`negotiated`). A channel of that label which
        the peer opened meanwhile serves as well.
        """

    def send(label: str, data: bytes, *, binary: bool = True) -> None:
        """Send a message; kept (bounded by PortLimits.early_data) until a channel with this label is open.

        Raises ValueError when it is longer than PortLimits.message.
        """

    def restart_ice(*, ufrag: str, password: str, remote_ufrag: str) -> None:
        """New ICE credentials for the same DTLS and SRTP state (RFC 8445 §9).

        The old path serves until a new one is nominated.
        """

    def close() -> None:
        """Say goodbye (close_notify) and forget it, with its Sources, Sinks and channels.

        No link_closed follows.
        """


class IPort(Interface):
    """The sockets of one engine, with its threads."""

    addresses: Sequence[tuple[str, int]] = Attribute("(host, UDP port) as bound; empty before start().")
    tcp_addresses: Sequence[tuple[str, int]] = Attribute("(host, TCP port) as bound (RFC 6544); empty before start().")
    fingerprint: str = Attribute('Of the certificate, for a=fingerprint: "sha-256 AB:CD:…".')

    async def start() -> None:
        """Open the sockets, start the threads. Raises OSError with the address in its text."""

    def add_link(*, ufrag: str, password: str, remote_fingerprint: str | None = None) -> ILink:
        """Expect a peer that knows these ICE credentials (RFC 8445 §5.3: at least 4 and 22 characters).

        Raises LimitReached at PortLimits.links, ValueError for credentials ICE does not allow.
        """

    def adopt(descriptor: int, head: bytes) -> None:
        """Take over a TCP connection accepted elsewhere, of which `head` has been read.

        The descriptor is duplicated: the caller closes its own. A connection that turns out to be no peer's is closed.
        """

    def send_all(links: Iterable[ILink], label: str, data: bytes) -> None:
        """One binary message to many, handed over once; on each Link as `ILink.send`."""

    def statistics() -> PortStatistics:
        """The last second's snapshot."""

    async def close() -> None:
        """Close every Link, the threads and the sockets; no event comes after."""


class IPortListener(Interface):
    """Who hears what happens."""

    def link_connected(link: ILink, path: str) -> None:
        """ICE and DTLS are up and the fingerprint is the right one; path: "udp 10.0.0.8:51234", or "tcp …"."""

    def link_path_changed(link: ILink, path: str) -> None:
        """The peer nominated another address."""

    def link_closed(link: ILink, reason: str) -> None:
        """The Link ended by itself: once, and the last event of this Link. `reason` is for a log line.

        "peer closed", "consent lost", "never connected", "fingerprint mismatch", "dtls failed: …".
        """

    def channel_opened(link: ILink, label: str) -> None:
        """A data channel can be used both ways."""

    def message(link: ILink, label: str, data: bytes, binary: bool) -> None:
        """A data message came in."""

    def source_started(source: ISource, ssrc: int) -> None:
        """The first packet of this encoding, and the first one after source_stopped."""

    def source_stopped(source: ISource) -> None:
        """No packet for 2 s; video only, as audio may be silent for long (DTX)."""

    def sinks_paused(link: ILink, sinks: Mapping[int, bool]) -> None:
        """The path has no room for some pictures (True), or has again (False); by the ids of their Sinks."""

    def audio_levels(levels: Sequence[tuple[ISource, int]]) -> None:
        """Levels in -dBov (0 loud … 127 silent, RFC 6464), at most every 100 ms.

        Only Sources that speak, and once those that just ceased (127).
        """

    def statistics(snapshot: PortStatistics) -> None:
        """Once a second."""

    def trouble(text: str) -> None:
        """Something an administrator must hear of: a panic caught in a thread, events dropped."""


class IRelayAllocation(Interface):
    """A relay socket and whom it serves. Lifetimes are seconds from now; Rust ends what is not renewed in time."""

    id: int = Attribute("Made in Python, never reused within a process.")
    port: int = Attribute("The relay socket's.")

    def refresh(seconds: float) -> None:
        """It lives on for so long."""

    def permit(host: str, seconds: float, *, ports: Collection[int] | None = None) -> None:
        """Packets may pass from and to this IP address; `ports` limits them to these."""

    def bind(channel: int, host: str, port: int, seconds: float) -> None:
        """The peer gets a channel number; what was bound to either before is not any more. Gives no permission."""

    def dial(host: str, port: int) -> int:
        """Make a TCP connection from this relay address; its number. `IRelayListener.made` tells how it went."""

    def move(client: RelayClient) -> bool:
        """Its client is here now, with the permissions and channels it had. False: it has gone meanwhile."""

    def close() -> None:
        """Close the socket and forget everything."""


class IRelay(Interface):
    """The sockets of a TURN server, with their threads."""

    addresses: Sequence[tuple[str, int]] = Attribute("(host, port) clients come to, as bound; empty before start().")

    def start(listener: IRelayListener) -> None:
        """Open the sockets, start the threads. Raises OSError, StaleBuild."""

    def allocate(
        client: RelayClient,
        seconds: float,
        *,
        ipv6: bool = False,
        wanted: RelayPort = "any",
        kept: int | None = None,
        tcp: bool = False,
    ) -> IRelayAllocation:
        """Open a relay socket, or take the one that was kept on that port: the client's only one of this family.

        With `tcp`, one for TCP connections with peers (RFC 6062), on any port.

        Raises LimitReached when there is no such port or the system refuses one.
        """

    def is_stream(client: RelayClient) -> bool:
        """Whether a client came by TCP or TLS."""

    def join(connection: int, client: RelayClient) -> bool:
        """A client's stream is that of a connection that waits (RFC 6062 §5.4): plain bytes from its next answer on.

        False: the connection has gone.
        """

    def hang_up(connection: int, client: RelayClient) -> None:
        """End a connection; `client` is the one that has been joined with it, else the allocation's."""

    def forget_kept(port: int, *, ipv6: bool = False) -> None:
        """Close the socket that was kept behind a "pair"."""

    def set_certificate(chain: bytes, key: bytes) -> None:
        """What TLS handshakes have from now on, in PEM; also before start(). Until then they fail.

        Raises ValueError when they cannot be used.
        """

    def answer(client: RelayClient, data: bytes) -> None:
        """Send a message to a client, after what the commands before it did has been done."""

    def counters() -> RelayCounters:
        """The totals, a moment old."""

    async def close() -> None:
        """End all allocations and threads."""


class IRelayListener(Interface):
    """What a Relay tells, on the reactor thread, in order, never from within a command."""

    def request(client: RelayClient, data: bytes) -> None:
        """A well-formed TURN request with credentials and a nonce of ours, given to this very client lately."""

    def gone(client: RelayClient) -> None:
        """The TCP or TLS connection of a client that has made a request has ended."""

    def attempt(client: RelayClient, connection: int, host: str, port: int) -> None:
        """A permitted peer has connected to a TCP allocation of this client; the connection waits to be joined."""

    def made(connection: int, made: bool) -> None:
        """What `dial` began: it waits to be joined, or could not be made."""

    def ended(connection: int) -> None:
        """A joined connection has ended, on either side."""

    def trouble(text: str) -> None:
        """A panic caught in a thread, a refusal of the system: loud in the log, counted."""
