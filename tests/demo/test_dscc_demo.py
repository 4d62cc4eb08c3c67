"""`make demo-dscc` tells its story to the end: each of its steps ends it with exit code 1 if it does not hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_story_of_dscc_holds() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo.dscc_demo"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓") == 23
    assert "It does not hold" not in done.stdout
    assert done.stdout.rstrip().endswith("All of it holds.")
