"""/mailbox and /api/v1/demo/mails: the mails of a demo, which sends none."""

from datetime import datetime

from jinja2 import Environment, PackageLoader
from pydantic import BaseModel

from meeting.apiserver.mail.use_cases import Mail
from meeting.apiserver.models import Answer
from meeting.daemon.web import Api, Call, Reply, Who


class KeptMailAnswer(Answer):
    """A mail as it would have been sent."""

    to: str
    subject: str
    text: str
    sent_at: datetime


class KeptMails(BaseModel):
    """The mailbox, newest first."""

    mails: list[KeptMailAnswer]


def add_routes(api: Api, mail: Mail) -> None:
    """Declare the routes of the demo's mailbox; only a demo has them."""
    templates = Environment(loader=PackageLoader("meeting.apiserver", "templates"), autoescape=True)

    @api.route("GET", "/mailbox", callers=Who.PUBLIC, summary="The mails of this demo, as a page.", tags=("demo",))
    async def show_mailbox(call: Call) -> Reply:
        page = templates.get_template("mailbox.html").render(mails=await mail.kept())
        headers = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
            "Refresh": "5",
        }
        return Reply(200, page.encode(), headers)

    @api.route(
        "GET",
        "/api/v1/demo/mails",
        callers=Who.PUBLIC,
        answer=KeptMails,
        summary="The mails of this demo.",
        tags=("demo",),
    )
    async def list_mails(call: Call) -> KeptMails:
        return KeptMails(mails=[KeptMailAnswer.model_validate(each) for each in await mail.kept()])
