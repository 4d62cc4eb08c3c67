"""Asynchronous jobs in the store: each is answered once, whoever tries it too, and in the end forgotten."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import select, update
from support import requests as ask
from support.lanes import submit
from support.numbers import Tag
from support.wire import enumeration

from kmip_server.engine import Engine
from kmip_server.identity.caller import Caller
from kmip_server.operations.jobs import request_of
from kmip_server.operations.services import Services
from kmip_server.storage import schema
from kmip_server.storage.lane import Lane
from kmip_server.storage.port import Job, StorageConflict, Unit
from kmip_server.storage.store import Store
from kmip_server.ttlv import binary
from kmip_server.ttlv.item import Limits
from policy.compiling import Ruling
from policy.model import Policy

SUBMITTED, COMPLETED = 1, 3
NOW = 1_700_000_000
ALICE = Caller("alice", frozenset())


def job(value: bytes, stage: int = SUBMITTED, at: int = 5) -> Job:
    return Job(value, "alice", at, 1, b"request", stage, b"response" if stage == COMPLETED else None)


def add(store: Store, *jobs: Job) -> None:
    with store.unit(writes=True) as unit:
        for each in jobs:
            unit.add_job(each)


def answered(found: Job, response: bytes) -> Job:
    return replace(found, stage=COMPLETED, response=response)


def values(store: Store, stage: int) -> list[bytes]:
    with store.unit(writes=False) as unit:
        return [found.correlation_value for found in unit.jobs(stage, 10)]


def test_a_job_takes_one_answer(store: Store) -> None:
    add(store, job(b"1"))
    with store.unit(writes=True) as unit:
        unit.update_job(answered(job(b"1"), b"first"))
    with pytest.raises(StorageConflict), store.unit(writes=True) as unit:
        unit.update_job(answered(job(b"1"), b"second"))
    with store.unit(writes=False) as unit:
        found = unit.job(b"1")
    assert found is not None
    assert found.response == b"first"


def test_an_answer_to_no_job_is_a_conflict(store: Store) -> None:
    with pytest.raises(StorageConflict), store.unit(writes=True) as unit:
        unit.update_job(answered(job(b"1"), b"response"))


def test_old_jobs_of_a_stage_are_forgotten_and_no_others(store: Store) -> None:
    add(store, job(b"old", COMPLETED, 9), job(b"just", COMPLETED, 10), job(b"new", COMPLETED, 11), job(b"open", at=1))
    with store.unit(writes=True) as unit:
        unit.forget_jobs(COMPLETED, 10)
        unit.accept()
    assert values(store, COMPLETED) == [b"just", b"new"]
    assert values(store, SUBMITTED) == [b"open"]


def test_forgetting_is_taken_back_with_the_rest(store: Store) -> None:
    add(store, job(b"old", COMPLETED, 9))
    with store.unit(writes=True) as unit:
        unit.forget_jobs(COMPLETED, 10)
        unit.discard()
    assert values(store, COMPLETED) == [b"old"]


def test_a_broken_job_does_not_hide_the_others(store: Store) -> None:
    add(store, job(b"1"), job(b"2"), job(b"3"))
    with store.database.writing() as connection:
        table = schema.jobs
        connection.execute(update(table).where(table.c.correlation_value == b"2").values(owner="mallory"))
    assert values(store, SUBMITTED) == [b"1", b"3"]


@contextmanager
def two_lanes(store: Store) -> Iterator[tuple[Lane, Lane]]:
    """Two workers on one database."""
    lanes = Lane(store.access), Lane(store.access)
    yield lanes
    for lane in lanes:
        lane.close()


def submitted(store: Store, engine: Engine) -> tuple[Job, ...]:
    """The jobs of a request that came in: Create, then Activate by the placeholder."""
    mandatory = (enumeration(Tag.ASYNCHRONOUS_INDICATOR, 1),)
    asked = ask.batch((2, 1), ask.create_aes((2, 1)), ask.activate(), fields=mandatory)
    plan = engine.read(binary.decode(asked, Limits()), NOW)
    with store.unit(writes=True) as unit:
        return engine.process(unit, ALICE, plan.request, NOW).jobs


def test_two_workers_that_find_the_same_jobs_carry_them_out_once(store: Store) -> None:
    """On PostgreSQL both see them outstanding at the same time; the second one's work is rolled back."""
    engine = Engine(Services(ruling=Ruling(Policy())))
    jobs = submitted(store, engine)
    request = request_of(jobs)
    both_have_read = threading.Barrier(1 if store.database.sqlite else 2)
    waited = threading.local()

    def work(unit: Unit) -> bool:
        found = unit.job(jobs[0].correlation_value)
        outstanding = found is not None and found.response is None
        if not hasattr(waited, "once"):
            waited.once = True
            both_have_read.wait(20)
        engine.run_jobs(unit, ALICE, jobs, request, NOW, {})
        return outstanding

    with two_lanes(store) as lanes:
        futures = [submit(lane, work, writes=True) for lane in lanes]
        assert sorted(future.result(30) for future in futures) == [False, True]
    with store.database.reading() as connection:
        objects = connection.execute(select(schema.objects.c.state)).scalars().all()
        audit = schema.audit.c
        recorded = connection.execute(select(audit.operation, audit.outcome).order_by(audit.sequence)).all()
    assert objects == [2]
    assert [tuple(row) for row in recorded] == [
        ("Create", "submitted"),
        ("Activate", "submitted"),
        ("Create", "succeeded"),
        ("Activate", "succeeded"),
    ]


def test_a_job_that_is_canceled_while_it_is_carried_out_is_one_or_the_other(store: Store) -> None:
    engine = Engine(Services(ruling=Ruling(Policy())))
    jobs = submitted(store, engine)
    request = request_of(jobs)
    both_have_read = threading.Barrier(1 if store.database.sqlite else 2)
    waited = threading.local()

    def meet() -> None:
        if not hasattr(waited, "once"):
            waited.once = True
            both_have_read.wait(20)

    def run(unit: Unit) -> None:
        assert unit.job(jobs[0].correlation_value) is not None
        meet()
        engine.run_jobs(unit, ALICE, jobs, request, NOW, {})

    def cancel(unit: Unit) -> bool:
        found = unit.job(jobs[0].correlation_value)
        meet()
        if found is None or found.response is not None:
            return False
        unit.update_job(answered(found, b"canceled"))
        unit.accept()
        return True

    with two_lanes(store) as lanes:
        done, canceled = submit(lanes[0], run, writes=True), submit(lanes[1], cancel, writes=True)
        done.result(30)
        was_canceled = canceled.result(30)
    with store.database.reading() as connection:
        made = len(connection.execute(select(schema.objects.c.state)).all())
    with store.unit(writes=False) as unit:
        found = unit.job(jobs[0].correlation_value)
    assert found is not None
    assert (made, found.response == b"canceled") == ((0, True) if was_canceled else (1, False))
