"""Expand, then contract; and nothing in the SQL that MySQL 8 or TiDB would refuse."""

import ast
import re
from importlib.resources import files
from pathlib import Path

import pytest
from sqlalchemy import LargeBinary, String, Table, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateIndex, CreateTable

from meeting.apiserver.migrations import revisions, schema

SOURCES = Path(str(files("meeting.apiserver")))
#: Up to here the revisions make one schema for the first release: no replica of an older version can run beside them.
FIRST_RELEASE = "0009"

#: What takes something away that the version before may use.
CONTRACTING = {"drop_table", "drop_column", "drop_constraint", "rename_table"}

#: What MariaDB or SQLite take, and MySQL 8 or TiDB do not; or what holds on one node of a cluster only.
FOREIGN = {
    r"\bRETURNING\b": "MySQL has none",
    r"\b(CREATE|NEXTVAL|SETVAL)\b.{0,20}\bSEQUENCE\b": "MySQL has none",
    r"\bINDEX\s+IF\s+(NOT\s+)?EXISTS\b": "MariaDB's",
    r"\bCOLUMN\s+IF\s+(NOT\s+)?EXISTS\b": "MariaDB's",
    r"\bCREATE\s+OR\s+REPLACE\s+TABLE\b": "MariaDB's",
    r"\bSYSTEM\s+VERSIONING\b": "MariaDB's",
    r"\b(UUID|INET4|INET6)\b\s*(NOT NULL|,)": "MariaDB's types",
    r"\b(FULLTEXT|SPATIAL)\b": "TiDB has none",
    r"\bGET_LOCK\s*\(": "holds on one node only",
    r"\bFOR\s+(UPDATE|SHARE)\b|LOCK\s+IN\s+SHARE\s+MODE": "both of two nodes would get it",
    r"\bLOCK\s+TABLES\b": "holds on one node only",
    r"\bINSERT\s+(OR\s+)?IGNORE\b|\bREPLACE\s+INTO\b": "hides errors on one engine, deletes on another",
    r"\bON\s+CONFLICT\b": "SQLite's",
    r"\bMINUS\b|\bINTERSECT\s+ALL\b|\bEXCEPT\s+ALL\b": "MariaDB's",
    r"\bAUTO_INCREMENT\b": "means nothing on a cluster",
}
#: The same as SQLAlchemy writes it.
CALLS = {"returning", "with_for_update", "Sequence", "get_lock"}


def contracting(source: str) -> list[str]:
    """What a revision's `upgrade` takes away, or demands of a version that does not know of it."""
    [upgrade] = [
        each for each in ast.parse(source).body if isinstance(each, ast.FunctionDef) and each.name == "upgrade"
    ]
    found = []
    for call in (each for each in ast.walk(upgrade) if isinstance(each, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        text = ast.unparse(call)
        if (
            name in CONTRACTING
            or (name == "execute" and re.search(r"\b(DROP|RENAME|MODIFY|CHANGE)\b", text, re.IGNORECASE))
            or (name == "alter_column" and re.search(r"new_column_name|nullable=False|type_=", text))
            or (name == "add_column" and "nullable=False" in text and "server_default=" not in text)
        ):
            found.append(text)
    return found


def foreign(sql: str) -> list[str]:
    """Why MySQL 8, TiDB or a cluster would not take it."""
    return [f"{why}: {pattern}" for pattern, why in FOREIGN.items() if re.search(pattern, sql, re.IGNORECASE)]


def revision_files() -> list[Path]:
    return sorted((SOURCES / "migrations" / "versions").glob("0*.py"))


@pytest.mark.parametrize("file", revision_files(), ids=lambda file: file.stem)
def test_a_revision_that_contracts_says_who_can_live_with_it(file: Path) -> None:
    if file.stem[:4] > FIRST_RELEASE and "\nfloor = " not in file.read_text():
        assert contracting(file.read_text()) == []


@pytest.mark.parametrize(
    "step",
    [
        'op.drop_table("mail")',
        'op.drop_column("mail", "text")',
        'op.rename_table("mail", "letter")',
        'batch.alter_column("text", new_column_name="body")',
        'batch.alter_column("text", nullable=False)',
        'op.add_column("mail", sa.Column("kind", sa.String(10), nullable=False))',
        'op.execute("ALTER TABLE mail DROP COLUMN text")',
    ],
)
def test_a_step_that_takes_away_is_recognised(step: str) -> None:
    assert contracting(f"def upgrade():\n    {step}\n\ndef downgrade():\n    pass\n")


@pytest.mark.parametrize(
    "step",
    [
        'op.create_table("letter")',
        'op.add_column("mail", sa.Column("kind", sa.String(10), nullable=True))',
        'op.add_column("mail", sa.Column("kind", sa.String(10), nullable=False, server_default=""))',
        'op.create_index("ix", "mail", ["kind"])',
        'op.drop_index("ix", "mail")',
    ],
)
def test_a_step_that_only_adds_is_left_alone(step: str) -> None:
    assert not contracting(f"def upgrade():\n    {step}\n\ndef downgrade():\n    op.drop_table('letter')\n")


@pytest.mark.parametrize("table", schema().tables.values(), ids=lambda table: table.name)
def test_every_engine_takes_the_ddl(table: Table) -> None:
    dialect = mysql.dialect()
    statements: list[CreateTable | CreateIndex] = [CreateTable(table), *map(CreateIndex, table.indexes)]
    for statement in statements:
        assert foreign(str(statement.compile(dialect=dialect))) == []
    for columns in (table.primary_key.columns, *(index.columns for index in table.indexes)):
        # InnoDB and TiDB: an index entry has at most 3072 bytes; a text as a key would need a length.
        assert not any(isinstance(column.type, Text) for column in columns)
        lengths = [column.type.length or 0 for column in columns if isinstance(column.type, String)]
        assert sum(lengths) * 4 + 16 * len(list(columns)) <= 3072
    for column in table.columns:
        if isinstance(column.type, Text | LargeBinary):
            assert column.server_default is None, "MySQL takes no default for a text or blob"


@pytest.mark.parametrize("file", sorted(SOURCES.rglob("*.py")), ids=lambda file: str(file.relative_to(SOURCES)))
def test_no_statement_is_one_engines_own(file: Path) -> None:
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            assert name not in CALLS, f"line {node.lineno}: {name}"
            if name in ("text", "exec_driver_sql", "execute"):
                texts = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
                for sql in (text for text in texts if isinstance(text, str)):
                    assert foreign(sql) == [], f"line {node.lineno}"


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO a VALUES (1) RETURNING id",
        "SELECT GET_LOCK('x', 1)",
        "SELECT 1 FROM a FOR UPDATE",
        "CREATE INDEX IF NOT EXISTS i ON a (b)",
        "CREATE SEQUENCE s",
        "CREATE TABLE a (b INET6 NOT NULL)",
    ],
)
def test_a_foreign_word_is_recognised(sql: str) -> None:
    assert foreign(sql)


def test_the_first_release_is_a_revision() -> None:
    assert FIRST_RELEASE in revisions()
