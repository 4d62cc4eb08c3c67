"""A node that does what it likes, in over 30 ways: the two agree on a key that it does not know, or end with a reason.

The other nodes are honest, and two are enough. What a device finds wrong with a node's answer makes it leave that node
out, and it says which one; what only the confirmation finds ends the negotiation, and one without the node succeeds.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from parties import NODES, TUNNEL, chains, meet, nonce, step
from world import GRANT, Direct, keys_computed

from dscc.agreement import Limits
from dscc.errors import DsccError, Reason
from dscc.hardening import KemKey
from dscc.keyfill import DeviceKeyfill, KeyfillMode, NodeKeyfill
from dscc.messages import M2, M4, T4, Refused, ShareRequest, ShareResponse, Status
from dscc.node.shares import Shares
from dscc.pairwise import Initiator, Responder
from dscc.primitives import Suite
from dscc.session import WINDOW, DeviceHandshake, NodeHandshake
from dscc.wire import FRAME_BYTES, decode, encode, expect

EVIL = "n1"


class Outcome(NamedTuple):
    """Whether they agreed; on which nodes; the reason if not; and whom a device blames for a bad answer."""

    agreed: bool
    nodes: tuple[str, ...]
    reason: str
    blamed: frozenset[str]


class Asked(NamedTuple):
    """What the evil node has to work with: who asks what, its honest answer, and all that it has answered before."""

    device: str
    request: ShareRequest
    honest: ShareResponse
    before: list[ShareResponse]


Behaviour = Callable[[Asked], list[bytes]]


def plays(behave: Behaviour, late: Behaviour = lambda _asked: [], nodes: tuple[str, ...] = NODES) -> Outcome:
    """A negotiation in which n1 behaves so. Fails if the two end with different keys, or with one that n1 knows."""
    limits = Limits(paths=2)
    alice = Initiator("alice", "bob", TUNNEL, nodes, nonce(), limits=limits, chains={})
    bob = Responder("bob", alice.d1, nonce(), limits=limits, chains={}, nodes=nodes)
    alice.on_d2(bob.d2)
    services = {node: Shares() for node in nodes}
    before, blamed, seen, afterwards = _earlier(), set(), {}, []
    for device, side in (("alice", alice), ("bob", bob)):
        for node in nodes:
            request = side.share_request()
            share, grant = services[node].release(device, request, GRANT, 0.0, secrets.token_bytes(48))
            honest = ShareResponse(request.sid, request.initiator, request.responder, share, *grant)
            answers = [encode(honest)]
            if node == EVIL:
                asked = Asked(device, request, honest, before)
                answers = behave(asked)
                afterwards += [(side, node, answer) for answer in late(asked)]
                before.append(honest)
            for answer in answers:
                _take(side, node, answer, blamed, seen)
    try:
        mine, d3 = alice.derive()
        for side, node, answer in afterwards:
            _take(side, node, answer, blamed, seen)
        given = bob.on_d3(d3)
        if not isinstance(given[0], tuple):
            alice.on_subset(given)  # type: ignore[arg-type]
            mine, d3 = alice.derive()
            given = bob.on_d3(d3)
        theirs, d4 = given
        alice.on_d4(d4)  # type: ignore[arg-type]
    except DsccError as error:
        return Outcome(False, (), error.reason, frozenset(blamed))
    assert mine.key == theirs.key and mine.kid == theirs.kid  # type: ignore[union-attr]
    assert mine.key not in keys_computed(Direct(alice.d1, bob.d2, d3), seen)
    return Outcome(True, mine.nodes, "", frozenset(blamed))


def _earlier() -> list[ShareResponse]:
    return [ShareResponse(secrets.token_bytes(64), "alice", "bob", secrets.token_bytes(48), *GRANT)]


def _take(side: Any, node: str, answer: bytes, blamed: set[str], seen: dict[str, ShareResponse]) -> None:
    try:
        said = expect(ShareResponse, decode(answer))
        side.on_share(node, said)
        if node == EVIL:
            seen[node] = said
    except DsccError:
        blamed.add(node)


def answer(asked: Asked, **change: object) -> list[bytes]:
    return [encode(asked.honest._replace(**change))]  # type: ignore[arg-type]


def only(device: str, otherwise: Behaviour) -> Behaviour:
    return lambda asked: otherwise(asked) if asked.device == device else answer(asked)


AGREED, WITHOUT = "agreed with it", "agreed without it"
BEHAVIOURS: dict[str, tuple[Behaviour, str, bool]] = {
    # What it does; what comes of it; whether a device can say that it was this node.
    "answers nobody": (lambda _: [], WITHOUT, False),
    "does not answer the one who asks": (only("alice", lambda _: []), WITHOUT, False),
    "does not answer the one who is asked": (only("bob", lambda _: []), WITHOUT, False),
    "refuses": (lambda _: [encode(Refused(Reason.POLICY_DENIED, "no"))], WITHOUT, True),
    "answers something else": (
        lambda _: [encode(Status("p", 1, "w", "", 1, bytes(32), (), ()))], WITHOUT, True,
    ),
    "answers garbage": (lambda _: [secrets.token_bytes(200)], WITHOUT, True),
    "answers nothing that ends": (lambda _: [b"\x9f" * 100], WITHOUT, True),
    "answers more than a frame": (lambda _: [bytes(FRAME_BYTES + 1)], WITHOUT, True),
    "gives half a share": (lambda asked: answer(asked, share=asked.honest.share[:24]), WITHOUT, True),
    "gives the share of another session": (lambda asked: [encode(asked.before[0])], WITHOUT, True),
    "says that it is for somebody else": (lambda asked: answer(asked, initiator="eve"), WITHOUT, True),
    "changes the two round": (lambda asked: answer(asked, initiator="bob", responder="alice"), WITHOUT, True),
    "grants what is no number": (lambda asked: answer(asked, lifetime=-1), WITHOUT, True),
    "gives each another share": (
        only("bob", lambda asked: answer(asked, share=secrets.token_bytes(48))), Reason.NOT_AUTHENTIC, False,
    ),
    "grants each another lifetime": (
        only("bob", lambda asked: answer(asked, lifetime=1)), Reason.CONTEXT_MISMATCH, False,
    ),
    "grants each other uses": (only("alice", lambda asked: answer(asked, uses=7)), Reason.CONTEXT_MISMATCH, False),
    "shows each another policy": (
        only("bob", lambda asked: answer(asked, policy_digest=b"\x01" * 32)), Reason.CONTEXT_MISMATCH, False,
    ),
    "tells one of an older policy": (
        only("bob", lambda asked: answer(asked, policy_version=0)), Reason.CONTEXT_MISMATCH, False,
    ),
    "gives an old share again": (lambda asked: answer(asked, share=asked.before[0].share), AGREED, False),
    "gives a share of zeros": (lambda asked: answer(asked, share=bytes(48)), AGREED, False),
    "gives a share that all can compute": (lambda asked: answer(asked, share=asked.request.sid[:48]), AGREED, False),
    "grants for ever": (lambda asked: answer(asked, lifetime=0, uses=0), AGREED, False),
    "grants beyond reason": (lambda asked: answer(asked, lifetime=(1 << 63) - 1), AGREED, False),
    "answers twice": (lambda asked: answer(asked) + answer(asked), AGREED, False),
    "changes its mind with one of them": (
        only("bob", lambda asked: answer(asked) + answer(asked, share=bytes(48))), AGREED, True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BEHAVIOURS)
def test_whatever_a_node_does_they_agree_or_end_with_a_reason(what: str) -> None:
    behave, expected, blames = BEHAVIOURS[what]
    outcome = plays(behave)
    assert outcome.blamed == (frozenset({EVIL}) if blames else frozenset())
    if expected is AGREED:
        assert outcome.agreed and outcome.nodes == NODES
    elif expected is WITHOUT:
        assert outcome.agreed and outcome.nodes == ("n2", "n3")
    else:
        assert not outcome.agreed and outcome.reason == expected
        assert plays(behave, nodes=("n2", "n3")).agreed


def test_a_share_that_comes_late_changes_nothing() -> None:
    slow = plays(only("bob", lambda _: []), late=lambda asked: answer(asked) if asked.device == "bob" else [])
    assert slow.agreed and slow.nodes == NODES
    other = plays(answer, late=lambda asked: answer(asked, share=bytes(48)) if asked.device == "alice" else [])
    assert other.agreed and other.nodes == NODES


def test_without_confirmation_they_would_end_with_different_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: a responder that does not check D3, and an initiator that does not check D4."""
    real = Suite.check

    def check(self: Suite, key: bytes, data: bytes, mac: bytes, what: str) -> None:
        if what != "D3":
            real(self, key, data, mac, what)

    monkeypatch.setattr(Suite, "check", check)
    monkeypatch.setattr("dscc.pairwise.check_d4", lambda expected, d4: None)
    behave, _, _ = BEHAVIOURS["gives each another share"]
    with pytest.raises(AssertionError):
        plays(behave)


