"""Micro benchmark of the storage: µs for a get, an insert, a group, and Locate by name in small and large stores.

    python -m bench.storage_bench [--url URL] [--objects N]

Without a URL it makes an SQLite store in a temporary directory. Each figure is the best of several rounds, since other
load on the machine only ever adds. "work" is what a piece of work costs before its commit, "commit" its share of the
commit with synchronous=FULL, "cpu" the processor time of both; the difference is waiting for the disk.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import tempfile
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from kmip_server.storage.group import GroupCommit, Outcome, Work
from kmip_server.storage.identifiers import new_identifier
from kmip_server.storage.lane import Lane
from kmip_server.storage.loop_lane import LoopLane
from kmip_server.storage.master_key import LocalMasterKey
from kmip_server.storage.port import AuditEntry, ObjectRow, Search, Unit
from kmip_server.storage.store import Store
from kmip_server.ttlv.enumerations import CryptographicAlgorithm, ObjectType, State
from kmip_server.ttlv.tags import Tag

ROUNDS = 5
OPERATIONS = 960
NAME = int(Tag.NAME)


def new_row(name: str) -> ObjectRow:
    return ObjectRow(
        unique_identifier=new_identifier(),
        owner="alice",
        object_type=ObjectType.SYMMETRIC_KEY,
        state=State.ACTIVE,
        attributes=bytes(400),
        operation_policy="default",
        cryptographic_algorithm=CryptographicAlgorithm.AES,
        cryptographic_length=256,
        cryptographic_usage_mask=0x0C,
        initial_date=int(time.time()),
        indexed=((NAME, name),),
    )


def insert(unit: Unit) -> str:
    row = new_row(secrets.token_hex(8))
    unit.insert(row, os.urandom(32))
    unit.audit(AuditEntry(1, "alice", "Create", row.unique_identifier, "Success"))
    return row.unique_identifier


def getter(identifiers: list[str]) -> Callable[[Unit], Any]:
    def get(unit: Unit) -> bytes | None:
        row = unit.get(random.choice(identifiers))
        assert row is not None
        unit.audit(AuditEntry(1, "alice", "Get", row.unique_identifier, "Success"))
        return unit.material(row)

    return get


def grouped(store: Store, work: Callable[[Unit], Any], size: int) -> tuple[float, float, float]:
    """µs an operation in groups of a size: before the commit, for the commit, and processor time of both."""
    group = GroupCommit(store.access)
    best = (1e9, 1e9, 1e9)
    for _ in range(ROUNDS):
        working = committing = processor = 0.0
        for _ in range(max(OPERATIONS // size // 4, 1)):
            batch = [Work(work, writes=True)] * size
            cpu, start = time.thread_time(), time.perf_counter()
            ready = group.prepare(batch)
            assert ready is not None
            middle = time.perf_counter()
            outcomes = group.commit(ready)
            assert outcomes is not None
            end = time.perf_counter()
            processor += time.thread_time() - cpu
            working, committing = working + middle - start, committing + end - middle
            assert all(outcome.error is None for outcome in outcomes)
        number = max(OPERATIONS // size // 4, 1) * size / 1e6
        best = min(
            best, (working / number, committing / number, processor / number), key=lambda figures: sum(figures[:2])
        )
    group.close()
    return best


def submitted(store: Store, work: Callable[[Unit], Any], submitters: int, on_loop: bool) -> tuple[float, float]:
    """µs an operation with so many that each submit their next when the one before has ended: elapsed, processor."""
    calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
    lane: Lane | LoopLane
    if on_loop:
        lane = LoopLane(store.access, call_soon=calls.put, call_from_thread=calls.put)
    else:
        lane = Lane(store.access, on_group_done=calls.put)
    best = (1e9, 1e9)
    for _ in range(ROUNDS):
        left, ready = OPERATIONS, deque(range(submitters))

        def ended(outcome: Outcome, ready: deque[int] = ready) -> None:
            assert outcome.error is None
            ready.append(0)

        cpu, start = time.process_time(), time.perf_counter()
        under_way = 0
        while left or under_way:
            while ready and left:
                ready.popleft()
                lane.submit(work, ended, writes=True)
                left, under_way = left - 1, under_way + 1
            before = len(ready)
            calls.get()()
            under_way -= len(ready) - before
        figures = ((time.perf_counter() - start) / OPERATIONS * 1e6, (time.process_time() - cpu) / OPERATIONS * 1e6)
        best = min(best, figures)
    lane.close()
    return best


def locate(store: Store, name: str) -> float:
    search = Search(owner="alice", index=((NAME, name),))
    best = 1e9
    for _ in range(ROUNDS):
        with store.unit(writes=False) as unit:
            start = time.perf_counter()
            for _ in range(200):
                assert len(list(unit.search(search))) == 1
            best = min(best, (time.perf_counter() - start) / 200 * 1e6)
    return best


def fill(store: Store, number: int) -> str:
    """Add objects; the name of one in the middle."""
    group = GroupCommit(store.access)
    names = [f"bench {secrets.token_hex(8)}" for _ in range(number)]

    def add(some: list[str]) -> Callable[[Unit], None]:
        def work(unit: Unit) -> None:
            for name in some:
                unit.insert(new_row(name), None)

        return work

    for start in range(0, number, 500):
        (outcome,) = group.carry_out([Work(add(names[start : start + 500]), writes=True)])
        assert outcome.error is None
    group.close()
    return names[number // 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="an empty database; without it, SQLite in a temporary directory")
    parser.add_argument("--objects", type=int, default=100_000, help="objects in the large store")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kmip-bench-") as directory:
        store = Store.create(options.url or f"sqlite:///{directory}/store.db", LocalMasterKey(os.urandom(32)))
        with store.unit(writes=True) as unit:
            identifiers = [insert(unit) for _ in range(2000)]
        works = {"get": getter(identifiers), "insert": insert}
        print(f"{'':24}{'work':>9}{'commit':>9}{'cpu':>9}   µs an operation")
        for size in (1, 32):
            for name, work in works.items():
                figures = grouped(store, work, size)
                print(f"{name + f', groups of {size}':24}" + "".join(f"{figure:9.1f}" for figure in figures))
        print(f"\n{'':40}{'elapsed':>9}{'cpu':>9}   µs an operation")
        for submitters in (1, 32):
            for name, work in works.items():
                for on_loop in (False, True) if store.database.sqlite else (False,):
                    elapsed, cpu = submitted(store, work, submitters, on_loop)
                    where = "on the loop" if on_loop else "in a thread"
                    print(f"{name + f', {submitters} submitters, {where}':40}{elapsed:9.1f}{cpu:9.1f}")
        print(f"\n{'':24}{'Locate':>9}{'get':>9}   µs an operation")
        for number in (1_000, options.objects):
            name = fill(store, number)
            found, got = locate(store, name), grouped(store, works["get"], 32)[0]
            print(f"{f'{number} objects more':24}{found:9.1f}{got:9.1f}")
        store.close()


if __name__ == "__main__":
    main()
