"""Years of made-up meetings through the allocateserver, with crashes: what they are is in tests/support/year.py."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from random import SystemRandom

from tests.support.year import Plan, Year


def main() -> int:
    """Gives 1 when something was that must not be."""
    parser = argparse.ArgumentParser(prog="tests.soak.year")
    parser.add_argument("--years", type=int, default=2, help="how many; every other one with local processes")
    parser.add_argument("--days", type=int, default=365, help="of a year")
    parser.add_argument("--crashes", type=float, default=0.01, help="the chance of a crash at each step")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(1 << 32), help="of the first year")
    options = parser.parse_args()
    failed = False
    for number in range(options.years):
        provisioner = ("libcloud", "local")[number % 2]
        plan = Plan(options.seed + number, provisioner, days=options.days, crash_rate=options.crashes)
        with tempfile.TemporaryDirectory(prefix="meeting-year-") as directory:
            year = Year(plan, Path(directory))
            print(year.run(), flush=True)
            troubles = year.world.troubles
        fine = "no overlap, no leak, nobody thrown out, nobody told to wait in vain"
        print("\n".join(troubles[:50]) or fine, flush=True)
        failed = failed or bool(troubles)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
