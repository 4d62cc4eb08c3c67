"""Attributes that tests of attribute operations give, and how they look at what an object has."""

from __future__ import annotations

from support import requests as ask
from support.engine import EngineHarness
from support.numbers import Operation, Tag
from support.requests import Attribute, Request
from support.wire import (
    Node,
    Version,
    boolean,
    date_time,
    enumeration,
    integer,
    interval,
    long_integer,
    structure,
    text,
)


def attributes_of(engine: EngineHarness, key: str, owner: str = "alice") -> Node:
    """All attributes of an object as its owner sees them in 2.1, by their tags."""
    payload = engine.client((2, 1), owner).do(ask.get_attributes((2, 1), key)).expect_success().payload
    assert payload is not None
    found = payload.find(Tag.ATTRIBUTES)
    assert found is not None
    return found


def custom(version: Version, name: str, value: bytes, vendor: str = "x") -> Attribute:
    """A custom attribute of 1.x, which is a vendor attribute since 2.0; `value` has the tag Attribute Value."""
    fields = text(Tag.VENDOR_IDENTIFICATION, vendor), text(Tag.ATTRIBUTE_NAME, name), value
    return Attribute(f"{vendor}-{name}", value if version < (2, 0) else structure(Tag.ATTRIBUTE, *fields))


def custom_text(version: Version, name: str, value: str, vendor: str = "x") -> Attribute:
    return custom(version, name, text(Tag.ATTRIBUTE_VALUE, value), vendor)


def custom_values(engine: EngineHarness, key: str, owner: str = "alice") -> list[tuple[str, str, object]]:
    """An object's vendor attributes as (vendor, name, value), in their order."""
    return [
        (node.get(Tag.VENDOR_IDENTIFICATION), node.get(Tag.ATTRIBUTE_NAME), node.get(Tag.ATTRIBUTE_VALUE))
        for node in attributes_of(engine, key, owner).all(Tag.ATTRIBUTE)
    ]


def usage_limits(total: int, unit: int = 1, count: int | None = None) -> Attribute:
    fields = (
        long_integer(Tag.USAGE_LIMITS_TOTAL, total),
        b"" if count is None else long_integer(Tag.USAGE_LIMITS_COUNT, count),
        enumeration(Tag.USAGE_LIMITS_UNIT, unit),
    )
    return Attribute("Usage Limits", structure(Tag.USAGE_LIMITS, *fields))


def dated(title: str, tag: Tag, at: int) -> Attribute:
    return Attribute(title, date_time(tag, at))


def process_start(at: int) -> Attribute:
    return dated("Process Start Date", Tag.PROCESS_START_DATE, at)


def protect_stop(at: int) -> Attribute:
    return dated("Protect Stop Date", Tag.PROTECT_STOP_DATE, at)


def deactivation(at: int) -> Attribute:
    return dated("Deactivation Date", Tag.DEACTIVATION_DATE, at)


def sensitive(value: bool) -> Attribute:
    return Attribute("Sensitive", boolean(Tag.SENSITIVE, value))


def extractable(value: bool) -> Attribute:
    return Attribute("Extractable", boolean(Tag.EXTRACTABLE, value))


def usages(mask: int) -> Attribute:
    return Attribute("Cryptographic Usage Mask", integer(Tag.CRYPTOGRAPHIC_USAGE_MASK, mask))


def allocate(key: str, units: int) -> Request:
    """Get Usage Allocation."""
    return Request(Operation.GET_USAGE_ALLOCATION, ask.identifier(key) + long_integer(Tag.USAGE_LIMITS_COUNT, units))


NEVER_CHANGED: tuple[Attribute, ...] = (
    Attribute("Unique Identifier", text(Tag.UNIQUE_IDENTIFIER, "mine")),
    Attribute("Object Type", enumeration(Tag.OBJECT_TYPE, 7)),
    Attribute("Cryptographic Algorithm", enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, 4)),
    Attribute("Cryptographic Length", integer(Tag.CRYPTOGRAPHIC_LENGTH, 64)),
    usages(0x3F),
    Attribute("Lease Time", interval(Tag.LEASE_TIME, 1)),
    Attribute("State", enumeration(Tag.STATE, 2)),
    dated("Initial Date", Tag.INITIAL_DATE, 1),
    dated("Destroy Date", Tag.DESTROY_DATE, 1),
    dated("Compromise Occurrence Date", Tag.COMPROMISE_OCCURRENCE_DATE, 1),
    dated("Compromise Date", Tag.COMPROMISE_DATE, 1),
    dated("Archive Date", Tag.ARCHIVE_DATE, 1),
    dated("Last Change Date", Tag.LAST_CHANGE_DATE, 1),
    Attribute("Fresh", boolean(Tag.FRESH, True)),
    Attribute("Always Sensitive", boolean(Tag.ALWAYS_SENSITIVE, True)),
    Attribute("Never Extractable", boolean(Tag.NEVER_EXTRACTABLE, True)),
)
"""Attributes that no client changes once an object exists, with a value that somebody might wish for."""