@pytest.mark.parametrize("first", [True, False], ids=["before the devices ask", "after the first one has asked"])
def test_a_node_does_not_choose_the_share_of_another_one(first: bool) -> None:
    """It may tell another node of a share that both give together. That is not the other node's own, nor in its way.

    Otherwise one evil node would know all shares: it hears the session identifier from the devices themselves.
    """
    chosen, fresh, honest = bytes(48), secrets.token_bytes(48), Shares()
    asked = ShareRequest(secrets.token_bytes(48), "alice", "bob", "initiator", "tunnel", "AES", 256, 0)
    if first:
        honest.hold(asked, GRANT, 0.0, chosen, EVIL)
    assert honest.release("alice", asked, GRANT, 0.0, fresh) == (fresh, GRANT)
    if not first:
        honest.hold(asked, GRANT, 0.0, chosen, EVIL)
    theirs = asked._replace(role="responder")
    assert honest.release("bob", theirs, GRANT, 0.0, secrets.token_bytes(48)) == (fresh, GRANT)
    # Who asks for a share that two nodes give together gets that one, and knows that they are one path; a share that
    # this node and a third one give is another one again.
    assert honest.held("bob", theirs, 0.0, EVIL) == (chosen, GRANT)
    with pytest.raises(DsccError) as refused:
        honest.held("bob", theirs, 0.0, "n3")
    assert refused.value.reason is Reason.WAITING
    for device in ("alice", "bob", "alice", "bob"):
        honest.done(asked.sid, device)
    assert len(honest) == 0 and honest.peer_of(asked.sid, "alice") is None


