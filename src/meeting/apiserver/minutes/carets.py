"""Who has a caret in a document, and what of an awareness message is news (y-protocols `awareness.js`). No I/O.

A connection may hold several carets, each under a number of its client's choice with a clock that only grows.
y-websocket's client echoes all that it hears about others, so most of what comes is known already. A holder is a
connection (a number that the caller makes), or another replica of the hub (a text), which has carets of many people.
"""

from __future__ import annotations

from typing import Any

from meeting.apiserver.minutes.frames import Caret, read_awareness, read_caret_state


class TooMuch(Exception):
    """More or larger carets than one connection may have."""


class Carets:
    """The carets of one document."""

    def __init__(self, most: int, longest: int, remembered: int) -> None:
        """`most`: carets of one connection; `longest`: characters of one state; `remembered`: carets that left."""
        self._most = most
        self._longest = longest
        self._remembered = remembered
        self._held: dict[int | str, dict[int, Caret]] = {}
        self._holders: dict[int, int | str] = {}
        self._departed: dict[int, int] = {}

    def all(self) -> list[Caret]:
        """Those that are there, for a newcomer."""
        return [caret for held in self._held.values() for caret in held.values()]

    def ours(self) -> list[Caret]:
        """Those of connections here."""
        return [caret for holder, held in self._held.items() if isinstance(holder, int) for caret in held.values()]

    def hear(self, connection: int | str, name: str | None, payload: bytes) -> list[Caret]:
        """What a message says that was not known; `name` is who the connection belongs to; None: a replica's.

        :raise TooMuch: over a limit.
        :raise BadUpdate: it is no awareness message.
        """
        news = []
        for number, clock, text in read_awareness(payload):
            # One who left comes back only with a newer clock, or an echo would make a ghost.
            holder = self._holders.get(number)
            known = self._departed.get(number, -1) if holder is None else self._held[holder][number].clock
            if text == "null":
                if holder == connection and clock >= known:
                    self._drop(number)
                    self._depart(number, clock)
                    news.append(Caret(number, clock, None))
            elif clock > known:
                others = len(self._held.get(connection, ())) - (holder == connection)
                if name is not None and (others >= self._most or len(text) > self._longest):
                    raise TooMuch
                if holder is not None:
                    self._drop(number)
                state = read_caret_state(text)
                caret = Caret(number, clock, state if name is None else _signed(state, name))
                self._held.setdefault(connection, {})[number] = caret
                self._holders[number] = connection
                news.append(caret)
        return news

    def leave(self, connection: int | str) -> list[Caret]:
        """A holder is gone: what the others are to be told of its carets."""
        gone = [Caret(caret.client, caret.clock, None) for caret in self._held.pop(connection, {}).values()]
        for caret in gone:
            del self._holders[caret.client]
            self._depart(caret.client, caret.clock)
        return gone

    def _drop(self, number: int) -> None:
        del self._held[self._holders.pop(number)][number]

    def _depart(self, number: int, clock: int) -> None:
        self._departed[number] = clock
        if len(self._departed) > self._remembered:
            del self._departed[next(iter(self._departed))]


def _signed(state: dict[str, Any], name: str) -> dict[str, Any]:
    """A caret's state with the name the hub knows: nobody writes under another's."""
    user = state.get("user")
    return {**state, "user": {**user, "name": name}} if isinstance(user, dict) else state
