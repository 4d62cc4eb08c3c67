"""Who is registered at a node: tokens, devices and their stages, and the chains of both devices and links.

Every function works in the transaction that its caller has begun, together with what else has to be true at the same
time. What changes a stage leaves a transition and a record.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from dscc.errors import DsccError, Reason
from dscc.messages import R1, R3, R4
from dscc.node import schema, telling
from dscc.node.audit import Entry, record
from dscc.node.database import NodeError
from dscc.node.sealing import NodeKey
from dscc.primitives import NOTHING, ROOT_BYTES
from dscc.registration import NO_TOKEN, TOKEN_BYTES, TOKEN_ID_BYTES, Mode, Root, Token
from dscc.session import Chain, begin_chain
from dscc.wire import decode_as, encode
from policy import store as policy_store
from policy import workflows
from policy.approvals import ADVANCE_STAGE
from policy.model import Member

LINK: Final = "node:"
"""In front of a node's name where a chain's holder is another node."""
_REVOKED: Final = select(schema.revocations.c.number).where(
    schema.revocations.c.kind == schema.DEVICE, schema.revocations.c.subject == bindparam("device")
)


@dataclass(frozen=True, slots=True)
class Device:
    """A device: its stage, since when, by which workflow; and whether somebody has accepted it (ota-tofu)."""

    name: str
    workflow: str
    workflow_version: int
    stage: str
    since: int
    attributes: Mapping[str, str]
    accepted_at: int | None
    short_string: str
    revoked_at: int | None
    last_seen_at: int | None
    transitions: int


# Tokens. --------------------------------------------------------------------------------------------------------------


def mint_token(connection: Connection, key: NodeKey, device: str, mode: Mode, now: int, ttl: int, author: str) -> Token:
    """A token for a device, to be used once within `ttl` seconds."""
    token = Token(secrets.token_bytes(TOKEN_ID_BYTES), secrets.token_bytes(TOKEN_BYTES))
    sealed = key.seal(token.secret, b"tokens", token.token_id, device.encode(), mode.encode())
    values = {"token_id": token.token_id, "device": device, "mode": mode, "sealed_secret": sealed}
    connection.execute(insert(schema.tokens).values(values | {"expires_at": now + ttl}))
    record(connection, Entry(now, author, "Enrolment Code", device, "done", f"{mode}, for {ttl} s"))
    return token


def token_of(connection: Connection, key: NodeKey, r1: R1, now: int, *, tofu: bool) -> Token:
    """The token that an offer names. Raises DsccError (TOKEN_REFUSED), in the same words whatever is wrong with it."""
    if r1.mode == Mode.OTA_TOFU and r1.token_id == NO_TOKEN.token_id:
        if tofu:
            return NO_TOKEN
        raise DsccError(Reason.TOKEN_REFUSED, "this node registers nobody without a token")
    row = connection.execute(select(schema.tokens).where(schema.tokens.c.token_id == r1.token_id)).first()
    if row is None or row.used_by is not None or row.expires_at < now or (row.device, row.mode) != (r1.device, r1.mode):
        raise _no_token(used=row is not None and row.used_by is not None)
    secret = key.open(row.sealed_secret, b"tokens", row.token_id, row.device.encode(), row.mode.encode())
    return Token(row.token_id, secret)


def _no_token(*, used: bool) -> DsccError:
    for_record = "a token was used twice: it may have been stolen" if used else ""
    return DsccError(Reason.TOKEN_REFUSED, "that is no token for this device, or not any more", for_record)


def answered_before(connection: Connection, r3: R3, now: int) -> R4 | None:
    """The answer that was given to this R3, if it was lost and the token would still hold."""
    table = schema.tokens
    this = (table.c.used_by == _used_by(r3), table.c.expires_at >= now)
    answer = connection.execute(select(table.c.answer).where(*this)).scalar()
    return None if answer is None else decode_as(R4, answer)


def _used_by(r3: R3) -> bytes:
    return sha256(r3.mac).digest()


# Devices. -------------------------------------------------------------------------------------------------------------


def first_stage(connection: Connection, device: str) -> tuple[str, int, str]:
    """The workflow, its version and its first stage, for a device that registers. Raises PolicyError."""
    policy = policy_store.in_force(connection)
    name = workflows.workflow_name(policy, policy.devices.get(device, Member()))
    workflow = workflows.named(policy, name)
    if workflow is None:
        raise NodeError(f"there is no workflow {name!r} for {device}")
    return name, workflow.version, workflow.stages[0].name


def register(
    connection: Connection, key: NodeKey, r1: R1, r3: R3, r4: R4, root: Root, short_string: str, now: int
) -> None:
    """Burn the token, and have the device at its first stage with a chain of its own. All of it, or nothing.

    Raises DsccError if the token was used meanwhile, or the device was revoked.
    """
    table = schema.tokens
    if r1.token_id != NO_TOKEN.token_id:
        unused = (table.c.token_id == r1.token_id, table.c.used_by.is_(None))
        burnt = {"used_by": _used_by(r3), "answer": encode(r4), "sealed_secret": b""}
        if connection.execute(update(table).where(*unused).values(burnt)).rowcount != 1:
            raise _no_token(used=True)
    known = _row(connection, r1.device)
    # Perhaps by another node, before the device came here.
    early = connection.execute(_REVOKED, {"device": r1.device}).first()
    if early is not None or (known is not None and known.revoked_at is not None):
        raise DsccError(Reason.REVOKED, "the device was revoked")
    if known is not None and r1.token_id == NO_TOKEN.token_id:
        raise DsccError(Reason.TOKEN_REFUSED, "a device of this name is registered already")
    workflow, version, stage = first_stage(connection, r1.device)
    values = {
        "name": r1.device,
        "workflow": workflow,
        "workflow_version": version,
        "stage": stage,
        "since": now,
        "attributes": json.dumps(dict(r1.attributes)),
        "accepted_at": None if r1.mode == Mode.OTA_TOFU else now,
        "short_string": short_string if r1.mode == Mode.OTA_TOFU else "",
        "transitions": 0 if known is None else known.transitions,
    }
    if known is None:
        connection.execute(insert(schema.devices).values(values))
    else:
        connection.execute(update(schema.devices).where(schema.devices.c.name == r1.device).values(values))
    save_chain(connection, key, r1.device, begin_chain(root))
    came_from = "" if known is None else known.stage
    note_transition(connection, r1.device, came_from, stage, now, r1.device, detail=f"registered: {r1.mode}")


def find(connection: Connection, name: str) -> Device:
    """A device. Raises NodeError if there is none of this name."""
    row = _row(connection, name)
    if row is None:
        raise NodeError(f"there is no device {name!r}; `device list` has them")
    return _device(row)


def known(connection: Connection, name: str) -> Device | None:
    """A device, or None."""
    row = _row(connection, name)
    return None if row is None else _device(row)


def elsewhere(name: str, stage: str) -> Device:
    """A device that is registered at another node, which vouches for its stage: what the policy sees of it here."""
    return Device(name, "", 0, stage, 0, {}, 0, "", None, None, 0)


def every(connection: Connection) -> list[Device]:
    """All devices, by name."""
    return [_device(row) for row in connection.execute(select(schema.devices).order_by(schema.devices.c.name))]


def served(connection: Connection, name: str) -> Device:
    """A device that may open a session. Raises DsccError: it is not known, was revoked, or is not accepted yet."""
    row = _row(connection, name)
    if row is None:
        raise DsccError(Reason.NOT_AUTHENTIC, "no device of this name is registered here")
    if row.revoked_at is not None:
        raise DsccError(Reason.REVOKED, "the device was revoked")
    if row.accepted_at is None:
        raise DsccError(Reason.WAITING, "an administrator has to compare the short strings first")
    return _device(row)


def seen(connection: Connection, name: str, now: int) -> None:
    """Note that a device was here."""
    connection.execute(update(schema.devices).where(schema.devices.c.name == name).values(last_seen_at=now))


def accept(connection: Connection, name: str, now: int, author: str) -> None:
    """Accept a device that registered without a token: its short string is the node's."""
    find(connection, name)
    connection.execute(update(schema.devices).where(schema.devices.c.name == name).values(accepted_at=now))
    record(connection, Entry(now, author, "Device Accepted", name, "done"))


