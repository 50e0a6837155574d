"""CPU time of one forwarded packet: the engine's media thread beside a bare loop, in interleaved rounds.

Publishers send 30 frames of 5 packets of 1,100 bytes and 50 audio packets a second, or only the audio; all are real
connections over loopback from one load generator in a process of its own. Times are CPU time of the thread that
forwards, so neighbours on the machine disturb them little. The README says how to read the table.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.utils import getProcessOutputAndValue
from zope.interface import implementer

from meeting.dataplane.certificate import make_certificate
from meeting.dataplane.interfaces import ILink, IPortListener, ISource
from meeting.dataplane.media import Port
from meeting.dataplane.values import Codec, Kind, PortStatistics

RUST = Path(__file__).parents[2] / "rust"
MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
UFRAG, PASSWORD = "bench{}", "password+of+22+chars+{}"
VP8, OPUS = 96, 111
EXTENSIONS = {MID_URI: 1}


@dataclass(frozen=True)
class Scenario:
    """Who is there: the first `publishers` of `people` send, everybody gets what all others send."""

    name: str
    people: int
    publishers: int
    video: bool
    goal: float
    """At most so many times the bare loop."""

    def options(self) -> dict[str, object]:
        """For the load generator."""
        return {"people": self.people, "publishers": self.publishers, "video": int(self.video)}


SCENARIOS = (
    Scenario("A: 1 camera, 30 watch", 31, 1, video=True, goal=1.5),
    Scenario("B: 8 meet, all with cameras", 8, 8, video=True, goal=1.5),
    Scenario("C: 3 speak, 50 listen", 53, 3, video=False, goal=1.3),
)


@dataclass(frozen=True)
class Round:
    """What one round measured."""

    forwarded: int
    media_cpu: float
    """Seconds, of the thread that forwards."""
    python_cpu: float
    """Seconds, of everything else in the process that has the reactor."""
    expected: int
    received: int
    turns: int
    """How often the thread that forwards was woken."""
    p50: float
    p99: float
    """Microseconds from the publisher's send to the subscriber's receive."""

    @property
    def nanoseconds(self) -> float:
        return self.media_cpu * 1e9 / max(1, self.forwarded)


@implementer(IPortListener)
class Ear:
    """Counts who is connected and keeps the snapshots."""

    def __init__(self) -> None:
        self.connected = 0
        self.snapshots: list[PortStatistics] = []
        self.troubles: list[str] = []

    def link_connected(self, link: ILink, path: str) -> None:
        self.connected += 1

    def link_path_changed(self, link: ILink, path: str) -> None: ...
    def link_closed(self, link: ILink, reason: str) -> None: ...
    def channel_opened(self, link: ILink, label: str) -> None: ...
    def message(self, link: ILink, label: str, data: bytes, binary: bool) -> None: ...
    def source_started(self, source: ISource, ssrc: int) -> None: ...
    def source_stopped(self, source: ISource) -> None: ...
    def sinks_paused(self, link: ILink, sinks: Any) -> None: ...
    def audio_levels(self, levels: Any) -> None: ...

    def statistics(self, snapshot: PortStatistics) -> None:
        self.snapshots.append(snapshot)

    def trouble(self, text: str) -> None:
        self.troubles.append(text)


def own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def parse(output: str) -> dict[str, float]:
    return {name: float(value) for name, value in (line.split() for line in output.splitlines())}


async def run_load(reactor: Any, binary: Path, mode: str, **options: object) -> dict[str, float]:
    """Run the load generator to its end."""
    arguments = [mode, *(f"{name}={value}" for name, value in options.items())]
    output, errors, code = await getProcessOutputAndValue(str(binary), arguments, os.environ, reactor=reactor)
    if code != 0:
        raise RuntimeError(f"the load generator failed: {errors.decode()}")
    return parse(output.decode())


async def engine_round(reactor: Any, binary: Path, scenario: Scenario, seconds: float) -> Round:
    ear = Ear()
    identity = make_certificate(time.time())
    port = Port(reactor, bind=[("127.0.0.1", 0)], certificate=make_certificate(time.time()), listener=ear)
    await port.start()
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "certificate.der"), Path(folder, "key.der")
        certificate.write_bytes(identity.certificate)
        key.write_bytes(identity.key)
        # The peers' certificate has the fingerprint a Port with it would show.
        peers = Port(reactor, bind=[], certificate=identity, listener=ear).fingerprint
        links = [
            port.add_link(ufrag=UFRAG.format(n), password=PASSWORD.format(n), remote_fingerprint=peers)
            for n in range(scenario.people)
        ]
        codecs = [
            Codec(VP8, "VP8", 90000, nack=True, pli=True),
            Codec(OPUS, "opus", 48000, 2),
        ]
        kinds = (Kind.AUDIO, Kind.VIDEO) if scenario.video else (Kind.AUDIO,)
        sources = []
        for link in links[: scenario.publishers]:
            link.configure(codecs=codecs, extensions=EXTENSIONS)
            sources.append([link.add_source(mid=str(mid), kind=kind) for mid, kind in enumerate(kinds)])
        for place, link in enumerate(links):
            flows = [
                pair for own, pairs in enumerate(sources) if own != place for pair in zip(pairs, kinds, strict=True)
            ]
            # After the media sections of what it sends itself.
            for mid, (source, kind) in enumerate(flows, len(kinds)):
                sink = link.add_sink(
                    mid=str(mid),
                    kind=kind,
                    ssrc=1000 + mid,
                    rtx_ssrc=None,
                    payload_types={VP8: VP8, OPUS: OPUS},
                    rtx_payload_types={},
                    extensions=EXTENSIONS,
                )
                sink.feed(source)
        host, number = port.addresses[0]
        loading = Deferred.fromCoroutine(
            run_load(
                reactor,
                binary,
                "join",
                server=f"{host}:{number}",
                fingerprint=port.fingerprint,
                certificate=certificate,
                key=key,
                ufrag=UFRAG,
                password=PASSWORD,
                **scenario.options(),
                seconds=seconds,
            )
        )
        while ear.connected < scenario.people and not loading.called:
            await task.deferLater(reactor, 0.05, lambda: None)
        seen, cpu_before = len(ear.snapshots), own_cpu()
        # From one whole snapshot to another, both while media flows.
        while len(ear.snapshots) < seen + 1 and not loading.called:
            await task.deferLater(reactor, 0.02, lambda: None)
        cpu_before = own_cpu()
        result = await loading
        await task.deferLater(reactor, 0.05, lambda: None)
        flowing = [s for s in ear.snapshots[seen:] if s.links]
        first, last = flowing[0], flowing[-2]
        python = own_cpu() - cpu_before - (ear.snapshots[-1].threads[0].cpu_seconds - first.threads[0].cpu_seconds)
    await port.close()
    if ear.troubles:
        raise RuntimeError("; ".join(ear.troubles))
    return Round(
        forwarded=last.counters["packets_forwarded"] - first.counters["packets_forwarded"],
        media_cpu=last.threads[0].cpu_seconds - first.threads[0].cpu_seconds,
        python_cpu=max(0.0, python),
        expected=int(result["expected"]),
        received=int(result["received"]),
        turns=last.threads[0].turns - first.threads[0].turns,
        p50=result["p50_us"],
        p99=result["p99_us"],
    )


async def bare_round(reactor: Any, binary: Path, scenario: Scenario, seconds: float) -> Round:
    result = await run_load(reactor, binary, "bare", **scenario.options(), seconds=seconds)
    return Round(
        forwarded=int(result["forwarded"]),
        media_cpu=result["cpu_ns"] / 1e9,
        python_cpu=0.0,
        expected=int(result["expected"]),
        received=int(result["received"]),
        turns=int(result["turns"]),
        p50=result["p50_us"],
        p99=result["p99_us"],
    )


def build() -> Path:
    """The load generator, built as the product is: with optimisation."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", RUST.parent / ".cache" / "target"))
    command = ["cargo", "build", "--release", "--locked", "--quiet", "-p", "meeting-load"]
    subprocess.run(command, cwd=RUST, env={**os.environ, "CARGO_TARGET_DIR": str(target)}, check=True)
    return target / "release" / "meeting-load"


