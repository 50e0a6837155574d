"""What replicas tell one another: an event is a row, written with the change it tells of, and read by short polling.

    news = events.note("meeting:…", "admitted", data)      # before the transaction
    await database.run(admit, …, news)                     # admit() calls publish(transaction, news)
    stop = await events.subscribe("meeting:…", listener)   # then load what the events change

**Order.** A topic is a row with the number of its last event. Publishing adds one to it, and so holds that row until
its transaction is committed: numbers are given in the order of the commits, none is left out, and none appears below
one that was seen. That is what ids ordered by time could not say, whose transactions commit in any order. The price is
that the transactions of one topic wait for one another (on a cluster: are done again), so a topic is one meeting, one
document; never all of them.

**Once.** A transaction whose COMMIT got no answer is done again and may publish twice; its events keep their ids, and a
reader drops what it had.

**Missed.** Events are kept for a minute. A reader that was away for longer sees that the next number is not there, and
its listeners are told to load anew what they know.

Nobody listens: no query. While somebody does: one each `INTERVAL`, over the primary key, for all topics together.
"""

import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sqlalchemy import BigInteger, Column, Connection, Index, String, and_, delete, insert, literal, or_, select
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from meeting.apiserver.database import Database, insert_new, upsert
from meeting.apiserver.schema import Id, MediumBytes, Moment, new_id, table, utc_now
from meeting.daemon.errors import PleaseWait

#: Seconds between two looks.
INTERVAL = 0.2
#: How long an event can be read; a topic without events for `FORGET` is forgotten.
KEEP = timedelta(seconds=60)
FORGET = timedelta(days=1)

#: Topics asked for in one statement, and events read in one look: what is left comes with the next, at once.
_CHUNK = 500
_MOST = 200
#: Ids remembered for each topic, against those that come twice.
_REMEMBERED = 256
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: The number of each topic's last event. The first is the microsecond it was made in: a topic that was forgotten and
#: begins again is ahead of all its earlier numbers.
event_topic = table(
    "event_topic",
    Column("topic", String(80), primary_key=True),
    Column("head", BigInteger, nullable=False),
    Column("written_at", Moment, nullable=False),
    Index("ix_event_topic_written_at", "written_at"),
)

event = table(
    "event",
    Column("topic", String(80), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Id, nullable=False),
    #: The replica that published it.
    Column("origin", Id, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("data", MediumBytes, nullable=False),
    Column("written_at", Moment, nullable=False),
    Index("ix_event_written_at", "written_at"),
)


@dataclass(frozen=True)
class Note:
    """An event that is going to be published. Made before the transaction: done again, it is the same."""

    topic: str
    kind: str
    data: bytes
    id: str
    origin: str
    written_at: datetime


@dataclass(frozen=True)
class Event:
    """An event that was published; `origin` is the replica's `Events.origin`."""

    topic: str
    number: int
    id: str
    origin: str
    kind: str
    data: bytes


class Listener(Protocol):
    """Somebody who wants to know."""

    def heard(self, event: Event) -> None:
        """The next event of the topic. Also what this replica itself has published."""

    def missed(self) -> None:
        """Events were lost for this replica: what they told of has to be loaded anew."""


@dataclass
class _Topic:
    """`position`: the number of the event that was heard last."""

    position: int
    listeners: list[Listener] = field(default_factory=list)
    known: deque[str] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))


_NEXT = event_topic.c.head + 1


def publish(transaction: Connection, *notes: Note) -> None:
    """Publish with the transaction: told to all if it is committed, to nobody if not."""
    for note in sorted(notes, key=lambda note: note.topic):  # all in one order, lest two wait for one another
        begin = {"topic": note.topic, "head": _first(note.written_at), "written_at": note.written_at}
        upsert(transaction, event_topic, begin, {"head": _NEXT, "written_at": note.written_at})
        columns = ("topic", "number", "id", "origin", "kind", "data", "written_at")
        row = select(
            event_topic.c.topic,
            event_topic.c.head,
            literal(note.id, Id),
            literal(note.origin, Id),
            literal(note.kind),
            literal(note.data, MediumBytes),
            literal(note.written_at, Moment),
        ).where(event_topic.c.topic == note.topic)
        transaction.execute(insert(event).from_select(columns, row))


