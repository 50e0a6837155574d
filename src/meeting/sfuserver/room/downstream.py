"""What a participant is sent: which section of its connection carries which subscription.

Two ways: with two connections (/rtc) the server offers the one that sends; with one (/rtc/v1) the client offers, and
the tracks go into the receiving sections, the slots, of our answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from livekit.protocol.rtc import MediaSectionsRequirement, SessionDescription, SignalResponse

from meeting.dataplane.values import Kind
from meeting.sfuserver.negotiation.description import Remote
from meeting.sfuserver.negotiation.offer_answer import OfferedSection, Send, agreed, make_offer
from meeting.sfuserver.room.connection import Connection
from meeting.sfuserver.room.subscription import Subscription

__all__ = ["Downstream", "OfferedDownstream", "SlotDownstream"]

NEGOTIATION_SECONDS = 20.0
"""An offer of ours that is not answered in this time never will be."""
ASK_AGAIN_SECONDS = 5.0


class Downstream(Protocol):
    """The sending half of a participant's connections."""

    def add(self, subscription: Subscription) -> None:
        """Carry it as soon as possible: in the next description."""

    def remove(self, subscription: Subscription) -> None:
        """Carry it no more. The subscription itself is closed by its owner."""

    def negotiate(self, now: float) -> None:
        """Say what changed, if it may be said now."""

    def overdue(self, now: float) -> bool:
        """Whether the client left our offer unanswered for too long."""


@dataclass(slots=True)
class _Carrier:
    """A section of the connection and what it carries."""

    kind: Kind
    subscription: Subscription | None = None
    send: Send | None = None
    """As described last; it must be said to be inactive once before it carries another track."""
    bound: bool = False
    refused: bool = False

    @property
    def free(self) -> bool:
        return self.subscription is None and self.send is None and not self.refused

    def carry(self, subscription: Subscription, connection: Connection) -> None:
        self.subscription = subscription
        self.send = subscription.send(connection)
        self.bound = False


class OfferedDownstream:
    """The server offers."""

    def __init__(
        self,
        connection: Connection,
        send: Callable[[SignalResponse], None],
        unsupported: Callable[[Subscription], None],
    ) -> None:
        """`unsupported` hears of a track that the client cannot decode."""
        self._connection = connection
        self._send = send
        self._unsupported = unsupported
        self._waiting: list[Subscription] = []
        self._carriers: list[_Carrier] = []
        self._offer = 0
        self._offered_at: float | None = None
        self._described: list[Send | None] = []
        self._changed = True

    def add(self, subscription: Subscription) -> None:
        self._waiting.append(subscription)
        self._changed = True

    def remove(self, subscription: Subscription) -> None:
        if subscription in self._waiting:
            self._waiting.remove(subscription)
        for carrier in self._carriers:
            if carrier.subscription is subscription:
                carrier.subscription = None
                self._changed = True

    def restart(self) -> None:
        """The client came back on another socket: new ICE credentials; an older offer of ours is void."""
        self._connection.restart()
        self._offered_at = None
        self._changed = True

    def negotiate(self, now: float) -> None:
        if not self._changed or self._offered_at is not None:
            return
        for subscription in self._waiting:
            self._carrier_for(subscription.track.kind).carry(subscription, self._connection)
        self._waiting.clear()
        self._described = [carrier.send if carrier.subscription else None for carrier in self._carriers]
        sections = [
            OfferedSection(
                mid=str(number),
                kind=carrier.kind,
                send=described,
                stereo=carrier.subscription is not None and carrier.subscription.track.info.stereo,
                refused=carrier.refused,
            )
            for number, (carrier, described) in enumerate(zip(self._carriers, self._described, strict=True), 1)
        ]
        self._offer += 1
        self._offered_at = now
        self._changed = False
        sdp = make_offer(self._connection.transport, self._connection.next_version(), sections)
        tracks = {str(number): send.track_id for number, send in enumerate(self._described, 1) if send}
        self._send(
            SignalResponse(offer=SessionDescription(type="offer", sdp=sdp, id=self._offer, mid_to_track_id=tracks))
        )

    def answered(self, answer: Remote, offer: int, now: float) -> None:
        """The client's answer to our offer of that number; older ones are void. Raises SdpError."""
        if self._offered_at is None or offer not in (self._offer, 0):
            return
        self._connection.answered(answer)
        self._offered_at = None
        for number, (carrier, described) in enumerate(zip(self._carriers, self._described, strict=True), 1):
            section = answer.section(str(number))
            if carrier.subscription is None:
                # Said to be inactive, if it is not that the subscription went while the offer was on its way.
                carrier.send = described
            elif described is not None and not carrier.bound:
                accepted = section is not None and section.usable and section.direction in ("recvonly", "sendrecv")
                if section is not None and accepted and carrier.subscription.bind(self._connection, section, described):
                    carrier.bound = True
                else:
                    self._unsupported(carrier.subscription)
                    carrier.subscription = None
                    carrier.refused = section is None or not section.usable
                    self._changed = True
        self.negotiate(now)

    def overdue(self, now: float) -> bool:
        return self._offered_at is not None and now - self._offered_at > NEGOTIATION_SECONDS

    def _carrier_for(self, kind: Kind) -> _Carrier:
        for carrier in self._carriers:
            if carrier.free and carrier.kind is kind:
                return carrier
        carrier = _Carrier(kind)
        self._carriers.append(carrier)
        return carrier


