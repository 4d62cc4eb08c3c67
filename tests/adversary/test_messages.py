"""Replay, reflection, unknown key share, skipped stages, downgrade: refused, and possible without the defence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from parties import NODES, TUNNEL, ShareNode, chains, nonce, register, step

from dscc import pairwise, session
from dscc.agreement import Agreement, Limits, Wanted
from dscc.direct_messages import D1, D2
from dscc.errors import DsccError, Reason
from dscc.hardening import KemKey
from dscc.keyfill import DeviceKeyfill, KeyfillMode, NodeKeyfill
from dscc.pairwise import Initiator, Responder
from dscc.primitives import S384
from dscc.session import DeviceHandshake, NodeHandshake, begin_chain
from dscc.wire import transcript

# Replay.


def recorded() -> tuple[dict[str, Any], tuple[Any, Any], tuple[Any, Any]]:
    """Everything that was said in a session and a step of keyfill; the chains after them, and after the step."""
    device, node = chains()
    begun = DeviceHandshake("meter-7", "n1", device, nonce())
    answered = NodeHandshake(node, begun.m1, nonce())
    device, m3 = begun.on_m2(answered.m2)
    node, m4, _ = answered.on_m3(m3, node)
    asks = DeviceKeyfill(device, "quarantine", nonce())
    grants = NodeKeyfill(
        node, asks.t1, stage="quarantine", mode=KeyfillMode.PLAIN, workflow="w/1", approval=bytes(32), nonce=nonce()
    )
    next_device, t3 = asks.on_t2(grants.t2, KeyfillMode.PLAIN)
    next_node, t4 = grants.on_t3(t3, node)
    said = {"m1": begun.m1, "m2": answered.m2, "m3": m3, "m4": m4, "t1": asks.t1, "t2": grants.t2, "t3": t3, "t4": t4}
    return said, (device, node), (next_device, next_node)


def replays(said: dict[str, Any], device: Any, node: Any) -> dict[str, Callable[[], object]]:
    """Each message at each machine that takes such messages, which has begun anew."""
    begun = DeviceHandshake("meter-7", "n1", device, nonce())
    answered = NodeHandshake(node, begun.m1, nonce())
    third = DeviceHandshake("meter-7", "n1", device, nonce())
    third.on_m2(NodeHandshake(node, third.m1, nonce()).m2)
    asks = DeviceKeyfill(device, "production", nonce())

    def grants() -> NodeKeyfill:
        return NodeKeyfill(
            node, asks.t1, stage="production", mode=KeyfillMode.PLAIN, workflow="w/1", approval=bytes(32), nonce=nonce()
        )

    def fourth() -> object:
        asked = DeviceKeyfill(device, "production", nonce())
        other = NodeKeyfill(
            node, asked.t1, stage="production", mode=KeyfillMode.PLAIN, workflow="w/1", approval=bytes(32),
            nonce=nonce(),
        )  # fmt: skip
        asked.on_t2(other.t2, KeyfillMode.PLAIN)
        return asked.on_t4(said["t4"])

    return {
        "m1 and m3": lambda: NodeHandshake(node, said["m1"], nonce()).on_m3(said["m3"], node),
        "m2": lambda: begun.on_m2(said["m2"]),
        "m3": lambda: answered.on_m3(said["m3"], node),
        "m4": lambda: third.on_m4(said["m4"]),
        "t1": lambda: NodeKeyfill(
            node, said["t1"], stage="quarantine", mode=KeyfillMode.PLAIN, workflow="w/1", approval=bytes(32),
            nonce=nonce(),
        ),
        "t2": lambda: DeviceKeyfill(device, "production", nonce()).on_t2(said["t2"], KeyfillMode.PLAIN),
        "t3": lambda: grants().on_t3(said["t3"], node),
        "t4": fourth,
    }  # fmt: skip


def test_nothing_that_was_said_is_accepted_again_in_any_later_session_or_step() -> None:
    accepted = []
    for _ in range(20):
        said, after, following = recorded()
        for device, node in (following, step(*following, stage="production")):
            for name, replay in replays(said, device, node).items():
                try:
                    replay()
                except DsccError:
                    continue
                accepted.append(name)
        # In the same stage, too, only a later epoch.
        for name, replay in replays(said, *after).items():
            if name[0] != "t":
                with pytest.raises(DsccError):
                    replay()
    assert accepted == []


def test_without_nonces_and_evolution_a_session_is_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: with a node whose nonces and keys stay the same, who recorded one session opens another."""
    monkeypatch.setattr(session, "_evolved", lambda suite, chain, epochs=1: chain)
    device, node = chains()
    begun = DeviceHandshake("meter-7", "n1", device, nonce())
    first = NodeHandshake(node, begun.m1, bytes(32))
    _, m3 = begun.on_m2(first.m2)
    first.on_m3(m3, node)
    NodeHandshake(node, begun.m1, bytes(32)).on_m3(m3, node)


# Reflection.


def reflected() -> bool:
    """Whether a device opens its own record."""
    device, node = chains()
    begun = DeviceHandshake("meter-7", "n1", device, nonce())
    answered = NodeHandshake(node, begun.m1, nonce())
    _, m3 = begun.on_m2(answered.m2)
    _, m4, _ = answered.on_m3(m3, node)
    mine = begun.on_m4(m4)
    try:
        return mine.open(mine.seal(b"hello")) == b"hello"
    except DsccError:
        return False


