"""kmip-server policy: a document is exported, changed, imported, compared, explained and rolled back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import requests as ask
from support.command_line import Run
from support.server import RunningServer

from kmip_server.config import Settings
from kmip_server.storage.database import Database

DOCUMENT = """
[tenants]
acme = "a customer"

[clients]
ann = { tenant = "acme", groups = ["arrays"] }

[[rules]]
name = "arrays read"
effect = "allow"
subjects = ["group:arrays"]
actions = ["GET"]
resource = { object_types = ["SYMMETRIC_KEY"] }
"""


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(DOCUMENT)
    return path


def test_what_is_imported_is_in_force_and_exported_again(
    directory: Path, document: Path, run: Run, tmp_path: Path
) -> None:
    assert run("policy", "history", directory, "--json").json == []
    assert "Version 1" in run("policy", "import", directory, document, "-m", "the first").out
    exported = tmp_path / "exported.toml"
    assert run("policy", "export", directory, "-o", exported).code == 0
    same = run("policy", "import", directory, exported)
    assert same.code == 1
    assert "in force already, version 1" in same.err
    (first,) = run("policy", "history", directory, "--json").json
    assert (first["version"], first["comment"]) == (1, "the first")


def test_versions_are_compared_and_an_older_one_put_in_force_again(directory: Path, document: Path, run: Run) -> None:
    run("policy", "import", directory, document)
    document.write_text(DOCUMENT.replace('["GET"]', '["GET", "LOCATE"]'))
    compared = run("policy", "diff", directory, document)
    assert compared.code == 1
    assert '+    "LOCATE",' in compared.out.splitlines()
    run("policy", "import", directory, document)
    assert run("policy", "diff", directory, document).code == 0
    assert "Version 3" in run("policy", "rollback", directory, "1").out
    assert run("policy", "diff", directory, "--from", "1", "--to", "3").code == 0
    assert [one["version"] for one in run("policy", "history", directory, "--json").json] == [3, 2, 1]
    unknown = run("policy", "rollback", directory, "9")
    assert (unknown.code, "no version 9" in unknown.err) == (1, True)


def test_pykmip_s_files_are_added_to_the_policy(directory: Path, document: Path, run: Run, tmp_path: Path) -> None:
    table = tmp_path / "team.json"
    table.write_text('{"team": {"preset": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL"}}}}')
    run("policy", "import", directory, document)
    assert run("policy", "import", directory, table).code == 0
    exported = run("policy", "export", directory).out
    assert '[operation_policies.team.preset.SYMMETRIC_KEY]\nGET = "ALLOW_ALL"' in exported
    assert 'name = "arrays read"' in exported
    allowed = run("policy", "explain", directory, "client:x", "GET", "SYMMETRIC_KEY,owner=y,operation_policy=team")
    assert (allowed.code, "operation policy team" in allowed.out) == (0, True)


def test_it_is_explained_which_rule_decides(directory: Path, document: Path, run: Run) -> None:
    run("policy", "import", directory, document)
    question = ("policy", "explain", directory, "client:ann", "GET", "SYMMETRIC_KEY,owner=ben,tenants=acme")
    answer = run(*question, "--json")
    assert answer.code == 0
    assert answer.json["rule"] == "arrays read"
    assert {"rule": "arrays read", "effect": "allow", "applies": True} in answer.json["rules"]
    other = run("policy", "explain", directory, "client:ann", "GET", "SYMMETRIC_KEY,owner=ben")
    assert (other.code, "no rule allows this" in other.out) == (1, True)


def test_it_is_explained_by_the_parameters_that_are_named(fresh_server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('templates = ["cnsa2"]\n')
    fresh_server.command("policy", "import", str(fresh_server.data), str(tmp_path / "policy.toml"))
    with fresh_server.add_client("ann").session((2, 1)) as session:
        key = session.create_aes()
    for resource in ("SYMMETRIC_KEY", key):
        for mode, denied in (("GCM", False), ("ECB", True)):
            question = (
                "policy",
                "explain",
                str(fresh_server.data),
                "client:ann",
                "ENCRYPT",
                f"{resource},block_mode={mode}",
            )
            answer = fresh_server.command(*question, check=False)
            assert answer.returncode == denied, answer.stdout
            assert denied == ("cnsa2: block cipher modes of the set only' denies it" in answer.stdout)
    question = ("policy", "explain", str(fresh_server.data), "client:ann", "ENCRYPT", "SYMMETRIC_KEY,block_mode=EBC")
    assert "KMIP has no 'EBC' there; it has NONE, CBC, ECB" in fresh_server.command(*question, check=False).stderr


@pytest.mark.parametrize(
    ("changed", "into", "words"),
    [
        ('["GET"]', '["GETT"]', "rules.1 (arrays read).actions: 'GETT' is no action; did you mean GET?"),
        ("group:arrays", "arrays", "rules.1 (arrays read).subjects names subjects as client:NAME"),
        ('"allow"', '"permit"', "rules.1 (arrays read).effect is one of allow, deny, require"),
        ('tenant = "acme"', 'tenant = "acne"', "clients.ann.tenant: there is no tenant 'acne'; did you mean 'acme'?"),
        (
            "object_types",
            "object_type",
            "resource.object_type is nothing that stands there; did you mean object_types?",
        ),
        (
            '["SYMMETRIC_KEY"] }',
            '["SYMMETRIC_KEY"], hashes = ["SHA1"] }',
            "rules.1 (arrays read).resource.hashes: KMIP has no 'SHA1' there; did you mean SHA_1?",
        ),
        ("[tenants]", "[tenants", "is not TOML"),
        ('effect = "allow"', 'effect = "require"', ".require is what a rule with the effect require has"),
    ],
)
def test_a_mistake_is_named_with_file_and_place_and_nothing_changes(
    directory: Path, document: Path, run: Run, changed: str, into: str, words: str
) -> None:
    assert changed in DOCUMENT
    document.write_text(DOCUMENT.replace(changed, into))
    for command in (("check", document), ("import", directory, document)):
        refused = run("policy", *command)
        assert refused.code == 1
        assert str(document) in refused.err
        assert words in refused.err
    assert run("policy", "history", directory, "--json").json == []


def test_a_version_that_was_changed_in_the_database_is_not_used(directory: Path, document: Path, run: Run) -> None:
    run("policy", "import", directory, document)
    with Database(Settings.load(directory).storage.url).writing() as connection:
        connection.exec_driver_sql("UPDATE policy_versions SET document = replace(document, 'GET', 'LOCATE')")
    refused = run("policy", "explain", directory, "client:ann", "GET", "SYMMETRIC_KEY")
    assert (refused.code, "version 1 of the policy was changed in the database" in refused.err) == (1, True)
    document.write_text(DOCUMENT.replace("arrays read", "arrays read again"))
    assert run("policy", "import", directory, document).code == 0, "another one may still be put in force"
    assert run("policy", "explain", directory, "client:ann", "GET", "SYMMETRIC_KEY").code == 0


def test_every_template_is_listed_with_what_it_achieves(run: Run) -> None:
    assert set(run("policy", "templates", "--json").json) == {"cnsa2", "iot-fleet", "legacy", "strict"}


def test_the_audit_log_is_replayed_against_another_policy(fresh_server: RunningServer, tmp_path: Path) -> None:
    """Two clients make and read keys; a policy under which one of them may not is found out before it is in force."""
    ann, ben = fresh_server.add_client("ann"), fresh_server.add_client("ben")
    for client in (ann, ben):
        with client.session((2, 1)) as session:
            key = session.create_aes()
            for _ in range(3):
                session.do(ask.get(key)).expect_success()
    path = tmp_path / "candidate.toml"
    path.write_text('[[rules]]\nname = "not ann"\neffect = "deny"\nsubjects = ["client:ann"]\nactions = ["GET"]\n')
    ran = fresh_server.command("policy", "simulate", str(fresh_server.data), str(path), "--json", check=False)
    assert ran.returncode == 1
    answer = json.loads(ran.stdout)
    assert answer["records"] == 8
    (changed,) = answer["changed"]
    assert (changed["caller"], changed["operation"], changed["times"]) == ("ann", "Get", 3)
    assert changed["then"] == "denied by not ann"
    path.write_text('[[rules]]\nname = "nobody"\neffect = "deny"\nsubjects = ["client:nobody"]\nactions = ["*"]\n')
    same = fresh_server.command("policy", "simulate", str(fresh_server.data), str(path))
    assert "All 8 recorded requests" in same.stdout
