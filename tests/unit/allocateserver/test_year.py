"""Some weeks of meetings on a virtual clock, with crashes; `make soak` has whole years (tests/soak/year.py)."""

from pathlib import Path

import pytest

from tests.support.year import Plan, Year


@pytest.mark.parametrize("provisioner", ["local", "libcloud"])
def test_weeks_with_crashes_leave_no_overlap_no_leak_and_nobody_waiting_in_vain(
    tmp_path: Path, provisioner: str
) -> None:
    year = Year(Plan(2027, provisioner, days=6, crash_rate=0.02), tmp_path)
    assert "pre-created" in year.run()
    assert year.world.troubles == []
    counts = year.world.counts
    assert counts["crashes"] > 10 and counts["scheduled meetings held"] > 10 and counts["instant meetings held"] > 5


def test_a_seed_is_a_year_so_that_what_went_wrong_can_be_seen_again(tmp_path: Path) -> None:
    reports = []
    for name in ("once", "again"):
        (tmp_path / name).mkdir()
        reports.append(Year(Plan(2028, days=3, crash_rate=0.02), tmp_path / name).run())
    assert reports[0] == reports[1]
