"""No test is left out on PostgreSQL because it forgot to ask for a database: such a test fails on SQLite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
SETTINGS = TESTS.parent / "setup.cfg"
FORGETFUL = """
import sqlite3, subprocess
import pytest
from support.server import COMMAND

def test_opens(tmp_path):
    sqlite3.connect(tmp_path / "a.db").close()

def test_starts():
    subprocess.run([COMMAND, "--version"], check=True)

def test_asks(databases, tmp_path):
    sqlite3.connect(tmp_path / "a.db").close()

@pytest.mark.sqlite_file("this")
def test_is_marked(tmp_path):
    sqlite3.connect(tmp_path / "a.db").close()

def test_has_none():
    pass

def test_wants_the_server_itself(postgres):
    pass
"""


def run(folder: Path, kind: str, *options: str) -> str:
    (folder / "test_forgetful.py").write_text(FORGETFUL)
    command = [sys.executable, "-m", "pytest", "-c", SETTINGS, "-p", "conftest", "-p", "no:cacheprovider"]
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    arguments = [
        *command,
        "-p",
        "no:cacheprovider",
        "--basetemp",
        folder / "temp",
        "--database",
        kind,
        *options,
        folder,
    ]
    return subprocess.run(arguments, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True).stdout


def test_who_opens_a_database_without_asking_fails(tmp_path: Path) -> None:
    said = run(tmp_path, "sqlite")
    failed = [line.split("::")[1].split()[0] for line in said.splitlines() if line.startswith(("ERROR ", "FAILED "))]
    assert failed == ["test_opens", "test_starts"], said
    assert "it has to ask for the fixture 'databases'" in said
    assert "LEFT OUT on sqlite [1] tests that are about PostgreSQL itself" in said


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    said = run(tmp_path, "postgresql", "--collect-only", "-q")
    assert [line.split("::")[1] for line in said.splitlines() if "::" in line] == [
        "test_asks",
        "test_wants_the_server_itself",
    ], said
    assert "LEFT OUT on postgresql [3] tests that use no database" in said
    assert "LEFT OUT on postgresql [1] tests that are about SQLite's file: this" in said