def move(
    connection: Connection,
    device: Device,
    stage: str,
    now: int,
    author: str,
    approvals: Sequence[str] = (),
    detail: str = "",
    channels: frozenset[str] = frozenset(),
) -> None:
    """Put a device at a stage, with its transition and its record; these channels are told of it in any case."""
    revoked = {"revoked_at": now} if stage == workflows.REVOKED else {}
    connection.execute(
        update(schema.devices)
        .where(schema.devices.c.name == device.name)
        .values({"stage": stage, "since": now, **revoked})
    )
    note_transition(connection, device.name, device.stage, stage, now, author, approvals, detail)
    said = f"{device.stage} -> {stage}" + (f"; {detail}" if detail else "")
    by = telling.device(author) if author == device.name else telling.user(author)
    telling.announce(connection, "device-stage-changed", now, by, device.name, ADVANCE_STAGE, said, channels)


def note_transition(
    connection: Connection,
    name: str,
    before: str,
    stage: str,
    now: int,
    author: str,
    approvals: Sequence[str] = (),
    detail: str = "",
) -> None:
    """Put the change of a device's stage on record."""
    table = schema.devices
    number = connection.execute(select(table.c.transitions).where(table.c.name == name)).scalar_one() + 1
    connection.execute(update(table).where(table.c.name == name).values(transitions=number))
    row = {"device": name, "number": number, "from_stage": before, "to_stage": stage, "at": now, "author": author}
    said = {"approvals": json.dumps(sorted(approvals)), "detail": detail}
    connection.execute(insert(schema.transitions).values(row | said))
    words = "; ".join(
        [f"{before} -> {stage}", *([detail] if detail else []), *[f"approved by {each}" for each in approvals]]
    )
    record(connection, Entry(now, author, "Device Stage", name, "done", words))


