"""Two who come in the same instant, in every order their messages may arrive in."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.unit.sfuserver.clients import EVERY_PAIR, Client, World

SEEDS = 25


def enters(world: World, identity: str, single: bool, entered: dict[str, Client]) -> Iterator[None]:
    """One client's messages, each of them one step."""
    client = world.join(identity, single=single, settle=False)
    entered[identity] = client
    yield
    while not single and not client.got("offer"):
        yield
    if single:
        client.add_slots(3, 3)
        client.offer()
    else:
        client.answer()
    yield
    world.port.listener.link_connected(client.sending, "udp 198.51.100.1:5000")
    yield
    client.publish("cam", "video")
    yield
    client.publish("mic", "audio")


@EVERY_PAIR
def test_who_join_and_publish_in_the_same_instant_get_each_other(world: World, one: bool, other: bool) -> None:
    del world  # one for each order
    for seed in range(SEEDS):
        order, at_once, entered = random.Random(seed), World(), dict[str, Client]()
        steps = [enters(at_once, "anna", one, entered), enters(at_once, "bert", other, entered)]
        while steps:
            now = order.choice([*steps, None])
            if now is None:
                at_once.clock.advance(order.choice([0.0, 0.01, 0.05]))
            elif next(now, now) is now:
                steps.remove(now)
        for _ in range(6):
            at_once.advance()
            for client in entered.values():
                client.serve()
                client.forget()
        anna, bert = entered["anna"], entered["bert"]
        for publisher, subscriber in ((anna, bert), (bert, anna)):
            fed = {sink.fed for sink in subscriber.sending.sinks if not sink.closed}
            assert fed == set(publisher.receiving.sources), f"seed {seed}"
            assert len(fed) == 2, f"seed {seed}"
