"""A key for two: the same on both sides, bound to both and to what was granted, over k of n nodes."""

from __future__ import annotations

import pytest
from parties import TUNNEL, ShareNode, negotiate, nonce

from dscc.agreement import Agreement, Limits, PairChain, Wanted, next_chains
from dscc.errors import DsccError, Reason
from dscc.messages import ShareRequest, ShareResponse
from dscc.pairwise import Initiator, Responder
from dscc.primitives import S384, S512, SUITES


def three() -> dict[str, ShareNode]:
    return {f"n{number}": ShareNode() for number in (1, 2, 3)}


def same(one: Agreement, other: Agreement) -> bool:
    return (one.sid, one.kid, one.key, one.chain, one.nodes) == (
        other.sid,
        other.kid,
        other.key,
        other.chain,
        other.nodes,
    )


@pytest.mark.parametrize("bits", [128, 192, 256, 512, 2048])
@pytest.mark.parametrize("kem", [False, True], ids=["pure", "ml-kem"])
def test_both_have_the_same_key_and_another_one_each_time(bits: int, kem: bool) -> None:
    first, second = negotiate(three(), wanted=Wanted("tunnel", bits), kem=kem)
    assert same(first, second) and len(first.key) == bits // 8
    assert first.trust == ("3 paths, ML-KEM" if kem else "3 paths, pure")
    again, _ = negotiate(three(), wanted=Wanted("tunnel", bits), kem=kem)
    assert again.key != first.key and again.kid != first.kid and again.sid != first.sid


def test_the_key_rests_on_every_share_the_nonces_and_the_purpose() -> None:
    nodes = three()
    first, _ = negotiate(nodes)
    for node in nodes.values():
        for sid, (what, share) in node.shares.items():
            node.shares[sid] = (what, bytes([share[0] ^ 1]) + share[1:])
    assert first.nodes == ("n1", "n2", "n3")
    for share in (share for node in nodes.values() for _, share in node.shares.values()):
        assert first.key not in share and share[:32] != first.key


def test_pair_chains_carry_over_and_two_of_them_are_kept() -> None:
    kept: tuple[dict[int, PairChain], dict[int, PairChain]] = ({}, {})
    keys = set()
    for number in range(1, 5):
        first, second = negotiate(three(), chains=kept)
        assert same(first, second) and first.chain.number == number
        assert first.chained == (number > 1)
        kept = (next_chains(kept[0], first.chain), next_chains(kept[1], second.chain))
        keys.add(first.key)
    assert set(kept[0]) == {3, 4} and len(keys) == 4


def test_a_side_that_is_one_agreement_behind_finds_the_chain_that_both_have() -> None:
    start: tuple[dict[int, PairChain], dict[int, PairChain]] = ({}, {})
    for _ in range(2):
        first, second = negotiate(three(), chains=start)
        start = (next_chains(start[0], first.chain), next_chains(start[1], second.chain))
    _, ahead = negotiate(three(), chains=start)
    first, second = negotiate(three(), chains=(start[0], next_chains(start[1], ahead.chain)))
    assert same(first, second) and first.chain.number == 3
    first, second = negotiate(three(), chains=(next_chains(start[0], ahead.chain), start[1]))
    assert same(first, second) and first.chain.number == 3


def test_a_lost_pair_chain_begins_anew_unless_a_device_insists_on_it() -> None:
    first, _ = negotiate(three())
    kept = {1: first.chain}
    assert negotiate(three(), chains=({}, kept))[1].chain.number == 1
    with pytest.raises(DsccError) as error:
        negotiate(three(), chains=({}, kept), limits=Limits(require_chain=True))
    assert error.value.reason is Reason.CHAIN_BROKEN


def test_different_pair_chains_of_one_number_are_found_out_and_not_used() -> None:
    kept, forged = {1: PairChain(1, nonce())}, {1: PairChain(1, nonce())}
    first, second = negotiate(three(), chains=(kept, forged))
    assert same(first, second) and not first.chained
    with pytest.raises(DsccError) as error:
        negotiate(three(), chains=(kept, forged), limits=Limits(require_chain=True))
    assert error.value.reason is Reason.CHAIN_BROKEN


@pytest.mark.parametrize(
    ("missing", "used"),
    [
        ((frozenset(), frozenset({"n2"})), ("n1", "n3")),
        ((frozenset({"n1"}), frozenset()), ("n2", "n3")),
        ((frozenset({"n3"}), frozenset({"n3"})), ("n1", "n2")),
    ],
)
def test_two_of_three_nodes_are_enough_for_both(
    missing: tuple[frozenset[str], frozenset[str]], used: tuple[str, ...]
) -> None:
    first, second = negotiate(three(), missing=missing)
    assert same(first, second) and first.nodes == used


@pytest.mark.parametrize(
    "missing", [(frozenset({"n1", "n2"}), frozenset()), (frozenset({"n1"}), frozenset({"n2"}))], ids=["one", "apart"]
)
def test_fewer_paths_than_a_device_insists_on_are_no_key(missing: tuple[frozenset[str], frozenset[str]]) -> None:
    with pytest.raises(DsccError) as error:
        negotiate(three(), missing=missing)
    assert error.value.reason is Reason.INSUFFICIENT_PATHS


def test_the_shortest_grant_holds_for_both() -> None:
    nodes = {"n1": ShareNode(3600, 0), "n2": ShareNode(600, 50), "n3": ShareNode(0, 70)}
    first, second = negotiate(nodes)
    assert (first.lifetime, first.uses) == (second.lifetime, second.uses) == (600, 50)
    shorter, theirs = negotiate(nodes, wanted=TUNNEL._replace(lifetime=60))
    assert shorter.lifetime == theirs.lifetime == 60


def test_an_old_device_and_a_new_one_agree_on_the_suite_of_the_old_one() -> None:
    for suites in (((S384.name,), tuple(SUITES)), (tuple(SUITES), (S384.name,))):
        assert same(*negotiate(three(), suites=suites))
    with pytest.raises(DsccError) as error:
        negotiate(three(), suites=((S384.name,), (S512.name,)))
    assert error.value.reason is Reason.UNSUPPORTED


def begun(limits: Limits = Limits(), **how: object) -> tuple[Initiator, Responder]:  # noqa: B008
    first = Initiator("alice", "bob", TUNNEL, ("n1", "n2", "n3"), nonce(), limits=limits, chains={}, **how)  # type: ignore[arg-type]
    second = Responder("bob", first.d1, nonce(), limits=limits, chains={}, nodes=("n1", "n2", "n3"))
    return first, second


@pytest.mark.parametrize(
    "change",
    [{"bits": 128}, {"purpose": "wrap"}, {"initiator": "eve"}, {"nodes": ("n1", "n2")}, {"suites": (S384.name,)}],
    ids=str,
)
def test_who_changes_d1_gets_two_sessions_that_never_meet(change: dict[str, object]) -> None:
    first, _ = begun()
    second = Responder(
        "bob", first.d1._replace(**change), nonce(), limits=Limits(), chains={}, nodes=("n1", "n2", "n3")
    )  # type: ignore[arg-type]
    first.on_d2(second.d2)
    assert first.sid != second.sid


def shared(first: Initiator, second: Responder, nodes: dict[str, ShareNode]) -> None:
    for side, name in ((first, "alice"), (second, "bob")):
        take(side, name, nodes)


def take(side: Initiator | Responder, name: str, nodes: dict[str, ShareNode]) -> None:
    for node in side.nodes:
        share = nodes[node].ask(name, side.share_request())
        assert share is not None
        side.on_share(node, share)


def test_a_node_that_gives_each_another_share_is_found_out_and_no_key_is_active() -> None:
    first, second = begun()
    first.on_d2(second.d2)
    take(first, "alice", three())
    take(second, "bob", three())
    _, d3 = first.derive()
    with pytest.raises(DsccError) as error:
        second.on_d3(d3)
    assert error.value.reason is Reason.NOT_AUTHENTIC


def test_a_node_that_gives_one_another_share_than_before_is_found_out_at_once() -> None:
    first, second = begun()
    first.on_d2(second.d2)
    nodes = three()
    take(first, "alice", nodes)
    take(first, "alice", nodes)
    with pytest.raises(DsccError, match="n1 sent another share than before"):
        take(first, "alice", three())


def test_nodes_that_grant_something_else_to_each_are_found_out() -> None:
    first, second = begun()
    first.on_d2(second.d2)
    nodes = three()
    take(first, "alice", nodes)
    nodes["n2"].lifetime = 60
    take(second, "bob", nodes)
    _, d3 = first.derive()
    with pytest.raises(DsccError) as error:
        second.on_d3(d3)
    assert error.value.reason is Reason.CONTEXT_MISMATCH


