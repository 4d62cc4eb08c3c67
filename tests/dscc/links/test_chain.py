"""The chain of a link: it holds without the source for a while, forgets, heals, and stays in step whatever is lost."""

from __future__ import annotations

import secrets
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dscc.errors import DsccError, Reason
from dscc.links.chain import L1, L2, L3, Answering, Asking, Link, LinkKey, begin_link, draw, hear, status
from dscc.links.local import LocalPSK, MLKEMLink
from dscc.links.source import ChainOnlyError, Key, SourceRefusedError
from dscc.primitives import KEY_BYTES, NOTHING, S384, S512, Suite, enc
from dscc.wire import core, decode_as, encode

ID = "0d3c1f3e-2c0b-4d6c-9a38-5a3f2f0a9b11"
Q = Key(ID, b"q" * KEY_BYTES)


def nonce() -> bytes:
    return secrets.token_bytes(32)


def links(suite: Suite = S384) -> tuple[Link, Link]:
    """Both ends, just begun."""
    secret = nonce()
    return begin_link(suite, "n2", "n1", secret), begin_link(suite, "n1", "n2", secret)


class Seen(NamedTuple):
    """A whole step: both ends after it, both keys, and what went over the line."""

    one: Link
    other: Link
    keys: tuple[LinkKey, LinkKey]
    l1: L1
    l2: L2


def step(one: Link, other: Link, key: Key | None = Q, most: int = 8) -> Seen:
    asking = Asking(one, key, nonce(), most)
    l1 = decode_as(L1, encode(asking.l1))
    assert hear(other, l1, most).number == l1.number
    answering = Answering(other, l1, key, nonce(), most)
    l2 = decode_as(L2, encode(answering.l2))
    one, l3, ours = asking.on_l2(asking.state, l2)
    other, theirs = answering.on_l3(answering.state, decode_as(L3, encode(l3)))
    return Seen(one, other, (ours, theirs), l1, l2)


@pytest.mark.parametrize("suite", [S384, S512], ids=str)
def test_both_ends_have_the_same_key_and_go_on_together(suite: Suite) -> None:
    one, other = links(suite)
    assert one == other
    keys = set()
    for number in range(4):
        seen = step(one, other)
        one, other = seen.one, seen.other
        assert one == other and one.number == number + 1
        assert seen.keys[0] == seen.keys[1]
        assert len(seen.keys[0].secret) == KEY_BYTES
        keys.add(seen.keys[0].secret)
    assert len(keys) == 4


def computed(secret: bytes, key: bytes, seen: Seen) -> tuple[bytes, bytes]:
    """The key and the chain after it, by who has these secrets and saw the messages."""
    said = S384.digest(enc(core(seen.l1), core(seen.l2)))
    mixed = S384.extract(secret, key)
    return S384.expand(mixed, "link key", said, KEY_BYTES), S384.expand(mixed, "link next", said)


def test_who_knows_every_key_of_the_source_does_not_know_the_links_keys_without_the_chain() -> None:
    one, other = links()
    seen = step(one, other)
    assert computed(bytes(48), Q.secret, seen)[0] != seen.keys[0].secret
    # With both it is the key: the computation above fails for want of the chain alone.
    assert computed(one.secret, Q.secret, seen) == (seen.keys[0].secret, seen.one.secret)


def test_who_knows_the_chain_is_shut_out_by_one_key_of_the_source_that_it_does_not_know() -> None:
    one, other = links()
    stolen = one.secret
    alone = step(one, other, None)
    key, stolen = computed(stolen, NOTHING, alone)
    assert key == alone.keys[0].secret
    healed = step(alone.one, alone.other, Q)
    key, stolen = computed(stolen, b"?" * KEY_BYTES, healed)
    assert key != healed.keys[0].secret
    after = step(healed.one, healed.other, None)
    assert computed(stolen, NOTHING, after)[0] != after.keys[0].secret


def test_an_earlier_chain_does_not_follow_from_a_later_one() -> None:
    one, other = links()
    first = step(one, other)
    kept = repr(first.one._asdict()) + repr(first.other._asdict())
    assert repr(one.secret) not in kept and first.other.next is None


def test_without_the_source_the_link_goes_on_so_often_and_then_stops() -> None:
    one, other = links()
    for used in range(3):
        assert status(one, "n1", 3).chain_only == used
        seen = step(one, other, None, 3)
        one, other = seen.one, seen.other
        assert seen.keys[0].key_id == ""
    assert status(one, "n1", 3) == status(other, "n1", 3)
    assert (status(one, "n1", 3).state, status(one, "n2", 4).state) == ("stopped", "chain only")
    with pytest.raises(ChainOnlyError, match="3 steps"):
        Asking(one, None, nonce(), 3)
    seen = step(one, other, Q, 3)
    assert status(seen.one, "n1", 3).state == "source"
    step(seen.one, seen.other, None, 3)


def test_each_end_counts_by_itself() -> None:
    one, other = links()
    for _ in range(2):
        seen = step(one, other, None, 2)
        one, other = seen.one, seen.other
    careless = Asking(one, None, nonce(), 99)
    with pytest.raises(ChainOnlyError):
        hear(other, careless.l1, 2)
    with pytest.raises(ChainOnlyError):
        step(*links(), None, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"initiator": "n3"}, Reason.NOT_AUTHENTIC),
        ({"responder": "n3"}, Reason.NOT_AUTHENTIC),
        ({"number": 1}, Reason.CHAIN_BROKEN),
        ({"attempt": 2}, Reason.NOT_AUTHENTIC),
        ({"key_id": ""}, Reason.NOT_AUTHENTIC),
        ({"key_id": "x"}, Reason.MALFORMED),
        ({"nonce": bytes(32)}, Reason.NOT_AUTHENTIC),
        ({"mac": bytes(48)}, Reason.NOT_AUTHENTIC),
    ],
    ids=str,
)
def test_no_field_of_l1_can_be_changed(change: dict[str, object], reason: Reason) -> None:
    one, other = links()
    forged = Asking(one, Q, nonce()).l1._replace(**change)  # type: ignore[arg-type]
    with pytest.raises(DsccError) as refused:
        hear(other, forged)
    assert refused.value.reason is reason


def test_no_field_of_l2_or_l3_can_be_changed() -> None:
    one, other = links()
    asking = Asking(one, Q, nonce())
    answering = Answering(other, asking.l1, Q, nonce())
    for change in ({"nonce": bytes(32)}, {"mac": bytes(48)}, {"number": 1}, {"attempt": 2}):
        with pytest.raises(DsccError):
            asking.on_l2(asking.state, answering.l2._replace(**change))  # type: ignore[arg-type]
    _, l3, _ = asking.on_l2(asking.state, answering.l2)
    for change in ({"mac": answering.l2.mac}, {"number": 1}, {"attempt": 2}):
        with pytest.raises(DsccError):
            answering.on_l3(answering.state, l3._replace(**change))  # type: ignore[arg-type]


def test_ends_with_different_keys_of_the_source_do_not_agree() -> None:
    one, other = links()
    asking = Asking(one, Q, nonce())
    answering = Answering(other, asking.l1, Key(ID, b"?" * KEY_BYTES), nonce())
    with pytest.raises(DsccError, match="L2"):
        asking.on_l2(asking.state, answering.l2)
    with pytest.raises(DsccError, match="not the key"):
        Answering(other, asking.l1, None, nonce())


def test_a_repeated_l1_moves_nothing_even_when_l3_was_lost() -> None:
    one, other = links()
    asking = Asking(one, None, nonce())
    answering = Answering(other, asking.l1, None, nonce())
    other = answering.state
    one, _, _ = asking.on_l2(asking.state, answering.l2)
    with pytest.raises(DsccError) as refused:
        hear(other, asking.l1)
    assert refused.value.reason is Reason.OUT_OF_ORDER
    seen = step(one, other)
    assert seen.one == seen.other and seen.keys[0] == seen.keys[1]


def test_an_answer_to_an_attempt_that_was_given_up_is_not_taken() -> None:
    one, other = links()
    first = Asking(one, None, nonce())
    answered = Answering(other, first.l1, None, nonce())
    second = Asking(first.state, None, nonce())
    with pytest.raises(DsccError, match="over"):
        first.on_l2(second.state, answered.l2)
    again = Answering(answered.state, second.l1, None, nonce())
    one, l3, ours = second.on_l2(second.state, again.l2)
    with pytest.raises(DsccError, match="over"):
        answered.on_l3(again.state, l3)
    other, theirs = again.on_l3(again.state, l3)
    assert (one, ours) == (other, theirs)


