"""Certificates that come by themselves: the service with an authority in memory, on a virtual clock."""

import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock

from meeting.daemon.certificates.authority import AuthorityError, RenewalInfo, Wanted
from meeting.daemon.certificates.automatic import AutomaticCertificate
from meeting.daemon.certificates.keeping import Account, DiaryFile, write_whole
from meeting.daemon.certificates.schedule import DAY, HOUR, MINUTE, Diary
from meeting.daemon.errors import ConfigurationError
from meeting.daemon.observe import Metrics, Readiness, status_resource
from tests.support.logs import captured_events, text_of

NOW = 1_800_000_000.0
HOST = "m.test"


class PaperAuthority:
    """Issues for `days`, unless it is `away`; keeps a diary of what it was asked."""

    def __init__(self, clock: Clock, days: float = 90) -> None:
        self.clock = clock
        self.days = days
        self.away: AuthorityError | None = None
        self.window: tuple[float, float] | None = None
        self.host = HOST
        self.key_of_another = False
        self.orders: list[float] = []
        self.questions = 0
        self.replaced: list[int | None] = []
        self.issued: list[int] = []

    def order(self, key_pem: bytes, replaces: x509.Certificate | None = None) -> bytes:
        self.orders.append(self.clock.seconds())
        self.replaced.append(None if replaces is None else replaces.serial_number)
        if self.away:
            raise self.away
        key: Any = load_pem_private_key(key_pem, None)
        if self.key_of_another:
            key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.fromtimestamp(self.clock.seconds(), UTC)
        name = x509.Name([])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + timedelta(days=self.days))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(self.host)]), critical=True)
            .sign(key, SHA256())
        )
        self.issued.append(certificate.serial_number)
        return certificate.public_bytes(Encoding.PEM)

    def renewal_info(self, cert: x509.Certificate) -> RenewalInfo:
        self.questions += 1
        if self.away:
            raise self.away
        return RenewalInfo(self.window, 6 * HOUR)


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.advance(NOW)
    return clock


@pytest.fixture
def authority(clock: Clock) -> PaperAuthority:
    return PaperAuthority(clock)


Make = Callable[..., AutomaticCertificate]


@pytest.fixture
def make(clock: Clock, authority: PaperAuthority, tmp_path: Path) -> Make:
    def make(in_thread: Any = execute) -> AutomaticCertificate:
        wanted = Wanted("https://authority.test/directory", HOST)
        return AutomaticCertificate(wanted, tmp_path, clock, in_thread=in_thread, talk=authority, random=lambda: 0.5)

    return make


def let_pass(clock: Clock, seconds: float) -> None:
    """Every call that falls due in that time is made at its moment."""
    end = clock.seconds() + seconds
    while clock.getDelayedCalls() and min(call.getTime() for call in clock.getDelayedCalls()) <= end:
        clock.advance(max(0.0, min(call.getTime() for call in clock.getDelayedCalls()) - clock.seconds()))
    clock.advance(end - clock.seconds())


def test_the_first_one_is_kept_whole_and_survives_a_restart(
    make: Make, clock: Clock, authority: PaperAuthority, tmp_path: Path
) -> None:
    first = make()
    first.startService()
    assert (first.until, first.serves(NOW), first.condition(NOW)) == (None, False, "none yet")
    let_pass(clock, MINUTE)
    assert first.until == datetime.fromtimestamp(NOW, UTC) + timedelta(days=90)
    assert first.state()["renewal"] == "2027-03-16T08:00:00Z"
    assert stat.S_IMODE((tmp_path / f"{HOST}.pem").stat().st_mode) == 0o600
    first.stopService()

    again = make()
    again.startService()
    assert again.until == first.until
    let_pass(clock, DAY)
    assert len(authority.orders) == 1
    again.stopService()
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize(("days", "in_all"), [(6, 30), (90, 130)])
def test_it_is_renewed_for_months_without_a_gap(
    make: Make, clock: Clock, authority: PaperAuthority, days: int, in_all: int
) -> None:
    authority.days = days
    certificate = make()
    certificate.startService()
    let_pass(clock, MINUTE)
    for _ in range(in_all):
        assert certificate.serves(clock.seconds())
        let_pass(clock, DAY)
    assert in_all / days <= len(authority.orders) <= 1.6 * in_all / days + 1
    assert certificate.orders == {"worked": len(authority.orders), "failed": 0}
    assert authority.replaced == [None, *authority.issued[:-1]], "each says which one it follows"
    certificate.stopService()


def test_the_authoritys_wish_is_followed(make: Make, clock: Clock, authority: PaperAuthority) -> None:
    certificate = make()
    certificate.startService()
    let_pass(clock, 2 * DAY)
    authority.window = (clock.seconds() - DAY, clock.seconds() - HOUR)
    let_pass(clock, 6 * HOUR + MINUTE)
    assert len(authority.orders) == 2, "revoked ahead of time, say: renewed at the next question"
    certificate.stopService()


