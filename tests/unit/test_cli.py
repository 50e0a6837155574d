"""`meeting` and the plugins: one list, clear refusals."""

from importlib.metadata import version

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
