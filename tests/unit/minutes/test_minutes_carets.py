"""Carets: shown under the name that the hub knows, never stored, gone with whoever leaves."""

import json

from meeting.apiserver.minutes.effects import CloseCode
from meeting.apiserver.minutes.frames import Caret, awareness_frame, read_awareness
from meeting.apiserver.minutes.updates import Reader
from tests.unit.minutes.yclient import Table


def carets_in(frame: bytes) -> list[Caret]:
    entries = read_awareness(Reader(frame[1:]).buffer())
    return [Caret(client, clock, json.loads(text)) for client, clock, text in entries]


def test_carets_carry_the_name_the_hub_knows_and_are_not_stored() -> None:
    table = Table()
    table.sit(1, name="Ada")
    bob = table.sit(2, name="Bob")
    state = {"user": {"name": "Queen", "color": "#336699"}, "cursor": None}
    table.do(table.document.receive(1, awareness_frame([Caret(77, 1, state)])))
    (caret,) = carets_in(bob.carets[-1])
    assert caret == Caret(77, 1, {"user": {"name": "Ada", "color": "#336699"}, "cursor": None})
    assert table.rows == []
    carol = table.sit(3, name="Carol")
    assert carets_in(carol.carets[-1]) == [caret]


def test_echoes_of_carets_are_not_relayed_again() -> None:
    table = Table()
    ada, bob = table.sit(1), table.sit(2)
    frame = awareness_frame([Caret(77, 1, {"user": {"name": "Ada"}})])
    table.do(table.document.receive(1, frame))
    heard = len(ada.carets), len(bob.carets)
    table.do(table.document.receive(2, frame))
    table.do(table.document.receive(2, awareness_frame([Caret(77, 1, None)])))
    assert (len(ada.carets), len(bob.carets)) == heard


def test_who_leaves_takes_the_caret_along() -> None:
    table = Table()
    table.sit(1)
    bob = table.sit(2)
    table.do(table.document.receive(1, awareness_frame([Caret(77, 4, {"user": {}})])))
    table.do(table.document.leave(1))
    assert carets_in(bob.carets[-1]) == [Caret(77, 4, None)]
    assert table.document.clients == 1


def test_an_echo_of_one_who_left_makes_no_ghost() -> None:
    table = Table()
    table.sit(1)
    bob = table.sit(2)
    frame = awareness_frame([Caret(77, 4, {"user": {}})])
    table.do(table.document.receive(1, frame))
    table.do(table.document.leave(1))
    heard = len(bob.carets)
    table.do(table.document.receive(2, frame))
    assert len(bob.carets) == heard
    table.sit(3)
    table.do(table.document.receive(3, awareness_frame([Caret(77, 5, {"user": {}})])))
    assert carets_in(bob.carets[-1]) == [Caret(77, 5, {"user": {"name": "Ada"}})]


def test_one_connection_has_few_carets_and_small_ones() -> None:
    table = Table()
    ada, bob = table.sit(1), table.sit(2)
    table.do(table.document.receive(1, awareness_frame([Caret(n, 1, {}) for n in range(9)])))
    table.do(table.document.receive(2, awareness_frame([Caret(99, 1, {"x": "y" * 20_000})])))
    assert ada.close_code == CloseCode.TOO_LARGE
    assert bob.close_code == CloseCode.TOO_LARGE
