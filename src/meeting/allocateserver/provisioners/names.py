"""A machine's name is its tag: every provider has names, and each can be listed by them."""

import re
from collections.abc import Mapping
from typing import Any

from meeting.allocateserver.values import Found, Order
from meeting.daemon.converters import host_port

_NAME = re.compile(r"meeting-([0-9a-f]{8})-([0-9a-f]{12})")


def name_of(ledger: str, machine: str) -> str:
    """`meeting-<ledger>-<machine>`."""
    return f"meeting-{ledger}-{machine}"


def found(name: str, provider_id: str) -> Found | None:
    """What a name says; None: it is no machine of any ledger."""
    match = _NAME.fullmatch(name)
    return Found(provider_id, match[1], match[2]) if match else None


def filled(value: Any, order: Order, **more: str) -> Any:
    """`value` with the `{…}` in all its texts replaced: {n}, {address}, {host}, {port}, {ip}, {name}, {ledger},
    {machine} and `more`.
    """
    address = host_port(order.address)
    words: Mapping[str, str] = {
        "n": str(order.number),
        "address": order.address,
        "host": address.host,
        "port": str(address.port),
        "ip": order.ip,
        "name": order.name,
        "ledger": order.ledger,
        "machine": order.machine,
        **more,
    }
    return _fill(value, words)


def _fill(value: Any, words: Mapping[str, str]) -> Any:
    match value:
        case str():
            return re.sub(r"\{([a-z_]+)\}", lambda found: words.get(found[1], found[0]), value)
        case list():
            return [_fill(each, words) for each in value]
        case dict():
            return {key: _fill(each, words) for key, each in value.items()}
    return value
