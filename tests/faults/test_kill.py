"""A server that is killed at any moment loses nothing that it acknowledged, and half-does nothing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from support.journal import Journal, Writer, load
from support.server import MakeServer, RunningServer

WRITERS = 8
KILLS = {"sqlite": 18, "postgresql": 7}
"""Where a commit is PostgreSQL's, there is less of ours that a kill could meet."""


@contextmanager
def writers_on(server: RunningServer, folder: Path, random: Random) -> Iterator[list[Writer]]:
    client = server.add_client("writers")
    journal = Journal.at(folder / "journal")
    yield [Writer(client, number, journal, Random(random.random())) for number in range(WRITERS)]
    journal.close()


def kill_under_load(server: RunningServer, writers: list[Writer], after: float) -> None:
    def kill() -> None:
        time.sleep(after)
        server.kill()

    load(writers, kill)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "workers"), [(1, 1), (2, 1), (3, 3)], ids=["1 worker", "1 worker again", "3 workers"])
def test_no_acknowledged_change_is_lost_by_kill_9(
    make_server: MakeServer, request: pytest.FixtureRequest, tmp_path: Path, seed: int, workers: int
) -> None:
    random, kills = Random(seed), KILLS[request.config.getoption("database")]
    server = make_server("--workers", str(workers))
    with writers_on(server, tmp_path, random) as writers:
        for _ in range(kills):
            server.start()
            wrong = [complaint for writer in writers for complaint in writer.verify_touched()]
            assert wrong == []
            kill_under_load(server, writers, random.uniform(0.02, 0.5))
        server.start()
        wrong = [complaint for writer in writers for complaint in writer.verify(list(writer.keys))]
        assert wrong == []
        counts = writers[0].journal.counts
    assert server.stop() == 0
    assert counts["acknowledged"] > kills * WRITERS
    assert counts["unknown"] > kills
    assert server.command("check", str(server.data)).returncode == 0


@pytest.mark.sqlite_file("it is put back to what it was")
def test_the_journal_notices_a_lost_change(make_server: MakeServer, tmp_path: Path) -> None:
    """The negative control: after an acknowledged load the database is put back to what it was before."""
    server = make_server()
    with writers_on(server, tmp_path, Random(4)) as writers:
        server.start()
        kill_under_load(server, writers, 0.3)
        shutil.copytree(server.data, tmp_path / "before")
        server.start()
        assert [complaint for writer in writers for complaint in writer.verify(list(writer.keys))] == []
        kill_under_load(server, writers, 0.3)
        shutil.rmtree(server.data)
        shutil.copytree(tmp_path / "before", server.data)
        server.start()
        assert [complaint for writer in writers for complaint in writer.verify(list(writer.keys))] != []
    server.kill()
