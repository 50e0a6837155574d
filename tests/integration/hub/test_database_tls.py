"""TLS to the database: people are let in by it only, and the hub checks who answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from sqlalchemy.exc import OperationalError

from meeting.apiserver.database import mysql_url
from meeting.apiserver.database.engine import Access, make_engine
from meeting.apiserver.database.errors import in_words
from tests.support.mariadb import PASSWORD, USER, MariaDb


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ca.pem` has issued the server's certificate, which is for `localhost`; `other.pem` has not."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(folder / "other.pem"))
    own = authority.issue_cert("localhost")
    own.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    own.private_key_pem.write_to_path(str(folder / "key.pem"))
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[MariaDb]:
    with MariaDb(tls=(folder / "cert.pem", folder / "key.pem")) as server:
        yield server


def cipher(server: MariaDb, ca: Path | None, host: str = "localhost") -> str:
    """What a hub's connection is encrypted with."""
    engine = make_engine(mysql_url(host, server.port, USER, PASSWORD, ""), 1, Access(ca=ca))
    try:
        with engine.connect() as connection:
            return str(connection.exec_driver_sql("SHOW STATUS LIKE 'Ssl_cipher'").one()[1])
    finally:
        engine.dispose()


def test_with_the_right_authority_it_is_encrypted(server: MariaDb, folder: Path) -> None:
    assert cipher(server, folder / "ca.pem") != ""


def test_without_an_authority_it_is_encrypted_where_the_server_can(server: MariaDb) -> None:
    assert cipher(server, None, "127.0.0.1") != ""


@pytest.mark.parametrize(
    ("ca", "host", "words"),
    [
        ("other.pem", "localhost", "certificate is not good: .* --mysqlCa has to name the authority"),
        ("ca.pem", "127.0.0.1", "certificate is not good: IP address mismatch.* --mysqlAddress a name that it is for"),
    ],
)
def test_what_is_refused_says_what_to_do(server: MariaDb, folder: Path, ca: str, host: str, words: str) -> None:
    with pytest.raises(OperationalError) as refused:
        cipher(server, folder / ca, host)
    said = in_words(refused.value)
    assert re.search(words, said), said
    assert PASSWORD not in said
