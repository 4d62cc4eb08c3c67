"""Who holds the earlier key: what it learns of the next one, for each mode, listening and standing in the middle.

It has the chain of the stage before, so it opens every record of the session in which the step is taken; and it can be
the node to the device, and the device to the node.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from parties import chains, nonce

from dscc.errors import DsccError
from dscc.hardening import KemKey, encapsulate
from dscc.keyfill import DeviceKeyfill, KeyfillMode, NodeKeyfill, Secrets, _next_root
from dscc.primitives import suite_named
from dscc.session import Chain, begin_chain

CODE = b"a code that went another way ...."
PIECES = (("n2", nonce()), ("n3", nonce()))


class Known(NamedTuple):
    listening: bool
    in_the_middle: bool


TABLE = {
    KeyfillMode.PLAIN: Known(True, True),
    KeyfillMode.OOB: Known(False, False),
    KeyfillMode.KEM: Known(False, True),
    KeyfillMode.KEM_OOB: Known(False, False),
    KeyfillMode.MULTIPATH: Known(False, False),
}


def device_side(chain: Chain, mode: KeyfillMode) -> DeviceKeyfill:
    return DeviceKeyfill(chain, "next", nonce(), KemKey("mlkem1024") if mode.takes_kem else None)


def node_side(chain: Chain, asks: DeviceKeyfill, mode: KeyfillMode, code: bytes, pieces: object) -> NodeKeyfill:
    sealed = encapsulate("mlkem1024", asks.t1.ek) if mode.takes_kem else None
    return NodeKeyfill(
        chain, asks.t1, stage="next", mode=mode, workflow="w/1", approval=bytes(32), nonce=nonce(),
        encapsulated=sealed, code=code, pieces=pieces if mode is KeyfillMode.MULTIPATH else (),
    )  # type: ignore[arg-type]  # fmt: skip


def listening(mode: KeyfillMode, code: bytes = bytes(32), pieces: bytes = bytes(32)) -> bool:
    """Whether the next chain follows from the earlier one and all that was said."""
    before, at_node = chains()
    asks = device_side(before, mode)
    grants = node_side(at_node, asks, mode, CODE, PIECES)
    after, _ = asks.on_t2(grants.t2, mode, CODE, tuple(piece for _, piece in PIECES))
    guesses = [
        begin_chain(_next_root(suite_named(before.suite), before, asks.t1, grants.t2, secrets).root)
        for secrets in (Secrets(), Secrets(code=code), Secrets(pieces=pieces), Secrets(code=code, pieces=pieces))
    ]
    return after in guesses


def in_the_middle(mode: KeyfillMode, code: bytes = b"a guess of the code", pieces: object = ()) -> bool:
    """Whether who is the node to the device, and the device to the node, ends with a chain that each of them uses."""
    before, at_node = chains()
    device = device_side(before, mode)
    guessed = pieces or tuple((node, bytes(32)) for node, _ in PIECES)
    false_node = node_side(before, device, mode, code, guessed)
    false_device = device_side(at_node, mode)
    node = node_side(at_node, false_device, mode, CODE, PIECES)
    try:
        at_device, t3 = device.on_t2(false_node.t2, mode, CODE, tuple(piece for _, piece in PIECES))
        known_of_device, t4 = false_node.on_t3(t3, before)
        device.on_t4(t4)
        known_of_node, t3 = false_device.on_t2(node.t2, mode, code, tuple(piece for _, piece in guessed))  # type: ignore[attr-defined]
        of_node, t4 = node.on_t3(t3, at_node)
    except DsccError:
        return False
    return known_of_device == at_device and known_of_node == of_node


@pytest.mark.parametrize("mode", KeyfillMode)
def test_the_table_of_the_protocols_document(mode: KeyfillMode) -> None:
    assert Known(listening(mode), in_the_middle(mode)) == TABLE[mode]


@pytest.mark.parametrize("mode", [KeyfillMode.OOB, KeyfillMode.KEM_OOB])
def test_it_is_the_code_that_keeps_it_out(mode: KeyfillMode) -> None:
    """The negative control: with the code, it is in the middle."""
    assert in_the_middle(mode, CODE)
    assert listening(KeyfillMode.OOB, CODE)


def test_it_is_the_pieces_that_keep_it_out() -> None:
    """The negative control: with what came over the other nodes' sessions."""
    assert in_the_middle(KeyfillMode.MULTIPATH, pieces=PIECES)
    joined = bytes(one ^ other for one, other in zip(PIECES[0][1], PIECES[1][1], strict=True))
    assert listening(KeyfillMode.MULTIPATH, pieces=joined)


def test_a_short_code_would_be_guessed_from_what_was_said() -> None:
    """Why codes have 16 bytes at least: T3 tells who holds the earlier key which guess is right."""
    before, at_node = chains()
    asks = device_side(before, KeyfillMode.OOB)
    pin = b"0042" + bytes(28)
    grants = node_side(at_node, asks, KeyfillMode.OOB, pin, ())
    after, _ = asks.on_t2(grants.t2, KeyfillMode.OOB, pin)
    suite = suite_named(before.suite)
    guesses = (b"%04d" % number + bytes(28) for number in range(100))
    found = [
        each
        for each in guesses
        if begin_chain(_next_root(suite, before, asks.t1, grants.t2, Secrets(code=each)).root) == after
    ]
    assert found == [pin]
