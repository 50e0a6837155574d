"""Who makes machines: processes of this machine, a compute cloud, Kubernetes; and what a fresh machine is told."""

import json
import sys
import tomllib
from collections.abc import Coroutine
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest
from libcloud.compute.drivers.dummy import DummyNodeDriver
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.resource import Resource

from meeting.allocateserver.configuration import CloudInitTable, KubernetesTable, LibcloudTable
from meeting.allocateserver.provisioners import Refused
from meeting.allocateserver.provisioners.kubernetes import KubernetesProvisioner, api_server
from meeting.allocateserver.provisioners.libcloud import LibcloudProvisioner, driver_maker
from meeting.allocateserver.provisioners.local import LocalProvisioner, RealProcesses
from meeting.allocateserver.provisioners.names import filled, found, name_of
from meeting.allocateserver.provisioners.sfuserver import cloud_init
from meeting.allocateserver.values import Found, Order
from meeting.daemon.errors import ConfigurationError
from tests.unit.allocateserver.test_allocateserver import AtOnce, ThreadedClock

T = TypeVar("T")

SECRET = "a secret of the tests, long enough"
HUB = "https://meeting.example.com"
LEDGER, MACHINE = "0123abcd", "00112233aabb"
NAME = f"meeting-{LEDGER}-{MACHINE}"
ORDER = Order(NAME, LEDGER, MACHINE, "7.sfu.example.com:443", 7, "203.0.113.7")
THIS = Found(NAME, LEDGER, MACHINE)


def done(work: Coroutine[Deferred[Any], Any, T]) -> T:
    """What it gives; it must be over."""
    results: list[Any] = []
    Deferred.fromCoroutine(work).addBoth(results.append)
    assert results, "it is not over"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    result: T = results[0]
    return result


# -- names


def test_a_name_says_whose_machine_it_is_and_others_say_nothing() -> None:
    assert name_of(LEDGER, MACHINE) == NAME and found(NAME, "id") == Found("id", LEDGER, MACHINE)
    for other in ("meeting", "meeting-1", f"x{NAME}", f"{NAME}0", NAME.upper()):
        assert found(other, "id") is None


def test_words_in_braces_are_filled_in_and_unknown_ones_stay() -> None:
    value = {"a": ["{host}:{port}", 5], "b": "{n} {ip} {what}", "c": "{more}"}
    filled_in = {"a": ["7.sfu.example.com:443", 5], "b": "7 203.0.113.7 {what}", "c": "{n}"}
    assert filled(value, ORDER, more="{n}") == filled_in


# -- cloud-init


def test_a_fresh_machine_gets_its_secret_in_a_file_of_roots_alone() -> None:
    further = {"mediaAddress": ["{ip}"], "mediaPort": 7882}
    text = cloud_init(ORDER, SECRET, HUB, further, CloudInitTable(install=["apt-get update"]))
    first, _, rest = text.partition("\n")
    document = json.loads(rest)  # JSON is YAML
    assert first == "#cloud-config"
    files = {each["path"]: each for each in document["write_files"]}
    assert files["/etc/meeting/secret"]["permissions"] == "0600"
    settings = tomllib.loads(files["/etc/meeting/sfuserver.toml"]["content"])
    assert settings["domainaddress"] == "7.sfu.example.com:443" and settings["apiserver"] == HUB
    assert settings["mediaAddress"] == ["203.0.113.7"] and settings["mediaPort"] == 7882
    holders = [path for path, each in files.items() if SECRET in each["content"]]
    assert holders == ["/etc/meeting/secret"] and not any(SECRET in command for command in document["runcmd"])
    assert document["runcmd"][0] == "apt-get update" and "enable --now" in document["runcmd"][-1]


def test_what_a_fresh_machine_is_told_an_sfuserver_understands(tmp_path: Path) -> None:
    from meeting.sfuserver.options import Options

    text = cloud_init(ORDER, SECRET, HUB, {"mediaAddress": ["{ip}/10.0.0.7"]}, CloudInitTable())
    document = json.loads(text.partition("\n")[2])
    files = {each["path"]: each["content"] for each in document["write_files"]}
    (tmp_path / "sfuserver.toml").write_text(files["/etc/meeting/sfuserver.toml"])
    (tmp_path / "secret").write_text(files["/etc/meeting/secret"])
    options = Options()
    options.environment = {"MEETING_SECRET_FILE": str(tmp_path / "secret")}  # type: ignore[misc]
    options.parseOptions(["--config", str(tmp_path / "sfuserver.toml")])
    assert options["secret"] == SECRET and str(options["domainaddress"]) == "7.sfu.example.com:443"


