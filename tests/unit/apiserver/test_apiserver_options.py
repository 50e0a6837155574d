"""The hub's options: what fits together, and the one line that says what does not."""

from pathlib import Path

import pytest
from twisted.python import usage

from meeting.apiserver.database import access, database_url
from meeting.apiserver.mail.smtp import mail_servers
from meeting.apiserver.options import Options
from tests.support.hub import SECRET

NEEDED = ["--secret", SECRET, "--domainaddress", "meet.example.com:443"]
ONE_SERVER = ["--mailServer", "mail.example.com", "--mailFrom", "meet@example.com"]


def parsed(*arguments: str) -> Options:
    options = Options()
    options.parseOptions([*NEEDED, *arguments])
    return options


def test_the_nth_mail_values_belong_together() -> None:
    options = parsed(
        *("--mailServer", "in.example.com", "--mailPort", "25", "--mailUsername", "", "--mailPassword", ""),
        *("--mailFrom", "in@example.com"),
        *(
            "--mailServer",
            "out.example.com",
            "--mailPort",
            "465",
            "--mailUsername",
            "meet",
            "--mailPassword",
            "hunter22",
        ),
        *("--mailFrom", "Meetings <out@example.com>"),
    )
    first, second = mail_servers(options)
    assert (first.host, first.port, first.username, first.sender) == ("in.example.com", 25, "", "in@example.com")
    assert (second.host, second.port, second.username, second.password) == ("out.example.com", 465, "meet", "hunter22")
    assert second.sender == "Meetings <out@example.com>"


def test_a_mail_servers_port_is_that_of_submission() -> None:
    assert [(server.host, server.port) for server in mail_servers(parsed(*ONE_SERVER))] == [("mail.example.com", 587)]


def test_without_mysql_the_database_is_a_file_in_the_state_directory(tmp_path: Path) -> None:
    url = database_url(parsed("--demo", "--stateDirectory", str(tmp_path)))
    assert url.get_backend_name() == "sqlite"
    assert url.database == str(tmp_path / "apiserver.sqlite")


def test_with_mysql_it_is_there_and_its_password_is_shown_nowhere() -> None:
    mysql = ["--mysqlAddress", "[::1]:3307", "--mysqlUser", "me", "--mysqlPassword", "hunter22"]
    url = database_url(parsed("--demo", *mysql))
    assert (url.host, url.port, url.username, url.password, url.database) == ("::1", 3307, "me", "hunter22", "Meeting")
    assert "hunter22" not in str(url)
    assert "hunter22" not in repr(url)


@pytest.mark.parametrize(
    "given",
    [["--mysqlAddress", "a:1,b:2, [::1]:3"], ["--mysqlAddress", "a:1", "--mysqlAddress", "b:2,[::1]:3"]],
)
def test_a_clusters_nodes_are_given_one_by_one_or_with_commas(given: list[str]) -> None:
    settings = parsed("--demo", *given, "--mysqlUser", "me", "--mysqlReadTimeout", "20s", "--mysqlCa", "/etc/ca.pem")
    assert [str(node) for node in access(settings).nodes] == ["a:1", "b:2", "[::1]:3"]
    assert (access(settings).read_timeout, access(settings).ca) == (20.0, Path("/etc/ca.pem"))
    assert database_url(settings).host == "a"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--mailServer is needed"),
        (["--mailServer", "mail.example.com"], "--mailFrom is needed"),
        ([*ONE_SERVER, "--mailServer", "other.example.com"], "--mailFrom is given 1 times, --mailServer 2 times"),
        ([*ONE_SERVER, "--mailPort", "25", "--mailPort", "26"], "--mailPort is given 2 times, --mailServer 1 times"),
        ([*ONE_SERVER, "--mailUsername", "me"], "--mailUsername and --mailPassword belong together"),
        (["--mailServer", "m", "--mailFrom", "nobody"], "write an address"),
        ([*ONE_SERVER, "--bounceAddress", "bounces@example.com"], "--bounceAddress and --bounceListen belong together"),
        ([*ONE_SERVER, "--bounceAddress", "bounces"], "write an address, for example bounces@example.com"),
        (["--demo", "--mysqlUser", "me"], "need --mysqlAddress"),
        (["--demo", "--mysqlAddress", "127.0.0.1:3306"], "needs --mysqlUser"),
        (["--demo", "--mysqlAddress", "127.0.0.1"], "host:port"),
        (["--demo", "--databaseConnections", "0"], "at least 1"),
        (["--demo", "--allocateserver", "allocate.example.com"], "URL"),
        (["--demo", "--tokenLifetime", "soon"], "--tokenLifetime"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(arguments: list[str], said: str) -> None:
    with pytest.raises(usage.UsageError) as raised:
        parsed(*arguments)
    line = str(raised.value)
    assert said in line
    assert "\n" not in line


def test_nothing_is_opened_or_written_while_a_hub_is_put_together(tmp_path: Path) -> None:
    from meeting.apiserver.service import ApiServer
    from tests.support.hub import InstantReactor

    state = tmp_path / "state"
    ApiServer(parsed("--demo", "--stateDirectory", str(state)), InstantReactor())
    assert not state.exists()
