"""The documentation names what is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_security_page_names_is_there() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    rust = ROOT / "rust"
    sources = [*(ROOT / "tests").rglob("test_*.py"), *rust.glob("*/tests/*.rs"), *rust.glob("*/src/**/tests/*.rs")]
    there = {name for file in sources for name in re.findall(r"\b(?:def|fn) (\w+)\(", file.read_text())}
    named = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+){3,})`", page))
    assert named, "no names were found"
    assert named - there == set()


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"
