"""The ratchet from stage to stage, and who computes the next key: the table of the protocol's document."""

from __future__ import annotations

import pytest
from parties import chains, meet, nonce, step

from dscc.errors import DsccError, Reason
from dscc.hardening import KemKey, encapsulate
from dscc.keyfill import DeviceKeyfill, KeyfillMode, NodeKeyfill, Secrets, _next_root, split
from dscc.messages import T1, T2
from dscc.primitives import NOTHING, S512, suite_named
from dscc.session import Chain, begin_chain

CODE = b"a code that went another way ...."


@pytest.mark.parametrize("mode", KeyfillMode)
def test_both_come_to_the_next_stage_with_a_chain_of_their_own(mode: KeyfillMode) -> None:
    device, node = chains()
    after_device, after_node = step(device, node, mode=mode)
    assert after_device == after_node
    assert (after_device.stage, after_device.ratchet, after_device.epoch) == ("quarantine", 1, 0)
    assert after_device.key not in (device.key, device.ascent)
    meet(after_device, after_node)
    production = step(after_device, after_node, "production", mode)
    assert production[0] == production[1] and production[0].ratchet == 2


def recorded(mode: KeyfillMode) -> tuple[Chain, T1, T2, Chain, KemKey | None]:
    """The chain before, what was said in the session, and the chain after: what an upstream holder recorded."""
    device, node = chains()
    kem = KemKey("mlkem1024") if mode.takes_kem else None
    asks = DeviceKeyfill(device, "quarantine", nonce(), kem)
    pieces = (("n2", nonce()), ("n3", nonce())) if mode is KeyfillMode.MULTIPATH else ()
    sealed = None if kem is None else encapsulate("mlkem1024", kem.public)
    grants = NodeKeyfill(
        node, asks.t1, stage="quarantine", mode=mode, workflow="default/1", approval=bytes(32), nonce=nonce(),
        encapsulated=sealed, code=CODE, pieces=pieces,
    )  # fmt: skip
    after, _ = asks.on_t2(grants.t2, mode, CODE, tuple(piece for _, piece in pieces))
    return device, asks.t1, grants.t2, after, kem


@pytest.mark.parametrize("mode", KeyfillMode)
def test_who_held_the_earlier_key_and_recorded_everything_has_the_next_one_in_plain_mode_alone(
    mode: KeyfillMode,
) -> None:
    before, t1, t2, after, _ = recorded(mode)
    guess = begin_chain(_next_root(suite_named(before.suite), before, t1, t2, Secrets()).root)
    assert (guess == after) == (mode is KeyfillMode.PLAIN)


def test_with_the_code_the_same_holder_would_have_it_too() -> None:
    """The negative control: it is the code alone that keeps the next key from the holder of the earlier one."""
    before, t1, t2, after, _ = recorded(KeyfillMode.OOB)
    guess = begin_chain(_next_root(suite_named(before.suite), before, t1, t2, Secrets(code=CODE)).root)
    assert guess == after


@pytest.mark.parametrize("mode", KeyfillMode)
def test_the_earlier_key_does_not_follow_from_the_later_one(mode: KeyfillMode) -> None:
    before, _, _, after, _ = recorded(mode)
    suite = suite_named(before.suite)
    said = suite.digest(b"")
    guesses = [
        suite.expand(secret, label, context)
        for secret in (after.key, after.ascent)
        for label in ("na root", "atk ascent", "atk stage", "na evolve")
        for context in (b"", said)
    ]
    assert not {before.key, before.ascent} & {*guesses, after.key, after.ascent}


def test_what_a_stage_keeps_for_the_next_one_opens_no_session_of_it() -> None:
    """`ascent` is kept as long as the stage lasts; were it the root, whoever takes it would open all its sessions."""
    device, _ = chains()
    suite = suite_named(device.suite)
    for label in ("na root", "na evolve", "na sess", "na dev"):
        assert suite.expand(device.ascent, label) != device.key
    assert suite is S512


def refused(reason: Reason, device: Chain, node: Chain, asks: DeviceKeyfill, **how: object) -> None:
    given: dict[str, object] = {"mode": KeyfillMode.PLAIN, "workflow": "w/1", "approval": bytes(32), "nonce": nonce()}
    with pytest.raises(DsccError) as error:
        grants = NodeKeyfill(node, asks.t1, **(given | {"stage": asks.t1.stage} | how))  # type: ignore[arg-type]
        asks.on_t2(grants.t2, KeyfillMode.PLAIN)
    assert error.value.reason is reason


