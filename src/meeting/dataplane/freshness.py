"""Whether the native library was built from the sources of this checkout.

An installed wheel has no `rust/` beside it and is always right. In a checkout a stale build would be a bug nobody
can see, so it is refused. rust/python/build.rs calculates the same hash.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from meeting.dataplane.errors import StaleBuild

__all__ = ["check", "source_hash"]

CRATES = ("bwe", "engine", "forward", "link", "python", "relay", "rtp", "srtp", "stun")
"""What the product is made of; the other crates only test it."""


def source_hash(rust: Path) -> str:
    """The hash, in hex, of what the native library is made from; `rust` is the workspace's folder."""
    files = [rust / "Cargo.toml", rust / "Cargo.lock", rust / "python" / "build.rs"]
    for crate in CRATES:
        files.append(rust / crate / "Cargo.toml")
        files.extend((rust / crate / "src").rglob("*.rs"))
    named = sorted((file.relative_to(rust).as_posix().encode(), file) for file in files)
    digest = hashlib.sha256()
    for name, file in named:
        digest.update(name + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def check(built_from: str, package: Path = Path(__file__).parent) -> None:
    """Raise StaleBuild when `package` lies in a checkout with other sources than the library was built from."""
    rust = package.parents[2] / "rust"
    if not (rust / "Cargo.toml").exists():
        return
    if source_hash(rust) != built_from:
        raise StaleBuild("the native library was built from other sources than this checkout's rust/: run make rust")
