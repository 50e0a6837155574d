"""The SDP model: lossless on real browsers' offers, clear on bad ones, quiet on anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meeting.dataplane.values import Kind
from meeting.sfuserver.negotiation.codecs import DEPENDENCY
from meeting.sfuserver.negotiation.description import Remote, read
from meeting.sfuserver.negotiation.offer_answer import Candidate, Receive, Send, Transport, make_answer, make_offer
from meeting.sfuserver.negotiation.sdp import SdpError, parse

VECTORS = Path(__file__).parents[2] / "vectors" / "sdp"
OFFERS = sorted(VECTORS.glob("*.sdp"))
CANDIDATES = (
    Candidate("udp", "192.0.2.1", 7882),
    Candidate("udp", "2001:db8::1", 7882),
    Candidate("tcp", "192.0.2.1", 443),
)
TRANSPORT = Transport(1, "ufrag", "p" * 24, "sha-256 AB", CANDIDATES)


def text_of(path: Path) -> str:
    return path.read_bytes().decode()


@pytest.mark.parametrize("path", OFFERS, ids=lambda path: path.stem)
def test_a_real_offer_survives_reading_and_writing_unchanged(path: Path) -> None:
    assert str(parse(text_of(path))) == text_of(path)


@pytest.mark.parametrize("path", OFFERS, ids=lambda path: path.stem)
def test_a_real_offer_is_answered_section_by_section(path: Path) -> None:
    offer = read(text_of(path))
    answer = parse(make_answer(offer, TRANSPORT, 2, {section.mid: Receive() for section in offer.sections}))
    assert [section.mid for section in answer.sections] == [section.mid for section in offer.sections]
    assert [section.kind for section in answer.sections] == [section.media for section in offer.sections]
    assert answer.session.has("ice-lite")
    assert answer.bundle == tuple(section.mid for section in offer.sections)
    for section, offered in zip(answer.sections, offer.sections, strict=True):
        assert section.value("setup") == "passive"
        if offered.kind is None:
            continue
        assert section.direction == ("recvonly" if offered.sends else "inactive")
        assert not section.has("msid") and not section.has("ssrc")
        assert set(section.formats) <= set(offered.formats_text)


def test_what_browsers_send_is_found() -> None:
    chromium = read(text_of(VECTORS / "chromium-v1-publish.sdp"))
    firefox = read(text_of(VECTORS / "firefox-v1-publish.sdp"))
    for offer in (chromium, firefox):
        sending = [section for section in offer.sections if section.sends]
        assert {section.kind for section in sending} == {Kind.AUDIO, Kind.VIDEO}
        video = next(section for section in sending if section.kind is Kind.VIDEO)
        assert video.rids == ("q", "h", "f")
        assert [encoding.rid for encoding in video.encodings] == ["q", "h", "f"]
        assert sum(section.only_receives for section in offer.sections) == 6
        assert all(section.usable for section in offer.sections)
        assert video.track_id


def test_a_single_layer_is_told_by_its_ssrc_and_that_of_its_retransmissions() -> None:
    (encoding,) = read(text_of(VECTORS / "chromium-single-layer.sdp")).sections[0].encodings
    assert encoding.rid is None and encoding.ssrc and encoding.rtx_ssrc
    assert encoding.ssrc != encoding.rtx_ssrc


def test_bundle_only_with_port_0_is_no_refusal() -> None:
    offer = read(
        text_of(VECTORS / "firefox-v1-join.sdp")
        .replace("m=audio 9", "m=audio 0")
        .replace("a=sendrecv\r\n", "a=sendrecv\r\na=bundle-only\r\n")
    )
    assert any(not section.usable for section in offer.sections)  # port 0 and not bundle-only
    text = text_of(VECTORS / "firefox-v1-join.sdp")
    bundled = text.replace("m=audio 9", "m=audio 0").replace("a=rtcp-mux", "a=rtcp-mux\r\na=bundle-only")
    assert all(section.usable for section in read(bundled).sections)


def test_simulcast_is_accepted_in_the_offered_order_with_its_header_extensions() -> None:
    offer = read(text_of(VECTORS / "chromium-v1-publish.sdp"))
    answer = parse(make_answer(offer, TRANSPORT, 2, {section.mid: Receive() for section in offer.sections}))
    video = next(section for section in answer.sections if section.has("simulcast"))
    assert video.value("simulcast") == "recv q;h;f"
    assert list(video.values("rid")) == ["q recv", "h recv", "f recv"]
    extensions = " ".join(video.values("extmap"))
    assert "rtp-stream-id" in extensions and "repaired-rtp-stream-id" in extensions


def test_a_slot_carries_what_is_sent_and_says_so_in_the_stream_id() -> None:
    offer = read(text_of(VECTORS / "chromium-v1-join.sdp"))
    slot = next(section for section in offer.sections if section.only_receives and section.kind is Kind.VIDEO)
    send = Send("PA_1|TR_1", "TR_1", 1234, 5678)
    answer = parse(make_answer(offer, TRANSPORT, 2, {slot.mid: send}))
    section = next(section for section in answer.sections if section.mid == slot.mid)
    assert section.direction == "sendonly"
    assert section.value("msid") == "PA_1|TR_1 TR_1"
    assert section.value("ssrc-group") == "FID 1234 5678"
    silent = [other for other in answer.sections if other.mid != slot.mid and other.kind != "application"]
    assert all(other.direction == "inactive" and not other.has("msid") for other in silent)


def test_long_header_extensions_and_dependency_descriptors_are_taken_where_they_are_offered() -> None:
    text = text_of(VECTORS / "chromium-v1-publish.sdp")
    line = f"a=extmap:12 {DEPENDENCY}\r\n"
    assert line in text
    short = text.replace("a=extmap-allow-mixed\r\n", "").replace(line, "")
    for offer, mixed in ((text, True), (short, False)):
        remote = read(offer)
        answer = make_answer(remote, TRANSPORT, 2, {section.mid: Receive() for section in remote.sections})
        video = [section for section in parse(answer).sections if section.kind == "video"]
        assert parse(answer).session.has("extmap-allow-mixed") is mixed
        described = [f"12 {DEPENDENCY}" in section.values("extmap") for section in video]
        assert any(described) is mixed
    assert parse(make_offer(TRANSPORT, 1, [])).session.has("extmap-allow-mixed")


def test_candidates_stand_once_in_the_description_and_nothing_trickles() -> None:
    offer = read(text_of(VECTORS / "chromium-v1-join.sdp"))
    answer = parse(make_answer(offer, TRANSPORT, 2, {}))
    assert list(answer.sections[0].values("candidate")) == [
        "1 1 udp 2130706431 192.0.2.1 7882 typ host",
        "2 1 udp 2130706175 2001:db8::1 7882 typ host",
        "3 1 tcp 1520434687 192.0.2.1 443 typ host tcptype passive",
    ]
    assert answer.sections[0].has("end-of-candidates")
    assert not any(section.has("candidate") for section in answer.sections[1:])


def test_opus_is_asked_for_as_its_track_wants_it() -> None:
    offer = read(text_of(VECTORS / "chromium-v0-publish.sdp"))
    audio = next(section for section in offer.sections if section.kind is Kind.AUDIO)
    wishes = {(True, True): "usedtx=1;stereo=1", (False, True): "usedtx=1", (False, False): ""}
    for (stereo, discontinuous), expected in wishes.items():
        answer = parse(make_answer(offer, TRANSPORT, 2, {audio.mid: Receive(None, stereo, discontinuous)}))
        section = next(section for section in answer.sections if section.mid == audio.mid)
        (fmtp,) = (value for value in section.values("fmtp") if value.startswith("111 minptime"))
        assert fmtp.partition(" ")[2] == ";".join(filter(None, ["minptime=10;useinbandfec=1", expected]))


def test_the_codec_a_track_names_comes_first() -> None:
    offer = read(text_of(VECTORS / "chromium-v0-publish.sdp"))
    video = next(section for section in offer.sections if section.kind is Kind.VIDEO)
    answer = parse(make_answer(offer, TRANSPORT, 2, {video.mid: Receive("vp9")}))
    section = next(section for section in answer.sections if section.mid == video.mid)
    maps = dict(value.split(" ") for value in section.values("rtpmap"))
    assert maps[section.formats[0]] == "VP9/90000"
    assert "VP8/90000" in maps.values() and "rtx/90000" in maps.values()


def test_a_section_that_nobody_can_use_is_refused_and_leaves_the_bundle() -> None:
    text = text_of(VECTORS / "chromium-single-layer.sdp")
    only_unknown = "".join(
        line
        for line in text.splitlines(keepends=True)
        if not (line.startswith("a=rtpmap") and any(name in line for name in ("VP8", "VP9", "H264", "AV1")))
    )
    answer = parse(make_answer(read(only_unknown), TRANSPORT, 2, {}))
    assert answer.sections[0].port == 0
    assert answer.bundle == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "v=0"),
        ("v=0\r\n", "no media section"),
        ("hello", "line 1"),
        ("v=0\r\nm=audio x UDP/TLS/RTP/SAVPF 111\r\n", "line 2"),
        ("v=0\r\nm=audio 9\r\n", "line 2"),
        ("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", "a=mid"),
        ("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n", "ice-ufrag"),
        ("v=0\r\nm=audio 9 X 1\r\na=mid:0\r\nm=audio 9 X 1\r\na=mid:0\r\n", "two sections"),
        ("v=0\r\nm=audio 9 X 1\r\na=mid:0\r\na=rtpmap:900 opus/48000/2\r\n", "payload type"),
        ("v=0\r\nm=audio 9 X 1\r\na=mid:0\r\na=extmap:x urn:y\r\n", "number"),
        ("v=0\r\nm=audio 9 X 1\r\na=mid:" + "x" * 17, "mid"),
        ("v=0\r\nm=audio 9 X 1\r\na=mid:0\rb\r\n", "line 3"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    with pytest.raises(SdpError, match=says):
        read(text)


def test_more_sections_than_any_client_has_are_refused() -> None:
    with pytest.raises(SdpError, match="more than 2048"):
        parse("v=0\r\n" + "m=audio 9 X 1\r\n" * 2049)
    with pytest.raises(SdpError, match="characters"):
        parse("v=0\r\n" + "a=x\r\n" * 300_000)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    _read_or_refuse(text)
    _read_or_refuse("v=0\r\n" + text)


LINES = [line for path in OFFERS for line in text_of(path).split("\r\n") if line]


@given(st.lists(st.one_of(st.sampled_from(LINES), st.text(max_size=30)), max_size=80), st.data())
def test_shuffled_and_broken_offers_are_answered_or_refused(lines: list[str], data: st.DataObject) -> None:
    _read_or_refuse("v=0\r\n" + "\r\n".join(lines))
    text = text_of(data.draw(st.sampled_from(OFFERS)))
    at = data.draw(st.integers(0, len(text) - 1))
    _read_or_refuse(text[:at] + data.draw(st.text(max_size=5)) + text[at + data.draw(st.integers(0, 10)) :])


def _read_or_refuse(text: str) -> None:
    try:
        remote = read(text)
    except SdpError:
        return
    _answer(remote)


def _answer(remote: Remote) -> None:
    decisions: dict[str, Receive | Send] = {
        section.mid: Receive() if section.sends else Send("s", "t", 1, 2) for section in remote.sections
    }
    answer = parse(make_answer(remote, TRANSPORT, 1, decisions))
    assert len(answer.sections) == len(remote.sections)