def test_confirmations_are_for_one_session_and_one_direction() -> None:
    first, second = begun()
    first.on_d2(second.d2)
    shared(first, second, three())
    _, d3 = first.derive()
    answer = second.on_d3(d3)
    assert isinstance(answer, tuple)
    d4 = answer[1]
    with pytest.raises(DsccError):
        first.on_d4(d4._replace(mac=d3.mac))  # type: ignore[union-attr]
    other_first, other_second = begun()
    other_first.on_d2(other_second.d2)
    shared(other_first, other_second, three())
    other_first.derive()
    for said in (d3, d3._replace(sid=other_first.sid)):
        with pytest.raises(DsccError):
            other_second.on_d3(said)
    with pytest.raises(DsccError):
        other_first.on_d4(d4)  # type: ignore[arg-type]
    first.on_d4(d4)  # type: ignore[arg-type]


def test_a_share_for_others_is_refused() -> None:
    first, second = begun()
    first.on_d2(second.d2)
    node = ShareNode()
    share: ShareResponse = node.ask("alice", first.share_request()) or pytest.fail("no share")
    for wrong in ({"sid": bytes(48)}, {"initiator": "eve"}, {"responder": "eve"}):
        with pytest.raises(DsccError):
            first.on_share("n1", share._replace(**wrong))
    with pytest.raises(DsccError):
        first.on_share("n9", share)


def test_a_device_holds_to_its_own_limits_whatever_others_say() -> None:
    with pytest.raises(DsccError, match="itself"):
        Initiator("alice", "alice", TUNNEL, ("n1", "n2"), nonce(), limits=Limits(), chains={})
    with pytest.raises(DsccError, match="bits"):
        negotiate(three(), wanted=Wanted("tunnel", 128), limits=Limits(least_bits=256))
    with pytest.raises(DsccError, match="bits"):
        negotiate(three(), wanted=Wanted("tunnel", 250))
    with pytest.raises(DsccError, match="forms no key"):
        negotiate(three(), limits=Limits(purposes=frozenset({"wrap"})))
    with pytest.raises(DsccError, match="without ML-KEM"):
        negotiate(three(), limits=Limits(require_kem=True))
    first, second = begun(Limits(paths=2))
    with pytest.raises(DsccError, match="nodes in common"):
        first.on_d2(second.d2._replace(nodes=("n1",)))
    with pytest.raises(DsccError, match="not offered"):
        first.on_d2(second.d2._replace(nodes=("n1", "n9")))


def test_the_peer_cannot_leave_out_the_encapsulated_secret() -> None:
    from dscc.hardening import KemKey

    first, second = begun(kem=KemKey("mlkem768"))
    with pytest.raises(DsccError) as error:
        first.on_d2(second.d2._replace(ct=b""))
    assert error.value.reason is Reason.UNSUPPORTED


def test_no_key_is_shown() -> None:
    first, _ = negotiate(three())
    for shown in (repr(first), str(first), repr(first.chain)):
        assert first.key.hex() not in shown and str(first.key) not in shown and str(first.chain.secret) not in shown


def test_a_key_that_a_nodes_policy_grants_with_ml_kem_only_is_not_derived_without() -> None:
    strict = {**three(), "n2": ShareNode(kem=1)}
    with pytest.raises(DsccError, match="ML-KEM") as refused:
        negotiate(strict)
    assert refused.value.reason is Reason.POLICY_DENIED
    first, second = negotiate(strict, kem=True)
    assert same(first, second) and first.hardened
    # Who does not reach that node is granted the key by the others, and does not use its share.
    first, _ = negotiate(strict, missing=(frozenset({"n2"}), frozenset({"n2"})))
    assert not first.hardened


def test_what_a_node_grants_is_bound_to_the_key() -> None:
    """A device that hears another grant than its peer has another key."""

    class TwoFaced(ShareNode):
        def ask(self, device: str, asked: ShareRequest) -> ShareResponse | None:
            said = super().ask(device, asked)
            return None if said is None else said._replace(kem=int(device == "bob"))

    with pytest.raises(DsccError) as refused:
        negotiate({**three(), "n2": TwoFaced()}, kem=True)
    assert refused.value.reason is Reason.CONTEXT_MISMATCH