def test_an_authority_that_is_down_for_a_day(make: Make, clock: Clock, authority: PaperAuthority) -> None:
    authority.days = 6
    certificate = make()
    certificate.startService()
    let_pass(clock, 4 * DAY - HOUR)
    old = certificate.until
    authority.away = AuthorityError("the authority cannot be reached: timed out", unreachable=True)
    with captured_events() as events:
        let_pass(clock, DAY)
    assert (certificate.until, certificate.serves(clock.seconds())) == (old, True)
    assert "cannot be reached" in certificate.trouble
    assert f"the old one is good until {old}" in text_of(events)
    assert len(authority.orders) <= 31, authority.orders
    authority.away = None
    let_pass(clock, 1.5 * HOUR)
    assert certificate.until is not None and old is not None and certificate.until > old
    assert certificate.trouble == ""
    certificate.stopService()


def test_a_daemon_that_crashes_at_every_order_does_not_order_all_the_time(
    make: Make, clock: Clock, authority: PaperAuthority
) -> None:
    never: list[Deferred[Any]] = []

    def asked(work: Any) -> Deferred[Any]:
        never.append(Deferred())
        return never[-1]

    for _ in range(30):
        certificate = make(in_thread=asked)
        certificate.startService()
        let_pass(clock, 1)
        certificate.stopService()
    assert len(never) == 1
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("fault", ["host", "key", "garbage"])
def test_a_certificate_that_does_not_fit_is_not_taken(
    make: Make, clock: Clock, authority: PaperAuthority, tmp_path: Path, fault: str
) -> None:
    certificate = make()
    certificate.startService()
    let_pass(clock, MINUTE)
    old, file = certificate.until, (tmp_path / f"{HOST}.pem").read_bytes()
    if fault == "host":
        authority.host = "other.test"
    if fault == "key":
        authority.key_of_another = True
    if fault == "garbage":
        authority.order = lambda *_: b"garbage"  # type: ignore[method-assign]
    let_pass(clock, 61 * DAY)
    assert certificate.until == old
    assert "the new certificate cannot be used" in certificate.trouble
    assert (tmp_path / f"{HOST}.pem").read_bytes() == file
    certificate.stopService()


def test_what_nobody_expected_is_logged_and_tried_again_later(
    make: Make, clock: Clock, authority: PaperAuthority, logged_failures: list[Any]
) -> None:
    def broken(key_pem: bytes, replaces: x509.Certificate | None = None) -> bytes:
        raise ZeroDivisionError

    whole = authority.order
    authority.order = broken  # type: ignore[method-assign]
    certificate = make()
    certificate.startService()
    let_pass(clock, MINUTE)
    assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
    logged_failures.clear()
    authority.order = whole  # type: ignore[method-assign]
    let_pass(clock, HOUR)
    assert certificate.serves(clock.seconds())
    certificate.stopService()


def test_a_file_that_was_damaged_is_replaced(
    make: Make, clock: Clock, authority: PaperAuthority, tmp_path: Path
) -> None:
    (tmp_path / f"{HOST}.pem").write_text("half a certif")
    certificate = make()
    certificate.startService()
    let_pass(clock, MINUTE)
    assert certificate.serves(clock.seconds())
    certificate.stopService()


def test_the_status_pages_show_it(make: Make, clock: Clock, authority: PaperAuthority) -> None:
    certificate, metrics = make(), Metrics()
    status_resource(metrics, lambda: Readiness(True), None, certificate, clock)
    certificate.startService()
    let_pass(clock, MINUTE)
    value = metrics.registry.get_sample_value
    assert 89 < (value("meeting_certificate_days_left") or 0) <= 90
    assert value("meeting_certificate_orders", {"outcome": "worked"}) == 1
    assert certificate.condition(clock.seconds()) == "good until 2027-04-15"
    certificate.stopService()


# --- what is kept


def test_the_accounts_key_is_its_owners_only_and_stays(tmp_path: Path) -> None:
    account = Account(tmp_path / "new")
    thumbprint = account.thumbprint
    assert stat.S_IMODE((tmp_path / "new" / "acme-account-key.pem").stat().st_mode) == 0o600
    assert Account(tmp_path / "new").thumbprint == thumbprint
    account.replace()
    assert account.thumbprint != thumbprint
    assert (tmp_path / "new" / "acme-account-key.old.pem").exists()


def test_a_damaged_account_key_stops_the_start_with_words(make: Make, tmp_path: Path) -> None:
    (tmp_path / "acme-account-key.pem").write_text("garbage")
    with pytest.raises(ConfigurationError, match="remove it and a new account is made"):
        make().privilegedStartService()


def test_the_diary_is_read_as_it_was_written(tmp_path: Path) -> None:
    diary = Diary([1.0, 2.0], 3, 3.5, 4.0, "trouble", "identity", (5.0, 6.0), 7.0, 8.0)
    DiaryFile(tmp_path, "one", HOST).write(diary)
    assert DiaryFile(tmp_path, "one", HOST).read() == diary
    assert DiaryFile(tmp_path, "another", HOST).read() == Diary()


@given(st.one_of(st.binary(), st.sampled_from([b'{"orders": [NaN]}', b"[]", b"[" * 5000, b'{"orders": 1e999}'])))
def test_any_diary_can_be_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    directory = tmp_path_factory.mktemp("diary")
    diary = DiaryFile(directory, "one", HOST)
    diary.write(Diary())
    (file,) = directory.iterdir()
    write_whole(file, content)
    assert diary.read() == Diary()
