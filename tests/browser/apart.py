"""People of a deployment, each with a Chromium in a network of their own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Playwright

from tests.browser.browsers import profile
from tests.browser.deployment import Deployment
from tests.browser.networks import Network
from tests.browser.person import Person


class Apart:
    """People of the deployment, as many as a test asks for."""

    def __init__(self, deployed: Deployment, playwright: Playwright, directory: Path, stack: ExitStack) -> None:
        self.deployed = deployed
        self.networks: list[Network] = []
        self.everybody: list[Person] = []
        self._playwright = playwright
        self._directory = directory
        self._stack = stack

    def people(self, *versions: Sequence[int]) -> tuple[Person, ...]:
        """One for each of `versions` (of IP, that their network has); without: two with IPv4."""
        for name, own in zip(("ana", "ben", "eve"), versions or ((4,), (4,)), strict=False):
            network = Network(self._stack, self._directory, name, own)
            self.networks.append(network)
            # A relay's certificate is checked by the browser's network process, which no setting of a page reaches.
            flags = (*network.flags, f"--ignore-certificate-errors-spki-list={self.deployed.key}")
            chromium = profile(self._playwright, self._directory / name, network.chromium, flags)
            page = self._stack.enter_context(chromium).pages[0]
            address = f"{name}.{self._directory.name}@example.com"
            self.everybody.append(Person(page, self.deployed.url, address, self.deployed.mailbox.texts_to))
        return tuple(self.everybody)
