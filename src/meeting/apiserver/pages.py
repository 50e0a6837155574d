"""Pages of lists: a limit, and a cursor that says after which row the next page begins.

    class Things(Listed):                                   # the answer: has `next`, the address of the next page
        things: list[ThingAnswer]

    order = Order(thing.c.created_at, thing.c.id, descending=True)      # together different for each row
    rows = transaction.execute(order.of_page(select(thing), page)).all()
    found = order.cut(rows, page)                           # found.items, found.cursor
    Things(things=[…], next=next_link(call, found))

A page is found by comparing with the last row of the one before, never by counting rows: it costs the same however far
one has read, and what is added meanwhile neither repeats nor hides a row.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, Integer, Row, Select, String, and_, or_

from meeting.apiserver.schema import Id, Moment
from meeting.daemon.errors import BadRequest
from meeting.daemon.web import Call

T = TypeVar("T")
Into = TypeVar("Into")

MOST_OF_A_PAGE = 200

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID = re.compile(r"[0-9a-f]{32}")


class Page(BaseModel):
    """Which page of a list; the query of every list is one."""

    limit: int = Field(50, ge=1, le=MOST_OF_A_PAGE, description="most that a page holds")
    cursor: str | None = Field(None, max_length=1000, description="from `next`; made by the server, for this list only")


class Listed(BaseModel):
    """A page of a list; the answer of every list is one."""

    next: str | None = Field(None, description="the address of the next page; null: this is the last")


@dataclass(frozen=True)
class Slice(Generic[T]):
    """The items of a page, and the cursor of the next if there is one."""

    items: Sequence[T]
    cursor: str | None

    def map(self, change: Callable[[T], Into]) -> "Slice[Into]":
        """The same page of something made of the items."""
        return Slice([change(item) for item in self.items], self.cursor)


class Order:
    """By what a list is ordered: selected columns (or labelled expressions), never null, together unique."""

    def __init__(self, *columns: ColumnElement[Any], descending: bool = False) -> None:
        self._columns = columns
        self._descending = descending

    def of_page(self, query: Select[Any], page: Page) -> Select[Any]:
        """`query`, ordered and reduced to the page and one row more."""
        if page.cursor is not None:
            query = query.where(self._beyond(decode_cursor(page.cursor, [column.type for column in self._columns])))
        order = [column.desc() if self._descending else column for column in self._columns]
        return query.order_by(*order).limit(page.limit + 1)

    def cut(self, rows: Sequence[Row[Any]], page: Page) -> Slice[Row[Any]]:
        """The page of what `of_page` has found."""
        if len(rows) <= page.limit:
            return Slice(rows, None)
        last = rows[page.limit - 1]
        return Slice(rows[: page.limit], encode_cursor([last._mapping[column] for column in self._columns]))

    def _beyond(self, values: Sequence[Any]) -> ColumnElement[bool]:
        # Spelled out: MySQL uses no index for (a, b) > (x, y).
        steps = []
        for place, (column, value) in enumerate(zip(self._columns, values, strict=True)):
            same = [before == given for before, given in zip(self._columns[:place], values[:place], strict=True)]
            steps.append(and_(*same, column < value if self._descending else column > value))
        return or_(*steps)


def encode_cursor(values: Sequence[str | int | datetime]) -> str:
    """Values as text for an address."""
    plain = [
        (value - _EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else value for value in values
    ]
    return urlsafe_b64encode(json.dumps(plain, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(text: str, types: Sequence[Any]) -> list[Any]:
    """The values of a cursor, of these SQL types. Raises BadRequest."""
    try:
        values = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if not isinstance(values, list) or len(values) != len(types):
            raise ValueError
        return [_value(of, value) for of, value in zip(types, values, strict=True)]
    except (ValueError, RecursionError, OverflowError) as error:
        raise BadRequest(
            "query.cursor: this is no cursor of this list; take it from `next` of the page before."
        ) from error


def _value(of: Any, value: Any) -> Any:
    if isinstance(of, Id) and isinstance(value, str) and _ID.fullmatch(value):
        return value
    if isinstance(of, Moment | Integer) and type(value) is int and abs(value) < 1 << 53:
        return _EPOCH + timedelta(microseconds=value) if isinstance(of, Moment) else value
    if isinstance(of, String) and isinstance(value, str):
        value.encode()  # half of a surrogate pair is no text
        return value
    raise ValueError


def next_link(call: Call, found: Slice[Any]) -> str | None:
    """The address of the page after this one, with what else was asked."""
    if found.cursor is None:
        return None
    asked = {name.decode(): values[-1].decode() for name, values in call.request.args.items()}
    path = quote(call.request.path.decode("ascii", "replace"), safe="/%:@!$&'()*+,;=-._~")
    return f"{path}?{urlencode({**asked, 'cursor': found.cursor})}"
