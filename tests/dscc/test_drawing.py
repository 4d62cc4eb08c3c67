"""Drawn keys: the same at both sites, another one for each number, and nothing where a number or a size is none."""

from __future__ import annotations

from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscc import drawing, group
from dscc.direct_messages import Contribution
from dscc.drawing import draw, draw_of_group, drawn_kid, unique_identifier
from dscc.errors import DsccError, Reason
from dscc.primitives import BASE

KID, SEED = bytes(range(16)), bytes(range(32))


def epoch(name: str = "plant", policy: bytes = bytes(48)) -> group.Epoch:
    return group.form(BASE, name, ("alice", "bob"), policy, (Contribution(name, 0, bytes(32)),), bytes(48))


def test_each_number_and_each_seed_gives_another_key_by_another_name() -> None:
    drawn = [draw(KID, SEED, number, 256) for number in range(1, 100)]
    drawn += [draw(KID, bytes(32), 1, 256), draw(bytes(16), SEED, 1, 256)]
    assert len({each.key for each in drawn}) == len(drawn)
    # The same name for another seed's key: a name follows from the seed's name alone, so that nodes can compute it.
    assert len({each.kid for each in drawn}) == len(drawn) - 1
    assert all(drawn_kid(KID, number) == each.kid for number, each in enumerate(drawn[:99], 1))
    assert SEED not in {each.key for each in drawn} and KID not in {each.kid for each in drawn}


@given(st.integers(1, drawing.MOST_NUMBER), st.integers(1, 512))
def test_a_key_has_the_size_that_was_asked_for_and_one_of_another_size_does_not_begin_with_it(
    number: int, size: int
) -> None:
    drawn = draw(KID, SEED, number, 8 * size)
    assert len(drawn.key) == size and len(drawn.kid) == 16
    assert size < 16 or not draw(KID, SEED, number, 4096).key.startswith(drawn.key) or size == 512


def test_keys_of_a_group_are_those_of_one_epoch() -> None:
    mine, number = epoch(), bytes(range(16))
    drawn = draw_of_group(mine, number, 256)
    assert drawn == draw_of_group(epoch(), number, 256) and drawn.key != mine.key
    others = [draw_of_group(epoch("other"), number, 256), draw_of_group(epoch(policy=bytes(47) + b"1"), number, 256)]
    others += [draw_of_group(mine, bytes(16), 256), draw_of_group(mine._replace(number=2), number, 256)]
    assert len({each.kid for each in [drawn, *others]}) == len({each.key for each in [drawn, *others]}) == 5


@pytest.mark.parametrize("number", [0, -1, 1 << 63])
def test_what_is_no_number_draws_nothing(number: int) -> None:
    for act in (lambda: draw(KID, SEED, number, 256), lambda: drawn_kid(KID, number)):
        with pytest.raises(DsccError, match="from 1"):
            act()
    with pytest.raises(DsccError, match="16 bytes"):
        draw_of_group(epoch(), bytes(8), 256)


@pytest.mark.parametrize("bits", [0, -8, 7, 129, 4104])
def test_what_is_no_size_draws_nothing(bits: int) -> None:
    with pytest.raises(DsccError, match="whole bytes"):
        draw(KID, SEED, 1, bits)


def test_nothing_is_drawn_from_a_key_that_is_erased() -> None:
    with pytest.raises(DsccError) as error:
        draw(KID, b"", 1, 256)
    assert error.value.reason is Reason.EXPIRED


def test_a_drawn_key_does_not_show_itself() -> None:
    drawn = draw(KID, SEED, 1, 256)
    assert repr(drawn) == f"Drawn({drawn.kid.hex()})"


@given(st.binary(min_size=16, max_size=16))
def test_a_unique_identifier_is_a_uuid_of_version_8_with_the_other_bits_of_the_kid(kid: bytes) -> None:
    made = UUID(unique_identifier(kid))
    assert (made.version, made.variant) == (8, RFC_4122) and str(made) == unique_identifier(kid)
    assert [a ^ b for a, b in zip(made.bytes, kid, strict=True) if a ^ b] == [
        each for each in (made.bytes[6] ^ kid[6], made.bytes[8] ^ kid[8]) if each
    ]
    assert (made.bytes[6] ^ kid[6]) & 0x0F == (made.bytes[8] ^ kid[8]) & 0x3F == 0


def test_what_is_no_identifier_is_refused() -> None:
    for act in (lambda: unique_identifier(bytes(15)), lambda: draw(bytes(32), SEED, 1, 256)):
        with pytest.raises(DsccError, match="16 bytes"):
            act()
