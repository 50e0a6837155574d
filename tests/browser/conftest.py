"""Fixtures: Chromium, the demo, the five as processes; on a failure, what was on the screens and in the logs."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Playwright, sync_playwright

from tests.browser.apart import Apart
from tests.browser.browsers import profile
from tests.browser.deployment import Deployment, deployment
from tests.browser.person import Person
from tests.support.mariadb import MariaDb
from tests.support.processes import Process, free_port, page

Mails = Callable[[str], list[str]]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Adds every page's screenshot and console, and the logs, to the report of a failing test."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Apart):
                value = tuple(value.everybody)
            for person in value if isinstance(value, tuple) else ():
                if isinstance(person, Person):
                    path = Path(str(item.path.parent)) / "failures" / f"{item.name}-{person.email.split('@')[0]}.png"
                    path.parent.mkdir(exist_ok=True)
                    person.page.screenshot(path=path)
                    report.sections.append((f"page of {person.email}", f"{person.page.url}\n{path}"))
                    report.sections.append((f"console of {person.email}", "\n".join(person.console[-60:])))
    return report


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of `meeting demo`."""
    directory = tmp_path_factory.mktemp("demo")
    url = f"http://localhost:{(port := free_port())}"
    process = Process(["demo", "--port", str(port), "--stateDirectory", str(directory)], directory / "demo.log")
    process.start()
    try:
        process.wait_ready(f"{url}/readyz")
        yield url
    finally:
        process.stop()


@pytest.fixture
def ana_and_ben_in_the_demo(demo: str, playwright: Playwright, tmp_path: Path) -> Iterator[tuple[Person, Person]]:
    with two_people(playwright, tmp_path, demo, demo_mails(demo)) as people:
        yield people


def demo_mails(demo: str) -> Mails:
    """What the demo's mailbox shows."""

    def mails(address: str) -> list[str]:
        kept = json.loads(page(f"{demo}/api/v1/demo/mails")[1])
        return [mail["text"] for mail in reversed(kept["mails"]) if mail["to"] == address]

    return mails


@pytest.fixture
def host_member_and_guest(demo: str, playwright: Playwright, tmp_path: Path) -> Iterator[tuple[Person, Person, Person]]:
    """Ana, Ben, and somebody without an account."""
    with people_of(playwright, tmp_path, demo, demo_mails(demo), ("ana", "ben", "grace")) as (ana, ben, grace):
        yield ana, ben, grace


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    with MariaDb() as server:
        yield server


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory, mariadb: MariaDb) -> Iterator[Deployment]:
    with deployment(tmp_path_factory.mktemp("deployment"), mariadb) as running:
        yield running


@pytest.fixture
def ana_and_ben_deployed(
    deployed: Deployment, playwright: Playwright, tmp_path: Path
) -> Iterator[tuple[Person, Person]]:
    with two_people(playwright, tmp_path, deployed.url, deployed.mailbox.texts_to) as people:
        yield people


@pytest.fixture
def apart(deployed: Deployment, playwright: Playwright, tmp_path: Path) -> Iterator[Apart]:
    with ExitStack() as stack:
        yield Apart(deployed, playwright, tmp_path, stack)


@contextmanager
def two_people(playwright: Playwright, directory: Path, url: str, mails: Mails) -> Iterator[tuple[Person, Person]]:
    """Ana and Ben."""
    with people_of(playwright, directory, url, mails, ("ana", "ben")) as (ana, ben):
        yield ana, ben


@contextmanager
def people_of(
    playwright: Playwright, directory: Path, url: str, mails: Mails, names: tuple[str, ...]
) -> Iterator[list[Person]]:
    """People, each with a Chromium of their own; their addresses are new for each test."""
    with ExitStack() as stack:
        people = []
        for name in names:
            context = stack.enter_context(profile(playwright, directory / name))
            people.append(Person(context.pages[0], url, f"{name}.{directory.name}@example.com", mails))
        yield people
