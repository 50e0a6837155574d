"""Which formats fit which, and how payload types are mapped from publisher to subscriber."""

from __future__ import annotations

import pytest

from meeting.dataplane.values import Kind
from meeting.sfuserver.negotiation.codecs import (
    Format,
    choose,
    offered_formats,
    payload_type_maps,
    read_formats,
)
from meeting.sfuserver.negotiation.sdp import parse


def h264(number: int, profile: str, mode: str = "1") -> Format:
    return Format(number, "H264", 90000, 1, {"profile-level-id": profile, "packetization-mode": mode}, (), number + 1)


@pytest.mark.parametrize(
    ("one", "other", "fits"),
    [
        (h264(102, "42e01f"), h264(104, "42e034"), True),  # the level may differ
        (h264(102, "42e01f"), h264(104, "42c01f"), True),  # two ways to write constrained baseline
        (h264(102, "42e01f"), h264(104, "640c1f"), False),
        (h264(102, "42e01f"), h264(104, "42e01f", "0"), False),
        (Format(98, "VP9", 90000, 1, {"profile-id": "0"}), Format(99, "VP9", 90000, 1, {}), True),
        (Format(98, "VP9", 90000, 1, {"profile-id": "2"}), Format(99, "VP9", 90000, 1, {}), False),
        (Format(96, "VP8", 90000), Format(120, "vp8", 90000), True),
        (Format(96, "VP8", 90000), Format(120, "AV1", 90000), False),
        (Format(49, "H265", 90000, 1, {"level-id": "93"}), Format(120, "H265", 90000, 1, {"profile-id": "1"}), True),
        (Format(49, "H265", 90000, 1, {"profile-id": "2"}), Format(120, "H265", 90000, 1, {}), False),
    ],
)
def test_formats_fit_only_if_packets_can_pass_unread(one: Format, other: Format, fits: bool) -> None:
    assert one.compatible(other) is fits
    assert other.compatible(one) is fits


def test_payload_types_are_mapped_with_the_subscribers_own_retransmissions() -> None:
    publisher = [Format(96, "VP8", 90000, rtx_payload_type=97), Format(98, "VP9", 90000, rtx_payload_type=99)]
    subscriber = [Format(98, "VP8", 90000, rtx_payload_type=None), Format(120, "VP9", 90000, rtx_payload_type=121)]
    assert payload_type_maps(publisher, subscriber) == ({96: 98, 98: 120}, {120: 121})


RED = Format(63, "red", 48000, 2, {"111/111": ""})
OPUS = Format(111, "opus", 48000, 2)


def test_repeated_sound_is_wanted_first_unless_its_publisher_says_no() -> None:
    assert choose(Kind.AUDIO, [OPUS, RED]) == [RED, OPUS]
    assert choose(Kind.AUDIO, [OPUS, RED], redundancy=False) == [OPUS]


@pytest.mark.parametrize("parameters", [None, {}, {"8/8": ""}, {"111/8": ""}, {"x": "y"}])
def test_repetitions_of_what_was_not_agreed_are_declined(parameters: dict[str, str] | None) -> None:
    strange = Format(63, "red", 48000, 2, parameters)
    assert choose(Kind.AUDIO, [OPUS, strange]) == [OPUS]


def test_who_takes_no_repetitions_gets_the_sound_alone() -> None:
    without = [Format(109, "opus", 48000, 2)]
    assert payload_type_maps([RED, OPUS], without) == ({63: 109, 111: 109}, {})
    taking = [*without, Format(120, "red", 48000, 2, {"109/109": ""})]
    assert payload_type_maps([RED, OPUS], taking) == ({63: 120, 111: 109}, {})
    assert payload_type_maps([RED, OPUS], [Format(0, "PCMU", 8000)]) == ({}, {})


def test_feedback_is_cut_to_what_both_speak() -> None:
    offered = Format(96, "VP8", 90000, feedback=("goog-remb", "nack", "nack pli", "x-new"))
    (agreed,) = choose(Kind.VIDEO, [offered])
    assert agreed.feedback == ("goog-remb", "nack", "nack pli")
    codec = agreed.as_codec()
    assert (codec.nack, codec.pli, codec.remb, codec.transport_cc) == (True, True, True, False)


def test_every_payload_type_the_server_offers_is_used_once() -> None:
    formats = [*offered_formats(Kind.AUDIO), *offered_formats(Kind.VIDEO)]
    numbers = [number for codec in formats for number in (codec.payload_type, codec.rtx_payload_type) if number]
    assert len(numbers) == len(set(numbers))
    assert all(96 <= number <= 127 for number in numbers)


def test_retransmissions_are_found_by_their_apt() -> None:
    text = (
        "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97 98\r\na=mid:0\r\na=rtpmap:96 VP8/90000\r\n"
        "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:98 VP9/90000\r\na=rtcp-fb:* nack\r\n"
    )
    formats = {codec.name: codec for codec in read_formats(parse(text).sections[0])}
    assert formats["VP8"].rtx_payload_type == 97
    assert formats["VP9"].rtx_payload_type is None
    assert formats["VP9"].feedback == ("nack",)
