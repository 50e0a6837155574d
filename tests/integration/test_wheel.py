"""The wheel, installed where nothing else is: `meeting`, five plugins of twistd, the Rust library, the web client."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile

import pytest

from meeting.cli import COMMANDS, DAEMONS

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"


def run(arguments: Sequence[str | Path], directory: Path, **environment: str) -> str:
    """Standard output of a command that must succeed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MEETING_", "PYTHON", "VIRTUAL"))}
    done = subprocess.run(
        arguments, cwd=directory, env={**kept, **environment}, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the checkout; what setuptools would leave lying about goes elsewhere."""
    out = tmp_path_factory.mktemp("wheel")
    (out / "base").mkdir()
    extra = out / "extra.cfg"
    extra.write_text(f"[build]\nbuild_base = {out / 'build'}\n[egg_info]\negg_base = {out / 'base'}\n")
    target = os.environ.get("CARGO_TARGET_DIR", str(ROOT / ".cache" / "target"))
    command: list[str | Path] = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT]
    run(command, ROOT, DIST_EXTRA_CONFIG=str(extra), CARGO_TARGET_DIR=target)
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of an environment that has the wheel and the locked packages, and nothing else."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    run([UV, "venv", "--python", sys.executable, environment], ROOT)
    python = environment / "bin" / "python"
    locked = ROOT / "requirements" / "runtime.txt"
    run([UV, "pip", "install", "--python", python, "--require-hashes", "-r", locked], ROOT)
    run([UV, "pip", "install", "--python", python, "--no-deps", wheel], ROOT)
    return environment / "bin"


def test_the_wheel_carries_what_is_not_python(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    for wanted in (
        "meeting/apiserver/static/index.html",
        "meeting/apiserver/static/assets/",
        "meeting/apiserver/templates/",
        "meeting/apiserver/migrations/",
        "meeting/dataplane/_native.abi3.so",
        "meeting/dataplane/_native.pyi",
        "meeting/py.typed",
        "twisted/plugins/meeting_apiserver.py",
    ):
        assert any(name.startswith(wanted) for name in names), wanted
    assert not [name for name in names if name.startswith(("tests/", "web/", "twisted/__init__"))]
    assert "-cp311-abi3-" in wheel.name


def test_the_installed_wheel_offers_meeting_and_every_command(installed: Path, tmp_path: Path) -> None:
    shown = run([installed / "meeting", "--help"], tmp_path)
    for each in (*DAEMONS, *COMMANDS):
        assert each.name in shown
    for daemon in DAEMONS:
        assert "--config=" in run([installed / "meeting", daemon.name, "--help"], tmp_path)


def test_the_installed_wheel_offers_every_daemon_to_twistd(installed: Path, tmp_path: Path) -> None:
    shown = run([installed / "twistd", "--help"], tmp_path)
    for daemon in DAEMONS:
        assert f"meeting-{daemon.name}" in shown
        assert "--config=" in run([installed / "twistd", f"meeting-{daemon.name}", "--help"], tmp_path)


def test_the_rust_library_of_the_wheel_loads(installed: Path, tmp_path: Path) -> None:
    program = "from meeting.dataplane import _native; print(_native.__file__)"
    loaded = run([installed / "python", "-c", program], tmp_path).strip()
    assert Path(loaded).is_relative_to(installed.parent)
