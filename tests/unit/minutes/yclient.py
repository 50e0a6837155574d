"""A Yjs client in memory: a pycrdt document that speaks the y-websocket protocol, with a diary of what it heard."""

from typing import Any

from pycrdt import Doc, XmlElement, XmlFragment, XmlText

from meeting.apiserver.minutes.effects import Close, Effect, Gather, Send, Store, Tell
from meeting.apiserver.minutes.frames import MessageType, SyncType, sync_frame
from meeting.apiserver.minutes.sync import Document
from meeting.apiserver.minutes.updates import Reader


class Client:
    """Edits a copy; `frames()` are what it would send."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.doc: Doc[Any] = Doc(client_id=1000 + number)
        self.fragment = self.doc.get("default", type=XmlFragment)
        self.durable = 0
        self.closed: Close | None = None
        self.carets: list[bytes] = []
        self.out: list[bytes] = []
        self.told = self.heard = 0
        """How far a test has passed on what is in `out`, here and of another's."""
        self._remote = False
        self.doc.observe(self._changed)

    def _changed(self, event: Any) -> None:
        if not self._remote:
            self.out.append(sync_frame(SyncType.UPDATE, event.update))

    def hello(self) -> None:
        """What y-websocket sends when its connection is open."""
        self.out.append(sync_frame(SyncType.STEP_1, self.doc.get_state()))

    def write(self, text: str) -> None:
        """Append a paragraph."""
        paragraph = self.fragment.children.append(XmlElement("paragraph"))
        paragraph.children.append(XmlText(text))

    def hear(self, frame: bytes) -> None:
        """Take a frame of the hub's."""
        reader = Reader(frame)
        type_ = reader.uint()
        if type_ == MessageType.SYNC:
            step, payload = reader.uint(), reader.buffer()
            if step == SyncType.STEP_1:
                self.out.append(sync_frame(SyncType.STEP_2, self.doc.get_update(payload)))
            else:
                self._remote = True
                self.doc.apply_update(payload)
                self._remote = False
        elif type_ == MessageType.AWARENESS:
            self.carets.append(frame)
        elif type_ == MessageType.DURABLE:
            self.durable = reader.uint()

    @property
    def close_code(self) -> int | None:
        """How the hub ended the connection, if it did."""
        return self.closed.code if self.closed else None

    @property
    def close_reason(self) -> str:
        """Why."""
        return self.closed.reason if self.closed else ""

    @property
    def text(self) -> str:
        """The whole document, as Yjs prints it."""
        return str(self.fragment)


class Table:
    """Clients around one document, and a database that is a list. `hold` keeps transactions open."""

    def __init__(self, document: Document | None = None) -> None:
        self.document = document or Document()
        self.clients: dict[int, Client] = {}
        self.rows: list[bytes] = []
        self.open: list[Store] = []
        self.hold = False
        self.told: list[bytes] = []

    def sit(self, number: int, *, name: str = "Ada", may_write: bool = True, speaks: bool = True) -> Client:
        """A new client connects."""
        client = self.clients[number] = Client(number)
        self.do(self.document.join(number, name, may_write))
        if speaks:
            client.hello()
            self.turn()
        return client

    def turn(self) -> None:
        """Carry frames both ways until nobody has anything to say."""
        while any(client.out for client in self.clients.values()):
            for client in list(self.clients.values()):
                frames, client.out = client.out, []
                for frame in frames:
                    self.do(self.document.receive(client.number, frame))

    def commit(self) -> None:
        """The database finishes the oldest open transaction."""
        self.rows.extend(self.open.pop(0).updates)
        self.do(self.document.stored())

    def do(self, effects: list[Effect]) -> None:
        """Carry out what the document asked for."""
        for effect in effects:
            if isinstance(effect, Send):
                if effect.client in self.clients:
                    self.clients[effect.client].hear(effect.frame)
            elif isinstance(effect, Close):
                self.clients[effect.client].closed = effect
            elif isinstance(effect, Gather):
                self.do(self.document.show_carets())
            elif isinstance(effect, Tell):
                self.told.append(effect.carets)
            else:
                self.open.append(effect)
                if not self.hold:
                    self.commit()