class SlotDownstream:
    """The client offers; where slots are short, or an answer would say something new, it is asked to offer again."""

    def __init__(
        self,
        connection: Connection,
        send: Callable[[SignalResponse], None],
        unsupported: Callable[[Subscription], None],
    ) -> None:
        self._connection = connection
        self._send = send
        self._unsupported = unsupported
        self._waiting: list[Subscription] = []
        self._slots: dict[str, _Carrier] = {}
        self._asked_at: float | None = None
        self._slots_when_asked = 0
        self._slots_asked = 0

    @property
    def tracks(self) -> dict[str, str]:
        """mid → track sid, as the answer tells it."""
        return {mid: slot.send.track_id for mid, slot in self._slots.items() if slot.subscription and slot.send}

    def add(self, subscription: Subscription) -> None:
        self._waiting.append(subscription)

    def remove(self, subscription: Subscription) -> None:
        if subscription in self._waiting:
            self._waiting.remove(subscription)
        for slot in self._slots.values():
            if slot.subscription is subscription:
                slot.subscription = None

    def plan(self, offer: Remote) -> dict[str, Send]:
        """What the answer puts into the offer's slots."""
        self._take_slots(offer)
        decisions: dict[str, Send] = {}
        for section in offer.sections:
            slot = self._slots.get(section.mid)
            if slot is None or not section.only_receives:
                continue
            if slot.free:
                formats = agreed(section)[0]
                subscription = next(
                    (wanted for wanted in self._waiting if wanted.track.kind is slot.kind and wanted.fits(formats)),
                    None,
                )
                if subscription is not None:
                    self._waiting.remove(subscription)
                    slot.carry(subscription, self._connection)
            if slot.subscription is not None and slot.send is not None:
                decisions[section.mid] = slot.send
        return decisions

    def apply(self, offer: Remote) -> None:
        """The answer is on its way: make the Sinks of what is new, free the slots that fell silent."""
        for section in offer.sections:
            slot = self._slots.get(section.mid)
            if slot is None:
                continue
            if slot.subscription is None:
                slot.send = None
            elif slot.send is not None and not slot.bound:
                slot.bound = slot.subscription.bind(self._connection, section, slot.send)
        self._refuse_undecodable(offer)

    def negotiate(self, now: float) -> None:
        if self._asked_at is not None and now - self._asked_at < ASK_AGAIN_SECONDS:
            return
        if not self._connection.described:
            return  # the first offer is still to come
        silent = any(slot.subscription is None and slot.send is not None for slot in self._slots.values())
        if not self._waiting and not silent:
            return
        needed = {kind: max(0, self._count_waiting(kind) - self._count_free(kind)) for kind in Kind}
        self._asked_at = now
        self._slots_when_asked = len(self._slots)
        self._slots_asked = sum(needed.values())
        requirement = MediaSectionsRequirement(num_audios=needed[Kind.AUDIO], num_videos=needed[Kind.VIDEO])
        self._send(SignalResponse(media_sections_requirement=requirement))

    def overdue(self, now: float) -> bool:
        return False  # the offers are the client's

    def _take_slots(self, offer: Remote) -> None:
        """Sections that only receive are slots. One that we were asked for settles our asking."""
        for section in offer.sections:
            slot = self._slots.get(section.mid)
            if section.only_receives and section.kind is not None and slot is None:
                self._slots[section.mid] = _Carrier(section.kind)
            elif slot is not None and not section.only_receives:
                if slot.subscription is not None:
                    self._waiting.insert(0, slot.subscription)
                    slot.subscription.unbind()
                del self._slots[section.mid]
        if len(self._slots) >= self._slots_when_asked + self._slots_asked:
            self._asked_at = None

    def _refuse_undecodable(self, offer: Remote) -> None:
        """Whom no slot of its kind could carry for want of a codec, while one was there."""
        for subscription in list(self._waiting):
            sections = [
                section
                for section in offer.sections
                if section.only_receives and section.kind is subscription.track.kind
            ]
            if sections and not any(subscription.fits(agreed(section)[0]) for section in sections):
                self._waiting.remove(subscription)
                self._unsupported(subscription)

    def _count_waiting(self, kind: Kind) -> int:
        return sum(subscription.track.kind is kind for subscription in self._waiting)

    def _count_free(self, kind: Kind) -> int:
        """Free ones, and those that will be after the next answer."""
        return sum(slot.free and slot.kind is kind for slot in self._slots.values())
