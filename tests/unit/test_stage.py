"""A stage of the build says how it ended, in words and by its status."""

import subprocess
from pathlib import Path

import pytest

STAGE = Path(__file__).parents[2] / "tools" / "stage"


@pytest.mark.parametrize("status", [0, 1, 7])
def test_a_stage_ends_as_its_command_does(status: int) -> None:
    done = subprocess.run([STAGE, "trial stage", "sh", "-c", f"exit {status}"], capture_output=True, text=True)
    assert done.returncode == status
    assert ("FAILED" in done.stdout) == (status != 0)
    assert "trial stage" in done.stdout