def set_apart_as_clone(connection: Connection, name: str, now: int) -> None:
    """Put a device whose chain was behind into quarantine: it was restored from a backup, or there are two of it."""
    device = find(connection, name)
    if device.stage != workflows.QUARANTINE:
        move(connection, device, workflows.QUARANTINE, now, name, detail="its chain was an epoch behind: a clone?")


def transitions_of(connection: Connection, name: str) -> Sequence[Row[Any]]:
    """All stages that a device has taken, in their order."""
    table = schema.transitions
    return connection.execute(select(table).where(table.c.device == name).order_by(table.c.number)).all()


_BY_NAME: Final = select(schema.devices).where(schema.devices.c.name == bindparam("name"))
_TWO: Final = select(schema.devices).where(schema.devices.c.name.in_([bindparam("one"), bindparam("other")]))


def _row(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(_BY_NAME, {"name": name}).first()


def pair(connection: Connection, one: str, other: str) -> tuple[Device | None, Device | None]:
    """Two devices, each as far as it is known."""
    rows = connection.execute(_TWO, {"one": one, "other": other})
    found = {row.name: _device(row) for row in rows}
    return found.get(one), found.get(other)


def _device(row: Row[Any]) -> Device:
    return Device(**dict(row._mapping) | {"attributes": json.loads(row.attributes)})


# Chains. --------------------------------------------------------------------------------------------------------------


def load_chain(connection: Connection, key: NodeKey, holder: str) -> Chain:
    """The chain of a device or a link. Raises DsccError (NOT_AUTHENTIC) if there is none."""
    row = connection.execute(select(schema.chains).where(schema.chains.c.holder == holder)).first()
    if row is None:
        raise DsccError(Reason.NOT_AUTHENTIC, "no device of this name is registered here")
    whole = key.open(row.sealed_chain, *_place(holder, row.suite, row.stage, row.ratchet, row.epoch))
    secret, ascent, prior = whole[:ROOT_BYTES], whole[ROOT_BYTES : 2 * ROOT_BYTES], whole[2 * ROOT_BYTES :]
    return Chain(row.suite, row.stage, row.ratchet, row.epoch, secret, prior, ascent)


def save_chain(connection: Connection, key: NodeKey, holder: str, chain: Chain) -> None:
    """Keep a chain in place of the one before, which is overwritten."""
    place = _place(holder, chain.suite, chain.stage, chain.ratchet, chain.epoch)
    values = {
        "suite": chain.suite,
        "stage": chain.stage,
        "ratchet": chain.ratchet,
        "epoch": chain.epoch,
        "sealed_chain": key.seal(chain.key + chain.ascent + chain.prior, *place),
    }
    adding = upsert(schema.chains).values(holder=holder, **values)
    connection.execute(adding.on_conflict_do_update(index_elements=["holder"], set_=values))


def _place(holder: str, suite: str, stage: str, ratchet: int, epoch: int) -> tuple[bytes, ...]:
    return (b"chains", *[str(each).encode() for each in (holder, suite, stage, ratchet, epoch)])


# Codes for a step. ----------------------------------------------------------------------------------------------------


def put_code(connection: Connection, key: NodeKey, device: str, stage: str, now: int, author: str) -> bytes:
    """A code of 32 bytes that goes another way, for one step of a device. It replaces an earlier one."""
    find(connection, device)
    code = secrets.token_bytes(TOKEN_BYTES)
    sealed = key.seal(code, b"codes", device.encode(), stage.encode())
    adding = upsert(schema.codes).values(device=device, stage=stage, sealed_code=sealed)
    connection.execute(adding.on_conflict_do_update(index_elements=["device", "stage"], set_={"sealed_code": sealed}))
    record(connection, Entry(now, author, "Step Code", f"{device}: {stage}", "done"))
    return code


def code_of(connection: Connection, key: NodeKey, device: str, stage: str) -> bytes:
    """The code for a step; NOTHING if there is none."""
    table = schema.codes
    this = (table.c.device == device, table.c.stage == stage)
    sealed = connection.execute(select(table.c.sealed_code).where(*this)).scalar()
    return NOTHING if sealed is None else key.open(sealed, b"codes", device.encode(), stage.encode())


def drop_code(connection: Connection, device: str, stage: str) -> None:
    """Forget a code that was used."""
    table = schema.codes
    connection.execute(delete(table).where(table.c.device == device, table.c.stage == stage))
