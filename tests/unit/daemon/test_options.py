"""Options: which source wins, and the one clear line for everything that is wrong."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.python.usage import UsageError

from meeting.daemon import converters
from meeting.daemon.options import (
    CA,
    CERT,
    CERTKEY,
    CONFIG,
    DOMAIN_ADDRESS,
    PUBLIC_URL,
    SECRET,
    DaemonOptions,
    Flag,
    HostPort,
    PortRange,
    boolean,
    size,
)

SECRET_TEXT = "correct horse battery staple"
NEEDED = ["--secret", SECRET_TEXT, "--domainaddress", "m.example:443"]


class Options(DaemonOptions):
    flags: ClassVar[Sequence[Flag]] = (
        CONFIG,
        SECRET,
        DOMAIN_ADDRESS,
        PUBLIC_URL,
        CERT,
        CERTKEY,
        CA,
        Flag("maxFileSize", "largest upload", "100MB", size),
        Flag("lan", "serve the network", "false", boolean),
    )
    tables = ("sfu",)

    def check(self) -> None:
        if self["lan"] and self["maxFileSize"] == 1:
            raise UsageError("--lan and a --maxFileSize of 1 contradict one another")


def parse(*arguments: str, environment: Mapping[str, str] | None = None) -> Options:
    options = Options()
    options.environment = environment or {}  # type: ignore[misc]
    options.parseOptions(list(arguments))
    return options


def refusal(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        parse(*arguments, environment=environment)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "meeting.toml"


def test_values_are_converted_and_defaults_too() -> None:
    options = parse(*NEEDED)
    assert options["domainaddress"] == HostPort("m.example", 443)
    assert options["maxFileSize"] == 100_000_000
    assert options["lan"] is False
    assert options["ca"] == []
    assert options["cert"] is None
    assert options["sfu"] == []


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(file: Path) -> None:
    file.write_text('maxFileSize = "1MB"')
    environment = {"MEETING_MAX_FILE_SIZE": "2MB", "MEETING_CONFIG": str(file)}
    assert parse(*NEEDED, "--config", str(file))["maxFileSize"] == 1_000_000
    assert parse(*NEEDED, environment=environment)["maxFileSize"] == 2_000_000
    assert parse(*NEEDED, "--maxFileSize=3MB", environment=environment)["maxFileSize"] == 3_000_000


def test_everything_can_come_from_the_file(file: Path) -> None:
    file.write_text(
        f'secret = "{SECRET_TEXT}"\ndomainaddress = "m.example:8443"\nlan = true\nmaxFileSize = 5\n'
        'ca = ["/a.pem", "/b.pem"]\n[[sfu]]\naddress = "1.sfu:443"\n'
    )
    options = parse("--config", str(file))
    assert (options["lan"], options["maxFileSize"], len(options["ca"])) == (True, 5, 2)
    assert options["publicUrl"] == "https://m.example:8443"
    assert options["sfu"] == [{"address": "1.sfu:443"}]


def test_a_repeatable_flag_collects_and_takes_commas_in_the_environment() -> None:
    assert parse(*NEEDED, "--ca", "/a", "--ca", "/b")["ca"] == [Path("/a"), Path("/b")]
    assert parse(*NEEDED, environment={"MEETING_CA": "/a, /b"})["ca"] == [Path("/a"), Path("/b")]


def test_the_public_url_leaves_out_the_port_of_https() -> None:
    assert parse(*NEEDED)["publicUrl"] == "https://m.example"
    assert parse(*NEEDED, "--publicUrl", "http://localhost:8080/")["publicUrl"] == "http://localhost:8080"


@pytest.mark.parametrize("source", ["flag", "variable", "file"])
def test_a_secret_can_come_from_a_file(source: str, file: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET_TEXT + "\n")
    file.write_text(f'secretFile = "{secret}"')
    address = ["--domainaddress", "m:443"]
    if source == "flag":
        options = parse("--secretFile", str(secret), *address)
    elif source == "variable":
        options = parse(*address, environment={"MEETING_SECRET_FILE": str(secret)})
    else:
        options = parse(*address, "--config", str(file))
    assert options["secret"] == SECRET_TEXT


# --- every "no"


def test_a_missing_flag_is_named_with_the_ways_to_give_it() -> None:
    text = refusal("--domainaddress", "m:443")
    assert "--secret is needed" in text and "MEETING_SECRET" in text


def test_an_unknown_key_is_named_with_its_file_and_the_likely_one(file: Path) -> None:
    file.write_text('maxFilesize = "1MB"')
    text = refusal(*NEEDED, "--config", str(file))
    assert str(file) in text and "'maxFilesize'" in text and "did you mean 'maxFileSize'" in text


def test_an_unknown_flag_is_refused() -> None:
    assert "maxfilesize" in refusal(*NEEDED, "--maxfilesize", "1MB")


def test_a_bad_value_is_named_with_where_it_was_written(file: Path) -> None:
    assert refusal(*NEEDED, "--maxFileSize", "big").startswith("--maxFileSize: 'big': write a size")
    assert refusal(*NEEDED, environment={"MEETING_MAX_FILE_SIZE": "big"}).startswith("MEETING_MAX_FILE_SIZE:")
    file.write_text('maxFileSize = "big"')
    assert f"{file}: maxFileSize" in refusal(*NEEDED, "--config", str(file))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("maxFileSize = [1, 2]", "not an array"),
        ("maxFileSize = {a = 1}", "write a string"),
        ("ca = [{}]", "write a string"),
        ("maxFileSize = ", "is not TOML"),
        ('config = "x"', "unknown key 'config'"),
    ],
)
def test_a_bad_file_is_refused(file: Path, content: str, says: str) -> None:
    file.write_text(content)
    assert says in refusal(*NEEDED, "--config", str(file))


def test_a_file_that_is_not_there_or_not_text_is_refused(file: Path) -> None:
    assert "cannot be read" in refusal(*NEEDED, "--config", str(file))
    file.write_bytes(b"\xff\xfe\x00")
    assert "is not TOML" in refusal(*NEEDED, "--config", str(file))
    assert "cannot be read" in refusal("--domainaddress", "m:443", "--secretFile", "/does/not/exist")


def test_contradictions_are_refused() -> None:
    assert "belong together" in refusal(*NEEDED, "--cert", "/c.pem")
    assert "belong together" in refusal(*NEEDED, "--certkey", "/k.pem")
    assert "contradict" in refusal(*NEEDED, "--secretFile", "/s")
    assert "contradict" in refusal(*NEEDED, "--lan", "--maxFileSize", "1")
    assert "given twice" in refusal(*NEEDED, "--maxFileSize", "1", "--maxFileSize", "2")
    assert "'surplus'" in refusal(*NEEDED, "surplus")


def test_no_refusal_shows_a_secret() -> None:
    class Picky(Options):
        flags = (Flag("secret", "", None, converters.port, secret=True),)

    picky = Picky()
    with pytest.raises(UsageError) as caught:
        picky.parseOptions(["--secret", "hunter2"])
    assert "hunter2" not in str(caught.value)


# --- converters


@pytest.mark.parametrize(
    ("convert", "text", "value"),
    [
        (converters.host_port, "a.b-c:443", HostPort("a.b-c", 443)),
        (converters.host_port, "[2001:db8::1]:1", HostPort("2001:db8::1", 1)),
        (converters.port_range, "40000-49999", PortRange(40000, 49999)),
        (converters.seconds, "10", 10.0),
        (converters.seconds, "1.5h", 5400.0),
        (converters.seconds, "500ms", 0.5),
        (converters.size, "10MB", 10_000_000),
        (converters.size, "10 MiB", 10_485_760),
        (converters.boolean, "Yes", True),
        (converters.url, "https://a.b/c/", "https://a.b/c"),
        (converters.server_url, "hub.example:443", "https://hub.example"),
        (converters.server_url, "hub.example:8443", "https://hub.example:8443"),
        (converters.server_url, "http://localhost:8080", "http://localhost:8080"),
    ],
)
def test_a_text_converts(convert: Any, text: str, value: Any) -> None:
    assert convert(text) == value


@pytest.mark.parametrize(
    ("convert", "text"),
    [
        *((converters.host_port, text) for text in ("", "a", "a:", ":1", "a:65536", "a:-1", "2001:db8::1:1", "a b:1")),
        *((converters.host_port, text) for text in ("a:1\n", "a:²")),
        *((converters.port_range, text) for text in ("1", "2-1", "0-5", "a-b", "1-70000")),
        *((converters.seconds, text) for text in ("", "-1", "1w", "s", "1e9")),
        *((converters.size, text) for text in ("", "-1", "1XB", "MB")),
        *((converters.url, text) for text in ("", "a.b", "ftp://a", "https://", "https://u:p@a", "https://a:b")),
        (converters.url, "http://[::1"),
        *((converters.network, text) for text in ("", "a", "10.0.0.0/33")),
        (converters.boolean, "maybe"),
        (converters.path, ""),
        (converters.one_of("text", "json"), "xml"),
    ],
)  # fmt: skip
def test_a_text_that_does_not_convert_says_what_to_write(convert: Any, text: str) -> None:
    with pytest.raises(ValueError, match=r"^write|^the first port"):
        convert(text)


@given(st.text(max_size=60))
def test_any_text_converts_or_says_what_to_write(text: str) -> None:
    for convert in (converters.host_port, converters.url, converters.seconds, converters.size, converters.port_range):
        try:
            convert(text)
        except ValueError as error:
            assert str(error).startswith(("write", "the first port"))


@given(st.builds(HostPort, st.ip_addresses().map(str).filter(lambda a: "%" not in a), st.integers(0, 65535)))
def test_a_host_and_port_come_back_from_their_text(address: HostPort) -> None:
    assert converters.host_port(str(address)) == address
