"""The identities that the hub gives to those who join: `<subject>:<device>` (docs/protocols/tokens.md)."""

import re

_OURS = re.compile(r"([0-9a-f]{32}):[a-z0-9]{8}")


def subject_of(identity: str) -> str:
    """The person or guest of an identity; empty for one that is not ours (a recorder, an agent, a test client)."""
    found = _OURS.fullmatch(identity)
    return found[1] if found else ""
