"""What a review of the core found: each of these went wrong once, and each was a way in, or a way to stop somebody."""

from __future__ import annotations

import secrets

import cbor2
import pytest
from parties import TUNNEL, ShareNode, chains, meet, negotiate, nonce, token

from dscc import group
from dscc.agreement import Limits, PairChain, abort, check_abort, next_chains
from dscc.direct_messages import D4, Confirm, Confirmed, Contribution, Subset
from dscc.errors import DsccError, Reason
from dscc.keyfill import DeviceKeyfill, KeyfillMode, NodeKeyfill
from dscc.messages import M4, R4, T4, ShareResponse
from dscc.pairwise import Initiator, Responder
from dscc.primitives import S384, S512
from dscc.registration import NO_TOKEN, DeviceRegistration, Mode, NodeRegistration
from dscc.session import DeviceHandshake, NodeHandshake, begin_chain
from dscc.wire import FRAME_BYTES, decode, encode

NODES = ("n1", "n2", "n3")
CODE = b"sixteen bytes or more"


def reason(error: pytest.ExceptionInfo[DsccError]) -> Reason:
    return error.value.reason


# On the wire.


def test_a_message_that_unfolds_is_refused_before_it_does() -> None:
    """CBOR's shared references: each array holds the one before twice. 60 of them would be 2^60 arrays."""
    arrays = b"\xd8\x1c\x80" + b"".join(b"\xd8\x1c\x82" + (b"\xd8\x1d" + cbor2.dumps(at)) * 2 for at in range(60))
    with pytest.raises(DsccError) as error:
        decode(b"\x98\x3d" + arrays)
    assert reason(error) is Reason.MALFORMED


@pytest.mark.parametrize("head", [b"\x9a\xff\xff\xff\xff", b"\x5b" + b"\xff" * 8, b"\x9f", b"\x5f", b"\x81" * 60_000])
def test_a_length_that_is_only_claimed_costs_nothing(head: bytes) -> None:
    with pytest.raises(DsccError) as error:
        decode(head)
    assert reason(error) is Reason.MALFORMED


@pytest.mark.parametrize("mode", [KeyfillMode.PLAIN, KeyfillMode.OOB])
def test_what_crosses_the_wire_is_authenticated_as_what_did_not(mode: KeyfillMode) -> None:
    """A member of an enumeration is a text when it arrives; what is hashed has to be the same before and after."""
    given = token()
    device = DeviceRegistration("meter-7", "n1", Mode.QKEY, given, nonce())
    node = NodeRegistration(given, decode(encode(device.r1)), nonce(), None)  # type: ignore[arg-type]
    r4, root = node.on_r3(decode(encode(device.on_r2(decode(encode(node.r2))))), "bootstrap")  # type: ignore[arg-type]
    mine, theirs = begin_chain(device.on_r4(decode(encode(r4)))), begin_chain(root)  # type: ignore[arg-type]
    asks = DeviceKeyfill(mine, "quarantine", nonce())
    grants = NodeKeyfill(
        theirs, decode(encode(asks.t1)), stage="quarantine", mode=mode, workflow="w/1", approval=bytes(32),
        nonce=nonce(), code=CODE,
    )  # type: ignore[arg-type]  # fmt: skip
    _, t3 = asks.on_t2(decode(encode(grants.t2)), mode, CODE)  # type: ignore[arg-type]
    _, t4 = grants.on_t3(decode(encode(t3)), theirs)  # type: ignore[arg-type]
    asks.on_t4(decode(encode(t4)))  # type: ignore[arg-type]


def test_a_purpose_fits_into_a_label_in_any_script() -> None:
    d1 = Initiator("a", "b", TUNNEL, NODES, nonce(), limits=Limits(), chains={}).d1
    with pytest.raises(DsccError) as error:
        decode(encode(d1._replace(purpose="\N{KEY}" * 64)))
    assert reason(error) is Reason.MALFORMED
    longest = d1._replace(purpose="\N{KEY}" * 16)
    assert decode(encode(longest)) == longest


# Everything once, and in its order.


def test_m3_opens_one_session_and_m4_too() -> None:
    device, node = chains()
    begun = DeviceHandshake("meter-7", "n1", device, nonce())
    answered = NodeHandshake(node, begun.m1, nonce())
    _, m3 = begun.on_m2(answered.m2)
    with pytest.raises(DsccError):
        begun.on_m2(answered.m2)
    _, m4, _ = answered.on_m3(m3, node)
    with pytest.raises(DsccError) as error:
        answered.on_m3(m3, node)
    assert reason(error) is Reason.OUT_OF_ORDER
    begun.on_m4(m4)
    with pytest.raises(DsccError) as error:
        begun.on_m4(m4)
    assert reason(error) is Reason.OUT_OF_ORDER


