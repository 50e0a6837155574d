"""A native library built from other sources than the checkout's is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from meeting.dataplane.errors import StaleBuild
from meeting.dataplane.freshness import CRATES, check, source_hash


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout's folders; the path of its meeting.dataplane package."""
    rust = tmp_path / "rust"
    for crate in CRATES:
        (rust / crate / "src" / "deep").mkdir(parents=True)
        (rust / crate / "Cargo.toml").write_text(crate)
        (rust / crate / "src" / "lib.rs").write_text("//! " + crate)
    for name in ("Cargo.toml", "Cargo.lock", "python/build.rs"):
        (rust / name).write_text(name)
    package = tmp_path / "src" / "meeting" / "dataplane"
    package.mkdir(parents=True)
    return package


def rust_of(package: Path) -> Path:
    return package.parents[2] / "rust"


def test_a_build_of_these_sources_is_taken(checkout: Path) -> None:
    check(source_hash(rust_of(checkout)), checkout)


@pytest.mark.parametrize("changed", ["engine/src/lib.rs", "Cargo.lock", "python/build.rs", "rtp/src/deep/new.rs"])
def test_a_build_of_other_sources_is_refused_with_what_to_do(checkout: Path, changed: str) -> None:
    built_from = source_hash(rust_of(checkout))
    (rust_of(checkout) / changed).write_text("something else")
    with pytest.raises(StaleBuild, match="run make rust"):
        check(built_from, checkout)


def test_tests_of_the_crates_do_not_count(checkout: Path) -> None:
    built_from = source_hash(rust_of(checkout))
    (rust_of(checkout) / "link" / "tests").mkdir()
    (rust_of(checkout) / "link" / "tests" / "new.rs").write_text("//! test")
    check(built_from, checkout)


def test_an_installed_package_has_no_sources_to_compare_with(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "meeting" / "dataplane"
    package.mkdir(parents=True)
    check("whatever", package)
