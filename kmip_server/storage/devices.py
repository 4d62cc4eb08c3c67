"""Devices and their stages: each change is one transaction with its transition, its audit record, and the epoch.

Whoever changes a device says how many transitions it knows of: of two who go on from the same stage, one does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from kmip_server.storage import schema
from kmip_server.storage.accounts import AccountError, changing
from kmip_server.storage.administration import done
from kmip_server.storage.approving import ApprovalMissing, approved
from kmip_server.storage.database import Database
from kmip_server.storage.identifiers import new_identifier
from policy import store as policy_store
from policy import workflows
from policy.approvals import request_for_step
from policy.model import Member, Stage


@dataclass(frozen=True, slots=True)
class Device:
    """A device: its stage and since when (POSIX seconds), and the workflow by which it was enrolled."""

    name: str
    stage: str
    workflow: str
    workflow_version: int
    since: int
    last_seen_at: int | None
    revoked_at: int | None
    attributes: Mapping[str, str]
    transitions: int


def list_devices(database: Database) -> list[Device]:
    """Every device, by name."""
    with database.reading() as connection:
        return [_device(row) for row in connection.execute(select(schema.devices).order_by(schema.devices.c.name))]


def history(database: Database, name: str) -> Sequence[Row[Any]]:
    """Every stage that a device has taken, the oldest first. Raises AccountError if there is no such device."""
    table = schema.device_transitions
    with database.reading() as connection:
        _found(connection, name)
        return connection.execute(select(table).where(table.c.device == name).order_by(table.c.number)).all()


def add_device(database: Database, name: str, attributes: Mapping[str, str], *, author: str, now: int) -> Device:
    """Enrol a device at the first stage of its workflow. Raises AccountError if the name is taken, PolicyError."""
    with changing(database) as connection:
        if _row(connection, name) is not None:
            raise AccountError(f"there is a device {name!r} already")
        policy = policy_store.in_force(connection)
        workflow = workflows.workflow_name(policy, policy.devices.get(name, Member()))
        found = workflows.named(policy, workflow)
        if found is None:
            raise AccountError(f"there is no workflow {workflow!r}")
        first = found.stages[0]
        added = Device(name, "", workflow, found.version, now, None, None, attributes, 0)
        values = {field: getattr(added, field) for field in Device.__slots__}
        connection.execute(insert(schema.devices).values(values | {"attributes": json.dumps(dict(attributes))}))
        return _move(connection, added, first.name, first.notify, author=author, now=now)


def advance(database: Database, known: Device, *, author: str, now: int, to: str | None = None) -> Device:
    """Have a device take its next stage, which has to be `to`, if that is given.

    Raises ApprovalMissing, after asking; AccountError if there is no next stage, a check is not met, others refused, or
    the device has taken a stage since `known` was read; PolicyError if no policy has its workflow any more.
    """
    missing = None
    with changing(database) as connection:
        device = _unchanged(connection, known)
        workflow = policy_store.workflow_in_version(connection, device.workflow, device.workflow_version)
        stage = workflows.next_stage(workflow, device.stage)
        if stage is None:
            raise AccountError(f"there is no stage after {device.stage!r} for {device.name}")
        if to not in (None, stage.name):
            raise AccountError(f"the stage after {device.stage!r} is {stage.name!r} for {device.name}, not {to!r}")
        lacking = workflows.unmet(stage, device.attributes, device.since, now)
        if lacking:
            raise AccountError(f"{device.name} does not take the stage {stage.name!r}: {'; '.join(lacking)}")
        approved_by = _approved(connection, device, stage, author, now)
        if isinstance(approved_by, ApprovalMissing):
            # Raised after the commit: the question stays.
            missing = approved_by
        else:
            return _move(connection, device, stage.name, stage.notify, author=author, now=now, approvals=approved_by)
    raise missing


def quarantine(database: Database, name: str, *, author: str, now: int, detail: str = "") -> Device:
    """Put a device into quarantine. Raises AccountError if it is there, or revoked, or not known."""
    with changing(database) as connection:
        return set_apart(connection, name, workflows.QUARANTINE, author=author, now=now, detail=detail)


def revoke(database: Database, name: str, *, author: str, now: int, detail: str = "") -> Device:
    """Revoke a device, for good. Raises AccountError if it is revoked, or not known."""
    with changing(database) as connection:
        return set_apart(connection, name, workflows.REVOKED, author=author, now=now, detail=detail)


def find(database: Database, name: str) -> Device:
    """A device by its name. Raises AccountError if there is none."""
    with database.reading() as connection:
        return _found(connection, name)


def set_apart(connection: Connection, name: str, stage: str, *, author: str, now: int, detail: str) -> Device:
    """Put a device into quarantine or revoke it (`stage`), in the caller's transaction, which moves the epoch on.

    Raises AccountError if it is there, or revoked, or not known.
    """
    device = _found(connection, name)
    if device.stage in (stage, workflows.REVOKED):
        raise AccountError(f"the stage of {name} is {device.stage!r} already")
    return _move(connection, device, stage, frozenset(), author=author, now=now, detail=detail)


def _move(
    connection: Connection,
    device: Device,
    stage: str,
    notify: frozenset[str],
    *,
    author: str,
    now: int,
    approvals: Sequence[str] = (),
    detail: str = "",
) -> Device:
    """Put a device at a stage, with all that goes on record."""
    number = device.transitions + 1
    revoked_at = now if stage == workflows.REVOKED else None
    table = schema.devices
    values = {"stage": stage, "since": now, "transitions": number, "revoked_at": revoked_at}
    connection.execute(update(table).where(table.c.name == device.name).values(values))
    connection.execute(
        insert(schema.device_transitions).values(
            device=device.name,
            number=number,
            from_stage=device.stage,
            to_stage=stage,
            at=now,
            author=author,
            approvals=json.dumps(sorted(approvals)),
            notify=json.dumps(sorted(notify)),
            detail=detail,
        )
    )
    step = f"{device.stage} -> {stage}" if device.stage else stage
    words = "; ".join([step, *([detail] if detail else []), *[f"approved by {each}" for each in sorted(approvals)]])
    done(
        connection,
        "device-stage-changed",
        "Device Stage",
        by=author,
        about=device.name,
        now=now,
        detail=words,
        channels=notify,
    )
    return _found(connection, device.name)


def _approved(
    connection: Connection, device: Device, stage: Stage, author: str, now: int
) -> Sequence[str] | ApprovalMissing:
    """Who has approved this step, which is used up with it; or that others are asked."""
    if not stage.approvals:
        return ()
    return approved(connection, request_for_step(new_identifier(), author, device.name, stage, device.transitions, now))


def _unchanged(connection: Connection, known: Device) -> Device:
    device = _found(connection, known.name)
    if device.transitions != known.transitions:
        raise AccountError(f"{known.name} has taken the stage {device.stage!r} meanwhile")
    return device


def _found(connection: Connection, name: str) -> Device:
    row = _row(connection, name)
    if row is None:
        raise AccountError(f"there is no device {name!r}; `devices list` has them")
    return _device(row)


def _row(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(schema.devices).where(schema.devices.c.name == name)).first()


def _device(row: Row[Any]) -> Device:
    return Device(**dict(row._mapping) | {"attributes": json.loads(row.attributes)})
