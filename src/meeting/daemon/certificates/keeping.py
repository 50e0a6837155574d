"""What automatic certificates leave in the state directory: the account's key, the certificate, the diary.

Each is one file, written whole or not at all and readable by its owner only. The certificate's file holds its private
key too, so that the two can never disagree; another daemon of the same name takes it for both `--cert` and `--certkey`.
"""

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from josepy.b64 import b64encode
from josepy.jwk import JWKEC
from josepy.util import ComparableECKey

from meeting.daemon.certificates.schedule import Diary
from meeting.daemon.errors import ConfigurationError


def write_whole(file: Path, content: bytes) -> None:
    """The file has the old content or the new one, also after a crash; nobody else can read it."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)


def new_key() -> bytes:
    """A private key in PEM: ECDSA P-256."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class Account:
    """The key by which a certificate authority knows us. Made when it is first needed."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "acme-account-key.pem"
        self._key: JWKEC | None = None

    @property
    def key(self) -> JWKEC:
        """As `acme` takes it. Raises ConfigurationError when the file does not hold a key."""
        if self._key is None:
            self._key = self._load()
        return self._key

    @property
    def thumbprint(self) -> str:
        """What proves an HTTP-01 challenge to be answered by this account (RFC 8555, section 8.1)."""
        return b64encode(self.key.thumbprint()).decode("ascii")

    def replace(self) -> None:
        """The authority no longer takes this account: begin a new one. The old key stays beside it."""
        self._file.replace(self._file.with_name("acme-account-key.old.pem"))
        self._key = None

    def _load(self) -> JWKEC:
        if not self._file.exists():
            write_whole(self._file, new_key())
        try:
            key = load_pem_private_key(self._file.read_bytes(), password=None)
        except (OSError, ValueError, TypeError):
            key = None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigurationError(
                f"{self._file}: holds no EC private key in PEM; remove it and a new account is made"
            )
        return JWKEC(key=ComparableECKey(key))


class DiaryFile:
    """The diary on disk. One that cannot be read is begun anew; the week's orders are then not known."""

    def __init__(self, directory: Path, authority: str, host: str) -> None:
        """A diary belongs to an authority and a name: trying out a staging authority says nothing of the real one."""
        mark = hashlib.sha256(f"{authority} {host}".encode()).hexdigest()[:12]
        self._file = directory / f"acme-{mark}.json"

    def read(self) -> Diary:
        """As it was last written."""
        try:
            found: dict[str, Any] = json.loads(self._file.read_bytes())
            window = found.get("window")
            diary = Diary(
                orders=[float(each) for each in found["orders"]][-1000:],
                failures=int(found["failures"]),
                patience=float(found["patience"]),
                not_before=float(found["not_before"]),
                trouble=str(found["trouble"]),
                identity=str(found["identity"]),
                window=None if window is None else (float(window[0]), float(window[1])),
                renew_at=None if found["renew_at"] is None else float(found["renew_at"]),
                ask_at=float(found["ask_at"]),
            )
        except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError):
            return Diary()
        # NaN and infinity are numbers to JSON; with them nothing could be compared any more.
        times = [
            *diary.orders,
            diary.not_before,
            diary.patience,
            diary.ask_at,
            *(diary.window or ()),
            diary.renew_at or 0.0,
        ]
        return diary if all(abs(each) < 2**53 for each in times) else Diary()

    def write(self, diary: Diary) -> None:
        """Keep it."""
        write_whole(self._file, json.dumps(asdict(diary)).encode())
