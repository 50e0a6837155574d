"""Pages of lists: nothing twice, nothing left out, whatever comes as a cursor."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, select

from meeting.apiserver.pages import Order, Page, decode_cursor, encode_cursor
from meeting.apiserver.schema import Id, Moment
from meeting.daemon.errors import BadRequest

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
thing = Table("thing", MetaData(), Column("id", Id, primary_key=True), Column("at", Moment), Column("name", String(9)))


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("limit", [1, 7, 50, 200])
def test_all_pages_together_are_the_list(descending: bool, limit: int) -> None:
    engine = create_engine("sqlite://")
    # Many share a moment, so that the second column decides.
    rows = [{"id": f"{n:032x}", "at": NOON + timedelta(microseconds=n // 10), "name": "x"} for n in range(101)]
    random.Random(limit).shuffle(rows)
    order = Order(thing.c.at, thing.c.id, descending=descending)
    seen: list[str] = []
    with engine.begin() as transaction:
        thing.create(transaction)
        transaction.execute(thing.insert(), rows)
        page: Page | None = Page(limit=limit, cursor=None)
        while page is not None:
            found = order.cut(transaction.execute(order.of_page(select(thing), page)).all(), page)
            assert 0 < len(found.items) <= limit
            seen += [row.id for row in found.items]
            page = None if found.cursor is None else Page(limit=limit, cursor=found.cursor)
    assert seen == sorted((str(row["id"]) for row in rows), reverse=descending)


TYPES = [Moment(), Id(), Integer(), String()]


def test_a_cursor_gives_back_its_values() -> None:
    values: list[Any] = [NOON, "0a" * 16, -5, "Müller, \u2028"]
    assert decode_cursor(encode_cursor(values), TYPES) == values


@given(st.text(max_size=60) | st.lists(st.integers() | st.text() | st.none()).map(lambda v: encode_cursor(v)))  # type: ignore[arg-type]
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    try:
        assert len(decode_cursor(text, TYPES)) == 4
    except BadRequest as error:
        assert "`next`" in error.detail


@pytest.mark.parametrize("values", [[1, 2, 3, 4], ["0a" * 16] * 4, [], [10**30, "0a" * 16, 1, "x"], [1, "0a", 1, "x"],
                                    [True, "0a" * 16, 1, "x"], [1, "0a" * 16, 1, "\ud800"]])  # fmt: skip
def test_another_lists_cursor_is_refused(values: list[Any]) -> None:
    with pytest.raises(BadRequest):
        decode_cursor(encode_cursor(values), TYPES)
