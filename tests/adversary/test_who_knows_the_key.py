"""Who computes the key of two devices: the table of the protocol's document, row by row, with real messages.

The attacker has the whole state of some nodes, everything that is said with any node, and the direct messages if it
taps them. What it computes contains the key, or does not.
"""

from __future__ import annotations

from itertools import combinations

import pytest
from parties import NODES, nonce
from world import DEVICES, Seen, keys_computed, negotiated, shares_known

from dscc.agreement import NO_CHAIN, Limits, PairChain, Wanted, next_chains
from dscc.errors import DsccError, Reason
from dscc.hardening import KemKey
from dscc.messages import ShareRequest, ShareResponse
from dscc.node import shares as share_service
from dscc.pairwise import Initiator, Responder, _Derived, _Negotiation

MINORITIES = [nodes for number in (0, 1, 2) for nodes in combinations(NODES, number)]
LIMITS = Limits()


def chained() -> tuple[dict[int, PairChain], dict[int, PairChain], PairChain]:
    """Pair chains of two agreements, and the secret of the last one."""
    mine: dict[int, PairChain] = {}
    theirs: dict[int, PairChain] = {}
    for _ in range(2):
        seen = negotiated(chains=(mine, theirs))
        mine, theirs = next_chains(mine, seen.mine.chain), next_chains(theirs, seen.theirs.chain)
    return mine, theirs, mine[2]


def known(seen: Seen, corrupt: tuple[str, ...], *, tapped: bool, chain: PairChain = NO_CHAIN) -> bool:
    """Whether the attacker has the key."""
    shares = shares_known(seen, corrupt)
    assert set(shares) == set(corrupt)
    return seen.mine.key in keys_computed(seen.direct if tapped else None, shares, chain)


@pytest.mark.parametrize("corrupt", MINORITIES, ids=str)
def test_no_minority_of_nodes_knows_the_key_even_with_the_direct_messages(corrupt: tuple[str, ...]) -> None:
    assert not known(negotiated(), corrupt, tapped=True)


def test_two_nodes_do_not_know_it_though_the_pair_chain_leaked_and_there_was_no_kem() -> None:
    mine, theirs, leaked = chained()
    assert not known(negotiated(chains=(mine, theirs)), ("n1", "n2"), tapped=True, chain=leaked)


def test_all_nodes_do_not_know_it_without_the_direct_messages() -> None:
    assert not known(negotiated(), NODES, tapped=False)


def test_all_nodes_with_the_direct_messages_know_it() -> None:
    """The honest limit of symmetric keys alone; and the proof that this attacker computes what can be computed."""
    assert known(negotiated(), NODES, tapped=True)


def test_all_nodes_that_only_listen_do_not_know_it_with_ml_kem() -> None:
    assert not known(negotiated(kem=True), NODES, tapped=True)


def test_all_nodes_do_not_know_it_with_a_pair_chain_that_they_missed() -> None:
    mine, theirs, secret = chained()
    seen = negotiated(chains=(mine, theirs))
    assert not known(seen, NODES, tapped=True)
    # The negative control: it is the chain alone that they lack.
    assert known(seen, NODES, tapped=True, chain=secret)


