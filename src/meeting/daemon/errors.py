"""What can go wrong and be told: one small tree of errors, each with a text that is safe to show.

An error says whom it concerns by its HTTP status and its problem type (RFC 9457, section 3.1.1:
`urn:meeting:problem:<problem>`). It becomes an answer in one place, `meeting.daemon.web`. Anything else that is
raised is a fault of ours: it is logged, and the outside hears only the request's id.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class MeetingError(Exception):
    """An error with a text for people. Subclasses name the status, the problem and its title."""

    status: ClassVar[int] = 500
    problem: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong here."

    def __init__(
        self,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """`detail`: this occurrence, safe to show. `headers`: of the answer. `extra`: members added to the problem."""
        super().__init__(detail or self.title)
        self.detail = detail
        self.headers: Mapping[str, str] = headers or {}
        self.extra: Mapping[str, Any] = extra or {}

    def as_problem(self) -> dict[str, Any]:
        """The members of the problem+json document (RFC 9457, section 3.1)."""
        problem: dict[str, Any] = {
            "type": f"urn:meeting:problem:{self.problem}",
            "title": self.title,
            "status": self.status,
        }
        if self.detail:
            problem["detail"] = self.detail
        return {**self.extra, **problem}


class BadRequest(MeetingError):
    """The request cannot be understood; the detail says what is wrong with it."""

    status = 400
    problem = "bad-request"
    title = "The request cannot be understood."


class SignInNeeded(MeetingError):
    """Nobody is signed in."""

    status = 401
    problem = "sign-in-needed"
    title = "Please sign in."


class BadSignature(MeetingError):
    """A request from a daemon is not signed as docs/protocols/tokens.md says."""

    status = 401
    problem = "signature"
    title = "The request is not signed by a daemon that knows the secret."


class Forbidden(MeetingError):
    """Known, but not allowed."""

    status = 403
    problem = "forbidden"
    title = "You may not do this."


class NotFound(MeetingError):
    """There is no such thing, or nobody may know that there is."""

    status = 404
    problem = "not-found"
    title = "There is nothing here."


class Conflict(MeetingError):
    """It does not fit what is there already."""

    status = 409
    problem = "conflict"
    title = "This does not fit what is there already."


class KeyReused(MeetingError):
    """An idempotency key was used for something else."""

    status = 422
    problem = "idempotency-key-reused"
    title = "This Idempotency-Key was used for another request; take a new one."


class Gone(MeetingError):
    """It was here and will not come back."""

    status = 410
    problem = "gone"
    title = "This is over."


class TooLarge(MeetingError):
    """The body is larger than the limit."""

    status = 413
    problem = "too-large"
    title = "This is too large."


class TooManyRequests(MeetingError):
    """Too often; `retry_after` (seconds) says when it may be tried again."""

    status = 429
    problem = "too-many-requests"
    title = "That was too often."

    def __init__(self, detail: str, retry_after: float, **members: Any) -> None:
        headers = {**members.pop("headers", {}), "Retry-After": _whole_seconds(retry_after)}
        super().__init__(detail, headers=headers, **members)
        self.retry_after = retry_after


class PleaseWait(MeetingError):
    """Not now; the client tries again by itself after `retry_after` seconds."""

    status = 503
    problem = "please-wait"
    title = "Please wait a moment."

    def __init__(self, retry_after: float, detail: str = "", **members: Any) -> None:
        headers = {**members.pop("headers", {}), "Retry-After": _whole_seconds(retry_after)}
        super().__init__(detail, headers=headers, **members)
        self.retry_after = retry_after


class ConfigurationError(MeetingError):
    """A daemon cannot start as it was told to: one clear line, exit status 2."""

    problem = "configuration"
    title = "The configuration does not work."


def _whole_seconds(seconds: float) -> str:
    """Retry-After takes whole seconds (RFC 9110, section 10.2.3); rounded up, at least one."""
    return str(max(1, -int(-seconds // 1)))
