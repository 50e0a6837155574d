"""A TURN server's machine with a relay that keeps a diary, and what clients send."""

from collections.abc import Collection, Sequence
from ipaddress import ip_address
from itertools import count

from zope.interface import implementer

from meeting.daemon.secret import Secret, turn_credential, turn_password
from meeting.dataplane.errors import LimitReached
from meeting.dataplane.interfaces import IRelay, IRelayAllocation, IRelayListener
from meeting.dataplane.values import RelayClient, RelayCounters, RelayPort
from meeting.stun import (
    Address,
    AttributeType,
    Class,
    Hash,
    Message,
    Method,
    PasswordAlgorithm,
    encode_xor_address,
    long_term_key,
    user_hash,
)
from meeting.turnserver.allocations import Allocations
from meeting.turnserver.authentication import ALGORITHMS, COOKIE, Authentication
from meeting.turnserver.peers import Peers
from meeting.turnserver.permissions import CHANNELS
from meeting.turnserver.quotas import Quotas

SECRET = Secret("correct horse battery staple")
NOW = 1_800_000_000.0
CLIENT = RelayClient(0, 0, "198.18.0.1", 50000)
NONCE = b"nonce12chars"
UDP = (AttributeType.REQUESTED_TRANSPORT, b"\x11\0\0\0")
TCP = (AttributeType.REQUESTED_TRANSPORT, b"\x06\0\0\0")


@implementer(IRelayAllocation)
class FakeSocket:
    """A relay socket that is not there."""

    def __init__(self, diary: list[tuple[object, ...]], id: int, port: int) -> None:
        self._diary = diary
        self.id = id
        self.port = port

    def refresh(self, seconds: float) -> None:
        self._diary.append(("refresh", self.id, seconds))

    def permit(self, host: str, seconds: float, *, ports: Collection[int] | None = None) -> None:
        self._diary.append(("permit", self.id, host, seconds, ports))

    def bind(self, channel: int, host: str, port: int, seconds: float) -> None:
        self._diary.append(("bind", self.id, channel, host, port, seconds))

    def move(self, client: RelayClient) -> bool:
        self._diary.append(("move", self.id, client))
        return True

    def dial(self, host: str, port: int) -> int:
        number = 1000 + len(self._diary)
        self._diary.append(("dial", self.id, host, port, number))
        return number

    def close(self) -> None:
        self._diary.append(("close", self.id))


@implementer(IRelay)
class FakeRelay:
    """Opens as many sockets as it has `ports`; what is done to them stands in `diary`."""

    def __init__(self, ports: int = 1000) -> None:
        self.diary: list[tuple[object, ...]] = []
        self.answers: list[tuple[RelayClient, bytes]] = []
        self.listener: IRelayListener | None = None
        self.addresses = [("198.18.0.9", 3478)]
        self.certificate: tuple[bytes, bytes] | None = None
        self.gone: set[int] = set()
        """Connections that have ended before anybody came for them."""
        self._free = ports
        self._ids = count(1)

    def start(self, listener: IRelayListener) -> None:
        self.listener = listener

    def allocate(
        self,
        client: RelayClient,
        seconds: float,
        *,
        ipv6: bool = False,
        wanted: RelayPort = "any",
        kept: int | None = None,
        tcp: bool = False,
    ) -> IRelayAllocation:
        if not self._free:
            raise LimitReached("no relay socket: no relay port is free")
        self._free -= 1
        id = next(self._ids)
        port = "tcp" if tcp else wanted if kept is None else kept
        self.diary.append(("allocate", id, client, seconds, ipv6, port))
        return FakeSocket(self.diary, id, 50_000 + 2 * id if kept is None else kept)

    def is_stream(self, client: RelayClient) -> bool:
        return client.listener > 0

    def join(self, connection: int, client: RelayClient) -> bool:
        self.diary.append(("join", connection, client))
        return connection not in self.gone

    def hang_up(self, connection: int, client: RelayClient) -> None:
        self.diary.append(("hang up", connection, client))

    def forget_kept(self, port: int, *, ipv6: bool = False) -> None:
        self.diary.append(("forget", port, ipv6))

    def set_certificate(self, chain: bytes, key: bytes) -> None:
        self.certificate = (chain, key)

    def answer(self, client: RelayClient, data: bytes) -> None:
        self.answers.append((client, data))

    def counters(self) -> RelayCounters:
        return RelayCounters({"to_peers": 7}, {"malformed": 3})

    async def close(self) -> None:
        self.listener = None


def username(identity: str = "ana", room: str = "room1", lifetime: float = 86_400, servers: Sequence[str] = ()) -> str:
    """A user name as the sfuserver hands it out."""
    return turn_credential(SECRET, room, identity, int(NOW + lifetime), servers).username


