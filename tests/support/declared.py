"""Whether what a hub answers is what its routes say they may answer: looked at in every test that speaks to one."""

import re
from collections.abc import Iterable

from meeting.daemon.openapi import VARIABLE, statuses
from meeting.daemon.route import Route

#: What is answered before it is known which route it is for, or because of a fault of ours, which tests look for
#: themselves.
ANYWHERE = frozenset({400, 405, 408, 411, 413, 431, 500})


class Declared:
    """The routes of one hub and the statuses that they declare."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [(route.method, re.compile(_pattern(route.path)), statuses(route)) for route in routes]

    def complaint(self, method: str, target: str, status: int) -> str | None:
        """What is wrong with this answer to this request; None: nothing, or no route is meant."""
        path = target.partition("?")[0]
        asked = "GET" if method == "HEAD" else method
        for of, pattern, known in self._routes:
            if of == asked and pattern.fullmatch(path):
                if status in known | ANYWHERE:
                    return None
                return f"{method} {path} answered {status}, and its route declares {sorted(known)}"
        return None


def _pattern(path: str) -> str:
    constant = [re.escape(part) for part in VARIABLE.sub("\0", path).split("\0")]
    return "[^/]+".join(constant)
