"""The error answers of a TURN server."""

from meeting.stun import ErrorCode


class Refused(Exception):
    """A request is answered with an error, with these attributes besides its code."""

    def __init__(self, code: ErrorCode, *attributes: tuple[int, bytes]) -> None:
        super().__init__(code.name)
        self.code = code
        self.attributes = attributes


def error_code(code: int) -> bytes:
    """The value of ERROR-CODE, without a reason: reasons only amplify (RFC 8489 §14.8)."""
    return bytes((0, 0, code // 100, code % 100))