def test_two_attempts_whose_keys_are_fetched_at_once_do_not_set_the_link_back() -> None:
    one, other = links()
    first = Asking(one, None, nonce())
    second = Asking(first.state, None, nonce())
    assert hear(other, first.l1) == hear(other, second.l1) == other
    later = Answering(other, second.l1, None, nonce())
    with pytest.raises(DsccError, match="before"):
        Answering(later.state, first.l1, None, nonce())


def test_a_source_is_drawn_from_if_it_gives_and_its_refusal_is_no_reason_to_go_on() -> None:
    secret = nonce()
    source = LocalPSK("n1", {"n2": secret}, lambda count: nonce()[:count])
    assert isinstance(draw(source, "n2"), Key)
    assert draw(MLKEMLink("n1", lambda count: nonce()[:count]), "n2") is None
    with pytest.raises(SourceRefusedError):
        draw(source, "n3")


def test_nothing_secret_is_shown() -> None:
    one, other = links()
    asking = Asking(one, Q, nonce())
    answering = Answering(other, asking.l1, Q, nonce())
    seen = step(one, other)
    shown = repr([one, answering.state, answering.state.next, seen.keys, Q, status(one, "n1")])
    for secret in (one.secret, Q.secret, seen.keys[0].secret, answering.state.next.secret):  # type: ignore[union-attr]
        assert repr(secret)[2:-1] not in shown and secret.hex() not in shown
    simulated = LinkKey(1, b"", "53494d00-0000-8000-8000-000000000000")
    assert simulated.simulated and "simulated" in repr(simulated)
    assert not seen.keys[0].simulated and "simulated" not in repr(seen.keys[0])


class Line(RuleBasedStateMachine):
    """Both ends on a line that loses, repeats, and reorders, and nodes that crash at any point."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = links()
        self.asking: Asking | None = None
        self.answering: Answering | None = None
        self.sent: list[L1 | L2 | L3] = []
        self.keys: dict[str, list[LinkKey]] = {"one": [], "other": []}

    @rule(with_key=st.booleans())
    def ask(self, with_key: bool) -> None:
        self.asking = Asking(self.one, Q if with_key else None, nonce(), 10**9)
        self.one = self.asking.state
        self.sent.append(self.asking.l1)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        """Any message that was ever sent, once more: what is never chosen is lost."""
        message = self.sent[-1 - data.draw(st.integers(0, min(len(self.sent), 6) - 1))]
        try:
            self.receive(message)
        except DsccError:
            return

    def receive(self, message: L1 | L2 | L3) -> None:
        if isinstance(message, L1):
            self.answering = Answering(self.other, message, Q if message.key_id else None, nonce(), 10**9)
            self.other = self.answering.state
            self.sent.append(self.answering.l2)
        elif isinstance(message, L2) and self.asking is not None:
            self.one, l3, key = self.asking.on_l2(self.one, message)
            self.keys["one"].append(key)
            self.sent.append(l3)
        elif isinstance(message, L3) and self.answering is not None:
            self.other, key = self.answering.on_l3(self.other, message)
            self.keys["other"].append(key)

    @rule(which=st.sampled_from(["asking", "answering"]))
    def crash(self, which: str) -> None:
        """The handshake is lost; the state was stored."""
        setattr(self, which, None)

    @invariant()
    def an_undisturbed_step_succeeds(self) -> None:
        seen = step(self.one, self.other, Q, 10**9)
        assert seen.one == seen.other and seen.keys[0] == seen.keys[1]

    @invariant()
    def no_key_is_used_twice_and_equal_steps_have_equal_keys(self) -> None:
        one, other = ({key.number: key for key in self.keys[end]} for end in ("one", "other"))
        assert len(one) == len(self.keys["one"]) and len(other) == len(self.keys["other"])
        assert all(one[number] == other[number] for number in one.keys() & other.keys())
        assert 0 <= self.one.number - self.other.number <= 1


Line.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLine = Line.TestCase
