"""A registered device that does what it likes, to a node's share service and to a peer."""

from __future__ import annotations

import secrets

import pytest
from parties import NODES, TUNNEL, ShareNode, chains, meet, negotiate, nonce
from world import GRANT

from dscc.agreement import Limits
from dscc.direct_messages import D3, Subset
from dscc.errors import DsccError, Reason
from dscc.messages import ShareRequest
from dscc.node import shares as share_service
from dscc.node.shares import Shares
from dscc.pairwise import Initiator, Responder
from dscc.session import DeviceHandshake, NodeHandshake
from dscc.wire import decode, encode

SID = secrets.token_bytes(48)
HONEST = ShareRequest(SID, "alice", "bob", "initiator", "tunnel", "AES", 256, 0)
FRESH = secrets.token_bytes(48)


def held() -> Shares:
    shares = Shares()
    shares.release("alice", HONEST, GRANT, 0.0, FRESH)
    return shares


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"role": "responder"},
        {"role": "leader"},
        {"initiator": "eve"},
        {"responder": "eve", "role": "responder"},
        {"initiator": "eve", "responder": "eve"},
        {"initiator": "eve", "bits": 128},
    ],
    ids=str,
)
def test_it_gets_nobody_elses_share(change: dict[str, object]) -> None:
    try:
        share, _ = held().release("eve", HONEST._replace(**change), GRANT, 1.0, secrets.token_bytes(48))  # type: ignore[arg-type]
    except DsccError as error:
        assert error.reason in (Reason.NOT_AUTHENTIC, Reason.SID_MISMATCH, Reason.MALFORMED)
    else:
        assert share != FRESH


@pytest.mark.parametrize("change", [{"purpose": "wrap"}, {"bits": 128}, {"algorithm": "3DES"}], ids=str)
def test_a_peer_that_asks_for_something_else_gets_none(change: dict[str, object]) -> None:
    shares = held()
    with pytest.raises(DsccError) as refused:
        shares.release("bob", HONEST._replace(role="responder", **change), GRANT, 1.0, FRESH)  # type: ignore[arg-type]
    assert refused.value.reason is Reason.SID_MISMATCH and len(shares) == 0


def test_it_does_not_fill_a_nodes_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share_service, "MOST_SHARES", 100)
    shares = Shares()
    with pytest.raises(DsccError) as refused:
        for _ in range(101):
            shares.release("eve", HONEST._replace(sid=secrets.token_bytes(48), initiator="eve"), GRANT, 0.0, FRESH)
    assert refused.value.reason is Reason.BUSY and len(shares) == 100
    shares.release("alice", HONEST, GRANT, 61.0, FRESH)
    assert len(shares) == 1


def test_it_is_nobody_else_at_a_node() -> None:
    """Its own chain under another name; and the negative control: under its own name, the same is a session."""
    device, node = chains()
    with pytest.raises(DsccError) as refused:
        NodeHandshake(chains()[1], DeviceHandshake("alice", "n1", device, nonce()).m1, nonce())
    assert refused.value.reason is Reason.NOT_AUTHENTIC
    meet(device, node)


def pair() -> tuple[Initiator, Responder]:
    eve = Initiator("eve", "bob", TUNNEL, NODES, nonce(), limits=Limits(), chains={})
    bob = Responder("bob", eve.d1, nonce(), limits=Limits(), chains={}, nodes=NODES)
    eve.on_d2(bob.d2)
    nodes = {node: ShareNode() for node in NODES}
    for side, name in ((eve, "eve"), (bob, "bob")):
        for node, service in nodes.items():
            side.on_share(node, service.ask(name, side.share_request()) or pytest.fail("no share"))
    return eve, bob


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sid": bytes(48)}, Reason.OUT_OF_ORDER),
        ({"nodes": ("n1",)}, Reason.INSUFFICIENT_PATHS),
        ({"nodes": ()}, Reason.INSUFFICIENT_PATHS),
        ({"nodes": ("n1", "n1", "n2")}, Reason.OUT_OF_ORDER),
        ({"nodes": ("n3", "n2", "n1")}, Reason.OUT_OF_ORDER),
        ({"nodes": ("n1", "n2")}, Reason.CONTEXT_MISMATCH),
        ({"granted": bytes(48)}, Reason.CONTEXT_MISMATCH),
        ({"mac": b""}, Reason.NOT_AUTHENTIC),
    ],
    ids=str,
)
def test_a_peer_that_lies_in_d3_gets_a_reason_and_no_d4(change: dict[str, object], reason: Reason) -> None:
    eve, bob = pair()
    _, d3 = eve.derive()
    with pytest.raises(DsccError) as refused:
        bob.on_d3(d3._replace(**change))  # type: ignore[arg-type]
    assert refused.value.reason is reason
    # The negative control: what it lied about was all that was wrong.
    assert not isinstance(bob.on_d3(d3), Subset)


def test_a_peer_that_names_nodes_that_are_not_there_is_told_which_are() -> None:
    eve, bob = pair()
    _, d3 = eve.derive()
    assert bob.on_d3(d3._replace(nodes=("n1", "n9"))) == Subset(bob.sid, NODES)


@pytest.mark.parametrize(
    "change",
    [{"ek": b"x"}, {"ek": bytes(1184)}, {"ek": b"\xff" * 1184}, {"nodes": ()}, {"suites": ()}, {"bits": 0}],
    ids=lambda change: str(change)[:30],
)
def test_an_offer_that_is_none_is_refused_with_a_reason(change: dict[str, object]) -> None:
    offer = Initiator("eve", "bob", TUNNEL, NODES, nonce(), limits=Limits(), chains={}).d1._replace(**change)  # type: ignore[arg-type]
    arrived = decode(encode(offer))
    try:
        Responder("bob", arrived, nonce(), limits=Limits(), chains={}, nodes=NODES)  # type: ignore[arg-type]
    except DsccError as refused:
        assert refused.reason in (Reason.MALFORMED, Reason.UNSUPPORTED, Reason.INSUFFICIENT_PATHS, Reason.POLICY_DENIED)
    else:
        assert change["ek"] == bytes(1184)  # a key of zeros is one, if a useless one


def test_a_subset_from_a_stranger_makes_it_no_less_than_k() -> None:
    """What is not authentic can at most take nodes away, down to what the device insists on."""
    eve, _ = pair()
    eve.derive()
    eve.on_subset(Subset(eve.sid, ("n1", "n2")))
    assert isinstance(eve.derive()[1], D3)
    eve.on_subset(Subset(eve.sid, ("n1",)))
    with pytest.raises(DsccError) as refused:
        eve.derive()
    assert refused.value.reason is Reason.INSUFFICIENT_PATHS
    assert negotiate({node: ShareNode() for node in NODES})
