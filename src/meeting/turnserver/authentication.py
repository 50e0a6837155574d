"""Who asks: long-term credentials (RFC 8489 §9.2) whose user names carry their own expiry (docs/protocols/tokens.md).

Nobody is looked up. The password follows from the user name and the shared secret, so whoever can sign has been let in
by the hub or an sfuserver, until the time the name says.
"""

from dataclasses import dataclass

from meeting.daemon.secret import turn_password
from meeting.stun import AttributeType, Message, long_term_key


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated user, and the key its answers are signed with."""

    room: str
    identity: str
    expires_at: int
    """Unix seconds."""
    key: bytes

    @property
    def user(self) -> tuple[str, str]:
        """Who it is whatever the credential: a renewed one is the same user's."""
        return self.room, self.identity


class Authentication:
    """Verifies requests; `key` is `Secret.key("turn-credential")`."""

    def __init__(self, key: bytes, realm: str) -> None:
        self._key = key
        self.realm = realm

    def caller(self, message: Message, now: float) -> Caller | None:
        """Who made the request, or None: an unknown form of user name, an expired one, a wrong password.

        `now` is Unix seconds. Which of them it was is nobody's business; the comparison takes constant time.
        """
        username = message.text(AttributeType.USERNAME)
        parts = (username or "").split(":", 2)
        if username is None or len(parts) != 3:
            return None
        expiry, room, identity = parts
        if not (expiry.isascii() and expiry.isdecimal() and len(expiry) <= 12) or int(expiry) <= now:
            return None
        key = long_term_key(username, self.realm, turn_password(self._key, username))
        return Caller(room, identity, int(expiry), key) if message.is_genuine(key) else None