def test_nobody_takes_what_it_said_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not reflected()
    alice = Initiator("alice", "bob", TUNNEL, NODES, nonce(), limits=Limits(), chains={})
    for d1 in (alice.d1, alice.d1._replace(responder="alice")):
        with pytest.raises(DsccError) as refused:
            Responder("alice", d1, nonce(), limits=Limits(), chains={}, nodes=NODES)
        assert refused.value.reason is Reason.NOT_AUTHENTIC

    real = session._directions

    def one_key_for_both(suite: Any, session_key: bytes) -> Any:
        return real(suite, session_key)[0], real(suite, session_key)[0]

    # The negative control: one key for both directions.
    monkeypatch.setattr(session, "_directions", one_key_for_both)
    assert reflected()


# Unknown key share, and downgrade: somebody changes D1 or D2 on the way, and the nodes are with him.


def changed(
    change_d1: dict[str, object],
    change_d2: dict[str, object] | None = None,
    *,
    wanted: Wanted = TUNNEL,
    kem: bool = False,
    limits: Limits = Limits(),  # noqa: B008
) -> tuple[Agreement, Agreement]:
    """What both agree on if D1 and D2 are changed on the way, and every node gives both the same share."""
    alice = Initiator(
        "alice", "bob", wanted, NODES, nonce(), limits=limits, chains={}, kem=KemKey("mlkem768") if kem else None
    )
    bob = Responder("bob", alice.d1._replace(**change_d1), nonce(), limits=limits, chains={}, nodes=NODES)  # type: ignore[arg-type]
    alice.on_d2(bob.d2._replace(**(change_d2 or {})))  # type: ignore[arg-type]
    for node in bob.nodes:
        share = ShareNode().ask("alice", alice.share_request())
        assert share is not None
        for side in (alice, bob):
            asked = side.share_request()
            side.on_share(node, share._replace(sid=asked.sid, initiator=asked.initiator, responder=asked.responder))
    mine, d3 = alice.derive()
    given = bob.on_d3(d3._replace(sid=bob.sid))
    assert isinstance(given, tuple)
    alice.on_d4(given[1]._replace(sid=alice.sid))  # type: ignore[union-attr]
    return mine, given[0]  # type: ignore[return-value]


DOWNGRADES: dict[str, dict[str, object]] = {
    "who asks": {"initiator": "eve"},
    "suite": {"suites": (S384.name,)},
    "length": {"bits": 128},
    "algorithm": {"algorithm": "3DES"},
    "purpose": {"purpose": "wrap"},
    "paths": {"nodes": ("n1", "n2")},
    "policy": {"policy": "weaker"},
    "lifetime": {"lifetime": 1 << 40},
}


@pytest.mark.parametrize("what", DOWNGRADES)
def test_what_is_changed_on_the_way_leaves_no_key_though_all_nodes_help(what: str) -> None:
    with pytest.raises(DsccError) as noticed:
        changed(DOWNGRADES[what])
    assert noticed.value.reason is Reason.NOT_AUTHENTIC


@pytest.mark.parametrize("what", ["who asks", "length", "paths", "policy"])
def test_were_d1_and_d2_not_hashed_the_change_would_go_unnoticed(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control. Alice takes the key for one with Bob, who takes it for one with Eve: unknown key share."""
    monkeypatch.setattr(pairwise, "transcript", lambda said: transcript(said) if not isinstance(said, D1 | D2) else b"")
    mine, theirs = changed(DOWNGRADES[what])
    assert mine.kid == theirs.kid
    assert mine != theirs or what in ("paths",)


def test_the_encapsulation_is_not_stripped(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DsccError) as noticed:
        changed({"ek": b""}, kem=True)
    assert noticed.value.reason is Reason.UNSUPPORTED
    with pytest.raises(DsccError) as noticed:
        changed({"ek": b""}, {"ct": bytes(1088)}, kem=True)
    assert noticed.value.reason is Reason.NOT_AUTHENTIC
    with pytest.raises(DsccError) as noticed:
        changed({"ek": b""}, limits=Limits(require_kem=True), kem=True)
    assert noticed.value.reason is Reason.POLICY_DENIED


def test_a_devices_own_limits_stand_whatever_nodes_and_peer_say() -> None:
    """k, the length and ML-KEM are what the device insists on; were they not, the pair would agree on less."""
    strict = Limits(paths=3, least_bits=256)
    for change in ({"nodes": ("n1", "n2")}, {"bits": 128}):
        with pytest.raises(DsccError) as noticed:
            changed(change, limits=strict)
        assert noticed.value.reason in (Reason.INSUFFICIENT_PATHS, Reason.POLICY_DENIED)
    lax, _ = changed({}, wanted=Wanted("tunnel", 128), limits=Limits(paths=1))
    assert len(lax.key) == 16


# Stage skipping.


def test_a_stage_is_not_skipped_nor_passed_off_as_a_later_one() -> None:
    root, same_root = register()
    device, node = begin_chain(root), begin_chain(same_root)
    for lie in ({"stage": "production"}, {"ratchet": 2}, {"stage": "production", "ratchet": 2}):
        claimed = DeviceHandshake("meter-7", "n1", device._replace(**lie), nonce())
        with pytest.raises(DsccError) as refused:
            NodeHandshake(node, claimed.m1, nonce())
        assert refused.value.reason is Reason.CHAIN_BROKEN
        # The negative control: a node that does not compare would authenticate the earlier key for the later stage.
        NodeHandshake(node._replace(**lie), claimed.m1, nonce())
    asks = DeviceKeyfill(device, "production", nonce())
    granted = {"mode": KeyfillMode.PLAIN, "workflow": "w/1", "approval": bytes(32), "nonce": nonce()}
    with pytest.raises(DsccError) as refused:
        NodeKeyfill(node, asks.t1, stage="quarantine", **granted)  # type: ignore[arg-type]
    assert refused.value.reason is Reason.OUT_OF_ORDER
    # The negative control: a node whose workflow is what the device says.
    NodeKeyfill(node, asks.t1, stage=asks.t1.stage, **granted)  # type: ignore[arg-type]
