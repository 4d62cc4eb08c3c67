"""D-36 to D-44: messages that are wrong as messages, and what an answer may tell.

D-42 is in test_replayed_credentials.py, faults of our own (D-43) in test_faults_of_ours.py.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import collecting
from support import requests as ask
from support.bad import assert_says_nothing_of_the_inside
from support.defences import ABOUT_AN_OBJECT, VERSION, aes, attribute, refused
from support.numbers import Operation, Reason, Tag
from support.requests import Session
from support.wire import (
    OPERATION_FAILED,
    batch_item,
    boolean,
    enumeration,
    integer,
    message,
    structure,
    text,
)

STOP, CONTINUE, UNDO = 2, 1, 3
BAD_INPUT = Path(__file__).parents[1] / "bad_input"
CATEGORY = re.compile(r"(?i)(?<![a-z0-9])(?:test_)?b(\d\d)(?!\d)")
SERVERS = "databases"
"""The fixture that every test asks for which has a server run, itself or through another."""


def option(value: int) -> tuple[bytes, ...]:
    return (enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, value),)


def test_d36_each_of_the_72_categories_of_bad_input_is_tried_on_a_server_that_runs() -> None:
    """In tests/bad_input: the categories are in the names of tests, or of their cases, as "b07" or "B07"."""
    command = [sys.executable, "-P", str(collecting.__file__), str(BAD_INPUT)]
    done = subprocess.run(command, cwd=BAD_INPUT.parents[1], capture_output=True, text=True, check=True)
    tests: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    over_the_wire = [name for name, fixtures in tests.items() if SERVERS in fixtures]
    found = {int(number) for name in over_the_wire for number in CATEGORY.findall(name)}
    assert found == set(range(1, 73)), sorted(found ^ set(range(1, 73)))


def test_d37_a_critical_extension_that_is_unknown_rejects_the_whole_message(mine: Session) -> None:
    name = ask.name("d37 never made")
    extension = structure(
        Tag.MESSAGE_EXTENSION,
        text(Tag.VENDOR_IDENTIFICATION, "nobody"),
        boolean(Tag.CRITICALITY_INDICATOR, True),
        structure(Tag.VENDOR_EXTENSION),
    )
    made = ask.create_aes(VERSION, name)
    items = (
        batch_item(made.operation, made.payload, identifier=b"1"),
        batch_item(Operation.QUERY, ask.query(1).payload, identifier=b"2", extension=extension),
    )
    answer = mine.connection.exchange(message(VERSION, *items))
    assert {(result.status, result.reason) for result in answer.results} == {
        (OPERATION_FAILED, Reason.UNKNOWN_MESSAGE_EXTENSION)
    }
    assert mine.located(name) == []


def test_d38_what_is_too_large_to_be_answered_is_not_done(mine: Session) -> None:
    """docs/decisions/batches-and-asynchrony.md, 4."""
    key, name = aes(mine, active=False), ask.name("d38 never made")
    small = (integer(Tag.MAXIMUM_RESPONSE_SIZE, 8),)
    for asked in (ask.create_aes(VERSION, name), ask.get(key), ask.destroy(key)):
        assert mine.do(asked, fields=small).reason == Reason.RESPONSE_TOO_LARGE
    assert mine.located(name) == []
    assert attribute(mine, key, Tag.STATE) == ask.PRE_ACTIVE


@pytest.mark.parametrize("how", [STOP, CONTINUE, UNDO], ids=["stop", "continue", "undo"])
def test_d39_a_failed_item_gives_its_name_to_nothing(mine: Session, how: int) -> None:
    """docs/decisions/batches-and-asynchrony.md, 2 and 3."""
    name = ask.name(f"d39 {how}")
    wrong = ask.create_aes(VERSION, ask.state(ask.ACTIVE))
    results = mine.batch(ask.create_aes(VERSION, name), wrong, ask.activate(), fields=option(how)).results
    assert (results[1].status, results[1].reason) == (OPERATION_FAILED, Reason.ATTRIBUTE_READ_ONLY)
    found = mine.located(name)
    if how == UNDO:
        assert found == []
        return
    assert found == [results[0].unique_identifier]
    if how == CONTINUE:
        assert results[2].unique_identifier == found[0]
    else:
        assert len(results) == 2
    assert attribute(mine, found[0], Tag.STATE) == (ask.ACTIVE if how == CONTINUE else ask.PRE_ACTIVE)


def test_d40_an_ambiguous_locate_destroys_nothing(mine: Session) -> None:
    group = ask.object_group("d40")
    found = [aes(mine, group, active=False) for _ in range(2)]
    results = mine.batch(ask.locate(VERSION, group), ask.destroy(), fields=option(CONTINUE)).results
    assert results[0].ok
    assert (results[1].status, results[1].reason) == (OPERATION_FAILED, Reason.OBJECT_NOT_FOUND)
    assert {attribute(mine, key, Tag.STATE) for key in found} == {ask.PRE_ACTIVE}


def test_d41_query_tells_nothing_of_tenants_and_builds(owner: Session, other: Session) -> None:
    """Nobody is served without a certificate: docs/decisions/who-is-calling.md. No password is asked for."""
    asked = ask.query(*range(1, 11))
    before = other.do(asked).expect_success().payload
    aes(owner, ask.name(f"d41 {aes(owner)}"))
    answered = other.do(asked).expect_success().payload
    assert answered == before
    assert answered is not None
    told = [str(node.value) for node in answered.walk() if not isinstance(node.value, tuple)]
    assert not [
        word for word in told if re.search(r"north|south|owner|python|openssl|\d+\.\d+\.\d+", word, re.IGNORECASE)
    ]
    other.do(ask.discover_versions()).expect_success()


def test_d43_no_answer_quotes_what_was_asked_or_tells_of_the_inside(mine: Session) -> None:
    for strange in ("' OR 1=1 --", "../../etc/passwd", "{0.__class__}", "x" * 5000):
        for asked in ABOUT_AN_OBJECT.values():
            answer = mine.do(asked(strange))
            assert answer.reason in (Reason.OBJECT_NOT_FOUND, Reason.ITEM_NOT_FOUND), answer
            assert_says_nothing_of_the_inside(answer)
            assert strange not in (answer.message or "")


@pytest.mark.parametrize("version", [(9, 9), (2, 2), (0, 1)], ids=str)
def test_d44_an_unsupported_version_is_refused_in_one_that_is_supported(
    mine: Session, version: tuple[int, int]
) -> None:
    answer = mine.connection.exchange(ask.one(version, ask.query(1)))
    assert answer.version in ((1, 0), (1, 4), (2, 0), (2, 1))
    supported_since_2 = answer.version >= (2, 0)
    expected = Reason.UNSUPPORTED_PROTOCOL_VERSION if supported_since_2 else Reason.INVALID_MESSAGE
    assert (answer.result.status, answer.result.reason) == (OPERATION_FAILED, expected)
    refused(mine, ask.get("none"), Reason.OBJECT_NOT_FOUND)