class Events(Service):
    """This replica's ear."""

    name = "events"
    log = Logger()

    def __init__(self, database: Database, clock: IReactorTime) -> None:
        self._database = database
        self._clock = clock
        self._topics: dict[str, _Topic] = {}
        self._next: IDelayedCall | None = None
        self._looking: Deferred[None] | None = None
        self._again = False
        self.origin = secrets.token_hex(16)
        """This replica, for as long as its process lives."""

    def note(self, topic: str, kind: str, data: bytes = b"") -> Note:
        """An event of this replica, to be published. `topic` at most 80 characters, `kind` 20, `data` 15 MiB."""
        now = utc_now(self._clock)
        return Note(topic, kind, data, new_id(now), self.origin, now)

    async def tell(self, topic: str, kind: str, data: bytes = b"") -> None:
        """Publish what goes with no other change."""
        await self._database.run(publish, self.note(topic, kind, data))

    async def subscribe(self, topic: str, listener: Listener) -> Callable[[], None]:
        """Tell `listener` of all that is committed from now on; the answer ends that.

        Load what the events change after this has returned; then none is missed, and some may be known already.
        """
        if topic not in self._topics:
            position = await self._database.run(_begin, topic, utc_now(self._clock))
            self._topics.setdefault(topic, _Topic(position))
        listeners = self._topics[topic].listeners
        listeners.append(listener)
        self._plan(INTERVAL)

        def stop() -> None:
            if listener in listeners:
                listeners.remove(listener)
            if not listeners and topic in self._topics and self._topics[topic].listeners is listeners:
                del self._topics[topic]
            if not self._topics:
                self._rest()

        return stop

    def wake(self) -> None:
        """Something was published here: look now, for those who listen at this replica."""
        if self._looking is not None:
            self._again = True
        elif self._topics:
            self._rest()
            self._plan(0)

    async def prune(self) -> None:
        """Forget what everybody has read. Once a minute, by any replica."""
        now = utc_now(self._clock)
        await self._database.run(_prune, now - KEEP, now - FORGET)

    @property
    def topics(self) -> int:
        """How many somebody listens to, for /metrics."""
        return len(self._topics)

    # --- the loop

    def stopService(self) -> Deferred[None]:
        super().stopService()
        self._rest()
        looking = self._looking or succeed(None)
        looking.cancel()
        return looking

    def _rest(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None

    def _plan(self, delay: float) -> None:
        if self.running and self._topics and self._looking is None and self._next is None:
            self._next = self._clock.callLater(delay, self._look)

    def _look(self) -> None:
        self._next = None
        self._again = False
        self._looking = Deferred.fromCoroutine(self._read())
        self._looking.addBoth(self._looked)

    def _looked(self, result: object) -> None:
        self._looking = None
        if isinstance(result, Failure) and not result.check(CancelledError, PleaseWait):  # the database will be back
            self.log.failure("looking for events", result)
        self._plan(0 if self._again else INTERVAL)

    async def _read(self) -> None:
        positions = {name: topic.position for name, topic in self._topics.items()}
        found, gone, more = await self._database.read(_read, positions)
        for each in found:
            self._deliver(each)
        for name, head in gone.items():
            self._miss(name, head)
        self._again |= more

    def _deliver(self, each: Event) -> None:
        topic = self._topics.get(each.topic)
        if topic is None or each.number <= topic.position:
            return  # nobody listens any more, or somebody who began since
        if each.number != topic.position + 1:
            self._miss(each.topic, each.number)
            return
        topic.position = each.number
        if each.id not in topic.known:
            topic.known.append(each.id)
            for listener in list(topic.listeners):
                try:
                    listener.heard(each)
                except Exception:
                    self.log.failure("an event of {topic}", topic=each.topic)

    def _miss(self, name: str, position: int) -> None:
        topic = self._topics.get(name)
        if topic is None or topic.position >= position:
            return
        topic.position = position
        for listener in list(topic.listeners):
            try:
                listener.missed()
            except Exception:
                self.log.failure("events of {topic} were missed", topic=name)


def _first(now: datetime) -> int:
    return (now - _EPOCH) // timedelta(microseconds=1)


def _begin(transaction: Connection, topic: str, now: datetime) -> int:
    # The row is made, so that there is a number to be after.
    insert_new(transaction, event_topic, [{"topic": topic, "head": _first(now), "written_at": now}])
    head: int = transaction.execute(select(event_topic.c.head).where(event_topic.c.topic == topic)).scalar_one()
    return head


def _read(transaction: Connection, positions: Mapping[str, int]) -> tuple[list[Event], dict[str, int], bool]:
    """What came after these positions, in order; topics whose events are gone; whether there is more."""
    heads: dict[str, int] = {}
    names = list(positions)
    for start in range(0, len(names), _CHUNK):
        query = select(event_topic.c.topic, event_topic.c.head)
        some = query.where(event_topic.c.topic.in_(names[start : start + _CHUNK]))
        heads |= {row.topic: row.head for row in transaction.execute(some)}
    moved = {name: head for name, head in heads.items() if head > positions[name]}
    if not moved:
        return [], {}, False
    found: list[Event] = []
    some_moved = list(moved)[:_CHUNK]
    after = or_(*(and_(event.c.topic == name, event.c.number > positions[name]) for name in some_moved))
    for row in transaction.execute(select(event).where(after).order_by(event.c.topic, event.c.number).limit(_MOST)):
        found.append(Event(row.topic, row.number, row.id, row.origin, row.kind, row.data))
    if len(found) == _MOST or len(moved) > _CHUNK:
        return found, {}, True
    there = {each.topic for each in found}
    return found, {name: moved[name] for name in some_moved if name not in there}, False


def _prune(transaction: Connection, events_before: datetime, topics_before: datetime) -> None:
    transaction.execute(delete(event).where(event.c.written_at < events_before))
    transaction.execute(delete(event_topic).where(event_topic.c.written_at < topics_before))


__all__: Sequence[str] = ("Event", "Events", "Listener", "Note", "publish")
