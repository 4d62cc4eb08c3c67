"""Faults: a full disk, a killed process, key bytes on the disk. What was acknowledged is there, and nothing in part."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.databases import Databases
from support.lanes import submit
from support.rows import MASTER_KEY, NAME, MakeRow, audited

from kmip_server.storage.check import check
from kmip_server.storage.group import GroupCommit, Scrubber, Work
from kmip_server.storage.lane import Lane
from kmip_server.storage.master_key import LocalMasterKey
from kmip_server.storage.port import Job, ObjectRow, StorageUnavailable, Unit
from kmip_server.storage.store import Store


def inserting(row: ObjectRow) -> Work:
    def work(unit: Unit) -> str:
        unit.insert(row, b"key bytes")
        unit.audit(audited("Create", row.unique_identifier))
        return row.unique_identifier

    return Work(work, writes=True)


@contextmanager
def no_more_pages(store: Store, group: GroupCommit) -> Iterator[None]:
    ((pages,),) = group._connection.all("PRAGMA page_count")
    group._connection.all(f"PRAGMA max_page_count={pages + 10}")
    yield
    group._connection.all("PRAGMA max_page_count=1000000")


@contextmanager
def no_larger_files(store: Store, group: GroupCommit) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(path.stat().st_size for path in store.database.path.parent.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 50_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("full", [no_more_pages, no_larger_files])
def test_a_full_disk_gives_no_false_success_and_the_lane_recovers_by_itself(
    sqlite_store: Store, make_row: MakeRow, full: type
) -> None:
    group = GroupCommit(sqlite_store.access)
    acknowledged = [group.carry_out([inserting(make_row())])[0].value for _ in range(20)]
    refused = 0
    with full(sqlite_store, group):
        for _ in range(30):
            rows = [make_row(attributes=bytes(3000)) for _ in range(4)]
            for row, outcome in zip(rows, group.carry_out([inserting(row) for row in rows]), strict=True):
                if outcome.error is None:
                    acknowledged.append(row.unique_identifier)
                else:
                    assert isinstance(outcome.error, StorageUnavailable)
                    refused += 1
        assert refused > 60
        reading = Work(lambda unit: unit.material(unit.get(acknowledged[0])), writes=False)  # type: ignore[arg-type]
        assert group.carry_out([reading])[0].value == b"key bytes"
    acknowledged.append(group.carry_out([inserting(make_row())])[0].value)
    group.close()
    with sqlite_store.unit(writes=False) as unit:
        assert all(unit.get(identifier) is not None for identifier in acknowledged)
    assert check(sqlite_store) == []
    with sqlite_store.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM objects").scalar() == len(acknowledged)


_WRITER = """
import os, sys
from support.lanes import submit
from support.rows import MASTER_KEY, NAME, audited, row_maker
from kmip_server.storage.master_key import LocalMasterKey
from kmip_server.storage.store import Store

store = Store.open(sys.argv[1], LocalMasterKey(MASTER_KEY))
lanes = store.lanes()
make = row_maker()

def create(unit):
    row = make(indexed=((NAME, "n"),))
    unit.insert(row, b"key bytes")
    unit.audit(audited("Create", row.unique_identifier))
    return row.unique_identifier

def told(future):
    os.write(1, future.result().encode() + b"\\n")

while True:
    futures = [submit(lanes, create, writes=True) for _ in range(8)]
    for future in futures:
        future.add_done_callback(told)
    for future in futures:
        future.result()
