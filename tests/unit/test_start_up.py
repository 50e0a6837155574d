"""What a start does not import: a server that was killed in the middle of a meeting is back the sooner."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("daemon", "not_needed"),
    [
        # Klein is for daemons with an API; the sfuserver has two resources.
        ("sfuserver", ["alembic", "jinja2", "klein", "sqlalchemy", "werkzeug"]),
        # Half a second each for a schema that is current, and for template errors in colour.
        ("apiserver", ["alembic", "mako", "pygments"]),
    ],
)
def test_a_start_imports_nothing_that_it_does_not_need(daemon: str, not_needed: list[str]) -> None:
    program = f"import sys, meeting.{daemon}.service; print(*sorted(sys.modules.keys() & {set(not_needed)!r}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == []
