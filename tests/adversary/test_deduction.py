"""What an attacker who only listens deduces from the computations of the code itself, and what it does not.

Where it does not, the same with one more secret shows that the deduction finds what there is to find.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import combinations

import pytest
from deduction import Watch
from parties import NODES, nonce, token
from world import Seen, negotiated

from dscc import group
from dscc.agreement import PairChain, next_chains
from dscc.direct_messages import Contribution
from dscc.hardening import KemKey
from dscc.keyfill import DeviceKeyfill, KeyfillMode, NodeKeyfill
from dscc.primitives import S384, S512
from dscc.registration import DeviceRegistration, Mode, NodeRegistration, Root
from dscc.session import Chain, DeviceHandshake, NodeHandshake, begin_chain
from dscc.wire import encode


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch)


def traffic(seen: Seen) -> Iterator[bytes]:
    """Everything that is said with nodes."""
    for sessions in seen.traffic.values():
        for each in sessions:
            yield from (encode(each.m1), encode(each.m2), *each.asked, *each.answered)


def direct(seen: Seen) -> list[bytes]:
    return [encode(seen.direct.d1), encode(seen.direct.d2), encode(seen.direct.d3)]


def states(seen: Seen, nodes: tuple[str, ...]) -> list[bytes]:
    """All that these nodes keep."""
    return [
        secret for node in nodes for chain in seen.states[node] for secret in (chain.key, chain.prior, chain.ascent)
    ]


# A pair.


def test_only_all_nodes_with_the_direct_messages_deduce_the_key(watch: Watch) -> None:
    seen = negotiated()
    for number in range(4):
        for corrupt in combinations(NODES, number):
            for tapped in (True, False):
                wire = [*traffic(seen), *(direct(seen) if tapped else [])]
                known = watch.knows(seen.mine.key, *states(seen, corrupt), seen=wire)
                assert known == (tapped and number == 3)


def test_ml_kem_keeps_it_from_all_nodes_that_listen(watch: Watch) -> None:
    made: list[KemKey] = []
    begin = KemKey.__init__
    watch._patch.setattr(KemKey, "__init__", lambda key, *given: (made.append(key), begin(key, *given))[1])
    seen = negotiated(kem=True)
    wire = [*traffic(seen), *direct(seen)]
    assert not watch.knows(seen.mine.key, *states(seen, NODES), seen=wire)
    assert watch.knows(seen.mine.key, *states(seen, NODES), made[0].seed, seen=wire)


def chained() -> tuple[Seen, Seen]:
    """Two agreements of a pair, the second one with the pair chain of the first."""
    first = negotiated()
    mine: dict[int, PairChain] = next_chains({}, first.mine.chain)
    return first, negotiated(chains=(mine, dict(mine)))


def test_a_pair_chain_keeps_it_from_all_nodes_that_missed_one_agreement(watch: Watch) -> None:
    first, second = chained()
    wire = [*traffic(second), *direct(second)]
    assert not watch.knows(second.mine.key, *states(second, NODES), seen=wire)
    everything = [*wire, *traffic(first), *direct(first)]
    assert watch.knows(second.mine.key, *states(second, NODES), *states(first, NODES), seen=everything)


def test_a_key_tells_nothing_of_other_keys_and_a_later_pair_chain_nothing_of_earlier_ones(watch: Watch) -> None:
    first, second = chained()
    wire = [*traffic(first), *traffic(second), *direct(first), *direct(second)]
    assert not watch.knows(first.mine.chain.secret, first.mine.key, seen=wire)
    assert not watch.knows(second.mine.key, first.mine.key, seen=wire)
    assert not watch.knows(first.mine.key, second.mine.key, second.mine.chain.secret, seen=wire)
    assert not watch.knows(second.mine.key, first.mine.chain.secret, seen=wire)


# A session.


def begun() -> tuple[Root, Chain]:
    root = Root(S512, 0, "production", secrets.token_bytes(48))
    return root, begin_chain(root)


def test_what_is_kept_after_a_session_opens_nothing_of_it(watch: Watch) -> None:
    """The next epoch's key, and `ascent`: all that is left. With the root, or the key of before, it would be open."""
    root, chain = begun()
    device = DeviceHandshake("meter-7", "n1", chain, nonce())
    node = NodeHandshake(chain, device.m1, nonce())
    at_device, m3 = device.on_m2(node.m2)
    at_node, m4, served = node.on_m3(m3, chain)
    session = device.on_m4(m4)
    word = secrets.token_bytes(32)
    record = session.seal(word)
    assert served.open(record) == word
    wire = [*[encode(each) for each in (device.m1, node.m2, m3, m4)], record]
    left = [kept for each in (at_device, at_node) for kept in (each.key, each.prior, each.ascent)]
    assert not watch.knows(word, seen=wire)
    assert not watch.knows(word, *left, seen=wire)
    assert watch.knows(word, root.secret, seen=wire)
    assert watch.knows(word, chain.key, seen=wire)
    assert not watch.knows(word, chain.key)


