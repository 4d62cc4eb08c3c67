"""A process that is killed at a statement of an act has done it whole or not at all; the next look does the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import select, text
from support import requests as ask
from support.automating import DAY, NOON, Rules
from support.requests import one

from kmip_server.engine import Engine
from kmip_server.identity.caller import Caller
from kmip_server.operations.services import Services
from kmip_server.storage import schema
from kmip_server.storage.accounts import read_accounts
from kmip_server.ttlv import binary
from kmip_server.ttlv.item import Limits

_PROGRAM = """
import os, signal, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from kmip_server.storage.connection import HeldConnection
from kmip_server.storage.master_key import LocalMasterKey
from kmip_server.storage.store import Store
from support.automating import Rules
from support.rows import MASTER_KEY

left = 0

def count(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def counted(method):
    def call(*arguments, **named):
        count()
        return method(*arguments, **named)
    return call

for name in ("first", "all", "run", "run_many", "begin", "commit"):
    setattr(HeldConnection, name, counted(getattr(HeldConnection, name)))
event.listen(Engine, "before_cursor_execute", count)
event.listen(Engine, "commit", count)

while line := sys.stdin.readline():
    child = os.fork()
    if child == 0:
        os.dup2(2, 1)
        worker = Rules(Store.open(sys.argv[1], LocalMasterKey(MASTER_KEY))).worker()
        left = int(line)
        worker.look(int(sys.argv[2]))
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""
NOW = NOON + 100 * DAY


@pytest.fixture
def look(store_url: str) -> Iterator[Callable[[int], bool]]:
    """A look in a process of its own, which is killed at a statement: whether it was."""
    command = [sys.executable, "-c", _PROGRAM, store_url, str(NOW)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, env=environment) as program:  # type: ignore[call-overload]
        assert program.stdin is not None
        assert program.stdout is not None
        asks, answers = program.stdin, program.stdout

        def ask_for_one(kill_at: int) -> bool:
            print(kill_at, file=asks, flush=True)
            status = int(answers.readline())
            assert status in (0, signal.SIGKILL)
            return status == signal.SIGKILL

        yield ask_for_one
        asks.close()


def inactive(rules: Rules) -> None:
    rules.put({"name": "r", "if": "inactive", "then": "quarantine", "days": 30, "subjects": ["anyone"]})
    rules.add("ann", NOON)


def waiting(rules: Rules) -> None:
    rules.put({"name": "r", "if": "approvals-outstanding", "then": "escalate", "count": 1, "channels": ["ops"]})
    with rules.store.database.writing() as connection:
        connection.execute(
            text(
                "INSERT INTO approvals (approval_id, digest, subject, action, resource, needs, requested_at)"
                " VALUES ('1', :digest, 'ann', 'DESTROY', 'x', '[[1, [\"auditor\"], 604800]]', :at)"
            ),
            {"digest": b"1", "at": NOW},
        )


def old_key(rules: Rules) -> None:
    rules.put({"name": "r", "if": "key-older", "then": "rotate", "days": 30})
    engine = Engine(Services(ruling=rules.worker()._directory().ruling))
    created = one((2, 1), ask.create_aes((2, 1), ask.activation_date(NOON)))
    plan = engine.read(binary.decode(created, Limits()), NOON)
    with rules.store.unit(writes=True) as unit:
        engine.process(unit, Caller("ann"), plan.request, NOON)


def effects(rules: Rules) -> tuple[int, ...]:
    """How often something was put on record for the rule, told, claimed, and what it has come to."""
    audit = schema.audit.c
    with rules.store.database.reading() as connection:
        on_record = connection.execute(
            select(audit.sequence).where(audit.caller.contains("rule r") | audit.detail.contains("rule r"))
        ).all()
        told, claimed, objects = (
            len(connection.execute(select(table)).all())
            for table in (schema.outbox, schema.automatic_acts, schema.objects)
        )
    return len(on_record), told, claimed, objects, len(read_accounts(rules.store.database).quarantined)


CASES = {inactive: (1, 2, 1, 0, 1), waiting: (1, 1, 1, 0, 0), old_key: (1, 1, 1, 2, 0)}


@pytest.mark.parametrize("prepare", CASES, ids=lambda prepare: prepare.__name__)
def test_it_is_done_whole_or_not_at_all_and_once(
    rules: Rules, look: Callable[[int], bool], prepare: Callable[[Rules], None]
) -> None:
    prepare(rules)
    nothing, everything = effects(rules), CASES[prepare]
    kill_at = 1
    while effects(rules) == nothing and look(kill_at):
        assert effects(rules) in (nothing, everything)
        kill_at += 3
    assert kill_at > 10, "it was killed again and again until its commit"
    assert effects(rules) == everything
    assert rules.look(NOW) == []
    assert effects(rules) == everything
