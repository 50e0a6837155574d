"""Every dependency has its line in docs/dependencies.md, an exact version, and a lock without a registry's address."""

import json
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTED = set(re.findall(r"[@a-z0-9][a-z0-9./_-]*", (ROOT / "docs" / "dependencies.md").read_text()))


def python_requirements() -> dict[str, str]:
    lines = [line for file in (ROOT / "requirements").glob("*.in") for line in file.read_text().splitlines()]
    pairs = [line.partition("==") for line in lines if line and not line.startswith("#")]
    return {name: version for name, _, version in pairs}


def rust_requirements() -> dict[str, str]:
    dependencies = tomllib.loads((ROOT / "rust" / "Cargo.toml").read_text())["workspace"]["dependencies"]
    versions = {name: value if isinstance(value, str) else value.get("version") for name, value in dependencies.items()}
    return {name: version for name, version in versions.items() if version is not None}


def web_requirements() -> dict[str, str]:
    package = json.loads((ROOT / "web" / "package.json").read_text())
    return {**package["dependencies"], **package["devDependencies"]}


def test_every_dependency_says_why_it_is_here() -> None:
    for names in (python_requirements(), rust_requirements(), web_requirements()):
        assert names
        assert sorted(names.keys() - DOCUMENTED) == [], "give each a line in docs/dependencies.md"


def test_every_version_is_exact() -> None:
    exact = re.compile(r"[0-9]+(\.[0-9]+)+")
    assert [name for name, version in python_requirements().items() if not exact.fullmatch(version)] == []
    assert [name for name, version in rust_requirements().items() if not exact.fullmatch(version.lstrip("="))] == []
    assert [name for name, version in rust_requirements().items() if not version.startswith("=")] == []
    assert [name for name, version in web_requirements().items() if not exact.fullmatch(version)] == []


def test_locks_have_hashes_and_name_no_registry() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text and "index-url" not in text, lock.name
    web = (ROOT / "web" / "package-lock.json").read_text()
    assert '"integrity"' in web
    assert '"resolved": "http' not in web
