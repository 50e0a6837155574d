"""kill -9 of a database node and of a hub, of three each, while people are at work: they hardly notice."""

from pathlib import Path

from tests.soak.hub import scenario
from tests.support.deadlines import deadline
from tests.support.galera import Galera


@deadline(280)
async def test_nothing_acknowledged_is_lost_and_hardly_a_request_fails(tmp_path: Path) -> None:
    from twisted.internet import reactor

    with Galera() as cluster:
        outcome = await scenario(tmp_path, cluster, reactor, people=30, seconds=15, seed="gate")
    assert outcome.faults == [], outcome.text()
    assert outcome.error_rate < 0.01, outcome.tally.errors
    assert outcome.over_after < 10, outcome.tally.errors
    assert len(outcome.killed) == 2
    assert outcome.tally.promised_meetings and outcome.tally.promised_chat
    assert sum(map(len, outcome.tally.promised_lines.values())) > 100
