"""The tunnel's records by themselves: two ways, epochs, limits, and every order in which they may come."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha384
from struct import Struct

import importer
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from two_ends import OWN, PEER, key_number

from dscc.errors import DsccError, Reason
from dscc.uses.derivation import Role
from dscc.uses.tunnel_records import (
    BODY_BYTES,
    HELLO_BYTES,
    Event,
    Kind,
    Receiving,
    Sending,
    connection,
    hello,
    kid_of,
)

HEAD = Struct(">IQH")
HELLOS = hello(key_number(1), bytes(32)), hello(key_number(1), b"\x01" * 32)
CLIENT = connection(Role.CLIENT, *HELLOS)
SERVER = connection(Role.SERVER, *reversed(HELLOS))


def ends(epoch_records: int = 1 << 23) -> tuple[Sending, Receiving]:
    """The client's way: who says, and who hears."""
    said = Sending(CLIENT, key_number(1), epoch_records=epoch_records)
    return said, Receiving(SERVER, key_number(1, PEER, OWN))


def heard(receiving: Receiving, data: bytes) -> list[Event]:
    """All events; keys that are named are taken."""
    receiving.feed(data)
    found = []
    while (event := receiving.next_event()) is not None:
        found.append(event)
        if event.kind is Kind.NEXT_KEY:
            number = next(each for each in range(1, 40) if key_number(each).kid == event.kid)
            receiving.go_on_with(key_number(number, PEER, OWN))
    return found


@given(st.lists(st.one_of(st.binary(max_size=40_000), st.integers(1, 20)), max_size=8), st.data())
def test_any_bytes_under_any_keys_in_any_pieces_come_out_as_they_went_in(
    steps: Sequence[bytes | int], data: st.DataObject
) -> None:
    sending, receiving = ends()
    wire = b"".join(
        sending.go_on_with(key_number(step)) if isinstance(step, int) else sending.seal(step) for step in steps
    )
    wire += sending.end()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    events = []
    for start, stop in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        events += heard(receiving, wire[start:stop])
    assert b"".join(each.data for each in events) == b"".join(each for each in steps if isinstance(each, bytes))
    assert events[-1] == Event(Kind.END)
    receiving.finish()


@given(st.permutations(range(6)))
def test_only_one_order_is_taken(order: list[int]) -> None:
    sending, receiving = ends()
    records = [sending.seal(b"%d" % number) for number in range(5)] + [sending.end()]
    taken = []
    try:
        for number in order:
            taken += heard(receiving, records[number])
        receiving.finish()
    except DsccError as error:
        assert error.reason is Reason.OUT_OF_ORDER and order != sorted(order)
    assert [each.data for each in taken if each.kind is Kind.DATA] == [b"%d" % each for each in range(len(taken))][:5]


@given(st.integers(0), st.integers(0, 7))
def test_no_bit_can_be_changed(place: int, bit: int) -> None:
    sending, receiving = ends()
    record = bytearray(sending.seal(b"twenty bytes of data"))
    record[place % len(record)] ^= 1 << bit
    with pytest.raises(DsccError):
        heard(receiving, bytes(record))
        receiving.finish()


def test_an_epoch_ends_though_the_key_stays() -> None:
    sending, receiving = ends(epoch_records=4)
    wire = sending.seal(b"x" * (10 * BODY_BYTES)) + sending.end()
    events = heard(receiving, wire)
    assert [each.kind for each in events].count(Kind.NEXT_KEY) == 2
    assert b"".join(each.data for each in events) == b"x" * (10 * BODY_BYTES)
    assert max(_heads(wire)) == (2, 2) and receiving.kid == key_number(1).kid


def test_no_epoch_is_longer_than_what_a_key_may_carry() -> None:
    from dscc.primitives import Direction
    from dscc.uses import tunnel_records

    assert tunnel_records._EPOCH_RECORDS < Direction._MOST


def test_the_same_bytes_are_sealed_otherwise_in_every_way_epoch_and_connection() -> None:
    other = connection(Role.CLIENT, HELLOS[0], hello(key_number(1), b"\x02" * 32))
    ways = [Sending(CLIENT, key_number(1)), Sending(SERVER, key_number(1, PEER, OWN)), Sending(other, key_number(1))]
    sealed = [way.seal(b"the same")[HEAD.size :] for way in ways]
    again = ways[0]
    again.go_on_with(key_number(1))
    sealed.append(again.seal(b"the same")[HEAD.size :])
    assert len(set(sealed)) == 4


