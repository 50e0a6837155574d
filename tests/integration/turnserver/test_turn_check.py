"""`meeting check-turn` says what is reachable and what is not."""

from pathlib import Path

from twisted.internet.threads import deferToThread

from meeting.turnserver.check import main
from tests.support.certificates import write_certificates
from tests.support.deadlines import deadline
from tests.support.turnserver import HOST, free_tcp_port, free_udp_port, turnserver


async def said(*arguments: str) -> tuple[int, list[str]]:
    lines: list[str] = []
    status = await deferToThread(main, arguments, lines.append)
    return status, lines


COMMON = ("--ip", HOST, "--apiserver", f"http://{HOST}:9", "--relayPorts", "23000-23999")


@deadline(60)
async def test_a_server_that_relays_is_told_from_one_that_does_not() -> None:
    port = str(free_tcp_port())
    async with turnserver("--port", port) as server:
        status, lines = await said(*COMMON, "--port", port, "--secret", "correct horse battery staple")
        assert status == 1, "there is no hub"
        assert lines[0].startswith(f"{HOST}:{port}: answers; it sees us as {HOST}:")
        assert lines[1] == f"{HOST}:{port}: relays for who has a credential made with this secret"
        assert lines[2].startswith(f"{HOST}:{port} by TCP: answers; it sees us as {HOST}:")
        assert "refused" in lines[3]
        assert len(server.allocations) == 0, "what it took it gave back"
        _, lines = await said(*COMMON, "--port", port, "--secret", "another secret, long enough")
        assert "is its --secret another one?" in lines[1]
        _, lines = await said(*COMMON, "--port", port, "--secret", "correct horse battery staple", "--tcpRelay")
        assert lines[3] == f"{HOST}:{port} by TCP: refuses to relay with 442: it makes no TCP connections to peers"


@deadline(60)
async def test_tls_and_tcp_to_peers_are_told_of_where_there_are_such(tmp_path: Path) -> None:
    write_certificates(tmp_path, "localhost")
    port, tls = free_tcp_port(), free_tcp_port()
    files = ("--cert", str(tmp_path / "server.pem"), "--certkey", str(tmp_path / "server.key"))
    both = ("--port", str(port), "--domainaddress", f"localhost:{tls}", *files, "--tcpRelay")
    async with turnserver(*both) as server:
        asked = (*COMMON, *both, "--secret", "correct horse battery staple")
        _, lines = await said(*asked, "--ca", str(tmp_path / "ca.pem"))
        assert lines[3] == f"{HOST}:{port} by TCP: makes TCP connections to peers"
        assert lines[4].startswith(f"localhost:{tls} by TLS: answers; it sees us as ")
        assert len(server.allocations) == 0, "what it took it gave back"
        _, lines = await said(*asked)
        assert "certificate verify failed" in lines[4], "nobody vouches for it here"


@deadline(60)
async def test_a_port_without_server_is_told() -> None:
    _, lines = await said(*COMMON, "--port", str(free_udp_port()), "--secret", "correct horse battery staple")
    assert "refused" in lines[0] or "no answer" in lines[0]
    status, lines = await said("--secret", "correct horse battery staple")
    assert status == 2
    assert lines[0].startswith("meeting check-turn: ")
