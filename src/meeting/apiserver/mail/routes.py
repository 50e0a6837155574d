"""/mailbox and /api/v1/demo/mails: the mails of a demo, which sends none."""

from base64 import b64encode
from datetime import datetime
from html import escape

from jinja2 import Environment, PackageLoader
from pydantic import BaseModel, Field

from meeting.apiserver.mail.rules import content_id
from meeting.apiserver.mail.sender import FindPicture
from meeting.apiserver.mail.use_cases import MOST_KEPT_SHOWN, KeptMail, Mail
from meeting.apiserver.models import Answer
from meeting.daemon.errors import NotFound
from meeting.daemon.web import Api, Call, Reply, Who


class KeptMailAnswer(Answer):
    """A mail as it would have been sent."""

    id: str
    to: str
    subject: str
    text: str
    html: str | None
    calendar: str | None
    sent_at: datetime


class KeptMails(BaseModel):
    """The mailbox, newest first."""

    mails: list[KeptMailAnswer] = Field(max_length=MOST_KEPT_SHOWN)


def add_routes(api: Api, mail: Mail, find_picture: FindPicture) -> None:
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

    async def find(mail_id: str) -> KeptMail:
        found = next((each for each in await mail.kept() if each.id == mail_id), None)
        if found is None:
            raise NotFound("There is no such mail.")
        return found

    @api.route(
        "GET",
        "/mailbox/<id:mail_id>",
        callers=Who.PUBLIC,
        summary="The HTML of a mail.",
        errors=(NotFound,),
        tags=("demo",),
    )
    async def show_mail(call: Call, mail_id: str) -> Reply:
        found = await find(mail_id)
        headers = {
            "Content-Type": "text/html; charset=utf-8",
            # A mail is shown as a mail program shows it: nothing runs, nothing is fetched, it is of no origin.
            "Content-Security-Policy": "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation; "
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
        }
        html = found.html or escape(found.text)
        if found.logo is not None:
            logo = await find_picture(found.logo)
            html = html.replace(
                f"cid:{content_id(found.logo)}", f"data:{logo.type};base64,{b64encode(logo.data).decode()}"
            )
        return Reply(200, html.encode(), headers)

    @api.route(
        "GET",
        "/mailbox/<id:mail_id>/invite.ics",
        callers=Who.PUBLIC,
        summary="The calendar in a mail.",
        errors=(NotFound,),
        tags=("demo",),
    )
    async def show_calendar(call: Call, mail_id: str) -> Reply:
        found = await find(mail_id)
        if found.calendar is None:
            raise NotFound("This mail has no calendar.")
        return Reply(200, found.calendar.encode(), {"Content-Type": "text/calendar; charset=utf-8"})

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
