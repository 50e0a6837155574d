"""`meeting check-turn`: what clients find at a turnserver's addresses, asked as they ask, and the hub.

Run it on the server, and again from outside: what works there and not here, or the other way round, is the firewall.
"""

import secrets
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.request import urlopen

from twisted.internet.interfaces import IReactorTime
from twisted.python.usage import UsageError

from meeting.daemon.converters import HostPort
from meeting.daemon.networks import IP
from meeting.daemon.options import DaemonOptions
from meeting.daemon.secret import Secret, TurnCredential, turn_credential
from meeting.stun import Address, AttributeType, Class, Malformed, Message, Method, long_term_key
from meeting.turnserver.options import Options

WRONG_USAGE = 2
PATIENCE = 2.0
"""Seconds to wait for an answer; each question is asked three times."""
TRIES = 3
UDP = (AttributeType.REQUESTED_TRANSPORT, b"\x11\0\0\0")
TCP = (AttributeType.REQUESTED_TRANSPORT, b"\6\0\0\0")
HEADER = 20
"""Bytes of a message before its attributes."""

Say = Callable[[str], object]


class CheckOptions(Options):
    """The turnserver's own."""

    synopsis = "Usage: meeting check-turn --config FILE"


class Nothing(Exception):
    """No answer, or none that helps; the text says which."""


def main(arguments: Sequence[str], say: Say = print) -> int:
    """The command; 0 when everything answers, 1 when something does not, 2 when it was asked for wrongly."""
    from twisted.internet import reactor

    options = CheckOptions()
    try:
        options.parseOptions(list(arguments))
    except UsageError as error:
        say(f"meeting check-turn: {error}")
        return WRONG_USAGE
    until = int(IReactorTime(reactor).seconds()) + 60
    credential = turn_credential(Secret(options["secret"]), "check", secrets.token_hex(4), until)
    good = [
        check
        for ip in options["ip"]
        for check in (
            check_address(ip, options["port"], options["realm"], credential, say),
            check_stream(ip, options, credential, say),
        )
    ]
    if options["domainaddress"] is not None:
        good.append(check_tls(options["domainaddress"], options["ca"], say))
    return 0 if all([*good, check_hub(options, say)]) else 1


def check_address(ip: IP, port: int, realm: str, credential: TurnCredential, say: Say) -> bool:
    """Binding, then an allocation that is given back at once."""
    place = str(HostPort(str(ip), port))
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        try:
            client.connect((str(ip), port))
            say(f"{place}: answers; it sees us as {_mapped(client)}")
            relayed = _allocate(client, realm, credential, ip)
        except (OSError, ValueError, Nothing) as error:
            say(f"{place}: {error}")
            return False
        if relayed != str(ip):
            say(f"{place}: relays on {relayed}, not on the address that --ip says")
            return False
        say(f"{place}: relays for who has a credential made with this secret")
        return True


def check_stream(ip: IP, options: DaemonOptions, credential: TurnCredential, say: Say) -> bool:
    """The same by TCP; with --tcpRelay the allocation is one for TCP (RFC 6062)."""
    place = f"{HostPort(str(ip), options['port'])} by TCP"
    try:
        with socket.create_connection((str(ip), options["port"]), PATIENCE) as client:
            say(f"{place}: answers; it sees us as {_mapped(client)}")
            if options["tcpRelay"]:
                _allocate(client, options["realm"], credential, ip, TCP)
                say(f"{place}: makes TCP connections to peers")
    except (OSError, ValueError, Nothing) as error:
        say(f"{place}: {error}")
        return False
    return True


def check_tls(domain: HostPort, ca: Sequence[Path], say: Say) -> bool:
    """Binding by TLS, as a client that knows the server's name."""
    place = f"{domain} by TLS"
    context = ssl.create_default_context()
    for file in ca:
        context.load_verify_locations(file)
    context.set_alpn_protocols(["stun.turn"])
    try:
        with (
            socket.create_connection((domain.host, domain.port), PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=domain.host) as client,
        ):
            say(f"{place}: answers; it sees us as {_mapped(client)}")
    except (OSError, ValueError, Nothing) as error:
        say(f"{place}: {error}")
        return False
    return True


def check_hub(options: DaemonOptions, say: Say) -> bool:
    """Whether it is there; the server itself registers with a signature."""
    url = options["apiserver"].rstrip("/") + "/healthz"
    try:
        with urlopen(url, timeout=PATIENCE * TRIES) as answer:
            say(f"{url}: {answer.status}")
            return True
    except (OSError, ValueError) as error:
        say(f"{url}: {error}")
        return False


def _mapped(client: socket.socket) -> Address:
    """Our address as the server sees it."""
    request = Message(Class.REQUEST, Method.BINDING, secrets.token_bytes(12))
    [mapped] = _ask(client, request).addresses(AttributeType.XOR_MAPPED_ADDRESS)
    return mapped


def _allocate(
    client: socket.socket, realm: str, credential: TurnCredential, ip: IP, transport: tuple[int, bytes] = UDP
) -> str:
    """The relay address's IP."""
    wanted = [transport, (AttributeType.REQUESTED_ADDRESS_FAMILY, bytes((1 if ip.version == 4 else 2, 0, 0, 0)))]
    challenge = _ask(client, Message(Class.REQUEST, Method.ALLOCATE, secrets.token_bytes(12), wanted))
    nonce = challenge.get(AttributeType.NONCE)
    if nonce is None:
        raise Nothing("answers, but does not ask for credentials: is it a TURN server?")
    told = (challenge.text(AttributeType.REALM) or "").encode()
    if told != realm.encode():
        raise Nothing(f"asks for credentials of the realm {told.decode()!r}, not of {realm!r}")
    own = [
        (AttributeType.USERNAME, credential.username.encode()),
        (AttributeType.REALM, told),
        (AttributeType.NONCE, nonce),
    ]
    key = long_term_key(credential.username, realm, credential.password)
    answer = _ask(client, Message(Class.REQUEST, Method.ALLOCATE, secrets.token_bytes(12), [*wanted, *own]), key)
    if answer.message_class is not Class.SUCCESS:
        code = answer.get(AttributeType.ERROR_CODE) or bytes(4)
        number = code[2] * 100 + code[3]
        reason = {
            401: ": is its --secret another one?",
            508: ": it has no relay port free",
            300: ": it drains",
            442: ": it makes no TCP connections to peers",
        }
        raise Nothing(f"refuses to relay with {number}{reason.get(number, '')}")
    end = [(AttributeType.LIFETIME, bytes(4)), *own]
    _ask(client, Message(Class.REQUEST, Method.REFRESH, secrets.token_bytes(12), end), key)
    return str(answer.addresses(AttributeType.XOR_RELAYED_ADDRESS)[0].ip)


def _ask(client: socket.socket, request: Message, key: bytes | None = None) -> Message:
    stream = client.type == socket.SOCK_STREAM
    for _ in range(1 if stream else TRIES):
        client.sendall(request.build(key))
        try:
            answer = Message.parse(_message(client) if stream else client.recv(2048))
        except (TimeoutError, Malformed):
            continue
        if answer.transaction == request.transaction:
            return answer
    how = "TCP" if stream else "UDP"
    raise Nothing(f"no answer: does the server run, and does the firewall let {how} through to this port?")


def _message(client: socket.socket) -> bytes:
    """The next one on a stream."""
    data = b""
    while len(data) < HEADER or len(data) < HEADER + int.from_bytes(data[2:4]):
        more = client.recv(2048)
        if not more:
            raise Nothing("the server ended the connection")
        data += more
    return data
