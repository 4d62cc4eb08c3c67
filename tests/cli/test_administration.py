"""Who may administer: every command asks the policy for one action, is refused without it, and is on record."""

from __future__ import annotations

import io
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kmip.pie.sqltypes import Base
from sqlalchemy import create_engine

from kmip_server.cli.acting import ACTIONS
from kmip_server.cli.main import main
from kmip_server.config import Settings
from kmip_server.storage.accounts import changing, read_accounts
from kmip_server.storage.database import Database
from kmip_server.storage.migrations import upgrade as migrate
from kmip_server.storage.schema import REVISION
from policy import store
from policy.actions import ADMINISTRATION
from policy.documents import read_document

ME = pwd.getpwuid(os.geteuid()).pw_name
PASSWORD = "password of this one"
FREE = {
    "init",
    "serve",
    "restore",
    "doctor",
    "decode",
    "policy check",
    "policy templates",
    "audit check-proof",
    "gateway",
    "use",
}
"""Commands that ask nobody: there is no policy yet, or none that is theirs."""

ARGUMENTS: dict[str, str] = {
    "client add": "DIR new",
    "client groups": "DIR c --group g",
    "client list": "DIR",
    "client quarantine": "DIR c",
    "client release": "DIR q",
    "client revoke": "DIR c",
    "users add": "DIR new",
    "users list": "DIR",
    "users password": "DIR u",
    "users remove": "DIR u",
    "devices add": "DIR new",
    "devices advance": "DIR d",
    "devices history": "DIR d",
    "devices list": "DIR",
    "devices quarantine": "DIR d",
    "devices revoke": "DIR d",
    "devices show": "DIR d",
    "policy diff": "DIR --from 1",
    "policy explain": "DIR client:c QUERY SERVER",
    "policy export": "DIR",
    "policy history": "DIR",
    "policy import": "DIR FOLDER/policy.toml",
    "policy rollback": "DIR 1",
    "policy simulate": "DIR FOLDER/policy.toml",
    "approvals list": "DIR",
    "notifications list": "DIR",
    "notifications retry": "DIR none",
    "notifications test": "DIR none",
    "audit export": "DIR",
    "audit head": "DIR",
    "audit prove": "DIR 1",
    "audit show": "DIR",
    "audit verify": "DIR",
    "usage report": "DIR",
    "automation run": "DIR",
    "backup": "DIR FOLDER/backup",
    "check": "DIR",
    "import-pykmip": "DIR --config FOLDER/server.conf",
    "upgrade": "DIR",
}
NOTHING_THERE = {"notifications retry": "no undelivered message", "notifications test": "has no channel"}
"""Commands that go as far as to find nothing, and what they say."""

