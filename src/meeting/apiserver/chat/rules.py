"""What a chat message may be."""

import re

from meeting.daemon.errors import BadRequest

LONGEST_TEXT = 4000

_ID = re.compile(r"[0-9a-f]{32}")


def check_id(text: str) -> str:
    """A message's id, made by its client. Raises BadRequest."""
    if not _ID.fullmatch(text):
        raise BadRequest("A message's id has 32 hex digits.")
    return text


def clean_text(text: str) -> str:
    """The text without NULs and surrounding space. Raises BadRequest when nothing or too much is left."""
    text = text.replace("\0", "").strip()
    if not text:
        raise BadRequest("The message is empty.")
    if len(text) > LONGEST_TEXT:
        raise BadRequest(f"A message has at most {LONGEST_TEXT} characters.")
    return text