class Client:
    """One 5-tuple and credential."""

    def __init__(
        self,
        user: str | None = None,
        address: RelayClient = CLIENT,
        password: str | None = None,
        *,
        algorithm: PasswordAlgorithm | None = None,
        hash: Hash = "sha1",
        hashed: bool = False,
        secret: Secret = SECRET,
    ) -> None:
        """`algorithm`: choose it as RFC 8489 does; `hashed`: tell the name's hash instead of the name."""
        self.user = user or username()
        self.address = address
        right = turn_password(secret.key("turn-credential"), self.user)
        self.algorithm = algorithm
        self.hash = hash
        self.hashed = hashed
        self.key = long_term_key(
            self.user, "meeting", right if password is None else password, algorithm or PasswordAlgorithm.MD5
        )
        self._transactions = count(1)

    def build(self, method: Method, *attributes: tuple[int, bytes], transaction: bytes | None = None) -> bytes:
        """A request of ours, signed."""
        name = (AttributeType.USERNAME, self.user.encode())
        if self.hashed:
            name = (AttributeType.USERHASH, user_hash(self.user, "meeting"))
        credentials = [name, (AttributeType.REALM, b"meeting"), (AttributeType.NONCE, NONCE)]
        if self.algorithm is not None:
            credentials[-1] = (AttributeType.NONCE, COOKIE + NONCE)
            credentials += [
                (AttributeType.PASSWORD_ALGORITHMS, ALGORITHMS),
                (AttributeType.PASSWORD_ALGORITHM, self.algorithm.entry),
            ]
        transaction = transaction or next(self._transactions).to_bytes(12)
        return Message(Class.REQUEST, method, transaction, (*attributes, *credentials)).build(self.key, hash=self.hash)


class Server:
    """The machine, its relay, and the time."""

    def __init__(
        self,
        quotas: Quotas | None = None,
        ports: int = 1000,
        ipv6: bool = True,
        channels: range = CHANNELS,
        mobility: bool = True,
        tcp: bool = False,
        secrets: Sequence[Secret] = (SECRET,),
    ) -> None:
        self.now = NOW
        self.relay = FakeRelay(ports)
        self.peers = Peers(own=[ip_address("8.8.4.4"), ip_address("2001:4860::9")])
        external = {1: ip_address("8.8.4.4")} | ({2: ip_address("2001:4860::9")} if ipv6 else {})
        authentication = Authentication([each.key("turn-credential") for each in secrets], "meeting")
        self.machine = Allocations(
            authentication, self.peers, self.relay, external, quotas or Quotas(), channels, mobility, tcp
        )

    def ask(
        self, client: Client, method: Method, *attributes: tuple[int, bytes], transaction: bytes | None = None
    ) -> Message:
        """The answer to a request, read."""
        data = self.machine.receive(
            self.now, client.address, client.build(method, *attributes, transaction=transaction)
        )
        assert data is not None
        answer = Message.parse(data)
        if answer.has_integrity(client.hash):
            assert answer.is_genuine(client.key, client.hash)
        return answer

    def code(
        self, client: Client, method: Method, *attributes: tuple[int, bytes], transaction: bytes | None = None
    ) -> int:
        """200, or the answer's error code."""
        return code_of(self.ask(client, method, *attributes, transaction=transaction))

    def allocated(self, client: Client | None = None, *attributes: tuple[int, bytes]) -> Client:
        """A client that has an allocation; the relay's diary begins afresh."""
        client = client or Client()
        assert self.code(client, Method.ALLOCATE, UDP, *attributes) == 200
        self.relay.diary.clear()
        return client


def code_of(answer: Message) -> int:
    """200 for success."""
    if answer.message_class is Class.SUCCESS:
        return 200
    value = answer.get(AttributeType.ERROR_CODE)
    assert answer.message_class is Class.ERROR and value is not None and len(value) == 4, "a code without a reason"
    return value[2] * 100 + value[3]


def peer(text: str, transaction: bytes = (1).to_bytes(12)) -> tuple[int, bytes]:
    """XOR-PEER-ADDRESS; IPv6 addresses are masked with the transaction, so give both."""
    host, _, port = text.rpartition(":")
    address = Address(ip_address(host.strip("[]")), int(port))
    return AttributeType.XOR_PEER_ADDRESS, encode_xor_address(address, transaction)


def channel(number: int) -> tuple[int, bytes]:
    """CHANNEL-NUMBER."""
    return AttributeType.CHANNEL_NUMBER, number.to_bytes(2) + bytes(2)


def lifetime(seconds: int) -> tuple[int, bytes]:
    """LIFETIME."""
    return AttributeType.LIFETIME, seconds.to_bytes(4)
