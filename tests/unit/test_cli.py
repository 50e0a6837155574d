"""`meeting` and the plugins: one list, clear refusals."""

import json
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest
from twisted.application.service import IServiceMaker
from twisted.plugin import IPlugin, getPlugins

from meeting.cli import COMMANDS, DAEMONS, run
from meeting.daemon.secret import Secret

SECRET = "correct horse battery staple"


def test_every_daemon_is_a_twistd_plugin() -> None:
    makers = {maker.tapname: maker for maker in getPlugins(IServiceMaker) if maker.tapname.startswith("meeting-")}
    assert set(makers) == {f"meeting-{daemon.name}" for daemon in DAEMONS}
    for daemon in DAEMONS:
        maker = makers[f"meeting-{daemon.name}"]
        assert IPlugin.providedBy(maker)
        assert maker.description == daemon.summary


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    for each in (*DAEMONS, *COMMANDS):
        assert each.name in shown and each.summary in shown


def test_nothing_and_an_unknown_command_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert run(["sfu"]) == 2
    assert capsys.readouterr().err == "meeting: there is no command 'sfu'; see meeting --help\n"


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"meeting {version('meeting')}\n"


def test_keys_prints_the_pair_that_livekits_tools_take(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "--secret", SECRET]) == 0
    assert capsys.readouterr().out == (f"LIVEKIT_API_KEY=meeting\nLIVEKIT_API_SECRET={Secret(SECRET).token_key}\n")


@pytest.mark.parametrize("arguments", [[], ["--secret", "short"], ["--secretFile", "/none"], ["--what"], ["more"]])
def test_keys_refuses_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.delenv("MEETING_SECRET", raising=False)
    assert run(["keys", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("meeting keys: ") and captured.err.count("\n") == 1


MANUAL = {
    "apiserver": "--secret S --mysqlAddress 127.0.0.1:3306 --mysqlUser U --mysqlPassword P --mysqlDatabase Meeting "
    "--domainaddress meeting.example.com:443 --cert C --certkey K "
    "--mailServer inside --mailPort 25 --mailUsername U --mailPassword P --mailFrom a@example.com "
    "--mailServer outside --mailPort 465 --mailUsername V --mailPassword Q --mailFrom b@example.com "
    "--allocateserver https://allocate.example.com/allocate",
    "sfuserver": "--secret S --domainaddress sfu.example.com:443 --cert C --certkey K "
    "--apiserver meeting.example.com:443",
    "turnserver": "--secret S --port 3478 --ip 192.0.2.4 --apiserver meeting.example.com:443",
    "fsserver": "--secret S --domainaddress fs.example.com:443 --cert C --certkey K --directory D "
    "--apiserver meeting.example.com:443",
    "allocateserver": "--config pool.toml --secret S --apiserver meeting.example.com:443",
}


@pytest.mark.parametrize("name", MANUAL)
def test_each_flag_of_the_manual_can_stand_in_the_environment_and_in_the_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pool = '[[sfu]]\naddress = "sfu.example.com:443"\n' if name == "allocateserver" else ""
    (tmp_path / "pool.toml").write_text(pool)
    words = MANUAL[name].replace("--secret S", f"--secret {SECRET.replace(' ', '-')}").split()
    given: dict[str, list[str]] = {}
    for flag, value in zip(words[::2], words[1::2], strict=True):
        given.setdefault(flag.removeprefix("--"), []).append(value)

    def options(arguments: list[str], environment: dict[str, str]) -> dict[str, object]:
        kind = import_module(f"meeting.{name}.tap").Options
        monkeypatch.setattr(kind, "environment", environment)
        parsed = kind()
        parsed.parseOptions(arguments)
        return {flag.name: parsed[flag.name] for flag in parsed.flags if flag.name != "config"}

    kind = import_module(f"meeting.{name}.tap").Options
    flags = {flag.name: flag for flag in kind.flags}
    as_flags = options(words, {})
    assert all(as_flags[flag] is not None for flag in given if flag != "config")

    as_variables = options([], {flags[flag].variable: ",".join(values) for flag, values in given.items()})
    assert as_variables == as_flags

    config = given.pop("config", ["all.toml"])[0]
    lines = {flag: values if flags[flag].repeatable else values[0] for flag, values in given.items()}
    (tmp_path / config).write_text("".join(f"{flag} = {json.dumps(value)}\n" for flag, value in lines.items()) + pool)
    assert options(["--config", config], {}) == as_flags
