"""`make demo` tells its story to the end: each of its steps ends it with exit code 1 if it does not hold."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
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


@pytest.mark.sqlite_file("nodes and sites of the story have files of their own")
@pytest.mark.parametrize(
    ("module", "number"),
    [("demo.sharing_demo", signal.SIGTERM), ("demo.sharing_demo", signal.SIGHUP), ("demo.dscc_demo", signal.SIGINT)],
)
def test_nothing_of_it_goes_on_when_it_is_ended(tmp_path: Path, module: str, number: signal.Signals) -> None:
    told = subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert told.stdout is not None
    try:
        assert any("n3 listens on" in line for line in told.stdout)
        assert running_in(tmp_path)
        told.send_signal(number)
        _, wrong = told.communicate(timeout=60)
        assert told.returncode == 130
        assert "Traceback" not in wrong
        assert running_in(tmp_path) == []
        assert list(tmp_path.iterdir()) == []
    finally:
        told.kill()
        for left in running_in(tmp_path):
            with suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)


def running_in(folder: Path) -> list[int]:
    """The processes that run on something in a folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # a process that has just ended
            command = file.read_text().replace("\0", " ")
            found += [int(file.parent.name)] if " serve " in command and str(folder) in command else []
    return found
