"""The limits: a Klein route that asks the database for one row by its key, and nothing else; and one that asks so many
times, in one transaction.

python -m tests.bench.bare PORT sqlite FILE | mariadb PORT
"""

from __future__ import annotations

import json
import sqlite3
import sys
from typing import Any

import pymysql
from twisted.internet import asyncioreactor

from tests.support.mariadb import PASSWORD, USER

DATABASE = "Bare"


def prepare(kind: str, where: str) -> None:
    """One table with one row."""
    statements = [
        "CREATE TABLE thing (id INTEGER PRIMARY KEY, name VARCHAR(100))",
        "INSERT INTO thing VALUES (1, 'it')",
    ]
    if kind == "sqlite":
        with sqlite3.connect(where) as file:
            file.execute("PRAGMA journal_mode=WAL")
            for each in statements:
                file.execute(each)
        return
    with pymysql.connect(host="127.0.0.1", port=int(where), user=USER, password=PASSWORD) as server:
        cursor = server.cursor()
        for each in (
            f"DROP DATABASE IF EXISTS {DATABASE}",
            f"CREATE DATABASE {DATABASE}",
            f"USE {DATABASE}",
            *statements,
        ):
            cursor.execute(each)
        server.commit()


def main(port: str, kind: str, where: str) -> None:
    """Serve `GET /`."""
    prepare(kind, where)
    asyncioreactor.install()
    # Both open a reactor of their own otherwise.
    from klein import Klein
    from twisted.enterprise.adbapi import ConnectionPool

    if kind == "sqlite":
        pool = ConnectionPool("sqlite3", where, check_same_thread=False, cp_min=1, cp_max=8)
        query = "SELECT id, name FROM thing WHERE id = ?"
    else:
        options: dict[str, Any] = {"host": "127.0.0.1", "port": int(where), "user": USER, "password": PASSWORD}
        pool = ConnectionPool("pymysql", database=DATABASE, cp_min=1, cp_max=8, **options)
        query = "SELECT id, name FROM thing WHERE id = %s"
    app = Klein()

    @app.route("/")
    async def look(request: Any) -> bytes:
        rows = await pool.runQuery(query, (1,))
        request.setHeader(b"Content-Type", b"application/json")
        return json.dumps({"id": rows[0][0], "name": rows[0][1]}).encode()

    def ask(transaction: Any, times: int) -> Any:
        for _ in range(times):
            transaction.execute(query, (1,))
            rows = transaction.fetchall()
        return rows

    @app.route("/<int:times>")
    async def look_often(request: Any, times: int) -> bytes:
        rows = await pool.runInteraction(ask, times)
        request.setHeader(b"Content-Type", b"application/json")
        return json.dumps({"id": rows[0][0], "name": rows[0][1]}).encode()

    app.run("127.0.0.1", int(port), logFile=open("/dev/null", "w"))  # noqa: SIM115 (as long as the process)


if __name__ == "__main__":
    main(*sys.argv[1:])
