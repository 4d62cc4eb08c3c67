"""When the disk is full nothing is acknowledged that is not kept, what needs no disk goes on, and all is well again as
soon as there is room, without a hand."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from support import requests as ask
from support.bad import assert_refused
from support.databases import Databases
from support.numbers import Reason
from support.requests import Session
from support.server import RunningServer

VERSION = (2, 1)
UNAVAILABLE = frozenset({Reason.GENERAL_FAILURE})
DISK_MIB = 24


class Disk:
    """A disk that can be made full and made free again."""

    def __init__(self, folder: Path, fill: Callable[[RunningServer], None], free: Callable[[RunningServer], None]):
        self.folder = folder
        self.fill = fill
        self.free = free


@contextmanager
def file_size_limit(folder: Path) -> Iterator[Disk]:
    """Writes that make a file longer fail (EFBIG), as they do at a quota."""

    def fill(server: RunningServer) -> None:
        longest = max(path.stat().st_size for path in server.data.glob("*.db*"))
        for pid in server.processes():
            hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (longest, hard))

    def free(server: RunningServer) -> None:
        for pid in server.processes():
            hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))

    yield Disk(folder, fill, free)


@contextmanager
def small_file_system(folder: Path) -> Iterator[Disk]:
    """A file system of its own, filled to the last byte (ENOSPC)."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"this user may not mount a small file system: {mounted.stderr.strip()}")
    ballast = folder / "ballast"

    def fill(_server: RunningServer) -> None:
        with ballast.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue

    def free(_server: RunningServer) -> None:
        ballast.unlink()

    try:
        yield Disk(folder, fill, free)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def create_until_refused(session: Session) -> list[str]:
    """Create keys until the server refuses one; answers those that were acknowledged."""
    made = []
    for number in range(20_000):
        result = session.do(ask.create_aes(VERSION, ask.name(f"key {os.getpid()} {number}")))
        if not result.ok:
            assert_refused(result, VERSION, UNAVAILABLE)
            return made
        made.append(result.unique_identifier)
    raise AssertionError("the disk never got full")


@pytest.mark.sqlite_file("the disk that gets full is the one that has it")
@pytest.mark.parametrize("disk", [file_size_limit, small_file_system])
def test_a_full_disk_loses_nothing_and_needs_no_repair(
    databases: Databases, tmp_path: Path, disk: Callable[[Path], AbstractContextManager[Disk]]
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with disk(folder) as small:
        server = RunningServer(databases, folder)
        server.start()
        try:
            _check(server, small)
        finally:
            server.kill()


def _check(server: RunningServer, disk: Disk) -> None:
    client = server.add_client("writer")
    with client.session(VERSION) as session:
        made = [session.create_aes() for _ in range(20)]
        material = {key: session.key_material(key) for key in made}
        disk.fill(server)
        made += create_until_refused(session)
        _while_full(session, made[0])
        disk.free(server)
        made.append(session.create_aes())
        for key in made:
            assert material.get(key, session.key_material(key)) == session.key_material(key)
        known = set(session.located())
    with client.session(VERSION) as session:
        session.create_aes()
    server.kill()
    server.start()
    with client.session(VERSION) as session:
        assert set(made) <= known <= set(session.located())
        for key in made:
            session.key_material(key)
    assert server.stop() == 0
    assert server.command("check", str(server.data)).returncode == 0


def _while_full(session: Session, key: str) -> None:
    """What changes something or must go on record is refused, every time; the rest is answered."""
    for asked in (
        ask.create_aes(VERSION),
        ask.register_key(VERSION, bytes(range(32))),
        ask.activate(key),
        ask.destroy(key),
        ask.get(key),
        ask.create_aes(VERSION),
    ):
        assert_refused(session.do(asked), VERSION, UNAVAILABLE)
    session.do(ask.discover_versions()).expect_success()
    state = session.do(ask.get_attributes(VERSION, key, ("State", ask.Tag.STATE))).expect_success()
    assert state.get(ask.Tag.ATTRIBUTES, ask.Tag.STATE) == ask.PRE_ACTIVE
