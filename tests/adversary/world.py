"""Two devices, three nodes, and everything that they say; and an attacker, who computes all that can be computed.

The nodes' share service is the real one. Sessions are real: what a device asks a node is sealed in their session, and
an attacker opens it only with the keys of that session. What the attacker has is what it is given: the whole state of
some nodes, the traffic with nodes, and the direct messages, if it taps them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from parties import NODES, TUNNEL, nonce, token

from dscc.agreement import NO_CHAIN, Agreement, Limits, PairChain, Wanted
from dscc.direct_messages import D1, D2, D3
from dscc.errors import DsccError
from dscc.hardening import KemKey
from dscc.messages import M1, M2, ShareRequest, ShareResponse
from dscc.node.shares import Grant, Shares
from dscc.pairwise import Initiator, Responder, _Negotiation
from dscc.primitives import NOTHING, SUITES, enc, suite_named
from dscc.registration import DeviceRegistration, Mode, NodeRegistration
from dscc.session import Chain, DeviceHandshake, NodeHandshake, _directions, begin_chain
from dscc.wire import core, decode, encode

DEVICES = ("alice", "bob")
GRANT = Grant(1, bytes(32), 3600, 0, 0)


@dataclass
class Recorded:
    """A session on the wire: its handshake, and the records of the device and the node."""

    m1: M1
    m2: M2
    asked: list[bytes] = field(default_factory=list)
    answered: list[bytes] = field(default_factory=list)


@dataclass
class Direct:
    """What the two devices said to each other."""

    d1: D1
    d2: D2
    d3: D3


@dataclass
class Seen:
    """A negotiation, and what could be seen of it."""

    mine: Agreement
    theirs: Agreement
    direct: Direct
    traffic: dict[str, list[Recorded]]
    """By node."""
    states: dict[str, list[Chain]]
    """By node: all that it keeps of both devices, as it was when their sessions began."""


def registered(device: str, node: str, stage: str = "production") -> tuple[Chain, Chain]:
    """The chains of a device and a node, from a registration by token."""
    given = token()
    asks = DeviceRegistration(device, node, Mode.QKEY, given, nonce())
    answers = NodeRegistration(given, asks.r1, nonce(), None)
    r4, root = answers.on_r3(asks.on_r2(answers.r2), stage)
    return begin_chain(asks.on_r4(r4)), begin_chain(root)


def negotiated(
    *,
    kem: bool = False,
    chains: tuple[dict[int, PairChain], dict[int, PairChain]] = ({}, {}),
    limits: Limits = Limits(),  # noqa: B008 - immutable
    random: Callable[[str], bytes] = lambda _who: nonce(),
    fresh: Callable[[str], bytes] = lambda _node: secrets.token_bytes(48),
    wanted: Wanted = TUNNEL,
) -> Seen:
    """Alice and Bob agree on a key, over real sessions with three nodes."""
    alice = Initiator(
        "alice", "bob", wanted, NODES, random("alice"), limits=limits, chains=chains[0],
        kem=KemKey("mlkem768") if kem else None,
    )  # fmt: skip
    bob = Responder("bob", alice.d1, random("bob"), limits=limits, chains=chains[1], nodes=NODES)
    alice.on_d2(bob.d2)
    traffic: dict[str, list[Recorded]] = {node: [] for node in NODES}
    states: dict[str, list[Chain]] = {node: [] for node in NODES}
    for node in NODES:
        shares = Shares()
        for device, side in (("alice", alice), ("bob", bob)):
            at_device, at_node = registered(device, node)
            states[node].append(at_node)
            recorded, response = asked(device, node, at_device, at_node, shares, side.share_request(), fresh(node))
            traffic[node].append(recorded)
            side.on_share(node, response)
    mine, d3 = alice.derive()
    given = bob.on_d3(d3)
    assert isinstance(given, tuple)
    theirs, d4 = given
    alice.on_d4(d4)  # type: ignore[arg-type]
    return Seen(mine, theirs, Direct(alice.d1, bob.d2, d3), traffic, states)  # type: ignore[arg-type]


def asked(
    device: str, node: str, at_device: Chain, at_node: Chain, shares: Shares, request: ShareRequest, fresh: bytes
) -> tuple[Recorded, ShareResponse]:
    """A share, in a session."""
    begun = DeviceHandshake(device, node, at_device, nonce())
    answered = NodeHandshake(at_node, begun.m1, nonce())
    _, m3 = begun.on_m2(answered.m2)
    _, m4, served = answered.on_m3(m3, at_node)
    session = begun.on_m4(m4)
    recorded = Recorded(begun.m1, answered.m2)
    recorded.asked.append(session.seal(encode(request)))
    got = decode(served.open(recorded.asked[0]))
    assert isinstance(got, ShareRequest)
    share, grant = shares.release(device, got, GRANT, 0.0, fresh)
    recorded.answered.append(served.seal(encode(ShareResponse(got.sid, got.initiator, got.responder, share, *grant))))
    response = decode(session.open(recorded.answered[0]))
    assert isinstance(response, ShareResponse)
    return recorded, response


# The attacker.


def opened(chain: Chain, recorded: Recorded) -> list[ShareResponse]:
    """What who has the chain of before a session reads of it; nothing, if it is another chain."""
    suite = suite_named(chain.suite)
    said = suite.digest(enc(core(recorded.m1), core(recorded.m2)))
    _, to_device = _directions(suite, suite.expand(chain.key, "na sess", said))
    try:
        read = [decode(to_device.open(record)) for record in recorded.answered]
    except DsccError:
        return []
    return [each for each in read if isinstance(each, ShareResponse)]


def shares_known(seen: Seen, corrupt: tuple[str, ...]) -> dict[str, ShareResponse]:
    """The shares that the states of some nodes open in all the traffic with all nodes."""
    chains = [chain for node in corrupt for chain in seen.states[node]]
    return {
        node: share
        for node, sessions in seen.traffic.items()
        for recorded in sessions
        for chain in chains
        for share in opened(chain, recorded)
    }


def keys_computed(
    direct: Direct | None,
    shares: Mapping[str, ShareResponse],
    chain: PairChain = NO_CHAIN,
    also: tuple[bytes, ...] = (),
) -> set[bytes]:
    """Every key that follows from what is known, by the schedule and by its parts in any combination.

    Shares that are not known are tried as zeros, as those of other nodes, and left out; so is the pair chain. `also`
    are other secrets that the attacker has.
    """
    secrets_known = [share.share for share in shares.values()] + [*also, chain.secret, NOTHING]
    keys = set(secrets_known)
    nonces = b"" if direct is None else direct.d1.nonce + direct.d2.nonce
    for suite in SUITES.values():
        for number in range(len(secrets_known) + 1):
            for parts in combinations(secrets_known, number):
                secret = bytes(suite.size)
                for part in parts:
                    secret = suite.extract(secret, part)
                keys.add(suite.expand(suite.extract(secret, nonces), "key tunnel", b"", 32))
    if direct is not None:
        keys |= set(_by_schedule(direct, shares, chain))
    return keys


def _by_schedule(direct: Direct, shares: Mapping[str, ShareResponse], chain: PairChain) -> Iterator[bytes]:
    nodes = direct.d3.nodes
    blank = ShareResponse(direct.d3.sid, direct.d1.initiator, direct.d1.responder, bytes(48), *GRANT)
    for number in range(1, len(nodes) + 1):
        for used in combinations(nodes, number):
            for stand_in in (blank, *shares.values()):
                tries = _Negotiation(Limits(paths=0), {direct.d2.chain: chain})
                tries._agreed(direct.d1, direct.d2)
                tries._shares = {node: shares.get(node, stand_in) for node in used}
                derived = tries._derive(used)
                yield derived.key(f"key {direct.d1.purpose}", direct.d1.bits // 8)
