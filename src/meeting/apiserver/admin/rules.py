"""What the audit log's words are written with."""

#: These are written with the transaction that they tell of, with more than a request's witness can see.
WRITTEN_WITH_THE_CHANGE = frozenset(
    {
        "session.open",
        "meeting.create",
        "settings.change",
        "settings.logo",
        "person.administrator",
        "person.block",
        "person.unblock",
        "person.sign_out",
        "person.erase",
        "server.drain",
        "mail.retry",
        "mail.drop",
        "webhook.create",
        "webhook.change",
        "webhook.secret",
        "webhook.delete",
    }
)

#: Joins are written for guests only: where a person was is in the attendance, for those it concerns.
FOR_GUESTS_ONLY = frozenset({"meeting.join"})
