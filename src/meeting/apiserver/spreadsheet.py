"""Tables for spreadsheets: CSV (RFC 4180) that a spreadsheet program shows as it is."""

import csv
import io
from collections.abc import Iterable, Sequence

from meeting.daemon.web import Reply

#: What makes a cell a formula in the programs that people open such files with.
_FORMULA = ("=", "+", "-", "@")


def csv_of(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """The file's bytes: UTF-8 with a byte order mark, as Excel wants it; texts that would be formulas are quoted."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def csv_reply(name: str, content: bytes) -> Reply:
    """A file of this name, to be saved; its first line says what the columns are (RFC 4180 section 3)."""
    headers = {
        "Content-Type": "text/csv; charset=utf-8; header=present",
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    return Reply(200, content, headers)


def _cell(value: object) -> object:
    if isinstance(value, str) and (value.lstrip().startswith(_FORMULA) or value[:1].isspace()):
        return f"'{value}"
    return "" if value is None else value
