"""A random source that is stuck, on one side: what the attacker then knows, and why it does not help."""

from __future__ import annotations

import secrets

import pytest
from parties import chains, nonce
from world import keys_computed, negotiated, shares_known

from dscc import group, session
from dscc.direct_messages import Contribution
from dscc.keyfill import DeviceKeyfill, KeyfillMode, NodeKeyfill
from dscc.primitives import S384
from dscc.session import Chain, DeviceHandshake, NodeHandshake

STUCK = bytes(32)


@pytest.mark.parametrize("who", ["alice", "bob", "both"])
def test_a_device_whose_source_is_stuck_still_gets_new_keys_that_nobody_knows(who: str) -> None:
    stuck = ("alice", "bob") if who == "both" else (who,)
    runs = [negotiated(random=lambda device: STUCK if device in stuck else nonce()) for _ in range(5)]
    assert len({run.mine.key for run in runs}) == 5
    for run in runs:
        assert run.mine.key not in keys_computed(run.direct, shares_known(run, ("n1", "n2")))


@pytest.mark.parametrize("stuck", [("n1",), ("n1", "n2")], ids=str)
def test_a_node_whose_source_is_stuck_is_as_good_as_one_that_tells(stuck: tuple[str, ...]) -> None:
    runs = [negotiated(fresh=lambda node: bytes(48) if node in stuck else secrets.token_bytes(48)) for _ in range(5)]
    assert len({run.mine.key for run in runs}) == 5
    for run in runs:
        assert run.mine.key not in keys_computed(run.direct, shares_known(run, stuck))


def test_if_all_are_stuck_the_key_repeats() -> None:
    """The negative control: it is the honest sources that make the key."""
    runs = [negotiated(random=lambda _: STUCK, fresh=lambda _: bytes(48)) for _ in range(2)]
    assert runs[0].mine.key == runs[1].mine.key


def session_keys(device_stuck: bool, node_stuck: bool) -> set[bytes]:
    device, node = chains()
    keys = set()
    for _ in range(5):
        begun = DeviceHandshake("meter-7", "n1", device, STUCK if device_stuck else nonce())
        answered = NodeHandshake(node, begun.m1, STUCK if node_stuck else nonce())
        device, m3 = begun.on_m2(answered.m2)
        node, _, _ = answered.on_m3(m3, node)
        assert begun._after is not None
        keys.add(begun._after.session_key)
    return keys


@pytest.mark.parametrize(("device", "node"), [(True, False), (False, True), (True, True)])
def test_sessions_have_different_keys_since_the_chain_goes_on(device: bool, node: bool) -> None:
    assert len(session_keys(device, node)) == 5


def test_without_evolution_stuck_sources_would_repeat_a_session_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control."""

    def stays(suite: object, chain: Chain, epochs: int = 1) -> Chain:
        return chain._replace(epoch=chain.epoch + epochs)

    monkeypatch.setattr(session, "_evolved", stays)
    device, node = chains()
    keys = set()
    for _ in range(2):
        begun = DeviceHandshake("meter-7", "n1", device, STUCK)
        begun.on_m2(NodeHandshake(node, begun.m1, STUCK).m2)
        assert begun._after is not None
        keys.add(begun._after.session_key)
    assert len(keys) == 1


@pytest.mark.parametrize(("device", "node"), [(True, False), (False, True), (True, True)])
def test_a_step_gives_another_root_from_each_chain(device: bool, node: bool) -> None:
    roots = set()
    for _ in range(5):
        at_device, at_node = chains()
        asks = DeviceKeyfill(at_device, "next", STUCK if device else nonce())
        grants = NodeKeyfill(
            at_node, asks.t1, stage="next", mode=KeyfillMode.PLAIN, workflow="w/1", approval=bytes(32),
            nonce=STUCK if node else nonce(),
        )  # fmt: skip
        roots.add(asks.on_t2(grants.t2, KeyfillMode.PLAIN)[0].key)
    assert len(roots) == 5


MEMBERS = ("a", "b", "c")
FRESH = bytes(48)


def formed(leader_stuck: bool, members_stuck: bool) -> group.Epoch:
    parts = tuple(Contribution("plant", 0, STUCK if members_stuck else nonce()) for _ in MEMBERS[1:])
    return group.form(S384, "plant", MEMBERS, bytes(48), parts, FRESH if leader_stuck else secrets.token_bytes(48))


def test_a_group_is_formed_well_if_anybodys_source_is() -> None:
    assert formed(True, False).key != formed(True, False).key
    assert formed(False, True).key != formed(False, True).key
    # The negative control.
    assert formed(True, True).key == formed(True, True).key


def test_a_leave_is_told_from_others_by_the_pair_keys_if_the_leaders_source_is_stuck() -> None:
    pair_keys = [(nonce(), nonce()) for _ in range(2)]
    epochs = [group.without(formed(True, False), frozenset("c"), bytes(48), FRESH, hidden) for hidden in pair_keys]
    assert epochs[0].key != epochs[1].key
    # The negative control: without them, who left computes the seed from what it knows of the source.
    bare = [group.without(formed(True, False), frozenset("c"), bytes(48), FRESH) for _ in range(2)]
    assert bare[0].key == bare[1].key