def test_no_step_is_skipped_and_none_is_taken_twice() -> None:
    device, node = chains()
    ahead = device._replace(ratchet=1)
    refused(Reason.OUT_OF_ORDER, device, node, DeviceKeyfill(ahead, "production", nonce()))
    _, after_node = step(device, node)
    refused(Reason.OUT_OF_ORDER, device, after_node, DeviceKeyfill(device, "quarantine", nonce()))


def test_a_node_does_not_talk_the_device_into_a_weaker_mode() -> None:
    device, node = chains()
    asks = DeviceKeyfill(device, "quarantine", nonce(), KemKey("mlkem1024"))
    grants = NodeKeyfill(
        node, asks.t1, stage="quarantine", mode=KeyfillMode.PLAIN, workflow="w/1", approval=bytes(32), nonce=nonce()
    )
    with pytest.raises(DsccError) as error:
        asks.on_t2(grants.t2, KeyfillMode.KEM_OOB, CODE)
    assert error.value.reason is Reason.POLICY_DENIED


def test_another_code_gives_another_key_and_is_noticed() -> None:
    device, node = chains()
    asks = DeviceKeyfill(device, "quarantine", nonce())
    grants = NodeKeyfill(
        node,
        asks.t1,
        stage="quarantine",
        mode=KeyfillMode.OOB,
        workflow="w/1",
        approval=bytes(32),
        nonce=nonce(),
        code=CODE,
    )
    _, t3 = asks.on_t2(grants.t2, KeyfillMode.OOB, CODE[::-1])
    with pytest.raises(DsccError, match="T3"):
        grants.on_t3(t3, node)


@pytest.mark.parametrize("change", [{"stage": "production"}, {"approval": b"\x01" * 32}, {"workflow": "v/1"}], ids=str)
def test_nothing_in_t2_can_be_changed(change: dict[str, object]) -> None:
    device, node = chains()
    asks = DeviceKeyfill(device, "quarantine", nonce())
    grants = NodeKeyfill(
        node, asks.t1, stage="quarantine", mode=KeyfillMode.PLAIN, workflow="w/1", approval=bytes(32), nonce=nonce()
    )
    with pytest.raises(DsccError):
        _, t3 = asks.on_t2(grants.t2._replace(**change), KeyfillMode.PLAIN)  # type: ignore[arg-type]
        grants.on_t3(t3, node)


def test_multipath_takes_the_pieces_of_all_nodes() -> None:
    secret, randoms = nonce(), (nonce(), nonce())
    pieces = split(secret, randoms)
    assert len(pieces) == 3 and pieces[:2] == randoms
    device, node = chains()
    asks = DeviceKeyfill(device, "quarantine", nonce())
    grants = NodeKeyfill(
        node, asks.t1, stage="quarantine", mode=KeyfillMode.MULTIPATH, workflow="w/1", approval=bytes(32),
        nonce=nonce(), pieces=(("n2", pieces[0]), ("n3", pieces[1])),
    )  # fmt: skip
    assert grants.t2.pieces == ("n2", "n3")
    for given in ((), pieces[:1], (pieces[0], pieces[1], pieces[2])):
        with pytest.raises(DsccError) as error:
            asks.on_t2(grants.t2, KeyfillMode.MULTIPATH, NOTHING, given)
        assert error.value.reason is Reason.INSUFFICIENT_PATHS
    _, t3 = asks.on_t2(grants.t2, KeyfillMode.MULTIPATH, NOTHING, (pieces[0], nonce()))
    with pytest.raises(DsccError, match="T3"):
        grants.on_t3(t3, node)


def test_a_lost_t3_or_t4_leaves_a_chain_that_both_have() -> None:
    device, node = chains()
    asks = DeviceKeyfill(device, "quarantine", nonce())
    grants = NodeKeyfill(
        node, asks.t1, stage="quarantine", mode=KeyfillMode.PLAIN, workflow="w/1", approval=bytes(32), nonce=nonce()
    )
    following, t3 = asks.on_t2(grants.t2, KeyfillMode.PLAIN)
    with pytest.raises(DsccError) as error:
        meet(following, node)
    assert error.value.reason is Reason.CHAIN_BROKEN
    meet(device, node)
    replaced, _ = grants.on_t3(t3, node)
    meet(following, replaced)
    with pytest.raises(DsccError):
        meet(device, replaced)