def test_an_m3_that_was_held_up_does_not_set_the_node_back() -> None:
    device, node = chains()
    begun = DeviceHandshake("meter-7", "n1", device, nonce())
    held_up = NodeHandshake(node, begun.m1, nonce())
    device, m3 = begun.on_m2(held_up.m2)
    for _ in range(3):
        at_device, at_node = meet(device, node)
        device, node = at_device.chain, at_node.chain
    with pytest.raises(DsccError) as error:
        held_up.on_m3(m3, node)
    assert reason(error) is Reason.OUT_OF_ORDER


def test_a_t3_that_was_held_up_does_not_lead_the_node_where_the_device_no_longer_is() -> None:
    device, node = chains()
    asks = DeviceKeyfill(device, "quarantine", nonce())
    held_up = NodeKeyfill(
        node, asks.t1, stage="quarantine", mode=KeyfillMode.PLAIN, workflow="w/1", approval=bytes(32), nonce=nonce()
    )
    _, t3 = asks.on_t2(held_up.t2, KeyfillMode.PLAIN)
    # The device opens a session with the chain before, and drops the next one.
    node = meet(device, node)[1].chain
    with pytest.raises(DsccError) as error:
        held_up.on_t3(t3, node)
    assert reason(error) is Reason.OUT_OF_ORDER


def test_a_replayed_m1_accuses_nobody_of_being_a_clone() -> None:
    device, node = chains()
    begun = DeviceHandshake("meter-7", "n1", device, nonce())
    node = meet(device, node)[1].chain
    assert not hasattr(NodeHandshake(node, begun.m1, nonce()), "behind")


def test_what_comes_too_early_is_refused_as_what_comes_too_late() -> None:
    device, _ = chains()
    begun = Initiator("alice", "bob", TUNNEL, NODES, nonce(), limits=Limits(), chains={})
    share = ShareResponse(b"", "alice", "bob", bytes(48), 1, bytes(32), 0, 0, 0)
    early = [
        lambda: DeviceRegistration("d", "n", Mode.QKEY, token(), nonce()).on_r4(R4("s", b"")),
        lambda: DeviceHandshake("d", "n", device, nonce()).on_m4(M4(b"")),
        lambda: DeviceKeyfill(device, "s", nonce()).on_t4(T4(1, b"")),
        lambda: begun.on_share("n1", share),
        begun.share_request,
        begun.derive,
        lambda: begun.on_subset(Subset(b"", ())),
        lambda: begun.on_d4(D4(b"", b"")),
        lambda: begun.nodes,
        lambda: begun.enough,
    ]
    for each in early:
        with pytest.raises(DsccError) as error:
            each()
        assert reason(error) is Reason.OUT_OF_ORDER


# Tokens and codes that are none.


def test_a_step_with_a_code_takes_a_code() -> None:
    device, node = chains()
    for code in (bytes(32), b"", b"123456"):
        asks = DeviceKeyfill(device, "quarantine", nonce())
        with pytest.raises(DsccError) as error:
            NodeKeyfill(
                node, asks.t1, stage="quarantine", mode=KeyfillMode.OOB, workflow="w/1", approval=bytes(32),
                nonce=nonce(), code=code,
            )  # fmt: skip
        assert reason(error) is Reason.UNSUPPORTED
        grants = NodeKeyfill(
            node, asks.t1, stage="quarantine", mode=KeyfillMode.OOB, workflow="w/1", approval=bytes(32),
            nonce=nonce(), code=CODE,
        )  # fmt: skip
        with pytest.raises(DsccError) as error:
            asks.on_t2(grants.t2, KeyfillMode.OOB, code)
        assert reason(error) is Reason.UNSUPPORTED


def test_a_device_does_not_choose_its_stage() -> None:
    device, node = chains()
    asks = DeviceKeyfill(device, "production", nonce())
    with pytest.raises(DsccError) as error:
        NodeKeyfill(
            node, asks.t1, stage="quarantine", mode=KeyfillMode.PLAIN, workflow="w/1", approval=bytes(32), nonce=nonce()
        )
    assert reason(error) is Reason.OUT_OF_ORDER


def test_two_pieces_of_one_node_are_not_two_paths() -> None:
    device, node = chains()
    asks = DeviceKeyfill(device, "quarantine", nonce())
    with pytest.raises(DsccError) as error:
        NodeKeyfill(
            node, asks.t1, stage="quarantine", mode=KeyfillMode.MULTIPATH, workflow="w/1", approval=bytes(32),
            nonce=nonce(), pieces=(("n2", nonce()), ("n2", nonce())),
        )  # fmt: skip
    assert reason(error) is Reason.INSUFFICIENT_PATHS