# -- local processes

PRETENDS = """
import signal, sys, time
if {stubborn}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("started", flush=True)
time.sleep(60)
"""


class SteppedClock(Clock):
    """Waits in earnest when it is advanced: processes end in their own time."""

    def wait(self, until: Any, within: float = 10.0, step: float = 0.25) -> None:
        end = monotonic() + within
        while not until():
            assert monotonic() < end
            sleep(0.02)
            self.advance(step)


def local(
    tmp_path: Path, clock: Clock, *, stubborn: bool = False, processes: RealProcesses | None = None
) -> LocalProvisioner:
    script = tmp_path / "pretends.py"
    script.write_text(PRETENDS.format(stubborn=stubborn))
    command = [sys.executable, str(script)]
    place = tmp_path / "machines"
    further = {"mediaPort": "{port}"}
    return LocalProvisioner(place, command, SECRET, HUB, further, processes or RealProcesses(), IReactorTime(clock))


def test_a_process_is_found_again_by_whoever_comes_after_us(tmp_path: Path) -> None:
    clock = SteppedClock()
    before = local(tmp_path, clock)
    assert done(before.list()) == []
    assert done(before.create(ORDER)) == NAME
    assert done(before.create(ORDER)) == NAME, "made twice is made once"
    log = tmp_path / "machines" / NAME / "log"
    clock.wait(lambda: log.read_text() == "started\n", step=0)
    after = local(tmp_path, clock)
    assert done(after.list()) == [THIS]
    place = tmp_path / "machines"
    settings = tomllib.loads((place / NAME / "sfuserver.toml").read_text())
    assert settings["mediaPort"] == "443" and settings["secretFile"] == str(place / "secret")
    assert (place / "secret").read_text() == SECRET and (place / "secret").stat().st_mode & 0o77 == 0
    over: list[Any] = []
    Deferred.fromCoroutine(after.destroy(NAME)).addBoth(over.append)
    clock.wait(lambda: over)
    assert over == [None] and not (place / NAME).exists()
    clock.wait(lambda: done(before.list()) == [], step=0)  # whose child it was hears of its end a moment later
    done(after.destroy(NAME))


def test_a_process_that_does_not_end_is_killed(tmp_path: Path) -> None:
    clock = SteppedClock()
    provisioner = local(tmp_path, clock, stubborn=True)
    done(provisioner.create(ORDER))
    log = tmp_path / "machines" / NAME / "log"
    clock.wait(lambda: log.read_text() == "started\n", step=0)
    over: list[Any] = []
    Deferred.fromCoroutine(provisioner.destroy(NAME)).addBoth(over.append)
    clock.wait(lambda: over)
    assert clock.seconds() >= 25


def test_a_process_that_ended_by_itself_is_cleared_away(tmp_path: Path) -> None:
    clock = SteppedClock()
    processes = RealProcesses()
    provisioner = local(tmp_path, clock, processes=processes)
    done(provisioner.create(ORDER))
    processes.end(str(tmp_path / "machines" / NAME / "sfuserver.toml"), kill=True)
    clock.wait(lambda: done(provisioner.list()) == [])
    assert not (tmp_path / "machines" / NAME).exists()


def test_a_program_that_is_not_there_is_refused(tmp_path: Path) -> None:
    clock = IReactorTime(Clock())
    provisioner = LocalProvisioner(tmp_path, ["/does/not/exist"], SECRET, HUB, {}, RealProcesses(), clock)
    with pytest.raises(Refused, match="cannot be started"):
        done(provisioner.create(ORDER))


# -- a compute cloud


class Cloud(DummyNodeDriver):
    """Libcloud's dummy driver, whose nodes keep their name and what they were made with."""

    def __init__(self) -> None:
        super().__init__("0")
        self.made: list[dict[str, Any]] = []

    def create_node(self, name: str, size: Any, image: Any, **more: Any) -> Any:  # type: ignore[override]
        node = super().create_node(name, size, image)
        node.name = name
        self.made.append({"size": size.name, "image": image.name, **more})
        return node


def cloud(driver: Cloud, **more: Any) -> LibcloudProvisioner:
    table = LibcloudTable(provider="dummy", size="Small", image="Ubuntu 9.10", **more)
    clock = ThreadedClock()
    return LibcloudProvisioner(table, lambda: driver, lambda order: f"#cloud-config of {order.name}", clock, AtOnce())


