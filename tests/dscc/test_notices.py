"""Notices: forged, replayed, reflected and misdirected ones open nowhere, and would without what is bound to them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dscc import notices
from dscc.agreement import NO_CHAIN, Agreement, Wanted
from dscc.direct_messages import Notice, Noticed
from dscc.errors import DsccError, Reason
from dscc.messages import Refused
from dscc.primitives import enc

FIRST, SECOND, IV = bytes(16), bytes(range(16)), bytes(12)
Attack = Callable[[], object]


def agreement(initiator: str = "alice", responder: str = "bob", key: bytes = bytes(32)) -> Agreement:
    nodes = ("n1", "n2")
    wanted = Wanted(notices.PURPOSE)
    return Agreement(bytes(48), bytes(16), initiator, responder, wanted, key, NO_CHAIN, nodes, 0, 0, (), False, False)


PAIR = agreement()


def asked(question: bytes = FIRST, asker: str = "alice") -> Notice:
    return notices.ask(PAIR, asker, question, b"told", IV)


def answered(question: bytes = FIRST, asker: str = "alice") -> Noticed:
    return notices.answer(PAIR, asker, question, b"answered", IV)


@pytest.mark.parametrize("asker", ["alice", "bob"])
def test_either_of_two_tells_the_other_something_and_is_answered_or_refused(asker: str) -> None:
    assert notices.read(PAIR, asker, asked(asker=asker)) == b"told"
    assert notices.read_answer(PAIR, asker, FIRST, answered(asker=asker)) == b"answered"
    refused = notices.refuse(PAIR, asker, FIRST, DsccError(Reason.BUSY, "later\n" + "é" * 400), IV)
    said = notices.read_answer(PAIR, asker, FIRST, refused)
    assert said == Refused("busy", "later" + "é" * 253)


def without(monkeypatch: pytest.MonkeyPatch, *, keep: tuple[int, ...]) -> None:
    """Bind less: of what, who asks, who answers and the question, only these."""

    def bound(agreed: Agreement, asker: str, what: str, question: bytes) -> bytes:
        other = agreed.responder if asker == agreed.initiator else agreed.initiator
        fields = (what.encode(), asker.encode(), other.encode(), question)
        return enc(*[fields[number] for number in keep])

    monkeypatch.setattr(notices, "_bound", bound)


REFLECTED = "a question that is sent back"
REPLAYED = "an old answer to a new question"
RENAMED = "an old answer that names the new question"
RELABELLED = "a question under another identifier"
TURNED = "an answer from who asked"
ATTACKS: dict[str, tuple[Callable[[], Attack], tuple[int, ...]]] = {
    REFLECTED: (lambda: _with(asked(), lambda said: notices.read(PAIR, "bob", said)), (0, 3)),
    REPLAYED: (lambda: _with(answered(), lambda said: notices.read_answer(PAIR, "alice", SECOND, said)), (0, 1, 2)),
    RENAMED: (
        lambda: _with(
            answered()._replace(question=SECOND), lambda said: notices.read_answer(PAIR, "alice", SECOND, said)
        ),
        (0, 1, 2),
    ),
    RELABELLED: (
        lambda: _with(asked()._replace(question=SECOND), lambda said: notices.read(PAIR, "alice", said)),
        (0, 1, 2),
    ),
    TURNED: (
        lambda: _with(answered(asker="bob"), lambda said: notices.read_answer(PAIR, "alice", FIRST, said)),
        (0, 3),
    ),
}
"""Each with what is bound when its defence is removed."""


def _with(said: object, act: Callable[..., object]) -> Attack:
    return lambda: act(said)


@pytest.mark.parametrize("name", ATTACKS)
def test_what_was_said_for_something_else_is_refused_and_would_not_be_without_what_is_bound(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, less = ATTACKS[name]
    with pytest.raises(DsccError) as error:
        prepare()()
    assert error.value.reason is Reason.NOT_AUTHENTIC
    without(monkeypatch, keep=less)
    assert prepare()() in (b"told", b"answered")


def test_a_question_is_no_answer_and_an_answer_no_refusal() -> None:
    with pytest.raises(DsccError):
        notices.read_answer(PAIR, "alice", FIRST, Noticed(FIRST, "answer", asked().body))
    with pytest.raises(DsccError):
        notices.read_answer(PAIR, "alice", FIRST, answered()._replace(what="refusal"))
    with pytest.raises(DsccError) as error:
        notices.read_answer(PAIR, "alice", FIRST, answered()._replace(what="question"))
    assert error.value.reason is Reason.UNSUPPORTED


def test_what_another_pair_or_another_key_has_sealed_opens_nowhere() -> None:
    for other in (agreement("alice", "carol"), agreement("carol", "bob"), agreement(key=bytes(31) + b"1")):
        with pytest.raises(DsccError):
            notices.read(other, "alice", asked())
        with pytest.raises(DsccError):
            notices.read_answer(PAIR, "alice", FIRST, notices.answer(other, "alice", FIRST, b"forged", IV))


@pytest.mark.parametrize("place", [0, 12, 15, -1])
def test_a_byte_that_was_changed_is_noticed(place: int) -> None:
    body = bytearray(asked().body)
    body[place] ^= 1
    with pytest.raises(DsccError) as error:
        notices.read(PAIR, "alice", asked()._replace(body=bytes(body)))
    assert error.value.reason is Reason.NOT_AUTHENTIC
    with pytest.raises(DsccError):
        notices.read(PAIR, "alice", asked()._replace(body=b""))


def test_what_is_told_and_answered_fits_a_frame() -> None:
    most = bytes(notices.MOST_BYTES)
    assert len(notices.ask(PAIR, "alice", FIRST, most, IV).body) == 49_152
    for act in (notices.ask, notices.answer):
        with pytest.raises(DsccError, match="at most"):
            act(PAIR, "alice", FIRST, most + b"1", IV)