def test_without_a_token_there_is_no_registration_by_token() -> None:
    """The key of no token is known to all: only who says so (ota-tofu) registers with it."""
    with pytest.raises(ValueError, match="takes a token"):
        DeviceRegistration("meter-7", "n1", Mode.QKEY, NO_TOKEN, nonce())
    offer = DeviceRegistration("meter-7", "n1", Mode.QKEY, NO_TOKEN._replace(token_id=bytes(15) + b"\x01"), nonce()).r1
    for known in (NO_TOKEN, token()._replace(secret=NO_TOKEN.secret)):
        with pytest.raises(DsccError) as error:
            NodeRegistration(known, offer, nonce(), None)
        assert reason(error) is Reason.TOKEN_REFUSED


# A pair.


def three() -> dict[str, ShareNode]:
    return {node: ShareNode() for node in NODES}


def test_confirmations_that_were_lost_in_both_directions_leave_a_pair_that_agrees() -> None:
    first, second = negotiate(three())
    alice, bob = next_chains({}, first.chain), next_chains({}, second.chain)
    _, lost = negotiate(three(), chains=(alice, bob))
    bob_on = next_chains(bob, lost.chain)
    _, lost_too = negotiate(three(), chains=(alice, bob))
    alice_on = next_chains(alice, lost_too.chain)
    assert set(alice_on) == set(bob_on) == {1, 2} and alice_on[2] != bob_on[2]
    for mine, theirs in ((alice_on, bob_on), (bob_on, alice_on)):
        one, other = negotiate(three(), chains=(mine, theirs))
        assert one.key == other.key and one.chained and one.chain.number == 2
        assert next_chains(mine, one.chain) == next_chains(theirs, other.chain)


def test_not_even_the_first_confirmations_that_are_lost_part_a_pair_that_insists_on_its_chain() -> None:
    """Found by the state machine: both have a first chain that the other one does not know."""
    limits = Limits(require_chain=True)
    _, lost = negotiate(three())
    bob = next_chains({}, lost.chain)
    _, lost_too = negotiate(three(), chains=(bob, {}), limits=limits)
    alice = next_chains({}, lost_too.chain)
    one, other = negotiate(three(), chains=(alice, bob), limits=limits)
    assert one.key == other.key and not one.chained
    alice, bob = next_chains(alice, one.chain), next_chains(bob, other.chain)
    one, other = negotiate(three(), chains=(alice, bob), limits=limits)
    assert one.chained
    alice, bob = next_chains(alice, one.chain), next_chains(bob, other.chain)
    with pytest.raises(DsccError) as error:
        negotiate(three(), chains=({}, bob), limits=limits)
    assert reason(error) is Reason.CHAIN_BROKEN


@pytest.mark.parametrize("swapped", [False, True])
def test_a_device_that_was_restored_far_behind_starts_a_new_chain_in_either_role(swapped: bool) -> None:
    old, new = ({number: PairChain(number, nonce()) for number in pair} for pair in ((2, 3), (5, 6)))
    one, other = negotiate(three(), chains=(old, new) if swapped else (new, old))
    assert one.key == other.key and not one.chained and one.chain.number == 1


def test_an_agreement_that_the_pair_has_gone_beyond_leaves_no_chain() -> None:
    with pytest.raises(DsccError) as error:
        next_chains({5: PairChain(5, nonce()), 6: PairChain(6, nonce())}, PairChain(4, nonce()))
    assert reason(error) is Reason.OUT_OF_ORDER


def begun() -> tuple[Initiator, Responder, dict[str, ShareNode]]:
    first = Initiator("alice", "bob", TUNNEL, NODES, nonce(), limits=Limits(), chains={})
    second = Responder("bob", first.d1, nonce(), limits=Limits(), chains={}, nodes=NODES)
    first.on_d2(second.d2)
    return first, second, three()


def give(side: Initiator | Responder, device: str, nodes: dict[str, ShareNode], *names: str) -> None:
    for name in names:
        share = nodes[name].ask(device, side.share_request())
        assert share is not None
        side.on_share(name, share)


def test_one_session_has_one_key_whatever_comes_late() -> None:
    """D3 with three shares was answered by a Subset; it comes again after the third share, and then the new D3."""
    first, second, nodes = begun()
    give(first, "alice", nodes, *NODES)
    give(second, "bob", nodes, "n1", "n2")
    _, d3 = first.derive()
    subset = second.on_d3(d3)
    assert isinstance(subset, Subset)
    give(second, "bob", nodes, "n3")
    accepted = second.on_d3(d3)
    first.on_subset(subset)
    _, another = first.derive()
    with pytest.raises(DsccError) as error:
        second.on_d3(another)
    assert reason(error) is Reason.OUT_OF_ORDER
    assert second.on_d3(d3) == accepted


def test_a_second_d2_is_refused() -> None:
    first, second, nodes = begun()
    sid = first.sid
    give(first, "alice", nodes, *NODES)
    other = Responder("bob", first.d1, nonce(), limits=Limits(), chains={}, nodes=NODES)
    with pytest.raises(DsccError) as error:
        first.on_d2(other.d2)
    assert reason(error) is Reason.OUT_OF_ORDER and first.sid == sid
    assert second.sid == sid


