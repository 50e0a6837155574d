"""The error answers of a TURN server."""

from meeting.stun import ErrorCode


class Refused(Exception):
    """A request is answered with an error, with these attributes besides its code."""

    def __init__(self, code: ErrorCode, *attributes: tuple[int, bytes]) -> None:
        super().__init__(code.name)
        self.code = code
        self.attributes = attributes