def ratio(engine: list[Round], bare: list[Round]) -> float:
    """Media thread by bare loop: the median of the rounds' own ratios."""
    return statistics.median(e.nanoseconds / b.nanoseconds for e, b in zip(engine, bare, strict=True))


def python_cost(engine: list[Round]) -> float:
    """Nanoseconds of everything but the media thread, by forwarded packet; statistics of each second included."""
    return sum(r.python_cpu for r in engine) * 1e9 / max(1, sum(r.forwarded for r in engine))


def row(name: str, rounds: list[Round]) -> tuple[str, ...]:
    """Name, CPU ns by packet, packets, packets a turn, share lost, p50 and p99 in µs."""
    lost = sum(r.expected - r.received for r in rounds) / max(1, sum(r.expected for r in rounds))
    return (
        name,
        f"{statistics.median(r.nanoseconds for r in rounds):.0f}",
        f"{sum(r.forwarded for r in rounds)}",
        f"{statistics.median(r.forwarded / max(1, r.turns) for r in rounds):.0f}",
        f"{lost:.2%}",
        f"{statistics.median(r.p50 for r in rounds):.0f}",
        f"{statistics.median(r.p99 for r in rounds):.0f}",
    )


async def measure_forwarding(
    reactor: Any, binary: Path, scenario: Scenario, rounds: int, seconds: float
) -> tuple[list[Round], list[Round]]:
    """(the engine's rounds, the bare loop's), taken in turns."""
    engine, bare = [], []
    for number in range(1, rounds + 1):
        engine.append(await engine_round(reactor, binary, scenario, seconds))
        bare.append(await bare_round(reactor, binary, scenario, seconds))
        print(
            f"  round {number} of {rounds}: {engine[-1].nanoseconds:.0f} and {bare[-1].nanoseconds:.0f} ns", flush=True
        )
    return engine, bare
