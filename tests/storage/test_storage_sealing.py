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
from kmip_server.storage.port import Job, ObjectRow, SealBroken
from kmip_server.storage.sealing import Sealed, Sealer, binding, object_binding
from kmip_server.storage.store import Store

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
        {"material_id": b"0123456789abcdef"},
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


@pytest.mark.parametrize("column", ["wrapped_key", "sealed", "material_id"])
@pytest.mark.parametrize("position", [0, 11, 12, -17, -1])
def test_a_change_of_any_sealed_byte_breaks_the_seal(
    store: Store, make_row: MakeRow, column: str, position: int
) -> None:
    row = make_row()
    insert(store, row)
    with store.database.reading() as connection:
        content = bytearray(connection.execute(select(schema.material.c[column])).scalar_one())
    content[position % len(content)] ^= 1
    tamper(store, "material", **{column: bytes(content)})
    with pytest.raises(SealBroken):
        read(store, row)


@pytest.mark.parametrize("content", [b"", b"short", bytes(11), bytes(12), bytes(28)])
@pytest.mark.parametrize("column", ["wrapped_key", "sealed"])
def test_cut_off_bytes_break_the_seal(store: Store, make_row: MakeRow, column: str, content: bytes) -> None:
    row = make_row()
    insert(store, row)
    tamper(store, "material", **{column: content})
    with pytest.raises(SealBroken):
        read(store, row)


def test_sealed_bytes_do_not_open_in_another_row(store: Store, make_row: MakeRow) -> None:
    mine, yours = make_row(), make_row()
    insert(store, mine, yours)
    objects = schema.objects
    with store.database.writing() as connection:
        stolen = connection.execute(
            select(objects.c.material_id).where(objects.c.unique_identifier == yours.unique_identifier)
        ).scalar_one()
        connection.execute(
            update(objects).where(objects.c.unique_identifier == mine.unique_identifier).values(material_id=stolen)
        )
    with pytest.raises(SealBroken):
        read(store, mine)
    assert read(store, yours) == KEY


def test_an_older_sealing_does_not_open_in_place_of_a_newer_one(store: Store, make_row: MakeRow) -> None:
    row = make_row()
    insert(store, row)
    material = schema.material
    with store.database.reading() as connection:
        old = connection.execute(select(material)).one()
    with store.unit(writes=True) as unit:
        unit.replace_material(row, b"the newer key")
    tamper(store, "material", wrapped_key=old.wrapped_key, sealed=old.sealed)
    with pytest.raises(SealBroken):
        read(store, row)


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
    bound = object_binding(make_row())
    sealed = sealer().seal(bound, KEY)
    assert sealer().open(bound, sealed) == KEY
    other = LocalMasterKey(os.urandom(32))
    with pytest.raises(SealBroken, match="another master key"):
        Sealer(other).open(bound, sealed)
    with pytest.raises(SealBroken):
        Sealer(other).open(bound, replace(sealed, master_key_id=other.key_id))


def test_the_two_layers_do_not_stand_in_for_each_other(make_row: MakeRow) -> None:
    """A sealing whose content is 32 bytes long must not pass for a wrapped data key, or the other way round."""
    bound = object_binding(make_row())
    sealed = sealer().seal(bound, bytes(32))
    swapped = Sealed(sealed.sealing_id, sealed.master_key_id, sealed.ciphertext, sealed.wrapped_key)
    with pytest.raises(SealBroken):
        sealer().open(bound, swapped)


def test_each_sealing_has_a_data_key_and_nonces_of_its_own(make_row: MakeRow) -> None:
    bound = object_binding(make_row())
    sealings = [sealer().seal(bound, KEY) for _ in range(100)]
    assert len({sealed.wrapped_key[:12] for sealed in sealings}) == 100
    assert len({sealed.ciphertext for sealed in sealings}) == 100
    assert len({sealed.sealing_id for sealed in sealings}) == 100


def test_opened_material_is_remembered_within_bounds(make_row: MakeRow) -> None:
    keeper = Sealer(LocalMasterKey(MASTER_KEY), cache_entries=3, cache_bytes=100)
    rows = []
    for number in range(6):
        row = make_row()
        sealed = keeper.seal(object_binding(row), bytes(10 * number))
        rows.append(row._replace(material_id=sealed.sealing_id))
        keeper.open_material(rows[-1], sealed)
    assert [keeper.cached(row) is not None for row in rows] == [False, False, False, False, True, True]
    keeper.forget(rows[-1])
    assert keeper.cached(rows[-1]) is None
    large = make_row()
    sealed = keeper.seal(object_binding(large), bytes(200))
    large = large._replace(material_id=sealed.sealing_id)
    assert keeper.open_material(large, sealed) == bytes(200)
    assert keeper.cached(large) is None


def test_a_sealer_shows_no_secret(make_row: MakeRow) -> None:
    keeper = sealer()
    sealed = keeper.seal(object_binding(make_row()), b"canary")
    for text in (repr(keeper), repr(keeper._master_key), repr(sealed), str(vars(keeper))):
        assert "canary" not in text
        assert MASTER_KEY.hex() not in text
        assert repr(MASTER_KEY) not in text
