"""/api/v1/admin/webhooks: who is told what happens here."""

from collections.abc import Callable
from datetime import datetime

from pydantic import BaseModel, Field
from sqlalchemy import Connection

from meeting.apiserver.accounts.origins import origin_of
from meeting.apiserver.admin.routes.system import ERRORS, TAGS
from meeting.apiserver.audit.rules import changed
from meeting.apiserver.audit.use_cases import Audit, Entry, write
from meeting.apiserver.hooks.rules import EVENTS, MOST_WEBHOOKS, URL_LENGTH
from meeting.apiserver.hooks.use_cases import Hooks, Webhook
from meeting.apiserver.models import Answer
from meeting.apiserver.pages import Listed, Page, next_link
from meeting.daemon.errors import BadRequest, Conflict, NotFound
from meeting.daemon.web import Api, Call, Reply, Who

Url = Field(max_length=URL_LENGTH, examples=["https://example.com/hooks/meeting"])
Events = Field(max_length=50, examples=[[EVENTS[0].value]])
Description = Field("", max_length=200)


class WebhookAnswer(Answer):
    """A webhook."""

    id: str
    url: str
    description: str
    events: list[str]
    enabled: bool
    created_at: datetime
    failing_since: datetime | None = Field(description="since when nothing has reached it")


class NewWebhookAnswer(BaseModel):
    """A webhook and its secret, which is shown this once."""

    webhook: WebhookAnswer
    secret: str = Field(description="for a library of Standard Webhooks; it begins with whsec_")


class SecretAnswer(BaseModel):
    """A webhook's new secret, which is shown this once."""

    secret: str


class WebhooksAnswer(BaseModel):
    """All webhooks, and what they can be told."""

    webhooks: list[WebhookAnswer] = Field(max_length=MOST_WEBHOOKS)
    events: list[str]


class WebhookRequest(BaseModel):
    """Whom to tell what."""

    url: str = Url
    events: list[str] = Events
    description: str = Description


class WebhookChange(BaseModel):
    """What is to change; what is missing stays."""

    url: str | None = Field(None, max_length=URL_LENGTH)
    events: list[str] | None = Field(None, max_length=50)
    description: str | None = Field(None, max_length=200)
    enabled: bool | None = None


class WebhookDelivery(Answer):
    """What became of one event."""

    id: str
    event: str
    state: str
    created_at: datetime
    attempts: int
    status: int | None = Field(description="what the receiver answered last")
    error: str
    done_at: datetime | None


class DeliveriesAnswer(Listed):
    """The deliveries of a webhook, the newest first."""

    deliveries: list[WebhookDelivery]