pytestmark = pytest.mark.sqlite_file("each test has a copy of a server's directory, with the database in it")

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server directory with a client, a user, a device and a policy, and the files that commands are given."""
    folder = tmp_path_factory.mktemp("administration")
    before = sys.stdin
    sys.stdin = io.StringIO(f"{PASSWORD}\n")
    directory = str(folder / "server")
    assert [
        main([*words.split(), directory, *rest])
        for words, rest in (
            ("init", []),
            ("client add", ["c"]),
            ("client add", ["q"]),
            ("client quarantine", ["q"]),
            ("devices add", ["d"]),
            ("users add", ["u"]),
        )
    ] == [0] * 6
    sys.stdin = before
    (folder / "policy.toml").write_text('[clients]\nc = { groups = ["others"] }\n')
    engine = create_engine(f"sqlite:///{folder}/pykmip.database")
    Base.metadata.create_all(engine)
    engine.dispose()
    (folder / "server.conf").write_text(f"[server]\ndatabase_path={folder}/pykmip.database\n")
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path / "copy")
    return tmp_path / "copy"


def put_in_force(folder: Path, document: str) -> None:
    """A policy that nobody had to be allowed to put in force."""
    database = Database(Settings.load(folder / "server").storage.url)
    with changing(database) as connection:
        store.put_in_force(connection, read_document(document, "here"), author="test", comment="", now=1)
    database.close()


def allowing(name: str, *actions: str) -> str:
    """A policy in which a user has a role that allows these actions, and nothing else."""
    return (
        f'[roles]\nhelper = "helps"\n[users]\n"{name}" = {{ roles = ["helper"] }}\n'
        f'[[rules]]\nname = "helpers"\neffect = "allow"\nsubjects = ["role:helper"]\nactions = {json.dumps(actions)}\n'
    )


def records(folder: Path) -> list[tuple[str, str, str, str, str]]:
    """Caller, operation, object, outcome and detail of each record."""
    database = Database(Settings.load(folder / "server").storage.url)
    from kmip_server.storage.audit_log import records as read

    with database.reading() as connection:
        found = [tuple(text or "" for text in one.texts[:5]) for one in read(connection)]
    database.close()
    return found  # type: ignore[return-value]


def words(command: str, folder: Path) -> list[str]:
    given = ARGUMENTS[command].replace("DIR", str(folder / "server")).replace("FOLDER", str(folder))
    return [*command.split(), *given.split()]


def test_every_command_has_its_action_or_is_known_to_need_none(run: Run) -> None:
    def listed(*group: str) -> set[str]:
        shown = run(*group, "--help").out.split("─ Commands ─")[-1]
        return set(re.findall(r"^│ ([a-z-]+) ", shown, re.MULTILINE))

    groups = {command.split()[0] for command in ACTIONS if " " in command}
    commands = listed() - groups | {f"{group} {name}" for group in groups for name in listed(group)}
    assert commands == set(ACTIONS) | FREE
    assert set(ACTIONS.values()) == set(ADMINISTRATION)
    assert set(ACTIONS) - {"approvals approve", "approvals refuse"} == set(ARGUMENTS)


@pytest.mark.parametrize("command", ARGUMENTS)
def test_a_command_is_refused_without_its_action_and_done_with_no_other(command: str, folder: Path, run: Run) -> None:
    action = ACTIONS[command]
    put_in_force(folder, allowing(ME, *(set(ADMINISTRATION) - {action})))
    before = records(folder)
    refused = run(*words(command, folder), stdin=f"{PASSWORD}\n")
    assert (refused.code, f"It takes {action}" in refused.err) == (1, True), refused
    told = records(folder)
    assert told[:-1] == before
    assert told[-1][:4] == (ME, action, "", "failed")
    assert told[-1][4].startswith(command)

    put_in_force(folder, allowing(ME, action))
    done = run(*words(command, folder), stdin=f"{PASSWORD}\n")
    assert "It takes" not in done.err
    if command in NOTHING_THERE:
        assert NOTHING_THERE[command] in done.err
    else:
        assert done.code == (1 if command == "policy diff" else 0), done


RECORDED = {
    "client add": ("Client Addition", "new"),
    "client groups": ("Client Groups", "c"),
    "client quarantine": ("Client Quarantine", "c"),
    "client release": ("Client Release", "q"),
    "client revoke": ("Client Revocation", "c"),
    "users add": ("User Addition", "new"),
    "users password": ("User Password", "u"),
    "users remove": ("User Removal", "u"),
    "devices add": ("Device Stage", "new"),
    "devices advance": ("Device Stage", "d"),
    "devices quarantine": ("Device Stage", "d"),
    "devices revoke": ("Device Stage", "d"),
    "policy import": ("Policy Change", ""),
    "policy rollback": ("Policy Change", ""),
    "backup": ("Backup", ""),
    "import-pykmip": ("Take Over", ""),
}


@pytest.mark.parametrize("command", ARGUMENTS)
def test_what_changes_something_is_on_record_once_and_nothing_else_is(command: str, folder: Path, run: Run) -> None:
    if command == "policy rollback":
        put_in_force(folder, "")
        put_in_force(folder, '[tenants]\nt = "another"\n')
    before = records(folder)
    run(*words(command, folder), stdin=f"{PASSWORD}\n")
    added = records(folder)[len(before) :]
    assert [one[:4] for one in added] == ([(ME, *RECORDED[command], "succeeded")] if command in RECORDED else [])
    assert run("check", folder / "server").code == 0


def test_an_upgrade_is_decided_and_on_record_with_what_it_does(folder: Path, run: Run) -> None:
    for file in (folder / "server").glob("kmip.db*"):
        file.unlink()
    migrate(Settings.load(folder / "server").storage.url, "0006")
    put_in_force(folder, f'[users]\n"{ME}" = {{ roles = ["auditor"] }}\n')
    assert "--as cannot be used" in run("--as", "u", "upgrade", folder / "server").err
    refused = run("upgrade", folder / "server")
    assert (refused.code, "It takes ADMIN_MAINTENANCE" in refused.err) == (1, True)
    assert "schema 0006" in run("client", "list", folder / "server").err, "nothing was done"
    put_in_force(folder, f'[users]\n"{ME}" = {{ roles = ["administrator"] }}\n')
    assert run("upgrade", folder / "server").code == 0
    assert records(folder) == [(ME, "Upgrade", "", "succeeded", f"schema 0006 -> {REVISION}")]


def test_who_asks_nobody_is_nobody_else(folder: Path, run: Run) -> None:
    refused = run("--as", "u", "restore", folder / "backup", folder / "again")
    assert (refused.code, "leave --as out" in refused.err) == (2, True)


def test_a_restored_store_says_so(folder: Path, run: Run) -> None:
    run("backup", folder / "server", folder / "backup")
    backed_up = records(folder)
    assert run("restore", folder / "backup", folder / "again" / "server").code == 0
    *copied, last = records(folder / "again")
    assert copied == backed_up
    assert last[:4] == (ME, "Restore", "", "succeeded")
    assert last[4].endswith(f"up to record {len(backed_up)}")


@pytest.mark.parametrize(
    ("role", "actions"),
    [
        ("administrator", set(ADMINISTRATION) - {"ADMIN_POLICY_CHANGE", "ADMIN_AUDIT_READ"}),
        (
            "security officer",
            {
                "ADMIN_POLICY_READ",
                "ADMIN_POLICY_CHANGE",
                "ADMIN_APPROVE",
                "ADMIN_CLIENT_REVOKE",
                "ADMIN_DEVICE_REVOKE",
                "ADMIN_AUDIT_READ",
            },
        ),
        ("auditor", {"ADMIN_POLICY_READ", "ADMIN_AUDIT_READ", "ADMIN_USAGE_READ"}),
        ("operator", {"ADMIN_CLIENT_CHANGE", "ADMIN_DEVICE_CHANGE", "ADMIN_POLICY_READ", "ADMIN_USAGE_READ"}),
    ],
)
def test_the_access_levels_mean_what_is_documented(role: str, actions: set[str], folder: Path, run: Run) -> None:
    put_in_force(folder, f'[users]\n"{ME}" = {{ roles = ["{role}"] }}\n')
    one_of_each = {
        ACTIONS[command]: command
        for command in sorted(ARGUMENTS)
        if command not in ("users remove", "client revoke", "policy import", "policy rollback", "policy simulate")
    } | {"ADMIN_CLIENT_REVOKE": "client revoke"}
    for action, command in one_of_each.items():
        ran = run(*words(command, folder), stdin=f"{PASSWORD}\n")
        assert ("It takes" in ran.err) == (action not in actions), (command, ran)


def test_who_is_in_another_tenant_does_not_administer_the_installation(folder: Path, run: Run) -> None:
    put_in_force(folder, f'[tenants]\nt = "another"\n[users]\n"{ME}" = {{ roles = ["administrator"], tenant = "t" }}\n')
    assert "It takes ADMIN_POLICY_READ" in run("client", "list", folder / "server").err


def test_the_owners_account_may_do_everything_unless_the_policy_lists_it(folder: Path, run: Run) -> None:
    rule = '[[rules]]\nname = "no"\neffect = "deny"\nsubjects = ["anyone"]\nactions = ["ADMIN_*"]\n'
    put_in_force(folder, rule)
    assert run("client", "list", folder / "server").code == 0
    put_in_force(folder, f'{rule}[users]\n"{ME}" = {{ roles = ["administrator"] }}\n')
    refused = run("client", "list", folder / "server")
    assert (refused.code, "rule 'no' denies it" in refused.err) == (1, True)


def test_who_is_meant_is_what_the_system_says(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    run("client", "groups", folder / "server", "c", "--group", "g")
    assert records(folder)[-1][0] == ME


def test_a_user_is_meant_by_name_and_password(folder: Path, run: Run) -> None:
    put_in_force(folder, '[users]\nu = { roles = ["auditor"] }\n')
    server = folder / "server"
    assert run("--as", "u", "audit", "show", server, stdin=f"{PASSWORD}\n").code == 0
    refused = run("--as", "u", "users", "add", server, "v", stdin=f"{PASSWORD}\nanother password\n")
    assert (refused.code, "u may not do this" in refused.err) == (1, True)
    for user, password in (("u", "wrong password"), ("nobody", PASSWORD)):
        assert "with this password" in run("--as", user, "audit", "show", server, stdin=f"{password}\n").err
        assert records(folder)[-1][:4] == (user, "Authentication", "", "failed")
    put_in_force(folder, '[users]\nu = { roles = ["administrator"] }\n')
    assert run("--as", "u", "users", "add", server, "v", stdin=f"{PASSWORD}\nanother password\n").code == 0
    assert records(folder)[-1][:3] == ("u", "User Addition", "v")


def test_a_command_that_looks_twice_asks_for_the_password_once(folder: Path, run: Run) -> None:
    put_in_force(folder, '[users]\nu = { roles = ["security officer"] }\n')
    put_in_force(folder, '[users]\nu = { roles = ["security officer"] }\nv = {}\n')
    done = run("--as", "u", "policy", "rollback", folder / "server", "1", stdin=f"{PASSWORD}\n")
    assert done.code == 0, done


def test_a_policy_that_gives_oneself_the_right_to_put_it_in_force_is_refused(folder: Path, run: Run) -> None:
    put_in_force(folder, f'[users]\n"{ME}" = {{ roles = ["auditor"] }}\n')
    (folder / "policy.toml").write_text(f'[users]\n"{ME}" = {{ roles = ["security officer"] }}\n')
    assert "It takes ADMIN_POLICY_CHANGE" in run(*words("policy import", folder)).err


class Meanwhile(io.StringIO):
    """Standard input that has something happen before it gives the password."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__("another password\n")
        self.happens = happens

    def readline(self, size: int | None = -1, /) -> str:
        self.happens()
        return super().readline()


