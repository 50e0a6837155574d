"""Who may do what: the table, and its page."""

from itertools import pairwise, product
from pathlib import Path

import pytest

from meeting.apiserver.meetings.roles import (
    ROLES,
    Right,
    Role,
    Settings,
    as_table,
    check_above,
    grants,
    permission,
    rights,
)
from meeting.apiserver.meetings.rules import Presenters, Writers
from meeting.daemon.errors import Forbidden

MEETING = [role for role in Role if role is not Role.ADMINISTRATOR]


def test_the_page_shows_the_table_as_it_is() -> None:
    page = (Path(__file__).parents[3] / "docs" / "roles.md").read_text()
    assert as_table() in page, "docs/roles.md differs; it has to contain:\n" + as_table()


def test_each_role_may_what_the_one_below_it_may() -> None:
    ladder = [Role.GUEST, Role.PARTICIPANT, Role.PRESENTER, Role.CO_HOST, Role.HOST]
    for lower, higher in pairwise(ladder):
        assert ROLES[lower] <= ROLES[higher]


@pytest.mark.parametrize("role", [Role.HOST, Role.CO_HOST, Role.PRESENTER])
def test_settings_take_neither_voice_nor_screen_from_those_who_present(role: Role) -> None:
    strict = Settings(True, Presenters.HOSTS)
    assert {Right.MICROPHONE, Right.CAMERA, Right.SCREEN} <= rights(role, strict)


@pytest.mark.parametrize("role", [Role.PARTICIPANT, Role.GUEST])
def test_the_others_get_sources_as_the_settings_say(role: Role) -> None:
    assert "canPublishSources" not in grants(rights(role))
    closed = grants(rights(role, Settings(microphones_closed=True)))
    assert closed["canPublishSources"] == ["camera", "screen_share", "screen_share_audio"]
    listening = grants(rights(role, Settings(presenters=Presenters.HOSTS)))
    assert listening["canPublishSources"] == ["microphone", "camera"]
    assert permission(rights(role, Settings(True, Presenters.HOSTS)))["can_publish_sources"] == ["CAMERA"]


def test_minutes_are_written_by_whom_the_meeting_says() -> None:
    for writers, named in product(Writers, (False, True)):
        settings = Settings(minutes_writers=writers)
        may = {role for role in MEETING if Right.MINUTES in rights(role, settings, named=named)}
        all_of_them = writers is Writers.EVERYONE or (writers is Writers.NAMED and named)
        assert may == (set(MEETING) if all_of_them else {Role.HOST, Role.CO_HOST})


def test_nobody_gets_the_keys_of_the_room() -> None:
    for role in MEETING:
        assert not {"roomAdmin", "canUpdateOwnMetadata"} & set(grants(rights(role, administrator=True)))


def test_one_acts_downwards_only() -> None:
    allowed = set()
    for role, other in product(Role, Role):
        try:
            check_above(role, other)
        except Forbidden:
            continue
        allowed.add((role, other))
    below = {Role.PRESENTER, Role.PARTICIPANT, Role.GUEST}
    expected = {(Role.CO_HOST, other) for other in below} | {(Role.PRESENTER, Role.PARTICIPANT)}
    expected |= {(Role.PRESENTER, Role.GUEST)}
    expected |= {(role, other) for role in (Role.HOST, Role.ADMINISTRATOR) for other in below | {Role.CO_HOST}}
    assert allowed == expected
