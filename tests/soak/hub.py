"""The hub on three replicas over a Galera cluster of three, people at work, and a node of each killed in the middle.

    python -m tests.soak.hub [--people 200] [--arrivals 60] [--seconds 60] [--pause 5] [--seed TEXT]

What must hold: nothing that was acknowledged is lost, no mail is sent twice, fewer than 1 % of the requests fail, and
none any more ten seconds after the kill.
"""

from __future__ import annotations

import argparse
import re
import socket
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from time import monotonic
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater, react
from twisted.internet.threads import deferToThread

from tests.soak.hub_people import Hub, Person, Place, Tally
from tests.support.balancer import Balancer
from tests.support.certificates import write_certificates
from tests.support.galera import Galera
from tests.support.mailbox import HOST, Mailbox
from tests.support.processes import SECRET, Daemon, free_port

DATABASE = "Meeting"
GROUP = 10
"""People at one document."""
BACK_AFTER = 2.0
"""Seconds after which a hub that was killed is started again, as systemd does (etc/meeting: RestartSec)."""


DELIVERED_WITHIN = 60.0
"""Seconds after the end in which all mails are out; what a dead hub had taken is another's after half of it."""


@dataclass(frozen=True)
class Plan:
    """Who does what when. Times in seconds."""

    people: int
    arrivals: float
    """Over so long three quarters of them come, one after the other, before the part in which servers die."""
    seconds: float
    """How long that part is; the others come meanwhile."""
    pause: float
    """From one thing a person does to the next, on average."""
    seed: str

    def arrival(self, number: int) -> float:
        """When this person comes."""
        early = max(1, self.people * 3 // 4)
        if number < early:
            return self.arrivals * number / early
        return self.arrivals + self.seconds * (number - early) / max(1, self.people - early)


@dataclass(frozen=True)
class Servers:
    """All that runs."""

    cluster: Galera
    hubs: list[Daemon]
    ports: list[int]
    mailbox: Mailbox
    balancer_port: int


@contextmanager
def running(folder: Path, cluster: Galera, reactor: Any) -> Iterator[tuple[Servers, Daemon]]:
    """Three hubs, each preferring another node, and an sfuserver that knows the balancer; not yet started."""
    (folder / "secret").write_text(SECRET)
    (folder / "mail-password").write_text("the password of the mail server")
    front = free_port()
    with ExitStack() as stack:
        mailbox = stack.enter_context(Mailbox(write_certificates(folder, HOST)))
        hubs, ports = [], []
        for number in range(3):
            home = folder / f"hub{number}"
            home.mkdir()
            (home / "secret").write_text(SECRET)
            ports.append(free_port())
            settings = {
                **cluster.options(DATABASE, number),
                "domainaddress": f"localhost:{front}",
                "publicUrl": f"http://localhost:{front}",
                "plainHttp": f"127.0.0.1:{ports[-1]}",
                "stateDirectory": str(home),
                "trustedProxy": ["127.0.0.0/8"],
                "mailServer": [HOST],
                "mailPort": [mailbox.port],
                "mailUsername": ["meeting"],
                "mailPasswordFile": [str(folder / "mail-password")],
                "mailFrom": ["meeting@example.com"],
                "ca": [str(folder / "ca.pem")],
            }
            hubs.append(Daemon("apiserver", home, settings))
            stack.callback(hubs[-1].kill)
        sfu_port = free_port()
        sfu_settings = {
            "domainaddress": f"localhost:{sfu_port}",
            "publicUrl": f"http://localhost:{sfu_port}",
            "plainHttp": f"127.0.0.1:{sfu_port}",
            "stateDirectory": str(folder / "sfu"),
            "mediaPort": free_port(socket.SOCK_DGRAM),
            "mediaAddress": ["127.0.0.1"],
            "apiserver": f"http://localhost:{front}",
        }
        sfu = Daemon("sfuserver", folder, sfu_settings)
        stack.callback(sfu.kill)
        yield Servers(cluster, hubs, ports, mailbox, front), sfu


@dataclass
class Outcome:
    """What a run came to. Times in seconds from its beginning."""

    tally: Tally
    killed: dict[str, float]
    faults: list[str]
    people: int

    @property
    def error_rate(self) -> float:
        return len(self.tally.errors) / max(1, self.tally.requests)

    @property
    def over_after(self) -> float:
        """Seconds from a kill to the last error that followed it, at most."""
        longest = 0.0
        for at, _ in self.tally.errors:
            since = [at - kill for kill in self.killed.values() if at >= kill]
            longest = max(longest, min(since, default=0.0))  # what failed before any kill counts in the rate
        return longest

    def text(self) -> str:
        times = sorted(self.tally.seconds)
        p50, p99 = (times[int(len(times) * share)] for share in (0.5, 0.99))
        tally = self.tally
        lines, chats = (sum(map(len, each.values())) for each in (tally.promised_lines, tally.promised_chat))
        kills = ", ".join(f"{what} at {at:.1f} s" for what, at in self.killed.items())
        return (
            f"{self.people} people, {tally.requests} requests, p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms\n"
            f"killed: {kills}\n"
            f"asked twice because no answer came: {tally.repeated} = {tally.repeated / tally.requests:.2%}\n"
            f"errors: {len(tally.errors)} = {self.error_rate:.2%}, the last {self.over_after:.1f} s after a kill\n"
            f"acknowledged: {len(tally.promised_meetings)} meetings, {len(tally.promised_invitations)} invitations, "
            f"{chats} messages, {lines} lines of minutes; lost or twice: {len(self.faults)}"
        )


def all_of(work: list[Any]) -> Deferred[list[Any]]:
    return gatherResults([Deferred.fromCoroutine(each) for each in work], consumeErrors=True)


async def scenario(folder: Path, cluster: Galera, reactor: Any, plan: Plan) -> Outcome:
    """Everybody signs in and works; of the second part, a database node dies after a third, a hub after two thirds."""
    with running(folder, cluster, reactor) as (servers, sfu):
        ready = [f"http://127.0.0.1:{hub.status}/readyz" for hub in servers.hubs]
        balancer = Balancer(servers.ports, reactor, ready)
        await balancer.start(servers.balancer_port)
        try:
            for hub in servers.hubs:
                hub.start()
            for hub in servers.hubs:
                await deferToThread(hub.wait_until_ready)
            sfu.start()
            await deferToThread(sfu.wait_until_ready)
            await deferToThread(sfu.wait_for, "registered with the hub", 60.0)
            return await _work(servers, reactor, plan)
        finally:
            await balancer.stop()


async def _work(servers: Servers, reactor: Any, plan: Plan) -> Outcome:
    tally = Tally()
    hub = Hub(Place(servers.balancer_port), tally, reactor)
    crowd = [Person(number, hub, servers.mailbox, plan.seed, plan.pause) for number in range(plan.people)]
    hosts = crowd[:: min(GROUP, plan.people)]
    for host in hosts:
        await host.sign_in()
    commons = [await host.instant() for host in hosts]
    killed: dict[str, float] = {}
    begun = monotonic()
    end = begun + plan.arrivals + plan.seconds

    async def kill() -> None:
        await deferLater(reactor, plan.arrivals + plan.seconds / 3)
        killed["database node"] = monotonic() - tally.begun
        await deferToThread(servers.cluster.kill, 0)
        await deferLater(reactor, plan.seconds / 3)
        killed["apiserver"] = monotonic() - tally.begun
        await deferToThread(servers.hubs[1].kill)
        await deferLater(reactor, BACK_AFTER)
        servers.hubs[1].start()

    async def come(number: int, person: Person) -> None:
        await deferLater(reactor, plan.arrival(number))
        if person not in hosts:
            await person.sign_in()
        await person.day(end, commons[number % len(commons)])

    await all_of([kill(), *(come(number, person) for number, person in enumerate(crowd))])
    faults = await _faults(servers, reactor, tally, dict(zip(commons, hosts, strict=True)))
    return Outcome(tally, killed, faults, plan.people)


async def _faults(servers: Servers, reactor: Any, tally: Tally, hosts: dict[str, Person]) -> list[str]:
    faults = []
    for common, host in hosts.items():
        text, chat = await host.kept(common)
        kept = set(text.splitlines())
        faults += [f"lost from the minutes of {common}: {line}" for line in tally.promised_lines[common] - kept]
        promised = tally.promised_chat.get(common, set())
        faults += [f"lost from the chat of {common}: {id}" for id in promised - chat]
    there = [row[0] for row in _rows(servers, "SELECT code FROM meeting")]
    faults += [f"lost: the meeting {code}" for code in tally.promised_meetings.keys() - set(there)]
    faults += [f"{code} is there twice" for code in [code for code, times in Counter(there).items() if times > 1]]
    ((scheduled,),) = _rows(servers, "SELECT COUNT(*) FROM meeting WHERE kind = 'scheduled'")
    if scheduled != len(tally.promised_meetings):
        faults.append(f"{scheduled} meetings for {len(tally.promised_meetings)} that were asked for")
    end = monotonic() + DELIVERED_WITHIN
    while _rows(servers, "SELECT id FROM mail WHERE state = 'queued' LIMIT 1") and monotonic() < end:
        await deferLater(reactor, 0.2)
    came = servers.mailbox.recipients()
    faults += [f"lost: the invitation of {who}" for who in tally.promised_invitations - came.keys()]
    twice = [id for id, times in Counter(servers.mailbox.ids).items() if times > 1]
    faults += [f"sent twice: {id}" for id in twice]
    faults += [f"{came[who]} invitations to {who}" for who in tally.promised_invitations if came[who] > 1]
    for number, hub in enumerate(servers.hubs):
        # Beside what a killed node and a killed hub explain.
        faults += [f"hub {number}: {line}" for line in re.findall(r".*Traceback.*", hub.text)]
    return faults


def _rows(servers: Servers, query: str) -> list[tuple[Any, ...]]:
    """As a node sees it that was not killed."""
    with servers.cluster.connect(2, DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION wsrep_sync_wait = 1")
        cursor.execute(query)
        return list(cursor.fetchall())


def main() -> None:
    """`python -m tests.soak.hub`."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.hub", description="Three hubs, three database nodes.")
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--arrivals", type=float, default=60.0, help="seconds in which most of them come")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the part in which servers die")
    parser.add_argument("--pause", type=float, default=5.0, help="seconds between two things a person does")
    parser.add_argument("--seed", default=f"{SystemRandom().getrandbits(32):08x}")
    parser.add_argument("--folder", type=Path, help="an empty folder, where the logs of the servers stay")
    options = parser.parse_args()

    async def run(reactor: Any) -> None:
        print(f"seed {options.seed}", flush=True)
        with ExitStack() as stack:
            folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            cluster = stack.enter_context(Galera())
            plan = Plan(options.people, options.arrivals, options.seconds, options.pause, options.seed)
            outcome = await scenario(folder, cluster, reactor, plan)
            print(outcome.text())
            for at, error in outcome.tally.errors[:20]:
                print(f"  {at:6.1f} s  {error}")
            for fault in outcome.faults[:50]:
                print(f"fault: {fault}")
            if outcome.faults or outcome.error_rate >= 0.01 or outcome.over_after > 10:
                raise SystemExit(1)

    react(lambda reactor: Deferred.fromCoroutine(run(reactor)))


if __name__ == "__main__":
    from twisted.internet import asyncioreactor

    asyncioreactor.install()
    main()