def test_what_the_policy_says_when_it_is_done_decides(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_in_force(folder, allowing(ME, "ADMIN_USER_CHANGE"))
    monkeypatch.setattr(sys, "stdin", Meanwhile(lambda: put_in_force(folder, allowing(ME, "ADMIN_AUDIT_READ"))))
    assert main(["users", "add", str(folder / "server"), "v"]) == 1
    assert "It takes ADMIN_USER_CHANGE" in capsys.readouterr().err
    database = Database(Settings.load(folder / "server").storage.url)
    assert set(read_accounts(database).users) == {"u"}
    database.close()


APPROVED = """
[users]
{me} = {{ roles = ["administrator"] }}
u = {{ roles = ["security officer"] }}

[[rules]]
name = "a security officer agrees"
effect = "require"
subjects = ["anyone"]
actions = ["ADMIN_DEVICE_REVOKE", "ADMIN_CLIENT_CHANGE"]
require = {{ approvals = [{{ needed = 1, roles = ["security officer"], within = "1h" }}] }}
"""


def test_others_approve_exactly_what_is_done_and_once(folder: Path, run: Run) -> None:
    put_in_force(folder, APPROVED.format(me=ME))
    server = folder / "server"
    revoke = ("devices", "revoke", server, "d", "-m", "lost")
    waits = run(*revoke)
    assert (waits.code, "others have to approve this first" in waits.err) == (1, True)
    (asked,) = run("approvals", "list", server, "--json").json
    assert (asked["subject"], asked["action"]) == (ME, "ADMIN_DEVICE_REVOKE")
    assert asked["resource"] == "devices revoke d --comment lost"
    assert run("approvals", "approve", server, asked["id"], "--user", "u", stdin=f"{PASSWORD}\n").code == 0
    assert "others have to approve" in run("devices", "revoke", server, "d").err, "that was not asked for"
    assert run(*revoke).code == 0
    assert ("approved", "devices revoke d --comment lost: approved by u") in [one[3:] for one in records(folder)]
    run("devices", "add", server, "e")
    assert "others have to approve" in run(*revoke).err, "it is used up"


def test_votes_wait_for_nobody(folder: Path, run: Run) -> None:
    put_in_force(folder, APPROVED.format(me=ME).replace('"ADMIN_DEVICE_REVOKE", "ADMIN_CLIENT_CHANGE"', '"ADMIN_*"'))
    said = run("backup", folder / "server", folder / "backup").err
    (identifier,) = re.findall(r"under ([0-9a-f-]+):", said)
    done = run("approvals", "approve", folder / "server", identifier, "--user", "u", stdin=f"{PASSWORD}\n")
    assert done.code == 0, done
    assert run("backup", folder / "server", folder / "backup").code == 0


def test_who_may_not_approve_does_not_although_the_rule_names_the_role(folder: Path, run: Run) -> None:
    document = APPROVED.format(me=ME)
    put_in_force(folder, document)
    run("devices", "revoke", folder / "server", "d")
    (asked,) = run("approvals", "list", folder / "server", "--json").json
    denied = '[[rules]]\nname = "no votes"\neffect = "deny"\nsubjects = ["user:u"]\nactions = ["ADMIN_APPROVE"]\n'
    put_in_force(folder, document + denied)
    for verb in ("approve", "refuse"):
        ran = run("approvals", verb, folder / "server", asked["id"], "--user", "u", stdin=f"{PASSWORD}\n")
        assert "It takes ADMIN_APPROVE" in ran.err
    put_in_force(folder, document)
    ran = run("approvals", "refuse", folder / "server", asked["id"], "--user", "u", stdin=f"{PASSWORD}\n")
    assert ran.out == "u has refused it: it is refused now\n"


@pytest.fixture
def open_folder(folder: Path) -> Iterator[Path]:
    """The same where another account gets to it, and has the database for its own."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place, "copy")
        shutil.copytree(folder, copy)
        for path in (Path(place), copy, *copy.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        for path in copy.glob("server/kmip.db*"):
            path.chmod(0o600)
            shutil.chown(path, 65534)
        # SQLite writes beside the database; the directory still belongs to its owner.
        (copy / "server").chmod(0o777)
        yield copy


AS_NOBODY = """
import os, sys
from kmip_server.cli.main import main
# Python itself may be out of the other account's reach: the first time loads all of it.
main(sys.argv[1:])
os.setgid(65534)
os.setuid(65534)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_an_account_that_neither_owns_the_directory_nor_is_in_the_policy_is_refused(open_folder: Path) -> None:
    def as_nobody(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", AS_NOBODY, *arguments], capture_output=True, text=True)

    name = pwd.getpwuid(65534).pw_name
    refused = as_nobody("client", "list", str(open_folder / "server"))
    assert f"{name} may not do this: no rule allows this" in refused.stderr, refused
    put_in_force(open_folder, f'[users]\n"{name}" = {{ roles = ["auditor"] }}\n')
    assert as_nobody("client", "list", str(open_folder / "server")).returncode == 0
    refused = as_nobody("devices", "add", str(open_folder / "server"), "e")
    assert (refused.returncode, "It takes ADMIN_DEVICE_CHANGE" in refused.stderr) == (1, True)
