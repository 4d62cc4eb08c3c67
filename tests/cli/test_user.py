from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from support.databases import Databases

from kmip_server.config import Settings
from kmip_server.storage.accounts import read_accounts
from kmip_server.storage.database import Database

PASSWORD = "correct horse battery"


def _users(directory: Path) -> dict[str, str]:
    accounts = read_accounts(Database(Settings.load(directory).storage.url))
    return {name: user.password_hash for name, user in accounts.users.items()}


def test_a_users_password_is_read_from_standard_input_and_kept_as_a_hash(
    run, directory: Path, databases: Databases
) -> None:
    ran = run("users", "add", directory, "operator", "--group", "operators", stdin=PASSWORD + "\n")
    assert ran.code == 0
    assert PASSWORD not in ran.out + ran.err
    Argon2id.verify_phc_encoded(PASSWORD.encode(), _users(directory)["operator"])
    assert run("users", "list", directory, "--json").json == [{"name": "operator", "groups": ["operators"]}]
    searched = [*directory.rglob("*"), *databases.files(Settings.load(directory).storage.url)]
    assert all(PASSWORD.encode() not in path.read_bytes() for path in searched if path.is_file())


@pytest.mark.parametrize("stdin", ["", "\n", "1234567\n", "x" * 1025 + "\n"])
def test_a_password_that_is_too_short_or_too_long_is_refused(run, directory: Path, stdin: str) -> None:
    assert run("users", "add", directory, "operator", stdin=stdin).code == 1
    assert _users(directory) == {}


def test_a_user_is_entered_once(run, directory: Path) -> None:
    run("users", "add", directory, "operator", stdin=PASSWORD)
    ran = run("users", "add", directory, "operator", stdin=PASSWORD)
    assert ran.code == 1
    assert "there is a user 'operator' already" in ran.err


def test_a_user_can_be_removed_once(run, directory: Path) -> None:
    run("users", "add", directory, "operator", stdin=PASSWORD)
    assert run("users", "remove", directory, "operator").code == 0
    assert _users(directory) == {}
    assert run("users", "remove", directory, "operator").code == 1


@pytest.mark.parametrize("name", ["", "a b", "a\x1b[0m"])
def test_a_name_that_cannot_be_told_from_others_is_refused(run, directory: Path, name: str) -> None:
    assert run("users", "add", directory, name, stdin=PASSWORD).code == 1


def test_there_is_no_option_that_takes_a_password(run) -> None:
    assert "--password" not in run("users", "add", "--help").out


def test_the_list_for_people_names_users_and_groups(run, directory: Path) -> None:
    run("users", "add", directory, "operator", "--group", "b", "--group", "a", stdin=PASSWORD)
    assert run("users", "list", directory).out.splitlines()[1].split() == ["operator", "a,", "b"]


def test_a_user_is_given_another_password(run, directory: Path) -> None:
    run("users", "add", directory, "operator", "--group", "a", stdin=PASSWORD)
    assert run("users", "password", directory, "operator", stdin="another password").code == 0
    Argon2id.verify_phc_encoded(b"another password", _users(directory)["operator"])
    assert run("users", "list", directory, "--json").json == [{"name": "operator", "groups": ["a"]}]
    assert run("users", "password", directory, "nobody", stdin=PASSWORD).code == 1


def test_the_former_name_of_the_command_is_understood_and_not_listed(run, directory: Path) -> None:
    assert run("user", "list", directory).code == 0
    assert " user " not in run("--help").out
