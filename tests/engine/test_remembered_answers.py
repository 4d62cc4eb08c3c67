"""Answers that are remembered for a second: nobody gets another's, an older one, or one of a former directory."""

from __future__ import annotations

from kmip_server.identity.caller import Caller
from kmip_server.listeners.handler import Reply
from kmip_server.remembered import Remembered

ALICE, BOB = Caller("alice", fingerprint="aa"), Caller("bob", fingerprint="bb")
REPLY = Reply(b"versions")
DIRECTORY, NEWER = object(), object()


def remembered() -> Remembered:
    answers = Remembered()
    assert answers.answer(7, DIRECTORY, ALICE, b"which?") is None
    answers.keep(7, DIRECTORY, ALICE, b"which?", REPLY)
    return answers


def test_the_same_question_has_the_same_answer() -> None:
    assert remembered().answer(7, DIRECTORY, ALICE, b"which?") is REPLY


def test_another_question_or_caller_has_none() -> None:
    assert remembered().answer(7, DIRECTORY, ALICE, b"what?") is None
    assert remembered().answer(7, DIRECTORY, BOB, b"which?") is None


def test_in_another_second_or_by_another_directory_it_is_forgotten() -> None:
    assert remembered().answer(8, DIRECTORY, ALICE, b"which?") is None
    answers = remembered()
    assert answers.answer(7, NEWER, ALICE, b"which?") is None
    assert answers.answer(7, DIRECTORY, ALICE, b"which?") is None


def test_what_is_remembered_is_bounded() -> None:
    answers = remembered()
    answers.keep(7, DIRECTORY, ALICE, bytes(513), REPLY)
    assert answers.answer(7, DIRECTORY, ALICE, bytes(513)) is None
    for number in range(5000):
        answers.keep(7, DIRECTORY, ALICE, b"%d" % number, REPLY)
    kept = [number for number in range(5000) if answers.answer(7, DIRECTORY, ALICE, b"%d" % number)]
    assert len(kept) == 1023


def test_an_answer_that_is_late_is_not_kept() -> None:
    answers = remembered()
    answers.keep(6, DIRECTORY, ALICE, b"late?", REPLY)
    answers.keep(7, NEWER, ALICE, b"late?", REPLY)
    assert answers.answer(7, DIRECTORY, ALICE, b"late?") is None
