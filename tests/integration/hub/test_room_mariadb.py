"""The lobby, and what is decided in a room, on MariaDB."""

from tests.unit.apiserver.test_attendance import (
    test_those_who_lead_see_who_was_there as test_those_who_lead_see_who_was_there,
)
from tests.unit.apiserver.test_lobby import *  # noqa: F403
from tests.unit.apiserver.test_moderation import standup as standup
from tests.unit.apiserver.test_moderation import test_a_banned_guest_does_not_come_back_as_somebody_else as test_bans
from tests.unit.apiserver.test_moderation import (
    test_a_co_host_leads_and_cannot_touch_the_host_or_the_role as test_roles,
)
from tests.unit.apiserver.test_moderation import (
    test_hands_are_raised_in_the_order_in_which_the_hub_took_note as test_hands,
)

__all__ = ["standup", "test_bans", "test_hands", "test_roles", "test_those_who_lead_see_who_was_there"]
