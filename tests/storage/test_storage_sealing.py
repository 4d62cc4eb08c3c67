"""Sealing: bytes open only in their own row, with every bound column as it was."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update
from support.rows import MASTER_KEY, MakeRow

from kmip_server.storage import schema
from kmip_server.storage.master_key import LocalMasterKey
from kmip_server.storage.port import Job, ObjectRow, SealBroken, Search
from kmip_server.storage.sealing import Sealed, Sealer, binding
from kmip_server.storage.store import Store
from kmip_server.ttlv.enumerations import State

KEY = b"sixteen byte key"


def sealer(key: bytes = MASTER_KEY) -> Sealer:
    return Sealer(LocalMasterKey(key))


def insert(store: Store, *rows: ObjectRow) -> None:
    with store.unit(writes=True) as unit:
        for row in rows:
            unit.insert(row, KEY)


def read(store: Store, row: ObjectRow) -> bytes | None:
    with store.unit(writes=False) as unit:
        found = unit.get(row.unique_identifier)
        assert found is not None
        return unit.material(found)


def stored_row(store: Store, row: ObjectRow) -> dict[str, Any]:
    """An object's row as the table has it."""
    objects = schema.objects
    with store.database.reading() as connection:
        of_row = select(objects).where(objects.c.unique_identifier == row.unique_identifier)
        return dict(connection.execute(of_row).mappings().one())


def tamper(store: Store, table: str, **columns: Any) -> None:
    with store.database.writing() as connection:
        connection.execute(update(schema.metadata.tables[table]).values(**columns))


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize(
    "columns",
    [
        {"unique_identifier": "another"},
        {"owner": "mallory"},
        {"owner": "alicf"},
        {"object_type": 7},
        {"cryptographic_algorithm": 1},
        {"cryptographic_algorithm": None},
        {"cryptographic_length": 128},
        {"cryptographic_length": None},
        {"version": 2},
        {"version": 0},
        {"material_id": b"0123456789abcdef"},
        {"wrapped_key": None},
    ],
)
def test_an_edit_of_any_bound_column_breaks_the_seal(
    store: Store, make_row: MakeRow, columns: dict[str, Any], cached: bool
) -> None:
    row = make_row()
    insert(store, row)
    if cached:
        assert read(store, row) == KEY
    tamper(store, "objects", **columns)
    with pytest.raises(SealBroken):
        read(store, row._replace(**{name: value for name, value in columns.items() if name == "unique_identifier"}))


SEALED = [("objects", "wrapped_key"), ("material", "sealed"), ("material", "material_id")]


@pytest.mark.parametrize(("table", "column"), SEALED)
@pytest.mark.parametrize("position", [0, 11, 12, -17, -1])
def test_a_change_of_any_sealed_byte_breaks_the_seal(
    store: Store, make_row: MakeRow, table: str, column: str, position: int
) -> None:
    row = make_row()
    insert(store, row)
    with store.database.reading() as connection:
        content = bytearray(connection.execute(select(schema.metadata.tables[table].c[column])).scalar_one())
    content[position % len(content)] ^= 1
    tamper(store, table, **{column: bytes(content)})
    with pytest.raises(SealBroken):
        read(store, row)


@pytest.mark.parametrize("content", [b"", b"short", bytes(11), bytes(12), bytes(28)])
@pytest.mark.parametrize(("table", "column"), SEALED[:2])
def test_cut_off_bytes_break_the_seal(store: Store, make_row: MakeRow, table: str, column: str, content: bytes) -> None:
    row = make_row()
    insert(store, row)
    tamper(store, table, **{column: content})
    with pytest.raises(SealBroken):
        read(store, row)


def test_sealed_bytes_do_not_open_in_another_row(store: Store, make_row: MakeRow) -> None:
    mine, yours = make_row(), make_row()
    insert(store, mine, yours)
    objects = schema.objects
    stolen = stored_row(store, yours)
    with store.database.writing() as connection:
        connection.execute(
            update(objects)
            .where(objects.c.unique_identifier == mine.unique_identifier)
            .values(material_id=stolen["material_id"], wrapped_key=stolen["wrapped_key"])
        )
    with pytest.raises(SealBroken):
        read(store, mine)
    assert read(store, yours) == KEY


def test_an_older_sealing_does_not_open_in_place_of_a_newer_one(store: Store, make_row: MakeRow) -> None:
    row = make_row()
    insert(store, row)
    with store.database.reading() as connection:
        old = connection.execute(select(schema.material)).one()
    wrapped = stored_row(store, row)["wrapped_key"]
    with store.unit(writes=True) as unit:
        unit.update_material(row.next_version(), b"the newer key")
    assert read(store, row) == b"the newer key"
    tamper(store, "objects", wrapped_key=wrapped)
    tamper(store, "material", sealed=old.sealed)
    with pytest.raises(SealBroken):
        read(store, row)


@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("put_back", ["whole row but its data key", "data key", "version"])
def test_a_row_that_is_put_back_to_an_older_version_does_not_open(
    store: Store, make_row: MakeRow, put_back: str, opened: bool
) -> None:
    """Whether or not this process has opened the older version, the newer one, or both."""
    row = make_row()
    insert(store, row)
    if opened:
        assert read(store, row) == KEY
    old = stored_row(store, row)
    with store.unit(writes=True) as unit:
        unit.update(row._replace(state=State.COMPROMISED).next_version())
    if opened:
        assert read(store, row) == KEY
    columns = {
        "whole row but its data key": {name: value for name, value in old.items() if name != "wrapped_key"},
        "data key": {"wrapped_key": old["wrapped_key"]},
        "version": {"version": 1},
    }
    tamper(store, "objects", **columns[put_back])
    with pytest.raises(SealBroken):
        read(store, row)


def test_a_row_keeps_its_material_through_its_versions(store: Store, make_row: MakeRow) -> None:
    """In one unit and in several, with steps taken back in between, opened before and not."""
    row = make_row()
    with store.unit(writes=True) as unit:
        unit.insert(row, KEY)
        for version in range(2, 5):
            unit.update(row._replace(version=version))
            assert unit.material(row) == KEY
        unit.accept()
        unit.update(row._replace(version=5))
        unit.discard()
        unit.update(row._replace(version=5, state=State.ACTIVE))
    for version in range(6, 9):
        with store.unit(writes=True) as unit:
            unit.begin_undoable()
            unit.update(row._replace(version=version))
            assert len(list(unit.search(Search(owner=None)))) == 1
            unit.accept()
            unit.update(row._replace(version=version + 1))
            unit.undo()
            unit.update(row._replace(version=version))
            assert list(unit.due(2**40, 9)) == []
            unit.update(row._replace(version=version + 1))
            unit.discard()
            unit.update(row._replace(version=version))
            if version % 2:
                assert unit.material(row) == KEY
        assert read(store, row) == KEY
    assert stored_row(store, row)["version"] == 8
    sealed = stored_row(store, row)
    assert sealed["material_id"] is not None
    fresh = Sealer(LocalMasterKey(MASTER_KEY))
    with store.unit(writes=False) as unit:
        found = unit.get(row.unique_identifier)
        assert found is not None
        assert fresh.open(found, unit._sealed(found)) == KEY


def test_a_new_version_has_its_data_key_wrapped_anew_and_the_same_sealed_bytes(store: Store, make_row: MakeRow) -> None:
    row = make_row()
    insert(store, row)
    with store.database.reading() as connection:
        sealed = connection.execute(select(schema.material)).one()
    before = stored_row(store, row)
    with store.unit(writes=True) as unit:
        unit.update(row.next_version())
        assert not unit.dropped_material
    after = stored_row(store, row)
    with store.database.reading() as connection:
        assert connection.execute(select(schema.material)).one() == sealed
    assert after["material_id"] == before["material_id"]
    assert after["wrapped_key"] != before["wrapped_key"]


