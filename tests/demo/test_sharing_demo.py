"""`make demo` tells its story to the end: each of its steps ends it with exit code 1 if it does not hold."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def shown(text: str) -> list[str]:
    """What it says that holds, without what is different each time."""
    return [re.sub(r"[0-9a-f-]{36}|[0-9][0-9,]+", "…", line) for line in text.splitlines() if "✓" in line]


@pytest.mark.sqlite_file("nodes and sites of the story have files of their own")
@pytest.mark.slow
def test_the_story_of_shared_keys_holds() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo.sharing_demo"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "It does not hold" not in done.stdout
    assert shown(done.stdout) == shown(README[README.index("$ make demo\n") :])
    assert done.stdout.rstrip().endswith("All of it holds.")
