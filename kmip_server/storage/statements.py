"""The statements of the request path, built once as SQLAlchemy Core and kept as text for one database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BindParameter,
    Table,
    bindparam,
    case,
    delete,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from kmip_server.storage import schema
from kmip_server.storage.database import Database, Sql
from kmip_server.storage.rows import COLUMNS, DATELESS_COLUMNS
from kmip_server.ttlv.enumerations import ObjectType, State

_JOB = tuple(column.name for column in schema.jobs.columns)
_ROW = [schema.objects.c[name] for name in COLUMNS]


@dataclass(frozen=True, slots=True)
class Statements:
    """Statement texts by what they do. The comment behind each names its parameters where the order is not evident."""

    get: str
    get_locked: str
    insert_object: str  # the columns of COLUMNS, entries
    insert_dateless: str  # the columns of DATELESS_COLUMNS, entries
    update_object: str  # the columns of COLUMNS, then the identifier and the version before
    get_material_id: str
    set_entries: str  # entries, unique_identifier
    get_entries: str
    delete_object: str
    insert_entry: str
    delete_entry: str
    has_entry: str  # the columns of object_index
    get_material: str
    insert_material: str
    delete_material: str
    indexed: str  # tag, value, owner
    due: Sql  # now, limit
    audit_head: str
    insert_audit: str
    move_audit_head: str  # new sequence, digest, old sequence
    audit_digest: str
    insert_job: str
    update_job: str  # stage, request, response, correlation_value
    delete_job: str
    forget_jobs: str  # stage, before
    get_job: str
    get_job_locked: str
    jobs: Sql  # stage
    insert_nonce: str
    insert_approval: str
    use_approval: str  # used_at, approval_id
    get_approvals: str
    get_votes: str
    insert_message: str
    due_messages: Sql  # now, limit
    claim_message: str  # lease's end, message_id, next_attempt_at before
    settle_message: str  # next_attempt_at, delivered_at, last_error, message_id
    forget_messages: str  # before
    get_nonce: str
    note_shared: str  # the columns of shared_changes
    shared_changes: Sql  # limit
    settle_shared: str  # unique_identifier, audience, version
    withdraw: str  # unique_identifier, at
    get_withdrawn: str
    lease: str
    key_window: Sql  # after, how many to skip
    active_keys: str  # after, last, activated by
    last_acts: str
    insert_act: str
    move_act: str  # at, rule, about, at before
    epoch: str


def build_statements(database: Database) -> Statements:
    """All statements for one database."""
    objects, entries, material, audit = schema.objects, schema.object_index, schema.material, schema.audit
    jobs, nonces, head = schema.jobs, schema.nonces, schema.audit_head
    acts, shared, withdrawn = schema.automatic_acts, schema.shared_changes, schema.shared_withdrawn
    approvals, votes, outbox = schema.approvals, schema.approval_votes, schema.outbox

    def text(statement: object, *order: str) -> str:
        sql = database.compile(statement, *order)  # type: ignore[arg-type]
        if sql.constants:
            raise ValueError(f"these constants have no place in a plain statement: {sql.constants}")
        return sql.text

    def insertion(table: Table, *names: str) -> str:
        order = [column.name for column in table.columns if column.name in names]
        if order != list(names):
            raise ValueError(f"{table.name} has its columns in the order {order}")
        return text(insert(table).values({name: bindparam(name) for name in names}), *names)

    get = select(*_ROW).where(objects.c.unique_identifier == bindparam("key"))
    of_key = objects.c.unique_identifier == bindparam("key")
    get_job = select(jobs).where(jobs.c.correlation_value == bindparam("key"))
    whole_entry = [column == bindparam(f"at_{column.name}") for column in entries.columns]
    every_entry = tuple(f"at_{column.name}" for column in entries.columns)
    of_tag = (entries.c.tag == bindparam("a"), entries.c.value == bindparam("b"), entries.c.owner == bindparam("c"))
    new: dict[str, BindParameter[Any]] = {name: bindparam(f"new_{name}") for name in COLUMNS}
    return Statements(
        get=text(get, "key"),
        get_locked=text(get.with_for_update(), "key"),
        insert_object=insertion(objects, *COLUMNS, "entries"),
        insert_dateless=insertion(objects, *DATELESS_COLUMNS, "entries"),
        update_object=text(
            update(objects).where(of_key, objects.c.version == bindparam("before")).values(new),
            *(f"new_{name}" for name in COLUMNS),
            "key",
            "before",
        ),
        get_material_id=text(select(objects.c.material_id).where(of_key), "key"),
        set_entries=text(update(objects).where(of_key).values(entries=bindparam("new")), "new", "key"),
        get_entries=text(select(objects.c.entries, objects.c.owner, objects.c.initial_date).where(of_key), "key"),
        delete_object=text(delete(objects).where(of_key), "key"),
        insert_entry=insertion(entries, "tag", "value", "owner", "initial_date", "unique_identifier"),
        delete_entry=text(delete(entries).where(*whole_entry), *every_entry),
        has_entry=text(select(literal_column("1")).where(*whole_entry), *every_entry),
        get_material=text(
            select(material.c.master_key_id, material.c.sealed).where(material.c.material_id == bindparam("key")),
            "key",
        ),
        insert_material=insertion(material, "material_id", "master_key_id", "sealed"),
        delete_material=text(delete(material).where(material.c.material_id == bindparam("key")), "key"),
        indexed=text(select(entries.c.unique_identifier).where(*of_tag), "a", "b", "c"),
        due=database.compile(
            select(*_ROW)
            .where(objects.c.next_transition <= bindparam("now"))
            .order_by(objects.c.next_transition)
            .limit(bindparam("most")),
            "now",
            "most",
        ),
        audit_head=text(select(head.c.sequence, head.c.digest).with_for_update()),
        insert_audit=insertion(audit, *(column.name for column in audit.columns)),
        move_audit_head=text(
            update(head)
            .where(head.c.sequence == bindparam("before"))
            .values(sequence=bindparam("new_sequence"), digest=bindparam("new_digest")),
            "new_sequence",
            "new_digest",
            "before",
        ),
        audit_digest=text(select(audit.c.digest).where(audit.c.sequence == bindparam("key")), "key"),
        insert_job=insertion(jobs, *_JOB),
        update_job=text(
            update(jobs)
            .where(jobs.c.correlation_value == bindparam("key"), jobs.c.response.is_(None))
            .values(stage=bindparam("new_stage"), request=bindparam("new_request"), response=bindparam("new_response")),
            "new_stage",
            "new_request",
            "new_response",
            "key",
        ),
        delete_job=text(delete(jobs).where(jobs.c.correlation_value == bindparam("key")), "key"),
        forget_jobs=text(
            delete(jobs).where(jobs.c.stage == bindparam("at_stage"), jobs.c.submitted_at < bindparam("before")),
            "at_stage",
            "before",
        ),
        get_job=text(get_job, "key"),
        get_job_locked=text(get_job.with_for_update(), "key"),
        jobs=database.compile(
            select(jobs)
            .where(jobs.c.stage == bindparam("at_stage"))
            .order_by(jobs.c.submitted_at, jobs.c.correlation_value)
            .limit(bindparam("most")),
            "at_stage",
            "most",
        ),
        insert_approval=insertion(approvals, *(column.name for column in approvals.columns)),
        use_approval=text(
            update(approvals)
            .where(approvals.c.approval_id == bindparam("key"), approvals.c.used_at.is_(None))
            .values(used_at=bindparam("new")),
            "new",
            "key",
        ),
        get_approvals=text(
            select(approvals)
            .where(approvals.c.digest == bindparam("key"), approvals.c.used_at.is_(None))
            .order_by(approvals.c.requested_at.desc()),
            "key",
        ),
        get_votes=text(
            select(votes.c.user_name, votes.c.approves, votes.c.at).where(votes.c.approval_id == bindparam("key")),
            "key",
        ),
        insert_message=insertion(outbox, *(column.name for column in outbox.columns)),
        due_messages=database.compile(
            select(outbox)
            .where(outbox.c.next_attempt_at <= bindparam("now"))
            .order_by(outbox.c.next_attempt_at, outbox.c.message_id)
            .limit(bindparam("most")),
            "now",
            "most",
        ),
        claim_message=text(
            update(outbox)
            .where(outbox.c.message_id == bindparam("key"), outbox.c.next_attempt_at == bindparam("before"))
            .values(next_attempt_at=bindparam("new"), attempts=outbox.c.attempts + literal_column("1")),
            "new",
            "key",
            "before",
        ),
        settle_message=text(
            update(outbox)
            .where(outbox.c.message_id == bindparam("key"), outbox.c.delivered_at.is_(None))
            .values(
                next_attempt_at=bindparam("new_next"),
                delivered_at=bindparam("new_delivered"),
                last_error=bindparam("new_error"),
            ),
            "new_next",
            "new_delivered",
            "new_error",
            "key",
        ),
        forget_messages=text(
            delete(outbox).where(outbox.c.next_attempt_at.is_(None), outbox.c.at < bindparam("before")), "before"
        ),
        key_window=database.compile(
            select(objects.c.unique_identifier)
            .where(objects.c.unique_identifier > bindparam("after"))
            .order_by(objects.c.unique_identifier)
            .limit(literal_column("1"))
            .offset(bindparam("skipped")),
            "after",
            "skipped",
        ),
        active_keys=text(
            select(*_ROW)
            .where(
                objects.c.unique_identifier > bindparam("after"),
                objects.c.unique_identifier <= bindparam("last"),
                objects.c.activation_date <= bindparam("by"),
                objects.c.object_type == literal_column(str(int(ObjectType.SYMMETRIC_KEY))),
                objects.c.state.in_([literal_column(str(int(state))) for state in (State.PRE_ACTIVE, State.ACTIVE)]),
            )
            .order_by(objects.c.unique_identifier),
            "after",
            "last",
            "by",
        ),
        last_acts=text(select(acts.c.about, acts.c.at).where(acts.c.rule == bindparam("key")), "key"),
        insert_act=text(
            _insert(database)(acts)
            .values({name: bindparam(f"new_{name}") for name in ("rule", "about", "at")})
            .on_conflict_do_nothing(),
            "new_rule",
            "new_about",
            "new_at",
        ),
        move_act=text(
            update(acts)
            .where(acts.c.rule == bindparam("a"), acts.c.about == bindparam("b"), acts.c.at == bindparam("before"))
            .values(at=bindparam("new")),
            "new",
            "a",
            "b",
            "before",
        ),
        note_shared=text(_upsert_shared(database), *(column.name for column in shared.columns)),
        shared_changes=database.compile(
            select(shared).order_by(shared.c.at, shared.c.unique_identifier).limit(bindparam("most")), "most"
        ),
        settle_shared=text(
            delete(shared).where(
                shared.c.unique_identifier == bindparam("a"),
                shared.c.audience == bindparam("b"),
                shared.c.version == bindparam("c"),
            ),
            "a",
            "b",
            "c",
        ),
        withdraw=text(
            _insert(database)(withdrawn)
            .values({name: bindparam(f"new_{name}") for name in ("unique_identifier", "at")})
            .on_conflict_do_nothing(),
            "new_unique_identifier",
            "new_at",
        ),
        get_withdrawn=text(select(literal_column("1")).where(withdrawn.c.unique_identifier == bindparam("key")), "key"),
        lease=text(
            select(schema.server_state.c.value).where(schema.server_state.c.key == literal_column("'dscc_lease'")),
        ),
        insert_nonce=insertion(nonces, "unique_identifier", "nonce_hash"),
        get_nonce=text(
            select(literal_column("1")).where(
                nonces.c.unique_identifier == bindparam("key"), nonces.c.nonce_hash == bindparam("hash")
            ),
            "key",
            "hash",
        ),
        epoch=text(
            select(schema.server_state.c.value).where(schema.server_state.c.key == literal_column("'epoch'")),
        ),
    )


def _insert(database: Database) -> Callable[[Table], Any]:
    """The insertion that knows of conflicts, which is each database's own."""
    return sqlite.insert if database.sqlite else postgresql.insert


def _upsert_shared(database: Database) -> Any:
    """Note a change; of one that is noted already the object's latest version counts, and that it was noted first."""
    table = schema.shared_changes
    statement = _insert(database)(table).values({column.name: bindparam(column.name) for column in table.columns})
    said = statement.excluded.reason
    reason = case((said == literal_column("''"), table.c.reason), else_=said)
    later = {"version": statement.excluded.version, "reason": reason}
    return statement.on_conflict_do_update(index_elements=["unique_identifier", "audience"], set_=later)
