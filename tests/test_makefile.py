"""The Makefile: what is begun and fails is begun anew the next time, and benchmarks run our packages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("target", ["bench", "bench-sharing", "bench-dscc"])
def test_servers_of_a_benchmark_find_our_packages_and_not_the_tests_of_them(target: str) -> None:
    """tests/dscc is no package, and hides dscc where the path begins with tests."""
    told = subprocess.run(("make", "--dry-run", target), cwd=ROOT, capture_output=True, text=True, check=True)
    path = re.search(r"PYTHONPATH=(\S+)", told.stdout)
    assert path is not None
    imports = "import dscc.device.vault, support.requests"
    environment = os.environ | {"PYTHONPATH": path[1]}
    subprocess.run([sys.executable, "-P", "-c", imports], cwd=ROOT, env=environment, check=True, timeout=60)
