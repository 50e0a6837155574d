"""Who asks: long-term credentials (RFC 8489 §9.2) whose user names carry their own expiry (docs/protocols/tokens.md).

Nobody is looked up. The password follows from the user name and the shared secret, so whoever can sign has been let in
by the hub or an sfuserver, until the time the name says.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from meeting.daemon.networks import IP
from meeting.daemon.secret import turn_password
from meeting.daemon.turn_user import TurnUser
from meeting.stun import AttributeType, ErrorCode, Hash, Message, PasswordAlgorithm, long_term_key, user_hash
from meeting.turnserver.refused import Refused

#: A nonce that came with PASSWORD-ALGORITHMS begins so: the cookie, and that feature (RFC 8489 §9.2, §18.1).
COOKIE = b"obMatJos2gAAA"
#: What such a challenge offers, the preferred one first.
OFFERED = (PasswordAlgorithm.SHA256, PasswordAlgorithm.MD5)
ALGORITHMS = b"".join(algorithm.entry for algorithm in OFFERED)
#: Names remembered by their hash, and what follows from them.
MOST_NAMES = 16_000


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated user, and how its answers are signed."""

    room: str
    identity: str
    expires_at: int
    """Unix seconds."""
    key: bytes = field(repr=False)
    hash: Hash = "sha1"
    servers: Mapping[IP, frozenset[int]] = field(default_factory=dict)
    """The media addresses of the room's sfuserver, with their ports."""

    @property
    def user(self) -> tuple[str, str]:
        """Who it is whatever the credential: a renewed one is the same user's."""
        return self.room, self.identity


class Authentication:
    """Verifies requests. `keys` are `Secret.key("turn-credential")` of the secrets that hold: while a secret is being
    changed, the new one and the one before.
    """

    def __init__(self, keys: Sequence[bytes], realm: str) -> None:
        self._keys = tuple(keys)
        self.realm = realm
        self._names: OrderedDict[bytes, str] = OrderedDict()
        self._callers: OrderedDict[tuple[str, PasswordAlgorithm, Hash], Caller] = OrderedDict()

    def caller(self, message: Message, now: float) -> Caller | None:
        """Who made the request, or None: an unknown form of user name, an expired one, a wrong password.

        `now` is Unix seconds. Which of them it was is nobody's business; the comparison takes constant time. Raises
        Refused when somebody between us and the client has changed which algorithms there are.
        """
        # The stronger one counts, and the answer has the same (RFC 8489 §9.2.4).
        hash: Hash = "sha256" if message.has_integrity("sha256") else "sha1"
        asked = self._username(message), _algorithm(message), hash
        # Everybody asks at least four times for an allocation: what follows from the name is worked out once.
        known = self._callers.get(asked)
        if known is not None and message.is_genuine(known.key, hash):
            self._callers.move_to_end(asked)
            return known if known.expires_at > now else None
        return self._newcomer(message, *asked, now)

    def _newcomer(
        self, message: Message, username: str, algorithm: PasswordAlgorithm, hash: Hash, now: float
    ) -> Caller | None:
        try:
            user = TurnUser.parse(username)
        except ValueError:
            return None
        if user.expires_at <= now:
            return None
        for secret in self._keys:
            key = long_term_key(username, self.realm, turn_password(secret, username), algorithm)
            if message.is_genuine(key, hash):
                self._names[user_hash(username, self.realm)] = username
                caller = Caller(user.room, user.identity, user.expires_at, key, hash, _ports(user))
                self._callers[username, algorithm, hash] = caller
                for remembered in (self._names, self._callers):
                    if len(remembered) > MOST_NAMES:
                        remembered.popitem(last=False)
                return caller
        return None

    def challenge(self, message: Message) -> list[tuple[int, bytes]]:
        """What a 401 carries. The nonce was fresh, so it serves for another try."""
        nonce = message.get(AttributeType.NONCE) or b""
        attributes: list[tuple[int, bytes]] = [
            (AttributeType.REALM, self.realm.encode()),
            (AttributeType.NONCE, nonce),
        ]
        if nonce.startswith(COOKIE):
            attributes.append((AttributeType.PASSWORD_ALGORITHMS, ALGORITHMS))
        return attributes

    def _username(self, message: Message) -> str:
        """In clear, or by the hash of one that was here before (RFC 8489 §9.2.4): names are nowhere to be looked up."""
        hashed = message.get(AttributeType.USERHASH)
        if hashed is not None:
            username = self._names.get(hashed, "")
            if username:
                self._names.move_to_end(hashed)
            return username
        return message.text(AttributeType.USERNAME) or ""


def _algorithm(message: Message) -> PasswordAlgorithm:
    """Which one the client chose, given what we offered (RFC 8489 §9.2.4)."""
    offered = message.get(AttributeType.PASSWORD_ALGORITHMS)
    chosen = message.get(AttributeType.PASSWORD_ALGORITHM)
    if not (message.get(AttributeType.NONCE) or b"").startswith(COOKIE) or (offered is None and chosen is None):
        return PasswordAlgorithm.MD5
    algorithm = next((each for each in OFFERED if each.entry == chosen), None)
    if offered != ALGORITHMS or algorithm is None:
        raise Refused(ErrorCode.BAD_REQUEST)
    return algorithm


def _ports(user: TurnUser) -> dict[IP, frozenset[int]]:
    ports: dict[IP, frozenset[int]] = {}
    for ip, port in user.servers:
        ports[ip] = ports.get(ip, frozenset()) | {port}
    return ports