def add_routes(api: Api, hooks: Hooks, wake: Callable[[], None], audit: Audit) -> None:
    """Declare them. `wake` tells the sender that there is something to send."""

    @api.route(
        "GET",
        "/api/v1/admin/webhooks",
        callers=Who.ADMINISTRATOR,
        scope="admin:read",
        answer=WebhooksAnswer,
        summary="All webhooks.",
        errors=ERRORS,
        tags=TAGS,
    )
    async def admin_webhooks(call: Call) -> WebhooksAnswer:
        found = [_answer(each) for each in await hooks.all()]
        return WebhooksAnswer(webhooks=found, events=[event.value for event in EVENTS])

    @api.route(
        "POST",
        "/api/v1/admin/webhooks",
        callers=Who.ADMINISTRATOR,
        scope="admin:write",
        audit="webhook.create",
        idempotent=True,
        body=WebhookRequest,
        answer=NewWebhookAnswer,
        status=201,
        summary="Add a webhook.",
        errors=(*ERRORS, BadRequest, Conflict),
        tags=TAGS,
    )
    async def admin_add_webhook(call: Call, body: WebhookRequest) -> NewWebhookAnswer:
        also = _also(call, "webhook.create")
        made, secret = await hooks.add(body.url, body.events, body.description, also, webhook_id=call.new_id)
        return NewWebhookAnswer(webhook=_answer(made), secret=secret)

    @api.route(
        "PATCH",
        "/api/v1/admin/webhooks/<id:id>",
        callers=Who.ADMINISTRATOR,
        scope="admin:write",
        audit="webhook.change",
        body=WebhookChange,
        answer=WebhookAnswer,
        summary="Change a webhook, switch it off or on.",
        errors=(*ERRORS, NotFound, BadRequest),
        tags=TAGS,
    )
    async def admin_change_webhook(call: Call, body: WebhookChange, id: str) -> WebhookAnswer:
        origin = origin_of(call)

        def also(transaction: Connection, before: Webhook, after: Webhook) -> None:
            differs = changed(_answer(before).model_dump(mode="json"), _answer(after).model_dump(mode="json"))
            entry = Entry("webhook.change", origin, target_id=after.id, target_text=after.url, details=differs)
            write(transaction, audit.entry(entry))

        found = await hooks.change(
            id,
            url=body.url,
            events=body.events,
            description=body.description,
            enabled=body.enabled,
            also=also,
        )
        return _answer(found)

    @api.route(
        "POST",
        "/api/v1/admin/webhooks/<id:id>/secret",
        callers=Who.ADMINISTRATOR,
        scope="admin:write",
        audit="webhook.secret",
        idempotent=True,
        answer=SecretAnswer,
        summary="Give a webhook a new secret; the old one is good for nothing any more.",
        errors=(*ERRORS, NotFound),
        tags=TAGS,
    )
    async def admin_renew_webhook_secret(call: Call, id: str) -> SecretAnswer:
        return SecretAnswer(secret=await hooks.renew_secret(id, _also(call, "webhook.secret")))

    @api.route(
        "POST",
        "/api/v1/admin/webhooks/<id:id>/test",
        callers=Who.ADMINISTRATOR,
        scope="admin:write",
        audit="webhook.test",
        idempotent=True,
        status=202,
        summary="Send a webhook an event that says nothing.",
        errors=(*ERRORS, NotFound),
        tags=TAGS,
    )
    async def admin_test_webhook(call: Call, id: str) -> Reply:
        await hooks.test(id)
        wake()
        return Reply(202)

    @api.route(
        "GET",
        "/api/v1/admin/webhooks/<id:id>/deliveries",
        callers=Who.ADMINISTRATOR,
        scope="admin:read",
        query=Page,
        answer=DeliveriesAnswer,
        summary="What was delivered to a webhook lately.",
        errors=(*ERRORS, NotFound),
        tags=TAGS,
    )
    async def admin_webhook_deliveries(call: Call, query: Page, id: str) -> DeliveriesAnswer:
        found = await hooks.deliveries(id, query)
        deliveries = [WebhookDelivery.model_validate(each) for each in found.items]
        return DeliveriesAnswer(deliveries=deliveries, next=next_link(call, found))

    @api.route(
        "DELETE",
        "/api/v1/admin/webhooks/<id:id>",
        callers=Who.ADMINISTRATOR,
        scope="admin:write",
        audit="webhook.delete",
        status=204,
        summary="Remove a webhook and what waits for it.",
        errors=(*ERRORS, NotFound),
        tags=TAGS,
    )
    async def admin_delete_webhook(call: Call, id: str) -> Reply:
        await hooks.remove(id, _also(call, "webhook.delete"))
        return Reply(204)

    def _also(call: Call, word: str) -> Callable[[Connection, Webhook], None]:
        """Writes it to the audit log, with the change."""
        origin = origin_of(call)

        def also(transaction: Connection, about: Webhook) -> None:
            details = {"events": list(about.events)}
            entry = Entry(word, origin, target_id=about.id, target_text=about.url, details=details)
            write(transaction, audit.entry(entry))

        return also


def _answer(webhook: Webhook) -> WebhookAnswer:
    return WebhookAnswer.model_validate(webhook)