def test_a_node_is_made_with_its_user_data_found_by_its_name_and_destroyed() -> None:
    driver = Cloud()
    more = {"ex_metadata": {"user-data": "{cloud_init}"}, "ex_labels": {"ledger": "{ledger}"}, "external_ip": "{ip}"}
    provisioner = cloud(driver, create=more, location="Paul's Room")
    assert done(provisioner.list()) == [], "the cloud's other machines are nobody's"
    made = done(provisioner.create(ORDER))
    assert done(provisioner.create(ORDER)) == made and len(driver.made) == 1
    (arguments,) = driver.made
    assert arguments.pop("location").name == "Paul's Room"
    assert arguments == {
        "size": "Small",
        "image": "Ubuntu 9.10",
        "ex_metadata": {"user-data": f"#cloud-config of {NAME}"},
        "ex_labels": {"ledger": LEDGER},
        "external_ip": "203.0.113.7",
    }
    assert done(provisioner.list()) == [Found(made, LEDGER, MACHINE)]
    done(provisioner.destroy(made))
    done(provisioner.destroy(made))
    assert done(provisioner.list()) == [] and len(driver.list_nodes()) == 2, "and the others are untouched"


def test_a_size_or_an_image_that_the_cloud_does_not_have_is_refused_in_words() -> None:
    for wrong in ({"size": "Huge"}, {"image": "None"}, {"location": "Nowhere"}):
        right = {"provider": "dummy", "size": "Small", "image": "Ubuntu 9.10"}
        table = LibcloudTable.model_validate({**right, **wrong})
        provisioner = LibcloudProvisioner(table, Cloud, lambda order: "", ThreadedClock(), Failing())
        with pytest.raises(Refused, match="the cloud has no"):
            done(provisioner.create(ORDER))


class Failing(AtOnce):
    """Threads whose work may fail."""

    def callInThreadWithCallback(self, hear: Any, work: Any, *arguments: Any, **keywords: Any) -> None:
        try:
            result = work(*arguments, **keywords)
        except Exception:
            hear(False, Failure())
        else:
            hear(True, result)


