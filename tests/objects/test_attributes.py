"""The table of attributes against the attribute rules of KMIP 2.1 s4, and against itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kmip_server.objects.attributes import ATTRIBUTES, BY_NAME, SetBy, When
from kmip_server.storage.port import ObjectRow
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_4, V2_0, V2_1

RULES = Path(__file__).parents[3] / "shared" / "design" / "kmip21_attr_rules.json"
needs_rules = pytest.mark.skipif(not RULES.exists(), reason="the extract of the attribute rules is not here")

TITLES = {
    "4.6": "Certificate Subject CN",
    "4.15": "Cryptographic Length",
    "4.23": "Extractable",
    "4.27": "Key Value Location",
    "4.28": "Key Value Present",
    "4.35": "Object Group",
    "4.39": "PKCS#12 Friendly Name",
    "4.48": "Rotate Automatic",
    "4.51": "Rotate Interval",
    "4.52": "Rotate Latest",
    "4.54": "Rotate Offset",
    "4.55": "Sensitive",
    "4.57": "State",
}
"""Titles that the extract has run together with the text behind them."""


def _rules() -> list[tuple[str, str, str, str]]:
    if not RULES.exists():
        return []
    extract = json.loads(RULES.read_text())
    # The extract ends before the "or Client" of Usage Limits.
    extract["4.59"][3] += " or Client"
    return [(TITLES.get(section, row[0]), row[1], row[2], row[3]) for section, row in sorted(extract.items())]


@needs_rules
def test_every_attribute_of_the_standard_has_a_row() -> None:
    titles = {row.name for row in ATTRIBUTES.values() if row.until == V2_1}
    assert {title for title, *_ in _rules()} <= titles


@needs_rules
@pytest.mark.parametrize(
    ("title", "modifiable", "deletable", "set_by"), _rules() or [("",) * 4], ids=lambda value: value[:20]
)
def test_a_row_says_what_the_standard_says(title: str, modifiable: str, deletable: str, set_by: str) -> None:
    row = BY_NAME[title]
    assert (row.modify is not When.NEVER) == modifiable.startswith("Yes"), "Modifiable by client"
    assert (row.delete is not When.NEVER) == deletable.startswith("Yes"), "Deletable by client"
    assert (row.modify is When.PRE_ACTIVE) == (modifiable == "Yes, only while in Pre-Active state")
    assert (row.modify is When.BEFORE_DEACTIVATED) == (modifiable == "Yes, only while in Pre-Active or Active state")
    assert (row.modify is When.BEFORE_REACHED) == ("as long as the Pro" in modifiable)
    assert (row.modify is When.BEFORE_USE) == ("Get Usage Allo" in modifiable)
    assert (row.set_by is SetBy.SERVER) == ("Client" not in set_by), "Initially set by"


def test_what_only_the_server_sets_no_client_changes_or_deletes() -> None:
    for row in ATTRIBUTES.values():
        if row.set_by is SetBy.SERVER:
            assert row.modify is row.delete is When.NEVER, row.name


def test_every_column_is_a_column_and_belongs_to_one_attribute() -> None:
    columns = [row.column for row in ATTRIBUTES.values() if row.column is not None]
    assert len(columns) == len(set(columns))
    assert set(columns) <= set(ObjectRow._fields)
    assert not [row.name for row in ATTRIBUTES.values() if row.column is not None and row.multiple]


def test_names_are_those_of_the_tags() -> None:
    assert len(BY_NAME) == len(ATTRIBUTES) - 1
    assert all(name == row.tag.title for name, row in BY_NAME.items())
    assert Tag.ATTRIBUTE in ATTRIBUTES


def test_attributes_of_1_x_alone_end_with_1_4_and_new_ones_begin_with_2_0() -> None:
    assert ATTRIBUTES[Tag.OPERATION_POLICY_NAME].until == V1_4
    assert ATTRIBUTES[Tag.SHORT_UNIQUE_IDENTIFIER].since == V2_0
    assert not [row.name for row in ATTRIBUTES.values() if row.since > row.until]
