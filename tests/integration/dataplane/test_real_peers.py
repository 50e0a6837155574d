"""Real sockets, real peers: what aiortc publishes is what another aiortc decodes."""

from __future__ import annotations

import asyncio
import os
import socket

import av
import numpy

from meeting.dataplane.media import Link, Source
from meeting.dataplane.values import Kind
from tests.integration.dataplane.conftest import Call
from tests.integration.dataplane.peers import Humming, Painted, Peer, wait
from tests.support.deadlines import deadline


async def connect_with_channel(call: Call, label: str = "_reliable") -> tuple[Peer, Link]:
    peer, link = call.expect()
    peer.connection.createDataChannel(label)
    await peer.offer()
    await call.describe(peer, link)
    await call.connected(link)
    return peer, link


@deadline(20)
async def test_a_peer_connects_and_its_path_is_told(call: Call) -> None:
    _, link = await connect_with_channel(call)
    [(_, _, path)] = call.diary.heard("link_connected", link)
    assert path.startswith("udp ")


@deadline(20)
async def test_a_data_channel_echoes_text_and_bytes(call: Call) -> None:
    peer, link = call.expect()
    channel = peer.connection.createDataChannel("_reliable")
    got: asyncio.Queue[str | bytes] = asyncio.Queue()
    channel.on("message", got.put_nowait)
    await peer.offer()
    await call.describe(peer, link)
    await call.diary.until(lambda: bool(call.diary.heard("channel_opened", link, "_reliable")))
    # Its OPEN may be answered before aiortc says that the channel is open.
    while channel.readyState != "open":
        await wait(asyncio.sleep(0.01))
    big = os.urandom(60_000)
    for message in ("grüß dich", b"\x00\xff", big):
        channel.send(message)
    await call.diary.until(lambda: len(call.diary.heard("message")) == 3)
    for _, to, label, data, binary in call.diary.heard("message"):
        to.send(label, data, binary=binary)
    assert [await wait(got.get()) for _ in range(3)] == ["grüß dich", b"\x00\xff", big]


@deadline(20)
async def test_channels_opened_by_the_server_reach_the_peer_with_what_was_sent_before(call: Call) -> None:
    peer, link = call.expect()
    peer.connection.createDataChannel("any")
    got: asyncio.Queue[tuple[str, str | bytes]] = asyncio.Queue()

    @peer.connection.on("datachannel")
    def opened(channel: object) -> None:
        channel.on("message", lambda data: got.put_nowait((channel.label, data)))  # type: ignore[attr-defined]

    await peer.offer()
    link.open_channel("_reliable")
    link.open_channel("_lossy", ordered=False, max_retransmits=0)
    link.send("_reliable", b"one")
    call.port.send_all([link], "_lossy", b"two")
    await call.describe(peer, link)
    assert {await wait(got.get()), await wait(got.get())} == {("_reliable", b"one"), ("_lossy", b"two")}


async def publish(call: Call) -> tuple[Peer, Link, dict[str, Source]]:
    peer, link = call.expect()
    peer.connection.addTrack(Humming())
    peer.connection.addTrack(Painted())
    await peer.offer()
    await call.describe(peer, link)
    sources = {
        kind.value: link.add_source(mid=peer.section(kind.value).mid, kind=kind) for kind in (Kind.AUDIO, Kind.VIDEO)
    }
    return peer, link, sources


async def subscribe(call: Call, sources: dict[str, Source], first_ssrc: int = 0x1000) -> tuple[Peer, Link]:
    peer, link = call.expect()
    peer.connection.addTransceiver("audio", direction="recvonly")
    peer.connection.addTransceiver("video", direction="recvonly")
    await peer.offer()
    ssrcs = {peer.section("audio").mid: [first_ssrc], peer.section("video").mid: [first_ssrc + 1, first_ssrc + 2]}
    await call.describe(peer, link, ssrcs)
    publisher = call.peers[0]
    for kind in (Kind.AUDIO, Kind.VIDEO):
        section, theirs = peer.section(kind.value), publisher.section(kind.value)
        here = {codec.lower(): number for number, codec in section.codecs.items() if "rtx" not in codec}
        types = {n: here[codec.lower()] for n, codec in theirs.codecs.items() if codec.lower() in here}
        ssrc = ssrcs[section.mid]
        sink = link.add_sink(
            mid=section.mid,
            kind=kind,
            ssrc=ssrc[0],
            rtx_ssrc=ssrc[1] if len(ssrc) > 1 else None,
            payload_types=types,
            rtx_payload_types=section.rtx,
            extensions=section.extensions,
        )
        sink.feed(sources[kind.value])
    return peer, link