def test_a_second_implementation_opens_the_records() -> None:
    shared = key_number(1)
    wire = Sending(CLIENT, shared).seal(b"something")
    names = importer.encoded(bytes.fromhex(shared.kid), OWN.encode(), PEER.encode())
    secret = importer.use_key(shared.key, "use tunnel", names, 48)
    digest = sha384(importer.encoded(*HELLOS)).digest() + bytes(4)
    key, iv = importer.use_key(secret, "c2s key", digest, 32), importer.use_key(secret, "c2s iv", digest, 12)
    # Of record 0: its number changes nothing of the vector.
    bound = digest + b"c2s" + bytes(8)
    assert wire[:14] == bytes(4) + bytes(8) + (26).to_bytes(2, "big")
    assert AESGCM(key).decrypt(iv, wire[14:], bound) == b"\0something"
    assert HELLOS[0] == b"dscc-tunnel-1" + bytes.fromhex(shared.kid) + bytes(32)


def test_what_came_from_here_does_not_open_here() -> None:
    sending = Sending(CLIENT, key_number(1))
    with pytest.raises(DsccError) as refused:
        heard(Receiving(CLIENT, key_number(1)), sending.seal(b"mine"))
    assert refused.value.reason is Reason.NOT_AUTHENTIC


@pytest.mark.parametrize("length", [0, 16, 16_402, 65_535])
def test_a_length_is_looked_at_before_anything_is_waited_for(length: int) -> None:
    receiving = ends()[1]
    receiving.feed(HEAD.pack(0, 0, length))
    with pytest.raises(DsccError) as refused:
        receiving.next_event()
    assert refused.value.reason is Reason.MALFORMED


def test_after_the_end_there_is_nothing() -> None:
    sending, receiving = ends()
    heard(receiving, sending.end())
    with pytest.raises(DsccError, match="after the end"):
        heard(receiving, b"\0")
    with pytest.raises(DsccError, match="the end was said"):
        sending.seal(b"more")


def test_without_an_end_it_was_cut() -> None:
    sending, receiving = ends()
    heard(receiving, sending.seal(b"some"))
    with pytest.raises(DsccError, match="cut before its end"):
        receiving.finish()


def test_the_key_that_comes_next_is_the_one_that_was_named() -> None:
    sending, receiving = ends()
    receiving.feed(sending.go_on_with(key_number(2)) + sending.seal(b"new"))
    assert receiving.next_event() == Event(Kind.NEXT_KEY, kid=key_number(2).kid)
    with pytest.raises(DsccError, match="not known yet"):
        receiving.next_event()
    with pytest.raises(DsccError, match="not the key"):
        receiving.go_on_with(key_number(3, PEER, OWN))
    receiving.go_on_with(key_number(2, PEER, OWN))
    assert receiving.next_event() == Event(Kind.DATA, data=b"new")


@pytest.mark.parametrize(("kind", "body"), [(1, b"short"), (2, b"x"), (3, b""), (255, b"")])
def test_what_is_sealed_and_is_no_record_is_refused(kind: int, body: bytes) -> None:
    sending, receiving = ends()
    sealed = sending._direction.seal(bytes((kind,)) + body)
    with pytest.raises(DsccError) as refused:
        heard(receiving, HEAD.pack(0, 0, len(sealed)) + sealed)
    assert refused.value.reason is Reason.MALFORMED


@pytest.mark.parametrize("said", [b"", bytes(HELLO_BYTES), HELLOS[0][:-1], HELLOS[0] + b"x"])
def test_what_is_no_hello_is_refused(said: bytes) -> None:
    with pytest.raises(DsccError, match="does not begin with a hello"):
        kid_of(said)
    assert kid_of(HELLOS[0]) == key_number(1).kid


def _heads(wire: bytes) -> list[tuple[int, int]]:
    found, at = [], 0
    while at < len(wire):
        epoch, number, length = HEAD.unpack_from(wire, at)
        found.append((epoch, number))
        at += HEAD.size + length
    return found
