"""kill -9 of a file server during uploads: what it acknowledged is there, what it did not never shows half."""

import os
import random
from collections.abc import Callable
from http.client import HTTPException
from threading import Event, Thread
from uuid import uuid4

from tests.integration.files.servers import FileServer, digest

ROUNDS = 3
UPLOADERS = 4


def test_nothing_acknowledged_is_lost(make_file_server: Callable[..., FileServer]) -> None:
    chance = random.Random(20261123)
    server = make_file_server()
    sent: dict[str, bytes] = {}
    acknowledged: set[str] = set()
    for round in range(ROUNDS):
        stop = Event()
        enough = Event()

        def upload(seed: int, stop: Event = stop, enough: Event = enough) -> None:
            sizes = random.Random(seed)
            mine = 0
            while not stop.is_set():
                id, data = uuid4().hex, os.urandom(sizes.choice((1, 5_000, 300_000, 3_000_000)))
                sent[id] = data
                try:
                    if server.put(id, data) == 201:
                        acknowledged.add(id)
                        mine += 1
                except (OSError, HTTPException):
                    return
                if mine >= 4:
                    enough.set()

        threads = [Thread(target=upload, args=(round * 10 + number,)) for number in range(UPLOADERS)]
        for thread in threads:
            thread.start()
        assert enough.wait(60)
        stop.wait(chance.uniform(0, 0.2))  # somewhere within whatever is under way
        server.kill()
        stop.set()
        for thread in threads:
            thread.join(60)
        server.start()

        assert len(acknowledged) >= 4 * (round + 1)
        for id in acknowledged:
            answer, body = server.get(id)
            assert answer.status == 200 and digest(body) == digest(sent[id])
        for id in set(sent) - acknowledged:
            answer, body = server.get(id)
            assert answer.status == 404 or body == sent[id], "half an upload was served"
            assert server.put(id, sent[id]) in (200, 201), "it cannot be repeated"
            acknowledged.add(id)
