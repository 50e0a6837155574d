"""kill -9 of the hub while two people write: what it acknowledged is there, what it did not comes back from them."""

import random
from functools import partial

from tests.integration.minutes.hubs import Hub, Writer, connect, is_in_step, until
from tests.support.deadlines import deadline
from tests.unit.minutes.yclient import Client

#: Together more lines than make a snapshot.
ROUNDS = 3


@deadline(240)
async def test_nothing_acknowledged_is_lost(hub: Hub) -> None:
    chance = random.Random(20261123)
    ada = hub.sign_in("ada@example.com")
    code = hub.instant(ada)
    people = [Client(1), Client(2)]
    written: list[str] = []
    for round in range(ROUNDS):
        writers = [await connect(hub, code, ada, person) for person in people]
        acknowledged = await write_until_killed(hub, writers, round, chance.randrange(50, 200), written)
        hub.start()

        kept = set(hub.minutes(code, ada).splitlines())
        assert acknowledged <= kept, "acknowledged, but not there"
        newcomer = await connect(hub, code, ada, Client(100 + round))
        await until(partial(has_all, newcomer, acknowledged))
        newcomer.sendClose(1000)
        await newcomer.closed

    # Those who wrote bring back what was never acknowledged.
    writers = [await connect(hub, code, ada, person) for person in people]
    await until(lambda: all(is_in_step(writer) and writer.yjs.durable == writer.sent for writer in writers))
    assert set(written) <= set(hub.minutes(code, ada).splitlines())
    for writer in writers:
        writer.sendClose(1000)
        await writer.closed


def has_all(writer: Writer, lines: set[str]) -> bool:
    text = writer.yjs.text
    return all(line in text for line in lines)


async def write_until_killed(
    hub: Hub, writers: list[Writer], round: int, kill_after: int, written: list[str]
) -> set[str]:
    """Write, and kill the hub in the middle, when so many lines are acknowledged; gives those that were by then."""
    lines: list[tuple[Writer, int, str]] = []
    for writer in writers:
        await until(partial(is_in_step, writer))

    def acknowledged() -> set[str]:
        return {text for writer, last, text in lines if last <= writer.yjs.durable}

    number = 0
    while len(acknowledged()) < kill_after:
        for writer in writers:
            await until(partial(has_room, writer))
            text = f"round {round} line {number} of {writer.yjs.number}"
            writer.write(text)
            written.append(text)
            # The line is durable when the messages up to its last one are.
            lines.append((writer, writer.sent, text))
        number += 1
    for writer in writers:
        writer.write(f"round {round}, on its way when the hub is killed, of {writer.yjs.number}")
    hub.kill()
    for writer in writers:
        await writer.closed
    return acknowledged()


def has_room(writer: Writer) -> bool:
    """Some messages are on their way, but not so many that the hub has to refuse."""
    return writer.sent - writer.yjs.durable < 60
