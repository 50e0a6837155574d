"""The host sees whether the mails to those invited arrive."""

from typing import Any

import pytest
from sqlalchemy import Connection, update

from meeting.apiserver.mail.tables import mail
from tests.support.hub import Hub

ADA, BOB = "ada@example.com", "bob@example.com"


@pytest.mark.parametrize(
    ("state", "last_error", "shown"),
    [
        ("sent", None, {"state": "sent", "trouble": None, "detail": ""}),
        ("queued", "451 later", {"state": "queued", "trouble": None, "detail": "451 later"}),
        ("failed", "550 5.1.1 who", {"state": "failed", "trouble": "unknown-address", "detail": "550 5.1.1 who"}),
    ],
)
def test_the_host_sees_how_it_goes_with_each_invitation(
    hub: Hub, state: str, last_error: str | None, shown: dict[str, Any]
) -> None:
    ada = hub.sign_in(ADA)
    meeting = ada.schedule(invitees=[BOB, "carol@example.com"])

    def settle(transaction: Connection) -> None:
        bobs = update(mail).where(mail.c.recipient == BOB)
        transaction.execute(bobs.values(state=state, last_error=last_error))

    hub.sql(settle)
    bob, carol = ada.get(f"/api/v1/meetings/{meeting['code']}").json["invitees"]
    assert (bob["delivery"], carol["delivery"]["state"]) == (shown, "sent")
    assert hub.sign_in(BOB).get(f"/api/v1/meetings/{meeting['code']}").json["invitees"] is None, "for the host only"


def test_the_last_mail_counts_and_what_is_forgotten_is_not_told(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    meeting = ada.schedule(invitees=[BOB])
    path = f"/api/v1/meetings/{meeting['code']}"

    def fail_all(transaction: Connection) -> None:
        transaction.execute(update(mail).values(state="failed", last_error="550 no"))

    hub.sql(fail_all)
    ada.patch(path, {"begin_at": "2026-11-24T14:00:00Z", "end_at": "2026-11-24T15:00:00Z"})
    assert ada.get(path).json["invitees"][0]["delivery"]["state"] == "sent"
    hub.sql(lambda transaction: transaction.execute(mail.delete()))
    assert ada.get(path).json["invitees"][0]["delivery"] is None