@deadline(60)
async def test_audio_and_video_of_one_peer_are_decoded_by_two_others(call: Call) -> None:
    _, link, sources = await publish(call)
    await call.connected(link)
    subscribers = [await subscribe(call, sources, 0x1000 * n) for n in (1, 2)]
    for peer, _ in subscribers:
        assert sorted(track.kind for track in peer.tracks) == ["audio", "video"]
        video = next(track for track in peer.tracks if track.kind == "video")
        audio = next(track for track in peer.tracks if track.kind == "audio")
        for _ in range(10):
            frame = await wait(video.recv())
            assert isinstance(frame, av.VideoFrame)
            middle = frame.to_ndarray(format="rgb24")[100:140, 100:140].reshape(-1, 3).mean(axis=0)
            assert numpy.abs(middle - (200, 30, 60)).max() < 12, middle
        loudest = 0
        for _ in range(25):
            sound = await wait(audio.recv())
            assert isinstance(sound, av.AudioFrame)
            loudest = max(loudest, int(numpy.abs(sound.to_ndarray()).max()))
        assert loudest > 6000
    assert len(call.diary.heard("source_started")) == 2


@deadline(60)
async def test_a_subscriber_that_comes_later_and_switches_gets_a_key_frame(call: Call) -> None:
    _, link, sources = await publish(call)
    await call.connected(link)
    await call.diary.until(lambda: len(call.diary.heard("source_started")) == 2)
    peer, _ = await subscribe(call, sources)
    video = next(track for track in peer.tracks if track.kind == "video")
    for _ in range(3):
        await wait(video.recv())
    await call.diary.until(lambda: bool(call.diary.heard("statistics")))
    before = len(call.diary.heard("statistics"))
    await call.diary.until(lambda: len(call.diary.heard("statistics")) > before)
    snapshot = call.port.statistics()
    video_row = snapshot.sources[sources["video"].id]
    assert video_row.plis_sent >= 1
    assert video_row.key_frames >= 2
    assert snapshot.as_json()["threads"][0]["cpu_seconds"] > 0


@deadline(60)
async def test_garbage_of_all_sorts_does_not_disturb_a_call(call: Call) -> None:
    _, link, sources = await publish(call)
    await call.connected(link)
    peer, _ = await subscribe(call, sources)
    video = next(track for track in peer.tracks if track.kind == "video")
    await wait(video.recv())
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for first in (0, 1, 2, 3, 4, 19, 20, 21, 22, 23, 25, 63, 64, 79, 80, 127, 128, 144, 191, 192, 255):
        for length in (0, 1, 3, 11, 12, 19, 20, 28, 100, 1200, 1500, 9000):
            stranger.sendto(bytes([first]) * min(1, length) + os.urandom(max(0, length - 1)), call.port.addresses[0])
    stranger.close()
    for _ in range(10):
        await wait(video.recv())
    assert call.diary.heard("link_closed") == []


@deadline(30)
async def test_a_peer_that_leaves_is_told_at_once(call: Call) -> None:
    peer, link = await connect_with_channel(call)
    # Until its own side of the handshake is done aiortc leaves without a word.
    await call.diary.until(lambda: bool(call.diary.heard("channel_opened", link)))
    await peer.close()
    await call.diary.until(lambda: bool(call.diary.heard("link_closed")))
    assert call.diary.heard("link_closed") == [("link_closed", link, "peer closed")]


@deadline(30)
async def test_a_peer_with_another_certificate_is_refused(call: Call) -> None:
    peer, link = call.expect()
    peer.connection.createDataChannel("x")
    await peer.offer()
    link.set_remote(fingerprint="sha-256 " + ":".join(["00"] * 32), ufrag=peer.remote_ufrag)
    await peer.answer(call.port.addresses[0], call.port.fingerprint)
    await call.diary.until(lambda: bool(call.diary.heard("link_closed")))
    assert call.diary.heard("link_closed") == [("link_closed", link, "fingerprint mismatch")]
    assert call.diary.heard("link_connected") == []


@deadline(30)
async def test_what_comes_after_a_close_is_ignored_on_both_sides(call: Call) -> None:
    _, link = await connect_with_channel(call)
    source = link.add_source(mid="7", kind=Kind.AUDIO)
    link.close()
    link.close()
    link.send("_reliable", b"too late")
    link.open_channel("x")
    source.request_key_frame()
    source.close()
    late = link.add_source(mid="8", kind=Kind.VIDEO)
    late.close()
    # A second link shows that the port is alive, and that nothing was told of the first.
    await connect_with_channel(call)
    assert call.diary.heard("link_closed") == []
