"""Pebble, the ACME authority that Let's Encrypt makes for tests, with a DNS of its own; all of it on loopback."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.request import urlopen

import trustme

from tests.support.processes import free_port

PROGRAMS = Path(__file__).parents[2] / ".cache" / "bin"
WITHIN = 20.0


class Pebble:
    """A running authority: it resolves every name to 127.0.0.1 and looks for challenges at `http_port`."""

    def __init__(
        self,
        directory: Path,
        *,
        validity: int = 90 * 86_400,
        reject_nonces: int = 0,
        bindings: Mapping[str, str] | None = None,
    ) -> None:
        """`validity` of certificates in seconds; `reject_nonces` of a hundred good ones; `bindings`: without one of
        these (kid → MAC key) there is no account.
        """
        self._bindings = bindings
        assert (PROGRAMS / "pebble").exists(), "Pebble is not built: tools/pebble (needs Go)"
        self.http_port = free_port()
        self.ca_file = directory / "pebble-ca.pem"
        self._directory = directory
        self._port, self._management, self._dns, self._dns_management = (free_port() for _ in range(4))
        self._environment = {
            **os.environ,
            "PEBBLE_VA_NOSLEEP": "1",
            "PEBBLE_AUTHZREUSE": "0",
            "PEBBLE_WFE_NONCEREJECT": str(reject_nonces),
        }
        self._validity = validity
        self._running = ExitStack()

    @property
    def directory_url(self) -> str:
        """What `--acmeDirectory` is given."""
        return f"https://localhost:{self._port}/dir"

    def __enter__(self) -> Pebble:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_file))
        own = authority.issue_cert("localhost")
        cert, key = self._directory / "pebble.pem", self._directory / "pebble-key.pem"
        own.cert_chain_pems[0].write_to_path(str(cert))
        own.private_key_pem.write_to_path(str(key))
        config = {
            "listenAddress": f"127.0.0.1:{self._port}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(cert),
            "privateKey": str(key),
            "httpPort": self.http_port,
            "tlsPort": free_port(),
            "retryAfter": {"authz": 1, "order": 1},
            "keyAlgorithm": "ecdsa",
            "profiles": {"default": {"description": "of this test", "validityPeriod": self._validity}},
        }
        if self._bindings:
            config |= {"externalAccountBindingRequired": True, "externalAccountMACKeys": {**self._bindings}}
        file = self._directory / "pebble.json"
        file.write_text(json.dumps({"pebble": config}))
        dns = f"127.0.0.1:{self._dns}"
        off = dict.fromkeys(("http01", "https01", "doh", "tlsalpn01", "defaultIPv6"), "")
        with ExitStack() as starting:
            starting.callback(self._running.close)
            self._start(
                "pebble-challtestsrv",
                *(f"-{name}={value}" for name, value in off.items()),
                f"-dnsserver={dns}",
                f"-management=127.0.0.1:{self._dns_management}",
            )
            self._start("pebble", "-strict", f"-config={file}", f"-dnsserver={dns}")
            end = monotonic() + WITHIN
            while not self._answers():
                assert monotonic() < end, (self._directory / "pebble.log").read_text()
                sleep(0.05)
            starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def trust(self) -> ssl.SSLContext:
        """A client's context that trusts what this authority issues."""
        context = ssl.create_default_context()
        for page in ("roots/0", "intermediates/0"):
            context.load_verify_locations(cadata=self._page(f"https://localhost:{self._management}/{page}"))
        return context

    def _answers(self) -> bool:
        try:
            return bool(self._page(self.directory_url))
        except OSError:
            return False

    def _page(self, url: str) -> str:
        context = ssl.create_default_context(cafile=self.ca_file)
        with urlopen(url, timeout=5, context=context) as answer:
            text: str = answer.read().decode()
            return text

    def _start(self, program: str, *arguments: str) -> None:
        with (self._directory / f"{program}.log").open("ab") as log:
            process: subprocess.Popen[Any] = subprocess.Popen(
                [PROGRAMS / program, *arguments], stdout=log, stderr=log, env=self._environment
            )
        self._running.callback(process.wait, 10)
        self._running.callback(process.kill)