"""


def test_a_killed_writer_loses_nothing_that_it_acknowledged(store_url: str) -> None:
    Store.create(store_url, LocalMasterKey(MASTER_KEY)).close()
    acknowledged: list[str] = []
    chance = random.Random(7)
    for _ in range(6):
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, store_url], stdout=subprocess.PIPE, env=environment, text=True
        ) as writer:
            assert writer.stdout is not None
            acknowledged += [writer.stdout.readline().strip() for _ in range(chance.randint(1, 200))]
            writer.send_signal(signal.SIGKILL)
            # What was in the pipe was acknowledged before the kill; a cut-off line was not.
            acknowledged += [
                line.strip() for line in writer.stdout.read().splitlines(keepends=True) if line[-1:] == "\n"
            ]
    store = Store.open(store_url, LocalMasterKey(MASTER_KEY))
    with store.unit(writes=False) as unit:
        assert all(unit.get(identifier) is not None for identifier in acknowledged)
    assert len(acknowledged) > 100
    assert check(store) == []
    with store.database.reading() as connection:
        counts = {
            table: connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
            for table in ("objects", "material", "object_index", "audit")
        }
    assert len(set(counts.values())) == 1
    store.close()


def files_of(store: Store) -> bytes:
    return b"".join(path.read_bytes() for path in store.database.path.parent.rglob("*") if path.is_file())


def forms(secret: bytes) -> list[bytes]:
    import base64

    return [secret, secret.hex().encode(), secret.hex().upper().encode(), base64.b64encode(secret), secret[::-1]]


def test_no_key_is_on_the_disk_in_clear(store: Store, databases: Databases, make_row: MakeRow) -> None:
    secrets = [os.urandom(32) for _ in range(12)]
    group = GroupCommit(store.access)
    rows = [make_row(indexed=((NAME, f"searchable {n}"),)) for n in range(10)]

    def use(unit: Unit) -> None:
        for row, secret in zip(rows, secrets, strict=False):
            unit.insert(row, secret)
        unit.add_job(Job(b"job", "alice", 1, 1, secrets[10], 1, secrets[11]))
        unit.accept()
        unit.update_material(rows[0].next_version(), secrets[9])
        unit.update_material(rows[1]._replace(destroyed=True).next_version(), None)
        unit.update(rows[2]._replace(owner="bob", indexed=()).next_version())
        unit.insert(make_row(), secrets[8])
        assert list(unit.due(2**40, 5)) == []
        unit.discard()

    def again(unit: Unit) -> None:
        unit.update_material(rows[3].next_version(), None)
        unit.remove(rows[4].unique_identifier)
        found = unit.get(rows[5].unique_identifier)
        assert found is not None
        assert unit.material(found) == secrets[5]
        unit.update_material(found.next_version(), secrets[0])

    assert group.carry_out([Work(use, writes=True)])[0].error is None
    assert group.carry_out([Work(again, writes=True)])[0].error is None
    url = store.database.url.render_as_string(hide_password=False)
    content = b"".join(path.read_bytes() for path in databases.files(url))
    assert b"searchable 7" in content, "the search looks where the data is"
    assert not [form for secret in [*secrets, MASTER_KEY] for form in forms(secret) if form in content]
    group.close()


def test_erased_material_leaves_the_write_ahead_log_and_the_free_pages(
    sqlite_store: Store, make_row: MakeRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scrubber, "quiet", 0.02)
    row = make_row()
    lane = Lane(sqlite_store.access)
    submit(lane, inserting(row).function, writes=True).result(20)
    with sqlite_store.database.reading() as connection:
        stored = connection.exec_driver_sql("SELECT wrapped_key, sealed FROM objects JOIN material USING (material_id)")
        sealed: tuple[bytes, bytes] = tuple(stored.one())
    assert all(part in files_of(sqlite_store) for part in sealed)
    submit(lane, lambda unit: unit.update_material(row.next_version(), None), writes=True).result(20)
    deadline = time.monotonic() + 20
    while any(part in files_of(sqlite_store) for part in sealed):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    lane.close()


def test_a_lane_s_own_connection_is_as_durable_as_promised(sqlite_store: Store) -> None:
    """A setting of SQLite belongs to a connection: the one that counts is the lane's."""
    lane = Lane(sqlite_store.access)
    submit(lane, lambda unit: None, writes=True).result(20)
    connection = lane._group._connection
    settings = {"synchronous": 2, "journal_mode": "wal", "foreign_keys": 1, "secure_delete": 1, "trusted_schema": 0}
    lane.close()
    connection.begin(writes=False)
    assert {name: connection.all(f"PRAGMA {name}")[0][0] for name in settings} == settings
    connection.rollback()
    connection.close()
