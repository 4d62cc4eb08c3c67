"""Locate's questions as statements: one for each shape of question, kept, and read on from where the last step ended.

A search runs backwards along one index in the order Initial Date, Unique Identifier, newest first, and takes the next
rows behind the last one it saw, so nothing is sorted, nothing is held open between two steps, and a step sees what was
written meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Select, and_, bindparam, false, literal_column, or_, select, true, tuple_

from kmip_server.storage import schema
from kmip_server.storage.connection import HeldConnection, Row
from kmip_server.storage.database import Database, Sql
from kmip_server.storage.port import Range, Search
from kmip_server.storage.rows import COLUMNS, storable_key, stored_value

FIRST_STEP = 64
_LARGEST_STEP = 1024
_MOST_SHAPES = 512
_PROBE = 64

_ROW = [schema.objects.c[name] for name in COLUMNS]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What makes two searches the same statement with other parameters."""

    all_owners: bool
    columns: tuple[tuple[str, str], ...]
    mask: bool
    entries: int
    status: tuple[bool, bool, bool]
    onward: bool


class Searcher:
    """Searches on one database. The statements it has built are shared by all users of it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements: dict[_Shape, Sql] = {}
        entry = schema.object_index.c
        probe: Select[Any] = (
            select(literal_column("1"))
            .where(entry.tag == bindparam("a"), entry.value == bindparam("b"))
            .limit(literal_column(str(_PROBE)))
        )
        self._probe = database.compile(probe, "a", "b")

    def steps(self, connection: HeldConnection, search: Search) -> Iterator[list[Row]]:
        """The matching rows' columns, some at a time and ever more. Raises ValueError for a column that has no rule."""
        columns = sorted(search.columns.items())
        entries = [(tag, stored_value(value)) for tag, value in search.index]
        if len(entries) > 1:
            entries.sort(key=lambda entry: len(connection.all(self._probe.text, entry + self._probe.constants)))
        parameters: list[Any] = [] if search.owner is None else [search.owner]
        parameters += [value for entry in entries for value in entry]
        parameters += [value for name, wanted in columns for value in _column_values(name, wanted)]
        parameters += [search.mask] * 2 if search.mask else []
        status = (search.online, search.archived, search.destroyed)
        if not any(status) or not all(storable_key(value) for value in parameters if isinstance(value, str)):
            return
        kinds = tuple((name, _kind(wanted)) for name, wanted in columns)
        place: tuple[Any, ...] = ()
        step = FIRST_STEP
        while True:
            shape = _Shape(search.owner is None, kinds, bool(search.mask), len(entries), status, bool(place))
            sql = self._statement(shape)
            rows = connection.all(sql.text, (*parameters, *place, step, *sql.constants))
            if rows:
                yield rows
            if len(rows) < step:
                return
            place = (rows[-1][_DATE], rows[-1][_IDENTIFIER])
            step = min(step * 4, _LARGEST_STEP)

    def _statement(self, shape: _Shape) -> Sql:
        sql = self._statements.get(shape)
        if sql is None:
            if len(self._statements) >= _MOST_SHAPES:
                self._statements.clear()
            sql = self._statements[shape] = _build(self._database, shape)
        return sql


_DATE = COLUMNS.index("initial_date")
_IDENTIFIER = COLUMNS.index("unique_identifier")


def _kind(wanted: int | str | bool | Range) -> str:
    if not isinstance(wanted, Range):
        return "equal"
    return ("low" if wanted.low is not None else "") + ("high" if wanted.high is not None else "")


def _column_values(name: str, wanted: int | str | bool | Range) -> list[Any]:
    if name not in COLUMNS or name in ("attributes", "material_id", "wrapped_key"):
        raise ValueError(f"{name} is not a column to search by")
    if isinstance(wanted, Range):
        return [value for value in (wanted.low, wanted.high) if value is not None]
    return [bool(wanted) if isinstance(schema.objects.c[name].type, Boolean) else wanted]


def _build(database: Database, shape: _Shape) -> Sql:
    """The statement of a shape. The first index entry asked for, if any, leads; then the owner's index does."""
    objects = schema.objects.c
    driver = schema.object_index.alias("entry0").c
    order: list[str] = []
    clauses: list[ColumnElement[bool]] = []

    def parameter(name: str) -> Any:
        order.append(name)
        return bindparam(name)

    leading = driver if shape.entries else objects
    if not shape.all_owners:
        clauses.append(leading.owner == parameter("the_owner"))
    for number in range(shape.entries):
        entry = driver if number == 0 else schema.object_index.alias(f"entry{number}").c
        pair = (entry.tag == parameter(f"tag{number}"), entry.value == parameter(f"value{number}"))
        if number == 0:
            clauses += pair
            continue
        same = (
            entry.owner == objects.owner,
            entry.initial_date == objects.initial_date,
            entry.unique_identifier == objects.unique_identifier,
        )
        clauses.append(select(literal_column("1")).where(*pair, *same).exists())
    for name, kind in shape.columns:
        # An object of another date is not even read where the index says so.
        column = leading.initial_date if name == "initial_date" else objects[name]
        if kind == "equal":
            clauses.append(column == parameter(f"is_{name}"))
        if "low" in kind:
            clauses.append(column >= parameter(f"low_{name}"))
        if "high" in kind:
            clauses.append(column <= parameter(f"high_{name}"))
        if not kind:
            clauses.append(column.is_not(None))
    if shape.mask:
        bits = objects.cryptographic_usage_mask
        clauses.append(bits.bitwise_and(parameter("mask")) == parameter("mask_again"))
    clauses.append(_status(shape.status))
    by = leading.initial_date, leading.unique_identifier
    if shape.onward:
        clauses.append(tuple_(*by) < tuple_(parameter("after_date"), parameter("after_identifier")))
    newest_first = [column.desc() for column in by]
    query = select(*_ROW).where(*clauses).order_by(*newest_first).limit(parameter("most"))
    if shape.entries:
        query = query.where(driver.unique_identifier == objects.unique_identifier)
    return database.compile(query, *order)


def _status(status: tuple[bool, bool, bool]) -> ColumnElement[bool]:
    """The Storage Status Mask (KMIP 2.1 s11.53): a destroyed object is neither on-line nor archived."""
    objects = schema.objects.c
    if all(status):
        return true()
    online, archived, destroyed = status
    wanted: list[ColumnElement[bool]] = []
    if online:
        wanted.append(and_(objects.destroyed == false(), objects.archived == false()))
    if archived:
        wanted.append(and_(objects.destroyed == false(), objects.archived == true()))
    if destroyed:
        wanted.append(objects.destroyed == true())
    return or_(*wanted)
