"""The Makefile: what is begun and fails is begun anew the next time."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
# As on a Debian without python3-venv: there is a folder with a python, and no pip in it.
PYTHON = """#!/bin/sh
[ "$1" = -m ] || exit 0
mkdir -p "$3/bin"
ln -sf "$0" "$3/bin/python"
echo "ensurepip is not available" >&2
exit 1
"""


def test_an_environment_that_is_not_finished_is_made_anew(tmp_path: Path) -> None:
    python, venv = tmp_path / "python", tmp_path / "venv"
    python.write_text(PYTHON)
    python.chmod(0o755)
    words = ("make", f"VENV={venv}", f"PYTHON={python}", f"{venv}/bin/python")
    for _ in range(2):
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2
        assert "ensurepip is not available" in done.stderr
    assert not (venv / "bin" / "python").exists()