def test_what_the_storage_keeps_in_a_row_is_not_the_caller_s_to_give(store: Store, make_row: MakeRow) -> None:
    row, other = make_row(), make_row()
    own = {"material_id": b"0123456789abcdef", "wrapped_key": bytes(60)}
    with store.unit(writes=True) as unit:
        unit.insert(row._replace(**own), KEY)
        unit.insert(other._replace(**own), None)
    with store.unit(writes=True) as unit:
        unit.update(row._replace(**own).next_version())
        unit.update(other._replace(**own).next_version())
    assert read(store, row) == KEY
    assert read(store, other) is None
    assert (stored_row(store, other)["material_id"], stored_row(store, other)["wrapped_key"]) == (None, None)


@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("columns", [{"version": 2}, {"owner": "mallory"}, {"wrapped_key": None}])
def test_a_row_whose_seal_is_broken_is_not_changed_and_can_be_destroyed(
    store: Store, make_row: MakeRow, columns: dict[str, Any], opened: bool
) -> None:
    row = make_row()
    insert(store, row)
    if opened:
        assert read(store, row) == KEY
    tamper(store, "objects", **columns)
    before = stored_row(store, row)
    with store.unit(writes=True) as unit:
        found = unit.get(row.unique_identifier)
        assert found is not None
        with pytest.raises(SealBroken):
            unit.update(found._replace(state=State.ACTIVE).next_version())
        assert unit.get(row.unique_identifier) == found
    assert stored_row(store, row) == before
    with store.unit(writes=True) as unit:
        unit.update_material(found._replace(state=State.DESTROYED, destroyed=True).next_version(), None)
    after = stored_row(store, row)
    assert (after["state"], after["material_id"], after["wrapped_key"]) == (State.DESTROYED, None, None)
    with store.database.reading() as connection:
        assert connection.execute(select(schema.material)).all() == []


def test_missing_sealed_bytes_are_a_broken_seal_and_not_an_absent_key(store: Store, make_row: MakeRow) -> None:
    row = make_row()
    insert(store, row)
    with store.database.writing() as connection:
        connection.execute(schema.material.delete())
    with pytest.raises(SealBroken, match="gone"):
        read(store, row)


def test_a_destroyed_row_gives_nothing_even_if_its_material_came_back(store: Store, make_row: MakeRow) -> None:
    row = make_row()
    insert(store, row)
    assert read(store, row) == KEY
    tamper(store, "objects", destroyed=True)
    assert read(store, row) is None


def test_a_job_is_sealed_with_its_request_and_response(store: Store) -> None:
    job = Job(b"correlation", "alice", 5, 1, b"request", 3, b"response")
    with store.unit(writes=True) as unit:
        unit.add_job(job)
    with store.database.reading() as connection:
        stored = connection.execute(select(schema.jobs)).one()
    assert b"request" not in stored.request
    assert b"response" not in stored.response
    for columns in ({"owner": "bob"}, {"operation": 2}, {"submitted_at": 6}, {"request": stored.response}):
        tamper(store, "jobs", **columns)
        with pytest.raises(SealBroken), store.unit(writes=False) as unit:
            unit.job(b"correlation")
        tamper(store, "jobs", owner="alice", operation=1, submitted_at=5, request=stored.request)
    for content in (b"", bytes(17), bytes(18), bytes(60)):
        tamper(store, "jobs", request=content)
        with pytest.raises(SealBroken), store.unit(writes=False) as unit:
            unit.job(b"correlation")


def test_two_bindings_are_the_same_only_if_every_part_is() -> None:
    none, zero = (None, None, None), (0, 0, 0)
    bindings = [
        binding(1, b"ab", "c", none),
        binding(1, b"a", "bc", none),
        binding(1, b"abc", "", none),
        binding(1, b"", "abc", none),
        binding(2, b"ab", "c", none),
        binding(1, b"aB", "c", none),
        binding(1, b"ab", "C", none),
        binding(1, b"ab", "c", zero),
        binding(1, b"ab", "c", (0, None, None)),
        binding(1, b"ab", "c", (None, 0, None)),
        binding(1, b"ab", "c", (None, None, 0)),
        binding(1, b"ab", "c", (1, 0, 0)),
        binding(1, b"ab", "c", (0, 1, 0)),
        binding(1, b"ab\0\0", "c", none),
    ]
    assert len(set(bindings)) == len(bindings)


