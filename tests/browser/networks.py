"""Networks of people's own, each behind a router that can translate, drop and be moved away from.

    browser's network            router's network              the test's network (namespace.sh), with the servers
    wan0 192.168.N.2  ────────── lan0 192.168.N.1
         fd80:N::2                    fd80:N::1
                                 out0 10.91.N.2  ───────────── wayN 10.91.N.1, and 10.90.0.1 and fd90::1 besides
                                      fd91:N::2                      fd91:N::1

Namespaces have no names: they live as long as a process that sleeps in them, and nothing is left behind.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep

from tests.browser.browsers import CHROMIUM

SERVERS = {4: "10.90.0.1", 6: "fd90::1"}
"""Where the servers are, by version of IP."""
_NUMBERS = itertools.count(1)


class Namespace:
    """A network namespace of its own."""

    def __init__(self, holder: subprocess.Popen[bytes]) -> None:
        self.pid = holder.pid
        self.command = ("nsenter", f"--net=/proc/{holder.pid}/ns/net")

    def run(self, *command: str) -> None:
        """In it, to its end; fails with what the command says."""
        run(*self.command, *command)

    def until_up(self, device: str) -> None:
        """Waits until the kernel has told everybody that the cable is in, which takes it up to a second."""
        deadline = monotonic() + 20
        while "state UP" not in run(*self.command, "ip", "link", "show", device):
            assert monotonic() < deadline, f"{device} does not come up"
            sleep(0.05)


class Uplink:
    """A way out: a cable from `inside` to a router, and one from there to the servers' network."""

    def __init__(self, stack: ExitStack, inside: Namespace, device: str, versions: Sequence[int]) -> None:
        self.number = number = next(_NUMBERS)
        self.device = device
        self._inside = inside
        self._versions = versions
        self.router = stack.enter_context(namespace())
        run(
            "ip",
            "link",
            "add",
            device,
            "netns",
            str(inside.pid),
            "type",
            "veth",
            "peer",
            "lan0",
            "netns",
            str(self.router.pid),
        )
        run("ip", "link", "add", f"way{number}", "type", "veth", "peer", "out0", "netns", str(self.router.pid))
        stack.callback(run, "ip", "link", "del", f"way{number}")
        lan, out = f"192.168.{number}", f"10.91.{number}"
        lan6, out6 = f"fd80:{number}::", f"fd91:{number}::"
        for version, end in ((4, (f"{lan}.1/24", f"{out}.2/24")), (6, (f"{lan6}1/64", f"{out6}2/64"))):
            if version in versions:
                self._address(self.router.run, "lan0", end[0])
                self._address(self.router.run, "out0", end[1])
                self._address(run, f"way{number}", (f"{out}.1/24", f"{out6}1/64")[version == 6])
                self._address(inside.run, device, (f"{lan}.2/24", f"{lan6}2/64")[version == 6])
        for name in ("lan0", "out0"):
            self.router.run("ip", "link", "set", name, "up")
        run("ip", "link", "set", f"way{number}", "up")
        self._gateways = {4: f"{lan}.1", 6: f"{lan6}1"}
        for version, gateway in ((4, f"{out}.1"), (6, f"{out6}1")):
            if version in versions:
                self.router.run("ip", f"-{version}", "route", "add", "default", "via", gateway)
        self.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        self.router.run("nft", "add", "table", "inet", "rules")
        self.router.run("nft", "add chain inet rules passing { type filter hook forward priority 0; }")
        self.router.run("nft", "add chain inet rules leaving { type nat hook postrouting priority 100; }")
        # fully-random: another port for each that is spoken to, which is what makes a NAT symmetric (RFC 4787, 4.1).
        self.router.run("nft", "add rule inet rules leaving oifname out0 masquerade fully-random")

    def open(self) -> None:
        """Plugs it in: from now on the way out is this one."""
        # No address that comes by itself later: a browser that has started would take it for another network.
        self._inside.run("ip", "link", "set", self.device, "addrgenmode", "none", "up")
        self._inside.until_up(self.device)
        for version in self._versions:
            via = self._gateways[version]
            self._inside.run("ip", f"-{version}", "route", "replace", "default", "via", via, "dev", self.device)

    def pull(self) -> None:
        """Pulls it out, as somebody does who walks away from the access point."""
        self._inside.run("ip", "link", "set", self.device, "down")

    def drop(self, what: str) -> None:
        """What the router swallows, in words of nft, e.g. `meta l4proto udp`."""
        self.router.run("nft", f"add rule inet rules passing {what} drop")

    def refuse(self, what: str, how: str = "icmpx admin-prohibited") -> None:
        """What the router answers itself, as an office's firewall does: with an ICMP error, or a `tcp reset`."""
        self.router.run("nft", f"add rule inet rules passing {what} reject with {how}")

    def pass_all(self) -> None:
        """Takes back what was refused and dropped."""
        self.router.run("nft", "flush", "chain", "inet", "rules", "passing")

    @staticmethod
    def _address(runner: object, device: str, address: str) -> None:
        assert callable(runner)
        # nodad: usable at once, there is nobody else on the cable.
        runner("ip", "addr", "add", address, "dev", device, *(["nodad"] if ":" in address else []))


class Network:
    """Where one person's browser runs. `versions`: of IP, that it has."""

    def __init__(self, stack: ExitStack, directory: Path, name: str, versions: Sequence[int]) -> None:
        self._stack = stack
        self._versions = versions
        self._inside = stack.enter_context(namespace())
        self.uplink = self.another_uplink("wan0")
        self.uplink.open()
        self.chromium = directory / f"chromium-of-{name}"
        """A program: Chromium within."""
        self.chromium.write_text(f'#!/bin/sh\nexec {" ".join(self._inside.command)} {CHROMIUM} "$@"\n')
        self.chromium.chmod(0o755)

    @property
    def flags(self) -> tuple[str, ...]:
        """Further arguments: where the servers are. Names need no server of their own then."""
        address = SERVERS[4] if 4 in self._versions else f"[{SERVERS[6]}]"
        return (f"--host-resolver-rules=MAP localhost {address}",)

    def python(self, program: str) -> None:
        """Runs a line of Python within."""
        self._inside.run(sys.executable, "-c", program)

    def another_uplink(self, device: str) -> Uplink:
        """A second way out, not open yet."""
        return Uplink(self._stack, self._inside, device, self._versions)


@contextmanager
def namespace() -> Iterator[Namespace]:
    """A new one, with its loopback up."""
    # `cat` waits for the end of its input: it ends with us, whatever happens.
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "ip link set lo up; echo; exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            holder.stdout.readline()
            yield Namespace(holder)
        finally:
            holder.stdin.close()
            holder.wait(10)


def run(*command: str) -> str:
    """To its end; gives what it says, and fails with that."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout
