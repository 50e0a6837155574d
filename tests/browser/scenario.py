"""What two people do in a meeting, in the order in which people do it."""

from __future__ import annotations

import struct
import zlib

from tests.browser.person import Person


def meet_and_work_together(ana: Person, ben: Person, *, relay: bool = False) -> None:
    """Sign in by code, schedule, join by the mailed link; see, hear, share, chat, write minutes."""
    ana.sign_in()
    ben.sign_in()
    ana.schedule("Budget", invite=ben.email)
    link = ben.link_in_mail()
    for person in (ana, ben):
        person.join(link, relay=relay)
    for person in (ana, ben):
        person.sees()
        person.hears()
    ana.share_screen()
    ben.sees("screen_share")
    chat_both_ways(ana, ben)
    write_minutes_both_ways(ana, ben)


def chat_both_ways(ana: Person, ben: Person) -> None:
    """Each reads what the other wrote, once."""
    ana.write_in_chat("Good morning, Ben")
    ben.reads_in_chat("Good morning, Ben")
    ben.write_in_chat("Good morning, Ana")
    ana.reads_in_chat("Good morning, Ana")
    for person in (ana, ben):
        assert person.page.get_by_role("log").get_by_text("Good morning, Ben").count() == 1


def write_minutes_both_ways(ana: Person, ben: Person) -> None:
    """Text and a pasted picture from each, seen by the other."""
    ana.write_in_minutes("Ana opens the meeting.")
    ben.open_panel("Minutes")
    ben.minutes.get_by_text("Ana opens the meeting.").wait_for()
    ana.paste_picture_into_minutes(png(red=200, green=40, blue=40))
    ben.sees_pictures_in_minutes(1)
    ben.write_in_minutes("Ben agrees.")
    ana.minutes.get_by_text("Ben agrees.").wait_for()
    ben.paste_picture_into_minutes(png(red=40, green=40, blue=200))
    ana.sees_pictures_in_minutes(2)


def png(*, red: int, green: int, blue: int, side: int = 48) -> bytes:
    """A small one-coloured PNG (https://www.w3.org/TR/png-3/)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = (b"\x00" + bytes((red, green, blue)) * side) * side
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
