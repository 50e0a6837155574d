"""The y-websocket protocol and the state of one document under many hands. No I/O: frames go in, effects come out.

The protocol: y-protocols `PROTOCOL.md`, `sync.js`, `awareness.js`; message 100 is ours (docs/protocols/http-api.md).

    joined ──▶ the hub sends step 1 (its state vector) and the carets of the others
    step 1 ──▶ answered with step 2, when all that was taken before it is durable
    step 2, update ──▶ judged, merged, stored; then acknowledged to its writer and sent to the others
    awareness ──▶ gathered for a moment, then shown to all as one; never stored

**Durable first.** Updates wait in one queue in the order of their arrival. A batch of them is merged and given out as
`Store`; until `stored` is called, nothing of it leaves: neither to the others, nor to a newcomer, nor as an
acknowledgement. When storing fails, the merged document is ahead of the database: all clients are closed, the document
is forgotten, and they bring back what is missing when they connect again; that is what a CRDT is for.

**Replicas.** Others may have the same document open at other replicas of the hub. What they stored comes by `merge`, in
the order of the commits, so that nothing is missing that it builds on; their carets by `hear_carets`.

A client may send updates before it answered our step 1 (it types while it reconnects, and its older edits come with the
step 2). So its updates wait until its step 2 is there; after that, an update that builds on something unknown is a
fault.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from pycrdt import Doc, XmlFragment

from meeting.apiserver.minutes.carets import Carets, TooMuch
from meeting.apiserver.minutes.effects import Close, CloseCode, Effect, Gather, Limits, Refused, Send, Store, Tell
from meeting.apiserver.minutes.frames import (
    Caret,
    MessageType,
    SyncType,
    awareness_frame,
    awareness_payload,
    durable_frame,
    sync_frame,
)
from meeting.apiserver.minutes.updates import (
    BadUpdate,
    History,
    MissingPredecessor,
    Reader,
    as_one,
    check_state_vector,
)

FRAGMENT = "default"  # the name under which Tiptap's collaboration extension keeps the text
_NOTHING = b"\x00\x00"  # an update without structs and deletions
_LIMITS = Limits()
_NOBODY = -1


# --- the document


@dataclass
class _Client:
    name: str
    may_write: bool
    in_step: bool = False  # it answered our step 1
    early: list[_Change] = field(default_factory=list)
    durable: int = 0


@dataclass(frozen=True)
class _Change:
    client: int
    update: bytes
    allowed: bool


@dataclass(frozen=True)
class _Question:
    client: int
    vector: bytes


class Document:
    """One meeting's minutes, and the clients that have them open. Clients are numbers that the caller makes."""

    def __init__(self, limits: Limits = _LIMITS) -> None:
        self._limits = limits
        self._doc = Doc[XmlFragment]()
        self._doc.get(FRAGMENT, type=XmlFragment)
        self._history = History(limits.depth)
        self._clients: dict[int, _Client] = {}
        self._queue: deque[_Change | _Question] = deque()
        self._queued = 0
        self._storing: list[_Change] | None = None
        self._size = 0
        self._carets = Carets(limits.carets, limits.caret, limits.departed)
        self._moved: dict[int, tuple[Caret, bool]] = {}
        self._effects: list[Effect] = []
        self.is_over = False
        """It failed, everybody was sent away: load it again from the database."""

    @classmethod
    def load(cls, updates: list[bytes], limits: Limits = _LIMITS) -> Document:
        """The document that these updates (a snapshot and what followed it, all from the database) make.

        Their order does not matter: rows of one transaction have none.
        """
        document = cls(limits)
        if updates:
            document._doc.apply_update(as_one(updates))
        document._history.note(document._history.news(document._doc.get_update()))
        document._size = sum(map(len, updates))
        return document

    @property
    def clients(self) -> int:
        """How many have it open."""
        return len(self._clients)

    @property
    def is_quiet(self) -> bool:
        """Nobody has it open and nothing waits to be stored: it may be forgotten."""
        return not self._clients and self._storing is None and not self._queue

    @property
    def fragment(self) -> XmlFragment:
        """The text as a tree."""
        return self._doc.get(FRAGMENT, type=XmlFragment)

    # --- what the caller tells it; each answers with what is to be done now, in this order

    def join(self, client: int, name: str, may_write: bool) -> list[Effect]:
        """Somebody opened the document; `name` is what the others see at their caret."""
        carets = self._carets.all()
        self._clients[client] = _Client(name, may_write)
        self._effects.append(Send(client, sync_frame(SyncType.STEP_1, self._doc.get_state())))
        if carets:
            self._effects.append(Send(client, awareness_frame(carets)))
        return self._take_effects()

    def receive(self, client: int, frame: bytes) -> list[Effect]:
        """A frame from a client. Once it was refused, or left, its frames are ignored."""
        if client in self._clients:
            try:
                self._receive(client, self._clients[client], frame)
            except Refused as refused:
                self._refuse(client, refused)
        self._go_on()
        return self._take_effects()

    def leave(self, client: int) -> list[Effect]:
        """A client's connection ended. What it wrote and we received is still stored."""
        self._leave(client)
        return self._take_effects()

    def stored(self) -> list[Effect]:
        """The last `Store` is committed."""
        batch, self._storing = self._storing or [], None
        self._settle(batch)
        self._go_on()
        return self._take_effects()

    def not_stored(self) -> list[Effect]:
        """The last `Store` failed: nothing of it may be seen, so this document ends; it can be loaded again."""
        self._end()
        return self._take_effects()

    def merge(self, updates: Sequence[bytes]) -> list[Effect]:
        """Another replica stored these, or they were read from the database: they are the document's already.

        :raise MissingPredecessor: they build on something that did not come; load and merge all.
        """
        if updates:
            update = as_one(updates)
            news = self._history.news(update)
            if (merged := self._apply(_Change(_NOBODY, update, True))) != _NOTHING:
                self._history.note(news)
                self._to_all(sync_frame(SyncType.UPDATE, merged))
        return self._take_effects()

    def hear_carets(self, replica: str, payload: bytes) -> list[Effect]:
        """Carets of people at another replica, which put their names to them."""
        self._move(self._carets.hear(replica, None, payload), False)
        return self._take_effects()

    def forget_replica(self, replica: str) -> list[Effect]:
        """Nobody at that replica has the document open any more."""
        self._move(self._carets.leave(replica), False)
        return self._take_effects()

    def show_carets(self) -> list[Effect]:
        """Show everybody which carets have moved: one frame for each, however many they are."""
        moved, self._moved = list(self._moved.values()), {}
        if moved:
            self._to_all(awareness_frame([caret for caret, _ in moved]))
        if ours := [caret for caret, is_ours in moved if is_ours]:
            self._effects.append(Tell(awareness_payload(ours)))
        return self._take_effects()

    def all_carets(self) -> bytes:
        """Those of people here, for a replica that does not know them."""
        return awareness_payload(self._carets.ours())

    def keep_alive(self) -> list[Effect]:
        """A frame for everybody: y-websocket's client takes 30 s of silence for a broken connection."""
        return [Send(number, durable_frame(client.durable)) for number, client in self._clients.items()]

    # --- clients and frames

    def _take_effects(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects

    def _to_all(self, frame: bytes) -> None:
        self._effects.extend(Send(client, frame) for client in self._clients)

    def _leave(self, number: int) -> None:
        self._clients.pop(number, None)
        self._move(self._carets.leave(number), True)

    def _move(self, carets: Iterable[Caret], are_ours: bool) -> None:
        was_still = not self._moved
        self._moved |= {caret.client: (caret, are_ours) for caret in carets}
        if was_still and self._moved:
            self._effects.append(Gather())

    def _refuse(self, number: int, refused: Refused) -> None:
        if number in self._clients:
            self._effects.append(Close(number, refused.code, refused.reason))
            self._leave(number)

    def _receive(self, number: int, client: _Client, frame: bytes) -> None:
        reader = Reader(frame)
        try:
            type_ = reader.uint()
            if type_ == MessageType.SYNC:
                step, payload = reader.uint(), reader.buffer()
                reader.end()
                self._receive_sync(number, client, step, payload)
            elif type_ == MessageType.AWARENESS:
                payload = reader.buffer()
                reader.end()
                self._receive_awareness(number, client, payload)
            elif type_ == MessageType.QUERY_AWARENESS:
                reader.end()
                self._effects.append(Send(number, awareness_frame(self._carets.all())))
            else:
                raise BadUpdate(f"the hub knows no message {type_}")
        except BadUpdate as bad:
            raise Refused(CloseCode.MALFORMED, f"That message cannot be read: {bad}.") from None

    def _receive_sync(self, number: int, client: _Client, step: int, payload: bytes) -> None:
        if step == SyncType.STEP_1:
            check_state_vector(payload)
            self._enqueue(_Question(number, payload))
        elif step in (SyncType.STEP_2, SyncType.UPDATE):
            if len(payload) > self._limits.update:
                raise Refused(CloseCode.TOO_LARGE, "That is too much text at once.")
            change = _Change(number, payload, client.may_write)
            if step == SyncType.STEP_2 and not client.in_step:
                client.in_step = True
                early, client.early = client.early, []
                for item in (change, *early):
                    self._enqueue(item)
            elif client.in_step:
                self._enqueue(change)
            else:
                client.early.append(change)
                if sum(map(_cost, client.early)) > self._limits.update:
                    raise Refused(CloseCode.MALFORMED, "Step 2 of the synchronisation is missing.")
        else:
            raise BadUpdate(f"there is no sync message {step}")

    def _receive_awareness(self, number: int, client: _Client, payload: bytes) -> None:
        try:
            if len(payload) > self._limits.awareness:
                raise TooMuch
            news = self._carets.hear(number, client.name, payload)
        except TooMuch:
            raise Refused(CloseCode.TOO_LARGE, "That is too much about carets.") from None
        self._move(news, True)

    # --- the queue

    def _enqueue(self, item: _Change | _Question) -> None:
        if self._queued + _cost(item) > self._limits.queue:
            raise Refused(CloseCode.TRY_AGAIN, "Too much is waiting to be saved; please wait a moment.")
        self._queue.append(item)
        self._queued += _cost(item)

    def _go_on(self) -> None:
        """Answer what can be answered and store what has come, unless something is being stored."""
        while self._storing is None and self._queue and not self.is_over:
            if isinstance(self._queue[0], _Question):
                self._answer(self._queue[0])
                self._queued -= _cost(self._queue.popleft())
            else:
                self._merge_batch()

    def _answer(self, question: _Question) -> None:
        if question.client in self._clients:
            try:
                missing = self._doc.get_update(question.vector)
            except ValueError:
                self._refuse(question.client, Refused(CloseCode.MALFORMED, "That state vector cannot be read."))
            else:
                self._effects.append(Send(question.client, sync_frame(SyncType.STEP_2, missing)))

    def _merge_batch(self) -> None:
        """Merge the changes at the head of the queue, and give them out to be stored."""
        batch: list[_Change] = []
        while self._queue and isinstance(change := self._queue[0], _Change) and not self.is_over:
            self._queued -= _cost(self._queue.popleft())
            try:
                batch.append(replace(change, update=self._merge(change)))
            except Refused as refused:
                self._refuse(change.client, refused)
        if updates := tuple(change.update for change in batch if change.update != _NOTHING):
            self._storing = batch
            self._effects.append(Store(updates))
        else:
            self._settle(batch)

    def _merge(self, change: _Change) -> bytes:
        """Merge one change; what of it was new (an echo or a repetition holds nothing new)."""
        if change.update == _NOTHING:
            return _NOTHING
        if self._size + len(change.update) > self._limits.document:
            raise Refused(CloseCode.TOO_LARGE, "These minutes are full.")
        try:
            news = self._history.news(change.update)
            if not change.allowed:
                # A reader's step 2 lists the deletions it knows, so an update alone is no offence; it is just not
                # taken.
                if news:
                    raise Refused(CloseCode.NOT_ALLOWED, "You may read these minutes, but not change them.")
                return _NOTHING
        except MissingPredecessor as bad:
            raise Refused(CloseCode.TRY_AGAIN, f"The hub is missing something: {bad}.") from None
        except BadUpdate as bad:
            raise Refused(CloseCode.MALFORMED, f"That update cannot be taken: {bad}.") from None
        merged = self._apply(change)
        self._history.note(news)
        return merged

    def _apply(self, change: _Change) -> bytes:
        news: list[bytes] = []
        subscription = self._doc.observe(lambda event: news.append(event.update))
        try:
            self._doc.apply_update(change.update)
        except BaseException as error:
            # Bytes that cannot be decoded change nothing. After anything else (a panic of the Rust library is no
            # Exception) the document may be half changed: it ends here, the database has it whole.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            refused = Refused(CloseCode.MALFORMED, "That update cannot be taken.")
            if str(error).startswith("Cannot decode"):
                raise refused from None
            self._refuse(change.client, refused)
            self._end()
            return _NOTHING
        finally:
            self._doc.unobserve(subscription)
        update = news[0] if len(news) == 1 else change.update if news else _NOTHING
        self._size += len(update)
        return update

    def _settle(self, batch: list[_Change]) -> None:
        """A batch is durable: tell its writers, and show it to the others."""
        writers = {change.client for change in batch if change.update != _NOTHING}
        if writers:
            # One frame for each client, however many wrote; what is one's own does not disturb in it.
            frame = sync_frame(SyncType.UPDATE, as_one([each.update for each in batch if each.update != _NOTHING]))
            self._effects.extend(Send(other, frame) for other in self._clients if {other} != writers)
        for number, count in Counter(change.client for change in batch).items():
            if client := self._clients.get(number):
                client.durable += count
                self._effects.append(Send(number, durable_frame(client.durable)))

    def _end(self) -> None:
        self.is_over = True
        self._storing = None
        self._queue.clear()
        for number in self._clients:
            self._effects.append(Close(number, CloseCode.TRY_AGAIN, "The minutes could not be saved just now."))
        self._clients.clear()


def _cost(item: _Change | _Question) -> int:
    """Bytes that an item in the queue holds, roughly."""
    return 64 + len(item.update if isinstance(item, _Change) else item.vector)
