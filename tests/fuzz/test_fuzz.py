"""Parsers and machines against arbitrary bytes, and messages that somebody has damaged. `make fuzz` goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from targets import TARGETS

from dscc import wire
from dscc.errors import DsccError

TEXTS = st.one_of(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=64), st.text(max_size=80))
SIZES = (0, 16, 32, 48, 64)
VALUES = {
    "printable": st.one_of(TEXTS, st.sampled_from(["n1", "n2", "a", "b", "s", "plain", "qkey", "DSCC1-S384"])),
    "bytes": st.one_of(
        *[st.binary(min_size=size, max_size=size) for size in (0, 16, 32, 48, 64)], st.binary(max_size=5000)
    ),
    "number": st.one_of(st.integers(0, 5), st.integers(0, (1 << 63) - 1)),
}


@cache
def fields(number: int) -> st.SearchStrategy[list[object]]:
    """Fields as a message of this number has them, mostly."""
    return st.tuples(*[_value(check.what) for _, check in wire._BY_NUMBER[number].fields]).map(list)


def _value(what: str) -> st.SearchStrategy[object]:
    if what.startswith("at most"):
        one = VALUES["bytes"] if "bytes" in what and "printable" not in what else VALUES["printable"]
        return st.lists(st.lists(TEXTS, min_size=2, max_size=2) if "name and" in what else one, max_size=5)
    kind = next((kind for kind in VALUES if kind in what), None)
    if what.startswith("a printable"):
        kind = "printable"
    return VALUES[kind] if kind else st.none()


MESSAGES = st.sampled_from(sorted(wire._BY_NUMBER)).flatmap(
    lambda number: fields(number).map(lambda values: cbor2.dumps([number, *values]))
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A message with some bytes changed, cut out, or put in."""
    data = bytearray(draw(MESSAGES))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)
@settings(max_examples=150, deadline=None)
@given(data=st.one_of(st.binary(max_size=400), MESSAGES, damaged()))
def test_nothing_that_arrives_does_harm(target: Callable[[bytes], None], data: bytes) -> None:
    with suppress(DsccError):
        target(data)


def test_the_targets_are_reached() -> None:
    """Most generated messages are well formed: they come through the decoder, to the machines."""
    through = []

    @settings(max_examples=400, database=None)
    @given(MESSAGES)
    def reaches(data: bytes) -> None:
        with suppress(DsccError):
            through.append(type(wire.decode(data)))

    reaches()
    assert len(set(through)) > 20 and len(through) > 40
