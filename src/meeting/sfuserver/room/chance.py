"""What must be unpredictable: sids, ICE credentials, SSRCs. One place, so that a test can foretell them."""

from __future__ import annotations

import random
import string

__all__ = ["Chance"]

ALPHABET = string.ascii_letters + string.digits


class Chance:
    """Random texts and numbers, by default from the system's source."""

    def __init__(self, source: random.Random | None = None) -> None:
        self._source = source or random.SystemRandom()

    def text(self, length: int) -> str:
        """Letters and digits: ice-char without its two signs (RFC 8839 §5.4); 6 bits each, nearly."""
        # One number of the system's source instead of one a letter; 64 bits more make all letters as likely.
        rest, letters = self._source.getrandbits(6 * length + 64), []
        for _ in range(length):
            rest, letter = divmod(rest, len(ALPHABET))
            letters.append(ALPHABET[letter])
        return "".join(letters)

    def number(self, bits: int) -> int:
        return self._source.getrandbits(bits)

    def sid(self, prefix: str) -> str:
        """LiveKit's form of an id: "PA_" and 12 letters or digits."""
        return prefix + self.text(12)

    def ssrc(self) -> int:
        """Neither 0 nor with the top bit: some parsers read it as signed."""
        return self._source.randrange(1, 2**31)
