"""Result Reasons in 2.1: those of the operation's own table (KMIP 2.1 s6.1), with named exceptions.

Every answer in 2.1 that any test gets is held against the tables by `support.wire`. Here: that this is so, that the
exceptions are exceptions, and that what an operation's own module raises is allowed, whether or not a test raises it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import error_tables
from support import requests as ask
from support.engine import EngineHarness
from support.error_tables import EXCEPTIONS, EXCEPTIONS_FOR, assert_allowed, in_table
from support.numbers import Operation, Reason

import kmip_server.operations
from kmip_server.messages.reasons import reason_in
from kmip_server.operations.registry import REGISTRY
from kmip_server.ttlv import enumerations as enums
from kmip_server.ttlv.versions import V2_1

pytestmark = pytest.mark.skipif(error_tables.tables() is None, reason=f"{error_tables.TABLES} is absent")

OPERATIONS = [Operation(int(operation)) for operation in REGISTRY]
FOLDER = Path(kmip_server.operations.__file__).parent
DECISION = Path(__file__).parents[2] / "docs" / "decisions" / "result-reasons.md"


def answered(operation: Operation, reason: Reason) -> Reason:
    """The reason as a peer of 2.1 is answered."""
    return Reason(int(reason_in(V2_1, enums.Operation(operation), enums.ResultReason(reason))))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_operation_of_this_server_has_a_table(operation: Operation) -> None:
    tables = error_tables.tables()
    assert tables is not None
    assert operation.name.lower().replace("_", " ") in tables


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_raises_what_its_table_has(operation: Operation) -> None:
    """As far as its own module goes."""
    name = {"IMPORT": "import_"}.get(operation.name, operation.name.lower())
    for word in set(re.findall(r"KmipError\(\s*ResultReason\.([A-Z_0-9]+)", (FOLDER / f"{name}.py").read_text())):
        assert_allowed(operation, answered(operation, Reason[word]))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_no_reason_of_the_table_is_translated_to_one_that_the_table_lacks(operation: Operation, reason: Reason) -> None:
    said = answered(operation, reason)
    if said != reason:
        assert_allowed(operation, said)
        assert not in_table(operation, reason) or in_table(operation, said)


def test_an_exception_is_one_that_most_tables_lack() -> None:
    for reason in EXCEPTIONS:
        having = [operation for operation in OPERATIONS if in_table(operation, reason)]
        assert len(having) < len(OPERATIONS) / 2, reason.name
    for operation, reason in EXCEPTIONS_FOR:
        assert not in_table(operation, reason)


def test_every_exception_is_written_down() -> None:
    """In docs/decisions/result-reasons.md, and no other."""
    text = " ".join(DECISION.read_text().split())
    (listed,) = re.findall(r"Beside its table an operation answers only: (.*?)\. \*Tests", text)
    named = {enums.ResultReason(reason).title for reason in [*EXCEPTIONS, *[reason for _, reason in EXCEPTIONS_FOR]]}
    assert set(re.findall(r"\*([^*]+)\*", listed)) == named


def test_an_answer_that_is_not_in_its_table_fails_the_test_that_gets_it(
    engine: EngineHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control."""
    client = engine.client()
    asked = ask.get(client.do(ask.create_aes((2, 1))).unique_identifier)
    assert client.do(ask.get("nothing")).reason == Reason.OBJECT_NOT_FOUND
    monkeypatch.setattr("support.error_tables.in_table", lambda operation, reason: False)
    client.do(asked).expect_success()
    with pytest.raises(AssertionError, match="GET fails with OBJECT_NOT_FOUND"):
        client.do(ask.get("nothing"))