# A step.


@pytest.mark.parametrize("mode", KeyfillMode)
def test_who_has_the_earlier_stage_and_saw_the_step_deduces_the_next_one_in_plain_mode_alone(
    watch: Watch, mode: KeyfillMode
) -> None:
    root, chain = begun()
    kem = KemKey("mlkem1024") if mode.takes_kem else None
    code, pieces = secrets.token_bytes(32), (("n2", nonce()), ("n3", nonce()))
    asks = DeviceKeyfill(chain, "next", nonce(), kem)
    grants = NodeKeyfill(
        chain, asks.t1, stage="next", mode=mode, workflow="w/1", approval=bytes(32), nonce=nonce(), code=code,
        encapsulated=None if kem is None else watch.encapsulate("mlkem1024", kem.public),
        pieces=pieces if mode is KeyfillMode.MULTIPATH else (),
    )  # fmt: skip
    after, t3 = asks.on_t2(grants.t2, mode, code, tuple(piece for _, piece in pieces))
    _, t4 = grants.on_t3(t3, chain)
    wire = [encode(each) for each in (asks.t1, grants.t2, t3, t4)]
    earlier = [root.secret, chain.key, chain.ascent]
    assert watch.knows(after.key, *earlier, seen=wire) == (mode is KeyfillMode.PLAIN)
    hidden = [code, *[piece for _, piece in pieces], *([] if kem is None else [kem.seed])]
    assert watch.knows(after.key, *earlier, *hidden, seen=wire)
    # Without the earlier stage, all that was hidden is of no use; and the way back is closed.
    assert not watch.knows(after.key, *hidden, seen=wire)
    assert not watch.knows(chain.key, after.key, after.ascent, *hidden, seen=wire)


# Registration.


@pytest.mark.parametrize("mode", [Mode.QKEY, Mode.OTA_KEM])
def test_who_read_the_code_deduces_the_root_unless_there_is_ml_kem(watch: Watch, mode: Mode) -> None:
    given = token()
    kem = KemKey("mlkem1024") if mode is Mode.OTA_KEM else None
    device = DeviceRegistration("meter-7", "n1", mode, given, nonce(), kem)
    sealed = None if kem is None else watch.encapsulate("mlkem1024", device.r1.ek)
    node = NodeRegistration(given, device.r1, nonce(), sealed)
    r3 = device.on_r2(node.r2)
    r4, root = node.on_r3(r3, "bootstrap")
    wire = [encode(each) for each in (device.r1, node.r2, r3, r4)]
    assert not watch.knows(root.secret, seen=wire)
    assert watch.knows(root.secret, given.secret, seen=wire) == (mode is Mode.QKEY)
    if kem is not None:
        assert watch.knows(root.secret, given.secret, kem.seed, seen=wire)
        assert not watch.knows(root.secret, kem.seed, seen=wire)


# A group.


def test_members_deduce_the_keys_of_their_time_alone(watch: Watch) -> None:
    """1: a b c; 2: d joins; 3: c leaves. a leads."""
    pair_keys = {member: secrets.token_bytes(32) for member in "bcd"}
    wire: list[bytes] = []

    def box(member: str) -> group.Box:
        return group.pair_box(S384, pair_keys[member], "plant", "a", member)

    def told(epoch: group.Epoch, members: str) -> None:
        wire.extend(box(member).seal(group.seed_message(epoch), secrets.token_bytes(12)) for member in members)

    parts = tuple(Contribution("plant", 0, nonce()) for _ in "bc")
    for member, part in zip("bc", parts, strict=True):
        wire.append(box(member).seal(encode(part), secrets.token_bytes(12)))
    first = group.form(S384, "plant", ("a", "b", "c"), bytes(48), parts, secrets.token_bytes(48))
    told(first, "bc")
    second = group.joined(first, "d", bytes(48), secrets.token_bytes(48))
    wire.append(group.rekeying_box(first).seal(group.seed_message(second), secrets.token_bytes(12)))
    told(second, "d")
    hidden = (pair_keys["b"], pair_keys["d"])
    third = group.without(second, frozenset("c"), bytes(48), secrets.token_bytes(48), hidden)
    told(third, "bd")
    keys = [epoch.key for epoch in (first, second, third)]
    expected = {"b": [True, True, True], "c": [True, True, False], "d": [False, True, True]}
    for member, pair_key in pair_keys.items():
        assert [watch.knows(key, pair_key, seen=wire) for key in keys] == expected[member]
    assert [watch.knows(key, seen=wire) for key in keys] == [False] * 3
    # A group's key tells nothing of its seed, nor of the next key.
    assert not watch.knows(keys[1], keys[0], seen=wire)
