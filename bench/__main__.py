"""`python -m bench`: measure, print the table, and write that of a full run to bench/results/."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench import machine
from bench.decisions import decisions
from bench.report import Report
from bench.runs import (
    FULL,
    HANDSHAKES,
    QUICK,
    SMALL,
    Row,
    answers_in_time,
    record_answers,
    run_rows,
    syncs_a_create,
)
from bench.servers import Ceiling, Ours, PyKmip, Server, stopped_at_the_end
from bench.workloads import WORKLOADS

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description="This server and PyKMIP's own, side by side.")
    parser.add_argument("--quick", action="store_true", help="about a second a figure, once, and fewer objects")
    parser.add_argument("--workers", type=int, default=1, help="worker processes of this server (default 1)")
    parser.add_argument(
        "--only", default="", help="comma-separated: " + ", ".join(w.key for w in (*WORKLOADS, HANDSHAKES))
    )
    parser.add_argument("--without-ours", action="store_true", help="PyKMIP and the ceiling alone")
    options = parser.parse_args()
    # Ended from outside, the servers are stopped all the same.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    plan = QUICK if options.quick else FULL
    wanted = set(filter(None, options.only.split(",")))
    chosen = tuple(w for w in (*WORKLOADS, HANDSHAKES) if not wanted or w.key in wanted)
    report = Report(
        plan=plan,
        date=datetime.now(UTC).date().isoformat(),
        commit=machine.commit(),
        workers=options.workers,
        machine=machine.description(),
        ours=Ours.title,
        theirs=PyKmip.title,
        ceiling=Ceiling.title,
    )
    root = Path(tempfile.mkdtemp(prefix="bench-"))
    with stopped_at_the_end(root) as started:

        def begin(server: type[Server], objects: int, *arguments: int) -> Server:
            folder = root / f"{len(started)}"
            folder.mkdir()
            one = server(folder, *arguments)
            started.append(one)
            report.filled[one.title] = one.fill(objects)
            return one

        both: dict[str, Server] = {}
        if not options.without_ours:
            both[Ours.title] = begin(Ours, SMALL, options.workers)
        both[PyKmip.title] = begin(PyKmip, SMALL)
        recorded = next(iter(both.values()))
        answers = root / "answers.json"
        answers.write_text(json.dumps(record_answers(recorded, WORKLOADS, recorded.stock)))
        (root / "ceiling").mkdir()
        ceiling = Ceiling(root / "ceiling", answers, recorded.stock)
        started.append(ceiling)
        everything = {**both, ceiling.title: ceiling}

        _pin_generator()
        report.decisions = decisions()
        small = [Row(workload, SMALL, number) for workload in chosen for number in plan.connections]
        report.rows += small
        run_rows(plan, small, everything)
        for title, server in both.items():
            report.memory[title, SMALL] = [machine.resident_mib(pid) for pid in server.processes()]
            report.syncs[title] = syncs_a_create(server)
        for server in everything.values():
            server.stop()

        scaled = [Row(w, plan.large, plan.connections[-1]) for w in chosen if w.key in ("locate", "get")]
        if scaled:
            report.rows += scaled
            large: dict[str, Server] = {}
            if not options.without_ours:
                large[Ours.title] = begin(Ours, plan.large, options.workers)
            theirs = begin(PyKmip, plan.large)
            run_rows(plan, [row for row in scaled if row.workload.key == "get"], {**large, PyKmip.title: theirs})
            run_rows(plan, [row for row in scaled if row.workload.key == "locate"], large)
            report.their_locate = answers_in_time(theirs, plan.patience)
            for title, server in (*large.items(), (PyKmip.title, theirs)):
                report.memory[title, plan.large] = [machine.resident_mib(pid) for pid in server.processes()]
    print(report.markdown())
    if not (options.quick or options.only or options.without_ours):
        print(f"Written to {report.write(RESULTS)}")


def _pin_generator() -> None:
    """The last processor is the generator's (servers take the others); a machine with one has to share it."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


if __name__ == "__main__":
    main()
