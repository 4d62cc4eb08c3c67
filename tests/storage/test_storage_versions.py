"""Whatever is done to objects, and taken back, in whatever order: each row's key material opens in its version."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from support.rows import MakeRow

from kmip_server.storage import schema
from kmip_server.storage.identifiers import new_identifier
from kmip_server.storage.port import ObjectRow, Search
from kmip_server.storage.store import Store
from kmip_server.storage.unit import SqlUnit

Known = dict[str, tuple[ObjectRow, bytes | None]]

MATERIAL = st.one_of(st.none(), st.binary(max_size=40))
OBJECT = st.integers(0, 2)
STEPS = st.one_of(
    st.tuples(st.sampled_from(["insert", "replace"]), OBJECT, MATERIAL),
    st.tuples(st.sampled_from(["update", "update", "rebind", "remove", "read"]), OBJECT, st.none()),
    st.tuples(st.sampled_from(["search", "accept", "discard", "begin", "undo"]), st.just(0), st.none()),
)
UNITS = st.lists(st.lists(STEPS, max_size=12), min_size=1, max_size=4)


class Expected:
    """What a unit's reads have to answer: as it is now, as it was last accepted, and as it was before the batch."""

    def __init__(self, unit: SqlUnit, before: Known, make: Callable[[str], ObjectRow]) -> None:
        self.unit = unit
        self.make = make
        self.now, self.accepted, self.batch = dict(before), dict(before), None

    def step(self, action: str, name: str, material: bytes | None) -> None:
        if name in self.now or action not in ("replace", "update", "rebind", "remove", "read"):
            getattr(self, action)(name, material)

    def insert(self, name: str, material: bytes | None) -> None:
        if name not in self.now:
            row = self.make(name)
            self.unit.insert(row, material)
            self.now[name] = (row, material)

    def replace(self, name: str, material: bytes | None) -> None:
        row = self.now[name][0].next_version()
        self.unit.update_material(row, material)
        self.now[name] = (row, material)

    def update(self, name: str, _: None) -> None:
        row = self.now[name][0].next_version()
        self.unit.update(row)
        self.now[name] = (row, self.now[name][1])

    def rebind(self, name: str, _: None) -> None:
        row = self.now[name][0]
        row = row._replace(cryptographic_length=(row.cryptographic_length or 0) + 1).next_version()
        self.unit.update(row)
        self.now[name] = (row, self.now[name][1])

    def remove(self, name: str, _: None) -> None:
        self.unit.remove(name)
        del self.now[name]

    def read(self, name: str, _: None) -> None:
        assert self.unit.material(self.now[name][0]) == self.now[name][1]

    def search(self, *_: object) -> None:
        assert sum(row.unique_identifier in self.now for row in self.unit.search(Search(owner=None))) == len(self.now)

    def accept(self, *_: object) -> None:
        self.unit.accept()
        self.accepted = dict(self.now)

    def discard(self, *_: object) -> None:
        self.unit.discard()
        self.now = dict(self.accepted)

    def begin(self, *_: object) -> None:
        if self.batch is None:
            self.unit.begin_undoable()
            self.batch = self.accepted = dict(self.now)

    def undo(self, *_: object) -> None:
        if self.batch is not None:
            self.unit.undo()
            self.now, self.accepted, self.batch = dict(self.batch), dict(self.batch), None


def check_all(store: Store, names: list[str], expected: Known) -> None:
    """Each row is there in its version, and its material opens, once from memory if it may and once not."""
    with store.unit(writes=False) as unit:
        for name in names:
            found = unit.get(name)
            row, material = expected.get(name, (None, None))
            assert (found and found.version) == (row and row.version)
            if found is not None:
                assert unit.material(found) == material
                store.access.sealer.forget(name)
                assert unit.material(found) == material


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(units=UNITS)
def test_every_row_s_material_opens_after_each_commit(
    store: Store, make_row: MakeRow, units: list[list[tuple[str, int, bytes | None]]]
) -> None:
    names = [new_identifier() for _ in range(3)]
    known: Known = {}
    for steps in units:
        with store.unit(writes=True) as unit:
            expected = Expected(unit, known, lambda name: make_row(unique_identifier=name))
            for action, number, material in steps:
                expected.step(action, names[number], material)
        known = expected.now
        check_all(store, names, known)
    with store.unit(writes=True) as unit:
        for name in known:
            unit.remove(name)
    with store.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(schema.material)).scalar_one() == 0
