"""The files in etc/meeting are what the daemons understand, every line of them, and as new as the flags."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from meeting.cli import DAEMONS, Daemon
from meeting.daemon.options import DaemonOptions

ROOT = Path(__file__).parents[2]
ETC = ROOT / "etc" / "meeting"


def parsed(daemon: Daemon, text: str, directory: Path) -> DaemonOptions:
    """The options of `daemon` from a file with `text`; files of secrets are put where they can be read."""
    secret = directory / "secret"
    secret.write_text("correct horse battery staple")
    text = re.sub(r'"/etc/meeting/[a-z-]*(?:secret|password)"', f'"{secret}"', text)
    key = directory / "key"
    key.write_text("zWNDZM6eQGHWpSRTPal5")
    text = text.replace('"/etc/meeting/acme-eab-key"', f'"{key}"')
    file = directory / f"{daemon.name}.toml"
    file.write_text(text)
    options: Any = import_module(daemon.tap).Options()
    options.environment = {}
    options.parseOptions(["--config", str(file)])
    assert isinstance(options, DaemonOptions)
    return options


def test_the_files_are_made_from_the_flags_as_they_are(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "tools" / "configuration", tmp_path], check=True, timeout=60)
    made = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert made == {file.name: file.read_text() for file in ETC.iterdir()}, "run: .venv/bin/python tools/configuration"
    assert len(made) == 2 * len(DAEMONS)


@pytest.mark.parametrize("daemon", DAEMONS, ids=lambda daemon: daemon.name)
def test_a_file_is_a_configuration_to_begin_with(daemon: Daemon, tmp_path: Path) -> None:
    options = parsed(daemon, (ETC / f"{daemon.name}.toml").read_text(), tmp_path)
    assert options["secret"] == "correct horse battery staple"


@pytest.mark.parametrize("daemon", DAEMONS, ids=lambda daemon: daemon.name)
def test_every_line_behind_a_hash_is_understood_too(daemon: Daemon, tmp_path: Path) -> None:
    text = (ETC / f"{daemon.name}.toml").read_text()
    text = re.sub(r"^# (\w+ = .*)$", r"\1", text, flags=re.MULTILINE)
    options = parsed(daemon, text, tmp_path)
    for flag in options.flags:
        assert options[flag.name] is not None, flag.name


@pytest.mark.parametrize("daemon", DAEMONS, ids=lambda daemon: daemon.name)
def test_a_unit_starts_its_daemon_from_its_file(daemon: Daemon) -> None:
    unit = (ETC / f"meeting-{daemon.name}.service").read_text()
    assert f"ExecStart=/usr/bin/meeting {daemon.name} --config /etc/meeting/{daemon.name}.toml\n" in unit
    assert "NoNewPrivileges=yes" in unit
