"""`python -m bench.sharing`: measure, print the tables, and write those of a full run to bench/results/."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import machine
from bench.sharing.network import network
from bench.sharing.report import markdown
from bench.sharing.runs import FULL, QUICK, measured

RESULTS = Path(__file__).parents[1] / "results"
PROCESSORS = 2


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.sharing", description="Keys of two sites beside keys of one.")
    parser.add_argument("--quick", action="store_true", help="about a second a figure, once")
    parser.add_argument("--seconds", type=float, help="how long a run takes")
    parser.add_argument("--clients", type=int, help="how many clients, instead of one and then several")
    options = parser.parse_args()
    # Ended from outside, nodes and sites are stopped all the same.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:PROCESSORS])
    plan = QUICK if options.quick else FULL
    if options.seconds:
        plan = replace(plan, seconds=options.seconds)
    if options.clients:
        plan = replace(plan, clients=(options.clients,))
    with TemporaryDirectory(prefix="bench-") as folder, network(Path(folder)) as made:
        rows = measured(made, plan)
    text = markdown(rows, plan)
    print(text)
    if plan == FULL:
        file = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-{machine.commit()}-sharing.md"
        file.write_text(text)
        print(f"Written to {file}")


if __name__ == "__main__":
    main()