def test_were_an_honest_nodes_share_left_out_two_nodes_would_know_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control of the minorities."""
    real = _Negotiation._derive

    def without_the_third(self: _Negotiation, nodes: tuple[str, ...]) -> _Derived:
        kept = self._shares
        self._shares = {**kept, "n3": kept["n3"]._replace(share=bytes(48))} if "n3" in nodes else kept
        try:
            return real(self, nodes)
        finally:
            self._shares = kept

    monkeypatch.setattr(_Negotiation, "_derive", without_the_third)
    assert known(negotiated(), ("n1", "n2"), tapped=True)


# In the middle.


def in_the_middle(
    *,
    kem: bool = False,
    chains: tuple[dict[int, PairChain], dict[int, PairChain]] = ({}, {}),
    limits: Limits = LIMITS,
) -> bool:
    """All nodes are the attacker's, and so is the direct link: it answers Alice as Bob, and asks Bob as Alice.

    Returns whether both then use keys that it knows. Raises DsccError if one of them notices.
    """
    alice = Initiator(
        "alice", "bob", Wanted("tunnel"), NODES, nonce(), limits=limits, chains=chains[0],
        kem=KemKey("mlkem768") if kem else None,
    )  # fmt: skip
    # The attacker strips the pair chain, whose secret it does not have.
    to_alice = Responder("bob", alice.d1._replace(chain=0, mac=b""), nonce(), limits=LIMITS, chains={}, nodes=NODES)
    to_bob = Initiator(
        "alice", "bob", Wanted("tunnel"), NODES, nonce(), limits=LIMITS, chains={},
        kem=KemKey("mlkem768") if kem else None,
    )  # fmt: skip
    bob = Responder("bob", to_bob.d1, nonce(), limits=limits, chains=chains[1], nodes=NODES)
    alice.on_d2(to_alice.d2)
    to_bob.on_d2(bob.d2)
    to_alice._agreed(alice.d1, to_alice.d2)
    for one, other in ((alice, to_alice), (to_bob, bob)):
        for node in NODES:
            share = ShareResponse(one.sid, "alice", "bob", bytes(48), 1, bytes(32), 0, 0, 0)
            one.on_share(node, share)
            other.on_share(node, share)
    known_to_alice, d3 = alice.derive()
    answer = to_alice.on_d3(d3)
    assert isinstance(answer, tuple)
    alice.on_d4(answer[1])  # type: ignore[arg-type]
    _, to_bob_d3 = to_bob.derive()
    answered = bob.on_d3(to_bob_d3)
    assert isinstance(answered, tuple)
    return known_to_alice.key == answer[0].key  # type: ignore[union-attr]


@pytest.mark.parametrize("kem", [False, True], ids=["pure", "ml-kem"])
def test_all_nodes_that_stand_in_the_middle_know_it_ml_kem_or_not(kem: bool) -> None:
    """A documented limit: what nobody has authenticated is encapsulated for whoever asks."""
    assert in_the_middle(kem=kem)


def test_who_insists_on_the_pair_chain_notices_all_nodes_in_the_middle() -> None:
    mine, theirs, _ = chained()
    with pytest.raises(DsccError) as noticed:
        in_the_middle(chains=(mine, theirs), limits=Limits(require_chain=True))
    assert noticed.value.reason is Reason.CHAIN_BROKEN
    # The negative control, and a documented limit: who does not insist starts a new chain with whoever is there.
    assert in_the_middle(chains=(mine, theirs))


# A share is bound to both, and to the session.


def insider(monkeypatch: pytest.MonkeyPatch | None) -> bool:
    """Eve, a registered device, asks every node for the share of a session that she has heard of, in every way."""
    seen = negotiated()
    held = {node: share_service.Shares() for node in NODES}
    real = shares_known(seen, NODES)
    got: dict[str, ShareResponse] = {}
    if monkeypatch is not None:
        monkeypatch.setattr(share_service, "named", lambda _asked: "eve")
    for node, shares in held.items():
        for device, role in zip(DEVICES, ("initiator", "responder"), strict=True):
            asked = ShareRequest(seen.mine.sid, "alice", "bob", role, "tunnel", "AES", 256, 0)
            who = "eve" if monkeypatch is not None else device
            shares.release(who, asked, share_service.Grant(1, bytes(32), 3600, 0, 0), 0.0, real[node].share)
    for node, shares in held.items():
        for initiator, responder, role in (
            ("alice", "bob", "initiator"),
            ("alice", "bob", "responder"),
            ("eve", "bob", "initiator"),
            ("alice", "eve", "responder"),
            ("eve", "eve", "initiator"),
        ):
            asked = ShareRequest(seen.mine.sid, initiator, responder, role, "tunnel", "AES", 256, 0)
            try:
                share, grant = shares.release(
                    "eve", asked, share_service.Grant(1, bytes(32), 3600, 0, 0), 0.0, nonce() + bytes(16)
                )
            except DsccError:
                continue
            got.setdefault(node, ShareResponse(asked.sid, "alice", "bob", share, *grant))
    return seen.mine.key in keys_computed(seen.direct, got)


def test_an_insider_gets_no_share_of_others() -> None:
    assert not insider(None)


def test_were_a_share_not_bound_to_both_an_insider_would_know_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: a node that gives a share to whoever names the session."""
    assert insider(monkeypatch)
