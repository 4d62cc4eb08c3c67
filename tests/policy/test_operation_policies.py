from __future__ import annotations

import json
from pathlib import Path

import pytest
from kmip.core import enums as pykmip
from kmip.core.policy import policies as pykmip_policies
from tables import decide_by, served

from kmip_server.ttlv.enumerations import ObjectType, Operation
from policy.actions import OBJECT_OPERATIONS, OPERATIONS, RESERVED_OPERATIONS
from policy.decision import Subject
from policy.model import Permission, PolicyError
from policy.operation_policies import BUILT_IN, OBJECT_TYPES, parse_policies, read_policies

ALICE, BOB = Subject("alice", frozenset()), Subject("bob", frozenset({"team"}))


def test_every_operation_and_object_type_of_the_standard_is_known_here() -> None:
    assert {member.name for member in Operation} == OPERATIONS
    assert {member.name for member in ObjectType} == set(OBJECT_TYPES)


@pytest.mark.parametrize("kind", OBJECT_TYPES)
def test_by_default_the_owner_may_do_everything_with_an_object_and_nobody_else_anything(kind: str) -> None:
    for operation in OBJECT_OPERATIONS:
        assert decide_by(BUILT_IN, ALICE, operation, kind, "alice", "default").allowed
        assert not decide_by(BUILT_IN, BOB, operation, kind, "alice", "default").allowed


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_an_operation_without_an_object_is_allowed_unless_it_is_reserved(operation: str) -> None:
    allowed = served(BUILT_IN, BOB, operation).allowed
    asks_for_an_object_only = ("SERVER", operation) not in (BUILT_IN["default"].preset or {})
    assert allowed is not (operation in RESERVED_OPERATIONS or asks_for_an_object_only)


def test_an_operation_that_no_row_mentions_is_denied() -> None:
    assert not decide_by(BUILT_IN, ALICE, "OBLITERATE", "SYMMETRIC_KEY", "alice", "default").allowed
    assert not served(BUILT_IN, ALICE, "OBLITERATE").allowed


def test_public_templates_are_read_by_all_and_changed_by_none() -> None:
    assert decide_by(BUILT_IN, BOB, "GET", "TEMPLATE", "alice", "public").allowed
    assert not decide_by(BUILT_IN, ALICE, "DESTROY", "TEMPLATE", "alice", "public").allowed
    assert not decide_by(BUILT_IN, BOB, "GET", "PUBLIC_KEY", "alice", "public").allowed


def test_pykmips_own_tables_are_read_word_for_word() -> None:
    document = {
        name: {
            "preset": {
                kind.name: {operation.name: permission.name for operation, permission in rows.items()}
                for kind, rows in policy["preset"].items()
            }
        }
        for name, policy in pykmip_policies.items()
    }
    parsed = parse_policies(json.dumps(document), "pykmip")
    for name, policy in pykmip_policies.items():
        preset = parsed[name].preset
        assert preset is not None
        expected = {
            (ObjectType(kind.value).name, Operation(operation.value).name): Permission[permission.name]
            for kind, rows in policy["preset"].items()
            for operation, permission in rows.items()
        }
        assert preset == expected


@pytest.mark.parametrize("enumeration", [pykmip.Operation, pykmip.ObjectType])
def test_every_name_that_pykmip_writes_is_understood(enumeration: type[pykmip.Operation]) -> None:
    for member in enumeration:
        kind, operation = (member.name, "GET") if enumeration is pykmip.ObjectType else ("CERTIFICATE", member.name)
        row = {kind: {operation: "ALLOW_ALL"}}
        assert parse_policies(json.dumps({"x": row}), "test")["x"].preset


def test_both_forms_mean_the_same() -> None:
    rows = {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL"}}
    short, long = (parse_policies(json.dumps({"x": form}), "test") for form in (rows, {"preset": rows}))
    assert short == long


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("[", "is not JSON"),
        ("[]", "the document is not a JSON object"),
        ("[" * 100_000, "is not JSON"),
        ('{"x": 1}', "policy 'x' is not a JSON object"),
        ('{"": {}}', "needs a name"),
        ('{"x": {}, "x": {}}', "'x' is given twice"),
        ('{"x": {"SYMMETRIC": {}}}', "'x': 'SYMMETRIC' is not an object type of KMIP; did you mean SYMMETRIC_KEY?"),
        ('{"x": {"SERVER": {}}}', "'SERVER' is not an object type"),
        ('{"x": {"preset": {}, "SYMMETRIC_KEY": {}}}', "'SYMMETRIC_KEY' stands beside 'preset' or 'groups'"),
        (
            '{"x": {"groups": {"g": {"PGP_KEY": {"Get attributes": "ALLOW_ALL"}}}}}',
            "group 'g': PGP_KEY: 'Get attributes' is not an operation of KMIP; did you mean GET_ATTRIBUTES?",
        ),
        (
            '{"x": {"preset": {"PGP_KEY": {"GET": "ALLOW"}}}}',
            "preset: PGP_KEY: 'GET': the permission is one of ALLOW_ALL, ALLOW_OWNER, DISALLOW_ALL, not \"ALLOW\"",
        ),
        ('{"x": {"preset": {"PGP_KEY": {"GET": null}}}}', "not null"),
        ('{"x": {"PGP_KEY": {"REKEY": "ALLOW_ALL", "RE_KEY": "DISALLOW_ALL"}}}', "given twice, under two names"),
        ('{"x": {"PGP_KEY": ["GET"]}}', "policy 'x': PGP_KEY is not a JSON object"),
        ('{"x": {"groups": []}}', "groups is not a JSON object"),
    ],
)
def test_a_mistake_is_named_with_file_policy_and_row(document: str, words: str) -> None:
    with pytest.raises(PolicyError) as refusal:
        parse_policies(document, "file.json")
    assert str(refusal.value).startswith("file.json: ")
    assert words in str(refusal.value)


def test_files_and_folders_are_read_and_only_the_json_files_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "a.json").write_text('{"a": {"preset": {}}}')
    (folder / "notes.txt").write_text("no policy")
    single = tmp_path / "single.policy"
    single.write_text('{"b": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL"}}}')
    assert set(read_policies([folder, single])) == {"a", "b"}


def test_a_policy_is_defined_once_and_the_built_in_ones_stay_as_they_are(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text('{"same": {}}')
    with pytest.raises(PolicyError, match=r"b\.json: policy 'same' is already defined by .*a\.json"):
        read_policies([tmp_path])
    with pytest.raises(PolicyError, match="'default' is already defined by the server"):
        (tmp_path / "a.json").write_text('{"default": {}}')
        read_policies([tmp_path / "a.json"])
    assert read_policies([tmp_path / "a.json"], ignored=frozenset(BUILT_IN)) == {}


def test_a_path_that_does_not_exist_is_an_error_and_not_an_empty_set_of_policies(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no such file or folder"):
        read_policies([tmp_path / "gone"])


def test_a_file_that_is_not_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(PolicyError, match="cannot be read"):
        read_policies([tmp_path])
