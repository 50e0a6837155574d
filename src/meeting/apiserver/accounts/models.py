"""What several routes of people answer."""

from pydantic import BaseModel, Field

from meeting.apiserver.models import Answer


class PersonAnswer(Answer):
    """Someone with an account, as they see themselves."""

    id: str
    email: str
    name: str
    zone: str
    language: str
    administrator: bool
    picture: str | None = Field(description="the path of their picture; another one when the picture changes")
    handle: str | None = Field(description="what their personal link, /p/<handle>, ends with")


class SignInAnswer(BaseModel):
    """Who is signed in now; the session's cookie comes with it."""

    person: PersonAnswer