def test_a_node_that_is_named_twice_is_one_node() -> None:
    first = Initiator("alice", "bob", TUNNEL, ("n1", "n2"), nonce(), limits=Limits(), chains={})
    with pytest.raises(DsccError) as error:
        Responder("bob", first.d1._replace(nodes=("n1", "n1")), nonce(), limits=Limits(), chains={}, nodes=NODES)
    assert reason(error) is Reason.INSUFFICIENT_PATHS
    second = Responder("bob", first.d1, nonce(), limits=Limits(), chains={}, nodes=NODES)
    with pytest.raises(DsccError) as error:
        first.on_d2(second.d2._replace(nodes=("n1", "n1")))
    assert reason(error) is Reason.MALFORMED


def test_an_agreement_is_given_up_by_who_has_it_alone() -> None:
    first, second = negotiate(three())
    other, _ = negotiate(three())
    check_abort(second, abort(first, Reason.FAILED))
    for forged in (abort(other, Reason.FAILED)._replace(sid=first.sid), abort(first, Reason.FAILED)._replace(mac=b"")):
        with pytest.raises(DsccError) as error:
            check_abort(second, forged)
        assert reason(error) is Reason.NOT_AUTHENTIC


# A group.


def formed(members: tuple[str, ...] = ("a", "b", "c"), suite: object = S384) -> group.Epoch:
    parts = tuple(Contribution("plant", 0, nonce()) for _ in members[1:])
    return group.form(suite, "plant", members, bytes(48), parts, secrets.token_bytes(48))  # type: ignore[arg-type]


def test_a_seed_comes_from_who_leads() -> None:
    """b tells c in a's name; were it believed, c would use a key that a does not have, and b does."""
    present = formed()
    seed = group.seed_message(present._replace(number=2, seed=secrets.token_bytes(48)))
    with pytest.raises(DsccError) as error:
        group.accept_seed(S384, "c", seed, present, "plant", leader="b")
    assert reason(error) is Reason.NOT_AUTHENTIC
    assert group.accept_seed(S384, "c", seed, present, "plant", leader="a").number == 2


def test_who_joins_may_have_the_lowest_name() -> None:
    present = formed(("b", "c", "d"))
    after = group.joined(present, "a", bytes(48), secrets.token_bytes(48))
    told = group.accept_seed(S384, "a", group.seed_message(after), None, "plant", leader="b")
    assert told == after == group.accept_joined("c", group.seed_message(after), present)


@pytest.mark.parametrize(
    "change",
    [{"roster": ("b", "c")}, {"roster": ("a", "b", "c")}, {"number": 3}, {"number": (1 << 63) - 1}, {"group": "x"}],
    ids=str,
)
def test_what_any_member_could_have_sealed_takes_nobody_out_and_skips_no_epoch(change: dict[str, object]) -> None:
    present = formed()
    after = group.joined(present, "d", bytes(48), secrets.token_bytes(48))
    with pytest.raises(DsccError):
        group.accept_joined("b", group.seed_message(after._replace(**change)), present)  # type: ignore[arg-type]
    assert group.accept_joined("b", group.seed_message(after), present).key == after.key


@pytest.mark.parametrize("suite", [S384, S512], ids=str)
def test_what_the_largest_group_is_told_fits_into_a_frame(suite: object) -> None:
    members = tuple(sorted(secrets.token_hex(18) for _ in range(group.MOST_MEMBERS)))
    epoch = formed(members, suite)
    told = group.confirmed(epoch, tuple(group.confirm(epoch, member) for member in members))
    assert isinstance(decode(encode(told)), Confirmed)
    for said in (group.seed_message(epoch), encode(told)):
        assert len(said) + 1024 < FRAME_BYTES and len(said) + 28 <= 49_152
    with pytest.raises(DsccError):
        formed(tuple(f"{number:064}" for number in range(group.MOST_MEMBERS)))


def test_seeds_are_made_of_fresh_bytes_and_purposes_fit() -> None:
    present = formed()
    for each in (
        lambda: group.joined(present, "d", bytes(48), b""),
        lambda: group.without(present, frozenset("b"), b"", b""),
    ):
        with pytest.raises(DsccError):
            each()
    with pytest.raises(DsccError):
        group.purpose_of("g" * 54)
    assert len(group.purpose_of("g" * 53)) == 64


def test_a_confirmation_of_another_length_is_another_one() -> None:
    present = formed()
    said = group.confirm(present, "b")
    for mac in (b"", said.mac[:16], said.mac + b"\x00"):
        with pytest.raises(DsccError):
            group.check_confirm(present, Confirm("plant", 1, "b", mac))
