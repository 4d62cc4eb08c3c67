"""One transaction: what a unit reads, keeps, forgets and refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select
from support.rows import GROUP, NAME, MakeRow, as_given, audited

from kmip_server.storage import schema
from kmip_server.storage.port import Job, Search, StorageConflict, WritesNeeded
from kmip_server.storage.store import Store
from kmip_server.ttlv.enumerations import State


def count_of(store: Store, table: str) -> int:
    with store.database.reading() as connection:
        return connection.execute(select(func.count()).select_from(schema.metadata.tables[table])).scalar_one()


def test_what_was_inserted_is_read_back_whole(store: Store, make_row: MakeRow) -> None:
    row = make_row(
        next_transition=5,
        activation_date=-1,
        process_start_date=2**62,
        protect_stop_date=0,
        deactivation_date=7,
        destroy_date=8,
        compromise_date=9,
        archive_date=10,
        fresh=True,
        archived=True,
        cryptographic_usage_mask=0xFFFFFFFF,
        indexed=((NAME, "a"),),
    )
    with store.unit(writes=True) as unit:
        unit.insert(row, b"key")
    with store.unit(writes=False) as unit:
        found = unit.get(row.unique_identifier)
        assert found is not None
        assert None not in (found.material_id, found.wrapped_key)
        assert as_given(found) == row._replace(indexed=None)
        assert found.archived is True
        assert found.destroyed is False
        assert unit.material(found) == b"key"


def test_a_unit_sees_its_own_pending_writes(store: Store, make_row: MakeRow) -> None:
    row = make_row(indexed=((NAME, "mine"),))
    with store.unit(writes=True) as unit:
        unit.insert(row, b"key")
        assert as_given(unit.get(row.unique_identifier)) == row
        assert unit.material(row) == b"key"
        assert list(unit.indexed("alice", NAME, "mine")) == [row.unique_identifier]
        changed = row._replace(state=State.ACTIVE, indexed=((NAME, "other"),)).next_version()
        unit.update(changed)
        assert list(unit.indexed("alice", NAME, "mine")) == []
        assert list(unit.indexed("alice", NAME, "other")) == [row.unique_identifier]
        unit.update_material(changed.next_version(), None)
        assert unit.material(row) is None
        assert list(unit.indexed("alice", NAME, "other")) == [row.unique_identifier]


def test_a_row_is_the_same_wherever_it_is_read_within_a_unit(store: Store, make_row: MakeRow) -> None:
    row = make_row()
    with store.unit(writes=True) as unit:
        unit.insert(row, None)
    with store.unit(writes=True) as unit:
        found = unit.get(row.unique_identifier)
        assert found is unit.get(row.unique_identifier)


def test_discard_forgets_the_item_and_keeps_the_accepted_ones_and_all_audit_records(
    store: Store, make_row: MakeRow
) -> None:
    kept, lost = make_row(indexed=((NAME, "kept"),)), make_row(indexed=((NAME, "lost"),))
    with store.unit(writes=True) as unit:
        unit.insert(kept, b"1")
        unit.audit(audited("Create", kept.unique_identifier))
        unit.accept()
        unit.insert(lost, b"2")
        unit.update(kept._replace(state=State.ACTIVE).next_version())
        unit.audit(audited("Create", lost.unique_identifier))
        assert unit.claim_nonce("k", b"nonce")
        unit.discard()
        assert unit.get(lost.unique_identifier) is None
        assert as_given(unit.get(kept.unique_identifier)) == kept
        assert unit.material(lost) is None
        assert list(unit.indexed("alice", NAME, "lost")) == []
        assert unit.claim_nonce("k", b"nonce")
    with store.unit(writes=False) as unit:
        found = unit.get(kept.unique_identifier)
        assert found is not None
        assert (found.state, found.version) == (State.PRE_ACTIVE, 1)
        assert unit.get(lost.unique_identifier) is None
    assert count_of(store, "audit") == 2
    assert count_of(store, "object_index") == 1
    assert count_of(store, "material") == 1


def test_discard_takes_back_what_a_search_has_sent_already(store: Store, make_row: MakeRow) -> None:
    kept, lost = make_row(), make_row()
    with store.unit(writes=True) as unit:
        unit.insert(kept, b"1")
        unit.accept()
        unit.insert(lost, b"2")
        assert [row.unique_identifier for row in unit.search(Search(owner="alice"))] == [
            lost.unique_identifier,
            kept.unique_identifier,
        ]
        unit.update(lost._replace(state=State.ACTIVE).next_version())
        assert len(list(unit.search(Search(owner="alice", columns={"state": State.ACTIVE})))) == 1
        unit.discard()
        assert [row.unique_identifier for row in unit.search(Search(owner=None))] == [kept.unique_identifier]
    with store.unit(writes=False) as unit:
        assert unit.get(lost.unique_identifier) is None
        assert unit.get(kept.unique_identifier) is not None


@pytest.mark.parametrize("searching", [False, True], ids=["buffered", "sent"])
def test_undo_forgets_a_whole_batch_with_its_accepted_items(store: Store, make_row: MakeRow, searching: bool) -> None:
    before, first, second = make_row(), make_row(), make_row()
    with store.unit(writes=True) as unit:
        unit.insert(before, b"0")
        unit.accept()
        unit.begin_undoable()
        unit.insert(first, b"1")
        unit.audit(audited("Create", first.unique_identifier))
        unit.accept()
        if searching:
            assert len(list(unit.search(Search(owner="alice")))) == 2
        unit.insert(second, b"2")
        if searching:
            assert len(list(unit.search(Search(owner="alice")))) == 3
        unit.undo()
        assert unit.get(first.unique_identifier) is None
        assert len(list(unit.search(Search(owner="alice")))) == 1
        unit.insert(second, b"3")
        unit.accept()
    with store.unit(writes=False) as unit:
        assert unit.get(first.unique_identifier) is None
        found = unit.get(second.unique_identifier)
        assert found is not None
        assert unit.material(found) == b"3"
    assert count_of(store, "audit") == 1
    assert count_of(store, "objects") == 2


@pytest.mark.parametrize("searching", [False, True], ids=["buffered", "sent"])
def test_a_batch_that_ends_well_is_kept(store: Store, make_row: MakeRow, searching: bool) -> None:
    first, second = make_row(), make_row()
    with store.unit(writes=True) as unit:
        unit.begin_undoable()
        unit.insert(first, b"1")
        if searching:
            assert len(list(unit.search(Search(owner=None)))) == 1
        unit.accept()
        unit.insert(second, b"1")
        unit.discard()
        unit.end_undoable()
    assert count_of(store, "objects") == 1


def test_an_update_of_another_version_than_the_stored_one_is_a_conflict(store: Store, make_row: MakeRow) -> None:
    row = make_row()
    with store.unit(writes=True) as unit:
        unit.insert(row, None)
    with store.unit(writes=True) as unit:
        unit.update(row.next_version())
    with pytest.raises(StorageConflict), store.unit(writes=True) as unit:
        unit.update(row.next_version())
    with pytest.raises(StorageConflict), store.unit(writes=True) as unit:
        unit.update(make_row().next_version())


def test_several_updates_of_one_row_in_a_unit_are_one_in_the_database(store: Store, make_row: MakeRow) -> None:
    row = make_row(indexed=((NAME, "a"), (GROUP, "g")))
    with store.unit(writes=True) as unit:
        unit.insert(row, None)
    with store.unit(writes=True) as unit:
        found = unit.get(row.unique_identifier)
        assert found is not None
        changed = found._replace(indexed=((NAME, "b"), (GROUP, "g"))).next_version()
        unit.update(changed)
        unit.update(changed._replace(indexed=None, state=State.ACTIVE).next_version())
    with store.unit(writes=False) as unit:
        found = unit.get(row.unique_identifier)
        assert found is not None
        assert (found.version, found.state) == (3, State.ACTIVE)
        assert list(unit.indexed("alice", NAME, "a")) == []
        assert list(unit.indexed("alice", NAME, "b")) == [row.unique_identifier]
        assert list(unit.indexed("alice", GROUP, "g")) == [row.unique_identifier]
        assert list(unit.indexed("bob", GROUP, "g")) == []


def test_an_update_without_index_entries_leaves_the_stored_ones(store: Store, make_row: MakeRow) -> None:
    row = make_row(indexed=((NAME, "a"),))
    with store.unit(writes=True) as unit:
        unit.insert(row, None)
    with store.unit(writes=True) as unit:
        found = unit.get(row.unique_identifier)
        assert found is not None
        unit.update(found._replace(state=State.ACTIVE).next_version())
        assert list(unit.indexed("alice", NAME, "a")) == [row.unique_identifier]
    with store.unit(writes=False) as unit:
        assert list(unit.indexed("alice", NAME, "a")) == [row.unique_identifier]


def test_an_object_is_inserted_once(store: Store, make_row: MakeRow) -> None:
    row = make_row()
    with store.unit(writes=True) as unit:
        unit.insert(row, None)
        with pytest.raises(StorageConflict):
            unit.insert(row, None)
    with pytest.raises(StorageConflict), store.unit(writes=True) as unit:
        unit.insert(row, None)


def test_an_object_may_take_the_place_of_a_removed_one_in_the_same_unit(store: Store, make_row: MakeRow) -> None:
    row = make_row(indexed=((NAME, "old"),))
    with store.unit(writes=True) as unit:
        unit.insert(row, b"old")
    other = make_row(unique_identifier=row.unique_identifier, indexed=((NAME, "new"),))
    with store.unit(writes=True) as unit:
        unit.remove(row.unique_identifier)
        assert unit.get(row.unique_identifier) is None
        unit.insert(other, b"new")
    with store.unit(writes=False) as unit:
        found = unit.get(row.unique_identifier)
        assert found is not None
        assert unit.material(found) == b"new"
        assert list(unit.indexed("alice", NAME, "old")) == []
        assert list(unit.indexed("alice", NAME, "new")) == [row.unique_identifier]
    assert count_of(store, "material") == 1


def test_material_is_replaced_and_dropped(store: Store, make_row: MakeRow) -> None:
    row = make_row()
    with store.unit(writes=True) as unit:
        unit.insert(row, b"first")
    with store.unit(writes=True) as unit:
        found = unit.get(row.unique_identifier)
        assert found is not None
        assert unit.material(found) == b"first"
        unit.update_material(found.next_version(), b"second")
        assert unit.material(found) == b"second"
        unit.update(found._replace(state=State.ACTIVE, version=3))
    with store.unit(writes=True) as unit:
        found = unit.get(row.unique_identifier)
        assert found is not None
        assert unit.material(found) == b"second"
        unit.update_material(found._replace(destroyed=True).next_version(), None)
    with store.unit(writes=False) as unit:
        found = unit.get(row.unique_identifier)
        assert found is not None
        assert (found.version, found.material_id, found.wrapped_key) == (4, None, None)
        assert unit.material(found) is None
    assert count_of(store, "material") == 0


def test_material_follows_a_change_of_what_it_is_bound_to(store: Store, make_row: MakeRow) -> None:
    row = make_row()
    with store.unit(writes=True) as unit:
        unit.insert(row, b"key")
        longer = row._replace(cryptographic_length=128).next_version()
        unit.update(longer)
    with store.unit(writes=True) as unit:
        found = unit.get(row.unique_identifier)
        assert found is not None
        assert unit.material(found) == b"key"
        unit.update(found._replace(owner="bob", indexed=()).next_version())
    with store.unit(writes=False) as unit:
        found = unit.get(row.unique_identifier)
        assert found is not None
        assert found.owner == "bob"
        assert unit.material(found) == b"key"


@pytest.mark.parametrize("identifier", ["", "\0", "a\0", "x" * 70_000, "\ud800", "' OR 1=1--", "%", "*", "é" * 255])
def test_an_identifier_that_cannot_be_stored_is_simply_absent(store: Store, identifier: str) -> None:
    with store.unit(writes=True) as unit:
        assert unit.get(identifier) is None
        unit.audit(audited("Get", identifier))


@pytest.mark.parametrize("value", ["x" * 5000, "nul\0inside", "\x01starts so", "é" * 200, "\ud800", "a\u0301", "", "ÿ"])
def test_every_index_value_is_found_again_and_no_other(store: Store, make_row: MakeRow, value: str) -> None:
    row = make_row(indexed=((NAME, value),))
    with store.unit(writes=True) as unit:
        unit.insert(row, None)
        assert list(unit.indexed("alice", NAME, value)) == [row.unique_identifier]
    with store.unit(writes=False) as unit:
        assert list(unit.indexed("alice", NAME, value)) == [row.unique_identifier]
        assert list(unit.indexed("alice", NAME, value + "x")) == []


def test_a_stored_digest_is_not_the_name_of_another_object(store: Store, make_row: MakeRow) -> None:
    long = make_row(indexed=((NAME, "x" * 5000),))
    with store.unit(writes=True) as unit:
        unit.insert(long, None)
    with store.database.reading() as connection:
        stored = connection.execute(select(schema.object_index.c.value)).scalar_one()
    with store.unit(writes=False) as unit:
        assert list(unit.indexed("alice", NAME, stored)) == []


def test_a_nonce_is_claimed_once_for_each_key(store: Store) -> None:
    with store.unit(writes=True) as unit:
        assert unit.claim_nonce("key", b"nonce")
        assert not unit.claim_nonce("key", b"nonce")
        assert unit.claim_nonce("other", b"nonce")
        assert unit.nonce_claimed("key", b"nonce")
        assert not unit.nonce_claimed("key", b"another")
        unit.accept()
        assert unit.claim_nonce("third", b"")
        unit.discard()
        assert not unit.nonce_claimed("third", b"")
    with store.unit(writes=True) as unit:
        assert not unit.claim_nonce("key", b"nonce")
        assert unit.claim_nonce("key", b"another")


def test_due_objects_come_soonest_first(store: Store, make_row: MakeRow) -> None:
    rows = [make_row(next_transition=at) for at in (30, 10, None, 20, 40)]
    with store.unit(writes=True) as unit:
        for row in rows:
            unit.insert(row, None)
        assert [row.next_transition for row in unit.due(30, 10)] == [10, 20, 30]
        assert [row.next_transition for row in unit.due(30, 2)] == [10, 20]


def test_a_job_keeps_its_request_and_response(store: Store) -> None:
    job = Job(b"correlation", "alice", 5, 1, b"request", 1)
    with store.unit(writes=True) as unit:
        unit.add_job(job)
        assert unit.job(b"correlation") == job
        assert unit.jobs(1, 10) == [job]
    done = replace(job, stage=3, response=b"response")
    with store.unit(writes=True) as unit:
        assert unit.job(b"correlation") == job
        unit.update_job(done)
        assert unit.jobs(1, 10) == []
    with store.unit(writes=True) as unit:
        assert unit.job(b"correlation") == done
        unit.remove_job(b"correlation")
        assert unit.job(b"correlation") is None
    with store.unit(writes=False) as unit:
        assert unit.job(b"correlation") is None
        assert unit.job(b"unknown") is None


def test_a_unit_for_reading_writes_nothing(store: Store, make_row: MakeRow) -> None:
    with store.unit(writes=False) as unit:
        for write in (
            lambda: unit.insert(make_row(), None),
            lambda: unit.audit(audited("Get")),
            lambda: unit.claim_nonce("key", b"nonce"),
        ):
            with pytest.raises(WritesNeeded):
                write()


def test_audit_records_are_numbered_without_gaps_and_chained(store: Store) -> None:
    for operation in ("Create", "Get"):
        with store.unit(writes=True) as unit:
            unit.audit(audited(operation, "x\0y" * 1000))
            unit.audit(audited(operation))
    with pytest.raises(ZeroDivisionError), store.unit(writes=True) as unit:
        unit.audit(audited("Get"))
        raise ZeroDivisionError
    with store.unit(writes=True) as unit:
        unit.audit(audited("Get"))
    with store.database.reading() as connection:
        records = connection.execute(select(schema.audit).order_by(schema.audit.c.sequence)).all()
        head = connection.execute(select(schema.audit_head)).one()
    assert [record.sequence for record in records] == [1, 2, 3, 4, 5]
    assert len({bytes(record.digest) for record in records}) == 5
    assert (head.sequence, bytes(head.digest)) == (5, bytes(records[-1].digest))
