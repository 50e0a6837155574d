"""What of people is told by the engine's own words (unique, matched, deleted rows), over MariaDB."""

from tests.unit.apiserver.test_people_account import (  # noqa: F401
    test_a_personal_link_is_somebodys_alone_until_they_give_it_up,
    test_a_picture_is_shown_to_people_and_changes_its_address_when_it_changes,
    test_all_others_end_together,
)
from tests.unit.apiserver.test_sign_in_passkey import (  # noqa: F401
    ada,
    device,
    test_a_challenge_is_good_once,
    test_a_device_that_does_not_count_is_let_in,
    test_a_passkey_is_registered_once,
)
