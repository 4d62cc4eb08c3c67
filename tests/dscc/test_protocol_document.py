"""The protocol's document says of messages, labels and reasons what the code has."""

from __future__ import annotations

import re

import document_tables as tables
import pytest

import dscc.drawing
import dscc.group
import dscc.keyfill
import dscc.notices
import dscc.pairwise
import dscc.registration
import dscc.session
import dscc.uses.tunnel_records
from dscc.errors import Reason
from dscc.primitives import SUITES

DOCUMENT = tables.DOCUMENT.read_text()
CORE = (
    dscc.registration,
    dscc.session,
    dscc.keyfill,
    dscc.pairwise,
    dscc.group,
    dscc.drawing,
    dscc.notices,
    dscc.uses.tunnel_records,
)
LABEL = re.compile(
    r"""(?:expand\([^"()]*(?:\([^()]*\)[^"()]*)?,\s*|\.key\(|\.mac\(|Box\([^"]*,\s*|_mac\([^"]*?,\s*)f?"([^"]+)\""""
)


def labels() -> set[str]:
    """Every label that the code derives a key with."""
    found = set()
    for module in CORE:
        with open(module.__file__) as file:  # noqa: PTH123
            found |= set(LABEL.findall(file.read()))
    return found


def test_the_tables_of_messages_and_uses_are_the_codes() -> None:
    assert tables.with_tables(DOCUMENT) == DOCUMENT, "run: python tests/dscc/document_tables.py"


def test_every_label_is_in_the_document() -> None:
    found = labels()
    assert {
        "na root",
        "atk ascent",
        "reg cd",
        "atk stage",
        "conf I",
        "pair next",
        "rekey",
        "group key",
        "drawn key",
    } <= found
    plain = {re.sub(r"\{.*?\}", "", label).strip() for label in found}
    assert [label for label in sorted(plain) if label not in DOCUMENT] == []


@pytest.mark.parametrize("word", [*[reason.value for reason in Reason], *SUITES])
def test_every_reason_and_suite_is_in_the_document(word: str) -> None:
    assert f"`{word}`" in DOCUMENT


def test_every_test_that_it_and_the_security_model_name_exists() -> None:
    root = tables.DOCUMENT.parents[1]
    named = re.findall(r"`(tests/[\w/]+(?:\.\w+)?)`", DOCUMENT + (root / "docs" / "security-model.md").read_text())
    assert len(named) >= 40
    assert [path for path in named if not (root / path).exists()] == []
