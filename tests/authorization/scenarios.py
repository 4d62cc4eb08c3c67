"""What takes more than one object or one request: wrapping keys, bases, pairs, dates. By the same clients.

Each scenario has its expectation beside it: (what it is, who asks, the request, the Result Reason's name or "").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from authorization.cast import BOUNDED, MOST_USES, OWNER, may, not_
from authorization.play import Exchange, Wrong, outcome
from authorization.probes import PROBES, VERSION
from authorization.things import KEY
from support import requests as ask
from support.attributes import allocate, deactivation, process_start, protect_stop, usage_limits
from support.keys import SIGN, UNWRAP, VERIFY, WRAP, get_as, wrapping_specification
from support.numbers import Operation, Tag
from support.requests import Request, identifier
from support.wire import enumeration, text

_BY_NAME = {probe.name: probe for probe in PROBES}
_MANDATORY = enumeration(Tag.ASYNCHRONOUS_INDICATOR, 1)
_PAST, _FUTURE = 2, 4_000_000_000


class Step(NamedTuple):
    """A request of somebody, and its answer."""

    what: str
    who: str
    request: Request
    expected: str
    fields: tuple[bytes, ...] = ()


def scenarios(exchange: Exchange) -> Iterator[Wrong]:
    """Play them all, and answer what is wrong."""

    def do(who: str, request: Request) -> str:
        return str(exchange(who, VERSION, ask.one(VERSION, request)).result.unique_identifier)

    def key(*more: ask.Attribute, mask: int = WRAP | UNWRAP | 0x28C) -> str:
        return do(OWNER, ask.register_key(VERSION, KEY, *more, mask=mask))

    active = ask.activation_date(1)
    later = Step("Create, later", not_("CREATE"), ask.create_aes(VERSION), "PERMISSION_DENIED", (_MANDATORY,))
    for step in (
        later,
        *_absent(),
        *_wrapping(do, key, active),
        *_dates(key, active),
        *_pairs(exchange, do, key, active),
        *_bounds(do),
        *_limits(key, active),
    ):
        result = exchange(step.who, VERSION, ask.one(VERSION, step.request, fields=step.fields)).result
        got = outcome(result, "")
        if got != step.expected:
            yield Wrong(f"{step.who}: {step.what} ({result.message})", step.expected, got)


def _absent() -> Iterator[Step]:
    """What was never there is answered as what is not there for the caller."""
    for probe in PROBES:
        if probe.operation not in ("LOCATE", "IMPORT"):
            answer = "ITEM_NOT_FOUND" if probe.operation == "ADJUST_ATTRIBUTE" else "OBJECT_NOT_FOUND"
            yield Step(
                f"{probe.name} of nothing", OWNER, probe.build("0199b7de-8c3f-7a61-9d7e-0f6b21c85f02", 0), answer
            )
    yield Step("Get of no ID Placeholder", OWNER, ask.get(), "OBJECT_NOT_FOUND")


def _wrapping(do, key, active) -> Iterator[Step]:  # type: ignore[no-untyped-def]
    target, good = key(active), key(active)
    dead, stored, unused, masked = key(), key(active), key(), key(active, mask=ask.ENCRYPT)
    do(OWNER, ask.destroy(dead))
    do(OWNER, Request(Operation.ARCHIVE, identifier(stored)))
    for what, by, answer in (
        ("an Active one", good, ""),
        ("a destroyed one", dead, "WRAPPING_OBJECT_DESTROYED"),
        ("an archived one", stored, "WRAPPING_OBJECT_ARCHIVED"),
        ("a Pre-Active one", unused, "PERMISSION_DENIED"),
        ("one without Wrap Key", masked, "INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK"),
    ):
        yield Step(f"Get wrapped by {what}", OWNER, get_as(target, specification=wrapping_specification(by)), answer)
    theirs = do("oscar", ask.register_key(VERSION, KEY, active, mask=WRAP))
    wrapped = get_as(target, specification=wrapping_specification(theirs))
    yield Step("Get wrapped by the key of another", OWNER, wrapped, "WRAPPING_OBJECT_NOT_FOUND")
    mine = do("nemo", ask.register_key(VERSION, KEY, active, mask=WRAP))
    yield Step("Get wrapped by a key of one's own", "nemo",
               get_as(target, specification=wrapping_specification(mine)), "OBJECT_NOT_FOUND")  # fmt: skip


def _dates(key, active) -> Iterator[Step]:  # type: ignore[no-untyped-def]
    stopped, early = key(active, protect_stop(_PAST)), key(active, process_start(_FUTURE))
    encrypt, decrypt = _BY_NAME["ENCRYPT"].build, _BY_NAME["DECRYPT"].build
    late = "WRONG_KEY_LIFECYCLE_STATE"
    yield Step("Encrypt after the Protect Stop Date", OWNER, encrypt(stopped, 0), late)
    yield Step("Decrypt after the Protect Stop Date", OWNER, decrypt(stopped, 0), "CRYPTOGRAPHIC_FAILURE")
    yield Step("Decrypt before the Process Start Date", OWNER, decrypt(early, 0), late)
    reached = Request(
        Operation.MODIFY_ATTRIBUTE,
        identifier(stopped) + ask.structure(Tag.NEW_ATTRIBUTE, protect_stop(_FUTURE).item),
    )
    yield Step("a Protect Stop Date that is reached", OWNER, reached, late)


def _pairs(exchange, do, key, active) -> Iterator[Step]:  # type: ignore[no-untyped-def]
    once = key(active)
    yield Step("Re-key", OWNER, ask.rekey(once), "")
    yield Step("Re-key once more", OWNER, ask.rekey(once), "PERMISSION_DENIED")
    common = [ask.algorithm(6), ask.length(256), active]
    made = exchange(OWNER, VERSION, ask.one(VERSION, ask.create_key_pair(VERSION, common, SIGN, VERIFY))).result
    pair = str(made.expect_success().get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER))
    again = Request(Operation.RE_KEY_KEY_PAIR, text(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER, pair))
    yield Step("Re-key a pair of another", not_("RE_KEY_KEY_PAIR"), again, "PERMISSION_DENIED")
    yield Step("Re-key a pair of another", "nemo", again, "OBJECT_NOT_FOUND")
    yield Step("Re-key a pair", may("RE_KEY_KEY_PAIR"), again, "")
    yield Step("Re-key a pair once more", OWNER, again, "PERMISSION_DENIED")
    other = exchange(OWNER, VERSION, ask.one(VERSION, ask.create_key_pair(VERSION, common[:2], SIGN, VERIFY))).result
    half, whole = (str(other.get(tag)) for tag in (Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER, Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER))
    do(OWNER, ask.destroy(half))
    widowed = Request(Operation.RE_KEY_KEY_PAIR, text(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER, whole))
    yield Step("Re-key a pair whose public key is destroyed", OWNER, widowed, "PERMISSION_DENIED")
    theirs = do("oscar", ask.register_key(VERSION, KEY, active, mask=0x200))
    yield Step("Derive from the key of another", OWNER, _BY_NAME["DERIVE_KEY"].build(theirs, 0), "OBJECT_NOT_FOUND")


def _bounds(do) -> Iterator[Step]:  # type: ignore[no-untyped-def]
    """What the policy wants of new keys holds when they are made, and when they are changed."""
    yield Step("Create of what is denied", BOUNDED, ask.create_aes(VERSION, bits=128), "INVALID_ATTRIBUTE_VALUE")
    yield Step("Create of the same by others", OWNER, ask.create_aes(VERSION, bits=128), "")
    for who, answer in ((BOUNDED, "PERMISSION_DENIED"), (OWNER, "")):
        made = do(who, ask.create_aes(VERSION, deactivation(_FUTURE - 1), usage_limits(MOST_USES, unit=2)))
        yield Step("a Deactivation Date later", who, ask.modify_attribute(VERSION, made, deactivation(_FUTURE)), answer)
        wider = usage_limits(MOST_USES + 1, unit=2)
        yield Step("Usage Limits for more", who, ask.modify_attribute(VERSION, made, wider), answer)


def _limits(key, active) -> Iterator[Step]:  # type: ignore[no-untyped-def]
    """Usage Limits are spent by uses and by allocations, and by no more than there are."""
    mac = _BY_NAME["MAC"].build
    used, allocated = (key(active, usage_limits(1, unit=2)) for _ in range(2))
    yield Step("MAC, the last one", OWNER, mac(used, 0), "")
    yield Step("MAC, one too many", OWNER, mac(used, 0), "USAGE_LIMIT_EXCEEDED")
    yield Step("allocation of more than is left", OWNER, allocate(allocated, 2), "USAGE_LIMIT_EXCEEDED")
    yield Step("allocation of what is left", OWNER, allocate(allocated, 1), "")
    yield Step("MAC of what is allocated", OWNER, mac(allocated, 0), "USAGE_LIMIT_EXCEEDED")
