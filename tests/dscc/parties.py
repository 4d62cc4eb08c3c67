"""Devices and nodes of the tests, without a network: what they would send is handed over."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from itertools import count

from dscc.agreement import Agreement, Limits, PairChain, Wanted
from dscc.hardening import KemKey, encapsulate
from dscc.keyfill import DeviceKeyfill, KeyfillMode, NodeKeyfill
from dscc.messages import ShareRequest, ShareResponse
from dscc.pairwise import Initiator, Responder
from dscc.primitives import SUITES
from dscc.registration import (
    NO_TOKEN,
    REGISTRATION_KEM,
    DeviceRegistration,
    Mode,
    NodeRegistration,
    Root,
    Token,
)
from dscc.session import Chain, DeviceHandshake, NodeHandshake, Session, begin_chain

TUNNEL = Wanted("tunnel")
NODES = ("n1", "n2", "n3")
_numbers = count(1)


def nonce() -> bytes:
    return secrets.token_bytes(32)


def token() -> Token:
    return Token(secrets.token_bytes(16), secrets.token_bytes(32))


def register(
    mode: Mode = Mode.QKEY, suites: tuple[str, ...] = tuple(SUITES), stage: str = "bootstrap"
) -> tuple[Root, Root]:
    """What the device and the node have after a registration."""
    given = NO_TOKEN if mode is Mode.OTA_TOFU else token()
    kem = None if mode is Mode.QKEY else KemKey(REGISTRATION_KEM)
    device = DeviceRegistration("meter-7", "n1", mode, given, nonce(), kem, suites=suites)
    sealed = None if kem is None else encapsulate(REGISTRATION_KEM, device.r1.ek)
    node = NodeRegistration(given, device.r1, nonce(), sealed)
    r3 = device.on_r2(node.r2)
    assert device.short_string == node.short_string
    r4, root = node.on_r3(r3, stage)
    return device.on_r4(r4), root


def chains(**how: object) -> tuple[Chain, Chain]:
    """The chains of a device and a node that have just begun."""
    device, node = register(**how)  # type: ignore[arg-type]
    return begin_chain(device), begin_chain(node)


def meet(device: Chain, node: Chain) -> tuple[Session, Session]:
    """The two ends of a session."""
    begun = DeviceHandshake("meter-7", "n1", device, nonce())
    answered = NodeHandshake(node, begun.m1, nonce())
    _, m3 = begun.on_m2(answered.m2)
    _, m4, at_node = answered.on_m3(m3, answered.caught_up or node)
    return begun.on_m4(m4), at_node


def step(
    device: Chain,
    node: Chain,
    stage: str = "quarantine",
    mode: KeyfillMode = KeyfillMode.PLAIN,
    code: bytes = b"a code that went another way ....",
) -> tuple[Chain, Chain]:
    """The chains of the next stage."""
    kem = KemKey("mlkem1024") if mode.takes_kem else None
    asks = DeviceKeyfill(device, stage, nonce(), kem)
    pieces = (("n2", nonce()), ("n3", nonce())) if mode is KeyfillMode.MULTIPATH else ()
    grants = NodeKeyfill(
        node,
        asks.t1,
        stage=stage,
        mode=mode,
        workflow="default/1",
        approval=bytes(32),
        nonce=nonce(),
        encapsulated=None if kem is None else encapsulate("mlkem1024", kem.public),
        code=code,
        pieces=pieces,
    )
    next_device, t3 = asks.on_t2(grants.t2, mode, code, tuple(piece for _, piece in pieces))
    next_node, t4 = grants.on_t3(t3, node)
    asks.on_t4(t4)
    return next_device, next_node


class ShareNode:
    """A node as the share service has to be: one share for a session, for the two whom it names, each in its role."""

    def __init__(self, lifetime: int = 3600, uses: int = 0, kem: int = 0) -> None:
        self.shares: dict[bytes, tuple[tuple[object, ...], bytes]] = {}
        self.lifetime, self.uses, self.kem = lifetime, uses, kem

    def ask(self, device: str, asked: ShareRequest) -> ShareResponse | None:
        if device != (asked.initiator if asked.role == "initiator" else asked.responder):
            return None
        what = (asked.initiator, asked.responder, asked.purpose, asked.algorithm, asked.bits)
        known, share = self.shares.setdefault(asked.sid, (what, secrets.token_bytes(48)))
        if known != what:
            return None
        return ShareResponse(
            asked.sid, asked.initiator, asked.responder, share, 1, bytes(32), self.lifetime, self.uses, self.kem
        )


def negotiate(
    nodes: Mapping[str, ShareNode],
    *,
    wanted: Wanted = TUNNEL,
    limits: Limits = Limits(),  # noqa: B008 - immutable
    chains: tuple[dict[int, PairChain], dict[int, PairChain]] = ({}, {}),
    kem: bool = False,
    suites: tuple[tuple[str, ...], tuple[str, ...]] = (tuple(SUITES), tuple(SUITES)),
    missing: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset()),
) -> tuple[Agreement, Agreement]:
    """The agreements of both, over these nodes; `missing` are the nodes that each of the two does not reach."""
    first = Initiator(
        "alice",
        "bob",
        wanted,
        tuple(nodes),
        nonce(),
        limits=limits,
        chains=chains[0],
        kem=KemKey("mlkem768") if kem else None,
        suites=suites[0],
    )
    second = Responder("bob", first.d1, nonce(), limits=limits, chains=chains[1], nodes=tuple(nodes), suites=suites[1])
    first.on_d2(second.d2)
    for side, name, lost in ((first, "alice", missing[0]), (second, "bob", missing[1])):
        for node in side.nodes:
            share = None if node in lost else nodes[node].ask(name, side.share_request())
            if share is not None:
                side.on_share(node, share)
    for _ in range(2):
        mine, d3 = first.derive()
        answer = second.on_d3(d3)
        if isinstance(answer, tuple) and not hasattr(answer, "_fields"):
            theirs, d4 = answer
            first.on_d4(d4)
            return mine, theirs
        first.on_subset(answer)  # type: ignore[arg-type]
    raise AssertionError("no agreement")
