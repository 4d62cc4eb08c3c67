"""Mutual authentication with evolving keys: whatever is lost, both meet again, and never with a key of before."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parties import chains, meet, nonce

from dscc.errors import DsccError, Reason
from dscc.messages import M1, M2, M3, M4
from dscc.primitives import suite_named
from dscc.session import WINDOW, Chain, DeviceHandshake, NodeHandshake, Session


def talk(device: Session, node: Session) -> None:
    for number in range(3):
        assert node.open(device.seal(b"to node %d" % number)) == b"to node %d" % number
        assert device.open(node.seal(b"to device %d" % number)) == b"to device %d" % number


def test_a_session_carries_what_both_say_and_both_go_on() -> None:
    first = chains()
    device, node = meet(*first)
    talk(device, node)
    assert device.chain.epoch == node.chain.epoch == 1
    assert device.chain.key == node.chain.key != first[0].key
    talk(*meet(device.chain, node.chain))


def test_what_is_lost_is_made_up_for_in_the_next_handshake() -> None:
    device, node = chains()
    for _ in range(3):
        begun = DeviceHandshake("meter-7", "n1", device, nonce())
        answered = NodeHandshake(node, begun.m1, nonce())
        node = answered.caught_up or node
        # M3 is lost: the device has gone on, the node has not.
        device, _ = begun.on_m2(answered.m2)
    assert (device.epoch, node.epoch) == (3, 2)
    talk(*meet(device, node))


def test_a_lost_m4_leaves_both_at_the_same_epoch() -> None:
    device, node = chains()
    begun = DeviceHandshake("meter-7", "n1", device, nonce())
    answered = NodeHandshake(node, begun.m1, nonce())
    device, m3 = begun.on_m2(answered.m2)
    node, _, _ = answered.on_m3(m3, node)
    assert device.key == node.key
    talk(*meet(device, node))


def advanced(chain: Chain, epochs: int) -> Chain:
    other = chain
    for _ in range(epochs):
        _, session = meet(chain, other)
        chain = other = session.chain
    return chain


def test_a_restored_node_catches_up_within_the_window_and_no_further() -> None:
    _, node = chains()
    ahead = advanced(node, WINDOW)
    talk(*meet(ahead, node))
    with pytest.raises(DsccError) as refused:
        meet(advanced(ahead, 1), node)
    assert refused.value.reason is Reason.CHAIN_BROKEN


def test_a_device_that_is_one_behind_is_known_as_such() -> None:
    device, node = chains()
    _, at_node = meet(device, node)
    assert not at_node.behind
    again, noticed = meet(device, at_node.chain)
    assert noticed.behind
    talk(again, noticed)


def test_a_clone_forks_the_chain_and_the_second_of_the_two_is_noticed() -> None:
    device, node = chains()
    _, node_after = meet(device, node)
    _, noticed = meet(device, node_after.chain)
    assert noticed.behind
    with pytest.raises(DsccError):
        meet(device, noticed.chain)


def test_a_replayed_m1_opens_no_session() -> None:
    device, node = chains()
    begun = DeviceHandshake("meter-7", "n1", device, nonce())
    answered = NodeHandshake(node, begun.m1, nonce())
    ahead, m3 = begun.on_m2(answered.m2)
    after, m4, _ = answered.on_m3(m3, node)
    again = NodeHandshake(after, begun.m1, nonce())
    with pytest.raises(DsccError):
        again.on_m3(m3, after)
    late = DeviceHandshake("meter-7", "n1", ahead, nonce())
    with pytest.raises(DsccError):
        late.on_m2(answered.m2)
    late.on_m2(NodeHandshake(after, late.m1, nonce()).m2)
    with pytest.raises(DsccError):
        late.on_m4(m4)


def test_nothing_is_accepted_by_its_own_sender() -> None:
    device, node = chains()
    begun = DeviceHandshake("meter-7", "n1", device, nonce())
    with pytest.raises(DsccError):
        begun.on_m2(M2(0, begun.m1.nonce, begun.m1.mac))
    answered = NodeHandshake(node, begun.m1, nonce())
    _, m3 = begun.on_m2(answered.m2)
    with pytest.raises(DsccError):
        begun.on_m4(M4(m3.mac))
    with pytest.raises(DsccError):
        answered.on_m3(M3(answered.m2.mac), node)


@pytest.mark.parametrize(
    "change",
    [
        {"device": "meter-8"},
        {"node": "n2"},
        {"stage": "production"},
        {"ratchet": 1},
        {"epoch": 1},
        {"nonce": bytes(32)},
        {"mac": bytes(48)},
    ],
    ids=str,
)
def test_nothing_in_m1_can_be_changed(change: dict[str, object]) -> None:
    device, node = chains()
    m1: M1 = DeviceHandshake("meter-7", "n1", device, nonce()).m1
    with pytest.raises(DsccError):
        NodeHandshake(node, m1._replace(**change), nonce())  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"epoch": 1}, {"epoch": 65}, {"nonce": bytes(32)}, {"mac": bytes(48)}], ids=str)
def test_nothing_in_m2_can_be_changed(change: dict[str, object]) -> None:
    device, node = chains()
    begun = DeviceHandshake("meter-7", "n1", device, nonce())
    m2 = NodeHandshake(node, begun.m1, nonce()).m2
    with pytest.raises(DsccError):
        begun.on_m2(m2._replace(**change))  # type: ignore[arg-type]


def test_a_later_key_opens_nothing_of_before() -> None:
    """Who takes everything that a device keeps after a session has no key of that session: they are hashed away."""
    device, node = chains()
    begun = DeviceHandshake("meter-7", "n1", device, nonce())
    answered = NodeHandshake(node, begun.m1, nonce())
    kept, _ = begun.on_m2(answered.m2)
    assert begun._after is not None
    said, session_key = begun._after
    suite = suite_named(device.suite)
    guesses = [kept.key, kept.ascent, kept.prior]
    for secret in list(guesses):
        guesses += [suite.expand(secret, label, said) for label in ("na sess", "na evolve", "na root", "na dev")]
        guesses += [suite.expand(secret, label) for label in ("na sess", "na evolve", "na root", "na dev")]
    assert session_key not in guesses and device.key not in guesses
    assert suite.expand(device.key, "na sess", said) == session_key


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["m1", "m2", "m3", "m4", "restart", "none"]), max_size=8))
def test_whatever_is_lost_the_next_handshake_that_loses_nothing_succeeds(losses: list[str]) -> None:
    device, node = chains()
    used: set[bytes] = set()
    for lost in losses:
        begun = DeviceHandshake("meter-7", "n1", device, nonce())
        if lost == "m1":
            continue
        answered = NodeHandshake(node, begun.m1, nonce())
        node = answered.caught_up or node
        if lost in ("m2", "restart"):
            continue
        device, m3 = begun.on_m2(answered.m2)
        assert begun._after is not None and begun._after.session_key not in used
        used.add(begun._after.session_key)
        if lost == "m3":
            continue
        node, m4, at_node = answered.on_m3(m3, node)
        assert device.epoch == node.epoch
        if lost != "m4":
            talk(begun.on_m4(m4), at_node)
    assert device.epoch - node.epoch in (0, 1)
    talk(*meet(device, node))