# In sessions and steps.


def device() -> tuple[DeviceHandshake, NodeHandshake, Any, Any]:
    at_device, at_node = chains()
    begun = DeviceHandshake("meter-7", "n1", at_device, nonce())
    return begun, NodeHandshake(at_node, begun.m1, nonce()), at_device, at_node


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"epoch": WINDOW + 1}, Reason.CHAIN_BROKEN),
        ({"epoch": (1 << 63) - 1}, Reason.CHAIN_BROKEN),
        ({"epoch": 5}, Reason.NOT_AUTHENTIC),
        ({"mac": b""}, Reason.NOT_AUTHENTIC),
        ({"nonce": bytes(32)}, Reason.NOT_AUTHENTIC),
    ],
    ids=str,
)
def test_a_node_that_lies_in_m2_leads_the_device_nowhere(change: dict[str, object], reason: Reason) -> None:
    begun, answered, at_device, at_node = device()
    with pytest.raises(DsccError) as noticed:
        begun.on_m2(answered.m2._replace(**change))  # type: ignore[arg-type]
    assert noticed.value.reason is reason
    # The device has not gone on: the honest answer is still taken, and so is a new handshake.
    begun.on_m2(answered.m2)
    meet(at_device, at_node)


def test_a_node_that_repeats_m2_or_forges_m4_opens_no_session() -> None:
    _, answered, _, _ = device()
    again, other, _, _ = device()
    with pytest.raises(DsccError):
        again.on_m2(answered.m2)
    again.on_m2(other.m2)
    for forged in (M4(b""), M4(other.m2.mac), M4(bytes(64))):
        with pytest.raises(DsccError):
            again.on_m4(forged)
    assert isinstance(answered.m2, M2)


def test_a_node_that_goes_back_gets_no_key_of_before_and_loses_the_device_in_the_end() -> None:
    at_device, at_node = chains()
    old = at_node
    for _ in range(WINDOW + 1):
        at_device = meet(at_device, at_node)[0].chain
        at_node = at_device
    with pytest.raises(DsccError) as noticed:
        meet(at_device, old)
    assert noticed.value.reason is Reason.CHAIN_BROKEN


def test_a_node_that_asks_for_a_weaker_step_or_another_stage_gets_none() -> None:
    at_device, at_node = chains()
    for stage, mode in (("quarantine", KeyfillMode.PLAIN), ("quarantine", KeyfillMode.OOB)):
        asks = DeviceKeyfill(at_device, stage, nonce(), KemKey("mlkem1024"))
        grants = NodeKeyfill(
            at_node, asks.t1, stage=stage, mode=mode, workflow="w/1", approval=bytes(32), nonce=nonce(), code=bytes(16)
        )
        with pytest.raises(DsccError) as noticed:
            asks.on_t2(grants.t2, KeyfillMode.KEM_OOB, b"sixteen bytes or more")
        assert noticed.value.reason is Reason.POLICY_DENIED
        for change in ({"stage": "production"}, {"ratchet": 2}):
            with pytest.raises(DsccError) as noticed:
                asks.on_t2(grants.t2._replace(**change), mode)  # type: ignore[arg-type]
            assert noticed.value.reason is Reason.OUT_OF_ORDER
    with pytest.raises(DsccError):
        asks.on_t4(T4(1, bytes(64)))
    step(at_device, at_node)