def test_nothing_opens_under_another_master_key(make_row: MakeRow) -> None:
    row = make_row()
    sealed = sealer().seal(row, KEY)
    assert sealer().open(row, sealed) == KEY
    other = LocalMasterKey(os.urandom(32))
    with pytest.raises(SealBroken, match="another master key"):
        Sealer(other).open(row, sealed)
    with pytest.raises(SealBroken):
        Sealer(other).open(row, replace(sealed, master_key_id=other.key_id))


def test_the_two_layers_do_not_stand_in_for_each_other(make_row: MakeRow) -> None:
    """A sealing whose content is 32 bytes long must not pass for a wrapped data key, or the other way round."""
    row = make_row()
    sealed = sealer().seal(row, bytes(32))
    swapped = Sealed(sealed.sealing_id, sealed.master_key_id, sealed.ciphertext, sealed.wrapped_key)
    with pytest.raises(SealBroken):
        sealer().open(row, swapped)


def test_each_sealing_has_a_data_key_and_nonces_of_its_own(make_row: MakeRow) -> None:
    row = make_row()
    sealings = [sealer().seal(row, KEY) for _ in range(100)]
    assert len({sealed.wrapped_key[:12] for sealed in sealings}) == 100
    assert len({sealed.ciphertext for sealed in sealings}) == 100
    assert len({sealed.sealing_id for sealed in sealings}) == 100


def opened(keeper: Sealer, row: ObjectRow, material: bytes) -> ObjectRow:
    """The row with a sealing of the material, which the sealer has opened."""
    sealed = keeper.seal(row, material)
    row = row._replace(material_id=sealed.sealing_id, wrapped_key=sealed.wrapped_key)
    assert keeper.open_material(row, sealed) == material
    return row


def test_opened_material_is_remembered_within_bounds(make_row: MakeRow) -> None:
    keeper = Sealer(LocalMasterKey(MASTER_KEY), cache_entries=3, cache_bytes=100)
    rows = [opened(keeper, make_row(), bytes(10 * number)) for number in range(6)]
    assert [keeper.cached(row) is not None for row in rows] == [False, False, False, False, True, True]
    keeper.forget(rows[-1].unique_identifier)
    assert keeper.cached(rows[-1]) is None
    assert keeper.cached(opened(keeper, make_row(), bytes(200))) is None


def test_of_an_object_one_version_is_remembered_and_it_follows_the_row(make_row: MakeRow) -> None:
    keeper = Sealer(LocalMasterKey(MASTER_KEY), cache_entries=3, cache_bytes=100)
    first = opened(keeper, make_row(), bytes(60))
    second = first.next_version()._replace(wrapped_key=keeper.rewrap(first, 2))
    keeper.carry_over(first, second)
    assert (keeper.cached(first), keeper.cached(second)) == (None, bytes(60))
    for forged in (second._replace(version=1), first._replace(version=2), second._replace(wrapped_key=None)):
        assert keeper.cached(forged) is None
        keeper.carry_over(forged, first)
        assert keeper.cached(first) is None
    # The room is still what the one entry takes.
    other = opened(keeper, make_row(), bytes(40))
    assert keeper.cached(second) == bytes(60)
    opened(keeper, other._replace(version=7), bytes(41))
    assert keeper.cached(second) is None
    keeper.forget(other.unique_identifier)
    assert not keeper._cache


def test_a_sealer_shows_no_secret(make_row: MakeRow) -> None:
    keeper = sealer()
    sealed = keeper.seal(make_row(), b"canary")
    for text in (repr(keeper), repr(keeper._master_key), repr(sealed), str(vars(keeper))):
        assert "canary" not in text
        assert MASTER_KEY.hex() not in text
        assert repr(MASTER_KEY) not in text
