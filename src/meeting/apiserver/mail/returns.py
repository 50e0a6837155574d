"""Mails that come back: where to, and what they say.

A mail server may take a mail and find out later that nobody is there. It then writes to the envelope's sender. Each of
our mails has a sender of its own, `bounces+TOKEN@example.com`, so that what comes back says by its address alone which
mail it was, and nobody can make one up: the token is the mail's id and a MAC over it.
"""

import hmac
import re
from base64 import b32decode, b32encode
from email import message_from_bytes
from email.message import Message
from email.policy import compat32

#: Bytes of the MAC. Who guesses a token may have one mail shown as not delivered; 2^-64 for each try.
_MAC = 8
_ID = 16
#: The longest local part before the `+`: with the token it has to stay below 64 (RFC 5321 section 4.5.3.1.1).
LONGEST_LOCAL_PART = 24
#: What a mail server said, as it is shown.
_LONGEST_TEXT = 400

_ADDRESS = re.compile(r"[a-z0-9][a-z0-9._-]*@[a-z0-9-]+(\.[a-z0-9-]+)*")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


def return_address(text: str) -> str:
    """The option's converter: an address whose local part takes a token behind a `+`. Raises ValueError."""
    address = text.strip().lower()
    if _ADDRESS.fullmatch(address) is None or len(address.partition("@")[0]) > LONGEST_LOCAL_PART:
        raise ValueError(
            "write an address, for example bounces@example.com: letters, digits and . _ - before the @, "
            f"at most {LONGEST_LOCAL_PART}"
        )
    return address


class ReturnAddresses:
    """Makes and reads them."""

    def __init__(self, base: str, key: bytes) -> None:
        """`base`: as `return_address` gives it. `key` has 32 bytes."""
        self._local, _, self._domain = base.partition("@")
        self._key = key

    def of(self, mail_id: str) -> str:
        """The envelope's sender of this mail."""
        data = bytes.fromhex(mail_id)
        # In base32, in lower case: mail servers may change the case of a local part.
        token = b32encode(data + self._mac(data)).decode().rstrip("=").lower()
        return f"{self._local}+{token}@{self._domain}"

    def read(self, address: str) -> str | None:
        """Whose it is; None: not one of ours."""
        local, _, domain = address.lower().rpartition("@")
        name, _, token = local.partition("+")
        if (name, domain) != (self._local, self._domain):
            return None
        try:
            data = b32decode(token.upper() + "=" * (-len(token) % 8))
        except ValueError:
            return None
        mail_id, mac = data[:_ID], data[_ID:]
        if len(mail_id) != _ID or not hmac.compare_digest(mac, self._mac(mail_id)):
            return None
        return mail_id.hex()

    def _mac(self, data: bytes) -> bytes:
        return hmac.digest(self._key, data, "sha256")[:_MAC]


def why_returned(content: bytes) -> str | None:
    """What a delivery status notification (RFC 3464) says of a mail that did not arrive; None: it arrived, it is
    delayed, or this is none (an out-of-office answer goes to the envelope's sender too).

    The status comes first, as `rules.trouble_of` reads it: `5.1.1 smtp; 550 5.1.1 no such user`.
    """
    for part in message_from_bytes(content, policy=compat32).walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        # The first block is about the message, each further one about a recipient; ours have one.
        blocks = part.get_payload()
        for block in blocks[1:] if isinstance(blocks, list) else []:
            if isinstance(block, Message) and _line(block, "Action").lower() == "failed":
                status = _STATUS.match(_line(block, "Status"))
                said = _line(block, "Diagnostic-Code").partition(";")
                return f"{status[0] if status else '5.0.0'} {(said[2] or said[0]).strip()}".strip()[:_LONGEST_TEXT]
    return None


def _line(block: Message, name: str) -> str:
    text = str(block.get(name, ""))
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