def test_a_driver_is_made_as_the_table_says(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("the key\n")
    told = {"provider": "Dummy", "secretFile": str(tmp_path / "key"), "size": "s", "image": "i"}
    table = LibcloudTable.model_validate(told)
    assert driver_maker(table)().creds == "the key"
    with pytest.raises(ConfigurationError, match="knows no provider 'nimbus9'"):
        driver_maker(table.model_copy(update={"provider": "nimbus9"}))
    with pytest.raises(ConfigurationError, match="secretFile"):
        driver_maker(table.model_copy(update={"secret_file": "/does/not/exist"}))


# -- Kubernetes


class FakeCluster(Resource):
    """The pods of an API server, which looks closely at what it is asked."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.pods: dict[str, dict[str, Any]] = {}
        self.answers: list[int] = []
        """Statuses of the next answers, instead of doing anything."""

    def render(self, request: Any) -> bytes:
        assert request.getHeader("authorization") == "Bearer the token", request.requestHeaders
        parts = urlsplit(request.uri.decode())
        base, _, name = parts.path.partition("/pods")
        assert base == "/api/v1/namespaces/meetings"
        if self.answers:
            return self._answer(request, self.answers.pop(0), {"kind": "Status", "message": "as told"})
        if request.method == b"POST":
            assert not name and request.getHeader("content-type") == "application/json"
            pod = json.loads(request.content.read())
            name = pod["metadata"]["name"]
            if name in self.pods:
                return self._answer(request, 409, {"kind": "Status", "reason": "AlreadyExists"})
            self.pods[name] = {**pod, "status": {"phase": "Pending"}}
            return self._answer(request, 201, self.pods[name])
        if request.method == b"GET":
            query = parse_qs(parts.query)
            assert query["labelSelector"] == ["meeting-ledger"]
            names, limit = sorted(self.pods), int(query["limit"][0])
            start = int(query.get("continue", ["0"])[0])
            page = [self.pods[each] for each in names[start : start + limit]]
            following = str(start + limit) if start + limit < len(names) else ""
            return self._answer(request, 200, {"kind": "PodList", "metadata": {"continue": following}, "items": page})
        assert request.method == b"DELETE"
        found = self.pods.pop(name.removeprefix("/"), None)
        return self._answer(request, 404 if found is None else 200, {"kind": "Status"})

    def _answer(self, request: Any, status: int, body: Any) -> bytes:
        request.setResponseCode(status)
        request.setHeader("Content-Type", "application/json")
        return json.dumps(body).encode()


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def pods(cluster: FakeCluster, tmp_path: Path) -> KubernetesProvisioner:
    (tmp_path / "token").write_text("the token\n")
    table = KubernetesTable.model_validate(
        {
            "server": "https://api.cluster.test",
            "tokenFile": str(tmp_path / "token"),
            "namespace": "meetings",
            "image": "registry.example.com/meeting:1",
            "secretName": "meeting",
            "nodeSelector": {"kubernetes.io/hostname": "{host}"},
        }
    )
    server, _ = api_server(table)
    further = {"mediaAddress": ["{ip}"], "mediaPort": 7882}
    agent: Any = RequestTraversalAgent(cluster)
    return KubernetesProvisioner(table, server, agent, HUB, further, IReactorTime(Clock()))


def test_a_pod_is_made_listed_and_deleted(cluster: FakeCluster, pods: KubernetesProvisioner) -> None:
    assert done(pods.create(ORDER)) == NAME
    assert done(pods.create(ORDER)) == NAME, "made twice is made once"
    assert done(pods.list()) == [THIS]
    done(pods.destroy(NAME))
    done(pods.destroy(NAME))
    assert cluster.pods == {} and done(pods.list()) == []


def test_a_pod_runs_an_sfuserver_whose_secret_is_mounted(cluster: FakeCluster, pods: KubernetesProvisioner) -> None:
    from meeting.sfuserver.options import Options

    done(pods.create(ORDER))
    pod = cluster.pods[NAME]
    assert pod["metadata"]["labels"]["meeting-ledger"] == LEDGER and pod["metadata"]["labels"]["meeting-number"] == "7"
    spec = pod["spec"]
    assert spec["hostNetwork"] is True and spec["nodeSelector"] == {"kubernetes.io/hostname": "7.sfu.example.com"}
    assert spec["volumes"][0]["secret"]["secretName"] == "meeting"
    command = spec["containers"][0]["command"]
    assert command[:4] == ["meeting", "sfuserver", "--secretFile", "/run/meeting/secret"]
    assert "secret of the tests" not in json.dumps(pod)
    options = Options()
    options.environment = {}  # type: ignore[misc]
    options.parseOptions(["--secret", SECRET, *command[4:]])
    assert str(options["domainaddress"]) == "7.sfu.example.com:443" and options["mediaPort"] == 7882


def test_many_pods_are_listed_page_by_page_and_those_that_are_over_are_not(
    cluster: FakeCluster, pods: KubernetesProvisioner
) -> None:
    for number in range(250):
        name = name_of(LEDGER, f"{number:012x}")
        cluster.pods[name] = {"metadata": {"name": name}, "status": {"phase": "Running"}}
    over = list(cluster.pods)
    cluster.pods[over[0]]["status"]["phase"] = "Failed"
    cluster.pods[over[1]]["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    cluster.pods["meeting-by-hand"] = {"metadata": {"name": "meeting-by-hand"}, "status": {}}
    assert len(done(pods.list())) == 248


@pytest.mark.parametrize(("status", "refused"), [(403, True), (422, True), (429, False), (500, False), (503, False)])
def test_a_refusal_is_certain_only_where_the_cluster_says_so(
    cluster: FakeCluster, pods: KubernetesProvisioner, status: int, refused: bool
) -> None:
    cluster.answers = [status]
    with pytest.raises(Refused if refused else RuntimeError, match=f"answers {status}: as told"):
        done(pods.create(ORDER))


def test_a_list_or_a_deletion_that_fails_is_no_success(cluster: FakeCluster, pods: KubernetesProvisioner) -> None:
    cluster.answers = [500, 500]
    for work in (pods.list(), pods.destroy(NAME)):
        with pytest.raises(RuntimeError, match="answers 500"):
            done(work)


def test_in_a_cluster_its_own_api_is_asked() -> None:
    table = KubernetesTable.model_validate({"image": "i", "secretName": "s"})
    inside = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT_HTTPS": "6443"}
    assert api_server(table, inside) == (
        "https://10.0.0.1:6443",
        ["/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"],
    )
    with pytest.raises(ConfigurationError, match="not in a cluster here"):
        api_server(table, {})
