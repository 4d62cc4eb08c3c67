"""What is started for a demonstration ends with it, or if it does not become ready."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from demo import processes

ROOT = Path(__file__).parents[2]
# The signal comes when the process is there, and before its starter has it.
PROGRAM = """
import os, signal, subprocess, sys
from pathlib import Path
from demo import processes

class Sleeper(processes.Running):
    command = [sys.executable, "-c", "import time; time.sleep(600)"]

def start(*arguments, **named):
    process = real(*arguments, **named)
    print(process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    return process

real, subprocess.Popen = subprocess.Popen, start
sleeper = Sleeper(Path(sys.argv[1]), "sleeper")
processes.end_on_signals()
try:
    sleeper.launch()
finally:
    sleeper.kill()
"""


def test_a_process_that_is_just_started_is_ended_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 130
    assert not Path(f"/proc/{int(done.stdout)}").exists()


class Silent(processes.Running):
    ready_lines = frozenset({"ready"})
    command = [sys.executable, "-c", "import time; time.sleep(600)"]  # type: ignore[assignment]


def test_what_does_not_become_ready_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_START_SECONDS", 0.5)
    silent = Silent(tmp_path, "silent")
    with pytest.raises(RuntimeError, match="silent does not start"):
        silent.start()
    assert not silent.runs
