"""SDP as lines (RFC 8866): what is not understood is kept, in its place, byte for byte.

A description is the session's block of lines and one block for each media section. Reading never asserts and
never guesses: what is malformed raises `SdpError`, whose text says where. Meaning is read from a block only when it is
asked for, so an odd line in one section does not spoil the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Block", "Description", "Line", "SdpError", "Section", "parse"]

MAXIMUM_LENGTH = 1024 * 1024
"""Characters of one description; a meeting with hundreds of tracks needs some 200 000."""
MAXIMUM_SECTIONS = 2048
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")


class SdpError(ValueError):
    """A session description that cannot be used; the text is safe to show."""


class Line(NamedTuple):
    """One line, `<type>=<value>`."""

    type: str
    value: str

    def __str__(self) -> str:
        return f"{self.type}={self.value}"


@dataclass(slots=True)
class Block:
    """Lines that belong together: the session's, or one media section's."""

    lines: list[Line] = field(default_factory=list)
    """Only ever appended to."""
    _attributes: dict[str, list[str]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """By name, of the first `_indexed` lines: a description is asked for some twenty names a section."""
    _indexed: int = field(default=0, init=False, repr=False, compare=False)

    def add(self, name: str, value: str | None = None) -> None:
        """Append an attribute, `a=name` or `a=name:value`."""
        self.lines.append(Line("a", name if value is None else f"{name}:{value}"))

    def values(self, name: str) -> Sequence[str]:
        """The values of every attribute of this name, in order; "" for one without a value."""
        if self._indexed < len(self.lines):
            for line in self.lines[self._indexed :]:
                if line.type == "a":
                    known, _, value = line.value.partition(":")
                    self._attributes.setdefault(known, []).append(value)
            self._indexed = len(self.lines)
        return self._attributes.get(name, ())

    def value(self, name: str) -> str | None:
        """The first attribute of this name; None if there is none."""
        return next(iter(self.values(name)), None)

    def has(self, name: str) -> bool:
        return bool(self.values(name))


@dataclass(slots=True)
class Section(Block):
    """A media section; its first line is m= (RFC 8866 §5.14)."""

    kind: str = "audio"
    port: int = 9
    protocol: str = "UDP/TLS/RTP/SAVPF"
    formats: tuple[str, ...] = ()

    @property
    def mid(self) -> str:
        mid = self.value("mid")
        if not mid:
            raise SdpError(f"a media section ({self.kind}) has no a=mid")
        return mid

    @property
    def direction(self) -> str:
        """As offered; sendrecv when nothing is said (RFC 8866 §6.7)."""
        return next((name for name in DIRECTIONS if self.has(name)), "sendrecv")

    @property
    def rejected(self) -> bool:
        """Port 0 refuses a section, unless it only waits to be bundled (RFC 9143 §6)."""
        return self.port == 0 and not self.has("bundle-only")

    def __str__(self) -> str:
        return f"{self.kind} {self.port} {self.protocol} {' '.join(self.formats)}".rstrip()


@dataclass(slots=True)
class Description:
    """A whole session description."""

    session: Block = field(default_factory=Block)
    sections: list[Section] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{kind}={value}" for kind, value in self.session.lines]
        for section in self.sections:
            lines.append(f"m={section}")
            lines += [f"{kind}={value}" for kind, value in section.lines]
        return "\r\n".join(lines) + "\r\n" if lines else ""

    @property
    def bundle(self) -> tuple[str, ...]:
        """The mids that share the first one's transport (RFC 9143); empty without a group."""
        for group in self.session.values("group"):
            semantics, *mids = group.split()
            if semantics == "BUNDLE":
                return tuple(mids)
        return ()


def parse(text: str) -> Description:
    """Read a description; lines may end in CRLF or LF. Raises SdpError."""
    if len(text) > MAXIMUM_LENGTH:
        raise SdpError(f"the description has {len(text)} characters, more than {MAXIMUM_LENGTH}")
    description = Description()
    lines = description.session.lines
    # What two sections have in common, nearly all, is looked at once.
    seen: dict[str, Line] = {}
    for number, raw in enumerate(text.split("\n"), 1):
        known = seen.get(raw)
        if known is not None:
            lines.append(known)
            continue
        line = raw.removesuffix("\r")
        if not line:
            continue
        if len(line) < 2 or line[1] != "=" or not ("a" <= line[0] <= "z") or "\r" in line or "\0" in line:
            raise SdpError(f"line {number} is not of the form <letter>=<value>")
        if line[0] == "m":
            section = _section(line[2:], number)
            description.sections.append(section)
            lines = section.lines
            if len(description.sections) > MAXIMUM_SECTIONS:
                raise SdpError(f"more than {MAXIMUM_SECTIONS} media sections")
        else:
            seen[raw] = Line(line[0], line[2:])
            lines.append(seen[raw])
    if not description.session.lines or description.session.lines[0] != Line("v", "0"):
        raise SdpError("the description does not begin with v=0")
    return description


def _section(value: str, number: int) -> Section:
    parts = value.split(" ")
    if len(parts) < 3 or not all(parts):
        raise SdpError(f"line {number}: m= needs media, port, protocol and formats")
    kind, port, protocol, *formats = parts
    digits = port.partition("/")[0]
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and int(digits) <= 65535) or "/" in port:
        raise SdpError(f"line {number}: m= has no usable port")
    return Section(kind=kind, port=int(digits), protocol=protocol, formats=tuple(formats))
