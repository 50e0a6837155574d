"""Which replicas have a document open too. No I/O: what they say goes in, whom to answer comes out.

    hello    a replica opened the document            ──▶ carets, from all; and to those that it did not know
    here     it still has it open (each `Peers.interval`, when there is somebody to know it)
    carets   which of its people's carets have moved
    update   what it stored, in the order of the commits
    bye      nobody there has it open any more

A replica that died says nothing; it is forgotten after `silence`, as y-protocols' clients forget a caret.
"""

from datetime import datetime, timedelta
from enum import StrEnum

SILENCE = timedelta(seconds=30)


class Word(StrEnum):
    """The kinds of a document's events."""

    HELLO = "hello"
    HERE = "here"
    CARETS = "carets"
    UPDATE = "update"
    BYE = "bye"


class Peers:
    """The other replicas at one document."""

    def __init__(self, silence: timedelta = SILENCE) -> None:
        self._silence = silence
        self._heard: dict[str, datetime] = {}

    def __bool__(self) -> bool:
        return bool(self._heard)

    def hear(self, replica: str, word: str, now: datetime) -> bool:
        """A replica said something; says whether it has to be told all carets: it asks, or was not known until now."""
        if word == Word.BYE:
            self._heard.pop(replica, None)
            return False
        is_new = replica not in self._heard
        self._heard[replica] = now
        return is_new or word == Word.HELLO

    def forget_silent(self, now: datetime) -> list[str]:
        """Those that have died, once."""
        gone = [replica for replica, at in self._heard.items() if now - at > self._silence]
        for replica in gone:
            del self._heard[replica]
        return gone
