"""Frames and messages: LiveKit's protobuf in binary frames, its JSON form in text frames, the join in the query.

Bytes from outside: everything raises `BadFrame`, whose text is safe to show; what is inflated is bounded.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping, Sequence

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from livekit.protocol.models import ClientInfo
from livekit.protocol.rtc import JoinRequest, SignalRequest, WrappedJoinRequest

__all__ = ["BadFrame", "join_request_from_query", "parse_frame", "parse_join_request"]

MAXIMUM_JOIN_REQUEST = 1024 * 1024
"""Bytes of a JoinRequest, inflated; one with the offer of a hundred tracks has some 100 000."""
JSON_DEPTH = 20


class BadFrame(ValueError):
    """Bytes that are no message of this protocol."""


def parse_frame(payload: bytes, *, binary: bool) -> SignalRequest:
    """One WebSocket message of a client. Raises BadFrame."""
    request = SignalRequest()
    try:
        if binary:
            request.ParseFromString(payload)
        else:
            value = json.loads(payload)
            if not isinstance(value, dict):
                raise BadFrame("a text frame has to be a JSON object")
            ParseDict(value, request, ignore_unknown_fields=True, max_recursion_depth=JSON_DEPTH)
    except BadFrame:
        raise
    except (DecodeError, ParseError, RecursionError) as error:
        raise BadFrame(f"not a SignalRequest: {str(error)[:200]}") from None
    except (ValueError, TypeError, AttributeError) as error:
        # json_format lets some of its own slips through, by what stands where a message is expected.
        raise BadFrame(f"not a SignalRequest in JSON: {str(error)[:200]}") from None
    return request


def parse_join_request(text: str) -> JoinRequest:
    """The `join_request` of /rtc/v1: base64url, WrappedJoinRequest, JoinRequest; gzip or plain. Raises BadFrame."""
    try:
        bare = text.rstrip("=").encode("ascii")  # clients differ on the padding
        data = base64.b64decode(bare + b"=" * (-len(bare) % 4), b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        raise BadFrame("join_request is not base64url") from None
    wrapped, request = WrappedJoinRequest(), JoinRequest()
    try:
        wrapped.ParseFromString(data)
        inner = wrapped.join_request
        if wrapped.compression == WrappedJoinRequest.GZIP:
            inner = _inflate(inner)
        request.ParseFromString(inner)
    except DecodeError as error:
        raise BadFrame(f"join_request is not a JoinRequest: {str(error)[:200]}") from None
    return request


def join_request_from_query(query: Mapping[str, Sequence[str]]) -> JoinRequest:
    """The many parameters of /rtc as the one message of /rtc/v1."""

    def text(name: str) -> str:
        return next(iter(query.get(name, ())), "")

    def flag(name: str, default: bool = False) -> bool:
        return text(name).lower() in ("1", "true") if text(name) else default

    request = JoinRequest(
        reconnect=flag("reconnect"),
        participant_sid=text("sid"),
        client_info=ClientInfo(
            sdk=_sdk(text("sdk")),
            version=text("version"),
            protocol=_number(text("protocol")),
            os=text("os"),
            os_version=text("os_version"),
            device_model=text("device_model"),
            browser=text("browser"),
            browser_version=text("browser_version"),
            network=text("network"),
            client_protocol=_number(text("client_protocol")),
            capabilities=_capabilities(text("capabilities")),
        ),
    )
    request.connection_settings.auto_subscribe = flag("auto_subscribe", default=True)
    request.connection_settings.adaptive_stream = flag("adaptive_stream")
    request.connection_settings.disable_ice_lite = flag("disable_ice_lite")
    return request


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = inflater.decompress(data, MAXIMUM_JOIN_REQUEST)
    except zlib.error as error:
        raise BadFrame(f"join_request is not gzip: {error}") from None
    if inflater.unconsumed_tail:
        raise BadFrame(f"join_request is longer than {MAXIMUM_JOIN_REQUEST} bytes")
    if not inflater.eof:
        raise BadFrame("join_request ends in the middle of its gzip")
    return plain


def _sdk(name: str) -> str:
    upper = {"REACTNATIVE": "REACT_NATIVE", "UNITYWEB": "UNITY_WEB"}.get(name.upper(), name.upper())
    return upper if upper in dict(ClientInfo.SDK.items()) else "UNKNOWN"


def _capabilities(text: str) -> list[str]:
    """Names, or the numbers of the enumeration; separated by commas. Unknown ones are newer than we are."""
    known = dict(ClientInfo.Capability.items())
    by_number = {str(number): name for name, number in known.items()}
    words = [word.strip().upper() for word in text.split(",")]
    names = [by_number.get(word, word) for word in words]
    return [name for name in names if name in known]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
