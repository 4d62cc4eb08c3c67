"""`make bench-sharing` measures a network of its own, and says of each goal whether it is reached."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.sqlite_file("the benchmark makes servers of its own")
def test_it_compares_local_and_negotiated_keys_and_judges_its_goals() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.sharing", "--quick", "--seconds", "0.1", "--clients", "2"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    goals = [line for line in lines if line.endswith(("| PASS |", "| MISS |"))]
    assert [line.split("|")[2].strip() for line in goals] == ["<= 8", "<= 1.1", ">= 100"]
    for operation in ("Create", "Re-key"):
        for kind in ("of this site alone", "negotiated, each by itself", "negotiated, from a pool"):
            (row,) = [line for line in lines if line.startswith(f"| {operation}, {kind} | 2 |")]
            rate, _, *used = [cell.strip() for cell in row.split("|")[3:-1]]
            assert float(rate.replace(",", "")) > 0
            assert len(used) == 5
