"""Who administers, and whether the policy lets them: every command of administration goes through here."""

from __future__ import annotations

import json
import os
import pwd
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from enum import Enum
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from console.output import CommandError, ask_secret
from kmip_server.cli.accounts import open_database, running

if TYPE_CHECKING:
    import typer
    from sqlalchemy import Connection

    from kmip_server.config import Settings
    from kmip_server.storage.administration import Administrator
    from kmip_server.storage.database import Database
    from policy.model import Approval

ACTIONS: Final[Mapping[str, str]] = {
    "client add": "ADMIN_CLIENT_CHANGE",
    "client groups": "ADMIN_CLIENT_CHANGE",
    "client list": "ADMIN_POLICY_READ",
    "client quarantine": "ADMIN_CLIENT_CHANGE",
    "client release": "ADMIN_CLIENT_CHANGE",
    "client revoke": "ADMIN_CLIENT_REVOKE",
    "users add": "ADMIN_USER_CHANGE",
    "users list": "ADMIN_POLICY_READ",
    "users password": "ADMIN_USER_CHANGE",
    "users remove": "ADMIN_USER_CHANGE",
    "devices add": "ADMIN_DEVICE_CHANGE",
    "devices advance": "ADMIN_DEVICE_CHANGE",
    "devices history": "ADMIN_POLICY_READ",
    "devices list": "ADMIN_POLICY_READ",
    "devices quarantine": "ADMIN_DEVICE_CHANGE",
    "devices revoke": "ADMIN_DEVICE_REVOKE",
    "devices show": "ADMIN_POLICY_READ",
    "policy diff": "ADMIN_POLICY_READ",
    "policy explain": "ADMIN_POLICY_READ",
    "policy export": "ADMIN_POLICY_READ",
    "policy history": "ADMIN_POLICY_READ",
    "policy import": "ADMIN_POLICY_CHANGE",
    "policy rollback": "ADMIN_POLICY_CHANGE",
    "policy simulate": "ADMIN_AUDIT_READ",
    "approvals approve": "ADMIN_APPROVE",
    "approvals list": "ADMIN_POLICY_READ",
    "approvals refuse": "ADMIN_APPROVE",
    "notifications list": "ADMIN_POLICY_READ",
    "notifications retry": "ADMIN_MAINTENANCE",
    "notifications test": "ADMIN_MAINTENANCE",
    "audit export": "ADMIN_AUDIT_READ",
    "audit head": "ADMIN_AUDIT_READ",
    "audit prove": "ADMIN_AUDIT_READ",
    "audit show": "ADMIN_AUDIT_READ",
    "audit verify": "ADMIN_AUDIT_READ",
    "usage report": "ADMIN_USAGE_READ",
    "automation run": "ADMIN_MAINTENANCE",
    "backup": "ADMIN_BACKUP",
    "check": "ADMIN_MAINTENANCE",
    "import-pykmip": "ADMIN_MAINTENANCE",
    "upgrade": "ADMIN_MAINTENANCE",
}
"""What a command needs the policy's leave for. The others work on no store that has a policy, or serve it."""

_DECIDED: Final = "kmip_server.administrator"
"""Where a command notes who was let, so that it asks for a password and uses up an approval once."""
_SAYS_NOTHING: Final = frozenset({"directory", "as_json"})


class Administration(NamedTuple):
    """A store that is administered `by` somebody `now` (POSIX seconds).

    Each transaction of the database begins with the decision whether they may.
    """

    database: Database
    settings: Settings
    by: str
    now: int


@contextmanager
def administering(directory: Path, voter: str | None = None) -> Iterator[Administration]:
    """Do what the command that runs says, as the user of `--as`, the `voter`, or the account that runs it.

    Raises CommandError if the policy does not allow it, which is on record then, or others have to approve first.
    """
    from kmip_server.config import Settings
    from kmip_server.storage.administration import decision_on, lock_policy
    from kmip_server.storage.database import Database

    settings, now, context = Settings.load(directory), int(time.time()), running()
    command, words = _asked(context)
    action = ACTIONS[command]
    who: Administrator | None = context.meta.get(_DECIDED)
    if who is None:
        with open_database(settings.storage.url) as plain:
            who = _who(plain, settings.directory, voter or context.find_root().params.get("_as_user"))
            needs = _permitted(plain, who, action, words, now)
            # A vote is what others approve by: it waits for nobody.
            if needs and voter is None:
                _approved(plain, who, action, words, needs, now)
        context.meta[_DECIDED] = who

    def permit(connection: Connection, *, writes: bool) -> None:
        if writes:
            lock_policy(connection)
        decision = decision_on(connection, who, action, now)
        if not decision.allowed:
            raise CommandError(_refusal(who, action, decision.reason))

    with closing(Database(settings.storage.url, first=permit)) as database:
        yield Administration(database, settings, who.name, now)


def permitted_record(connection: Connection, directory: Path, operation: str, detail: str) -> None:
    """In a transaction of something else, which could not begin with it: the decision, and the record of what is done.

    Raises CommandError if the policy does not allow the account to do it.
    """
    from kmip_server.storage.administration import decision_on, record

    context = running()
    if context.find_root().params.get("_as_user") is not None:
        raise CommandError("--as cannot be used here: who is a user is only known when it is done")
    action, who, now = ACTIONS[_asked(context)[0]], account(directory), int(time.time())
    decision = decision_on(connection, who, action, now)
    if not decision.allowed:
        raise CommandError(_refusal(who, action, decision.reason))
    record(connection, operation, by=who.name, about="", now=now, detail=detail)


def account(directory: Path) -> Administrator:
    """The account that runs this, by the system and not by what the environment says."""
    from kmip_server.storage.administration import Administrator

    number = os.geteuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        name = f"account {number}"
    return Administrator(name, owns=number in (0, directory.stat().st_uid))


def _who(database: Database, directory: Path, user: str | None) -> Administrator:
    from kmip_server.identity.credentials import is_password
    from kmip_server.storage.accounts import read_accounts
    from kmip_server.storage.administration import Administrator, record

    if user is None:
        return account(directory)
    password = ask_secret(f"Password of {user}", twice=False)
    found = read_accounts(database).users.get(user)
    if found is None or not is_password(password, found.password_hash):
        with database.writing() as connection:
            detail = "command line: there is no user with this password"
            record(
                connection, "Authentication", by=user, about="", now=int(time.time()), detail=detail, outcome="failed"
            )
        raise CommandError(f"there is no user {user!r} with this password")
    return Administrator(user)


def _permitted(database: Database, who: Administrator, action: str, words: str, now: int) -> frozenset[Approval]:
    """What others have to approve, once it is decided that it is allowed. Raises CommandError, with a record of it."""
    from kmip_server.storage.administration import decision_on, record

    with database.reading() as connection:
        decision = decision_on(connection, who, action, now)
    if decision.allowed:
        return decision.obligations.approvals
    with database.writing() as connection:
        detail = f"{words}: {decision.reason}"
        record(connection, action, by=who.name, about="", now=now, detail=detail, outcome="failed")
    raise CommandError(_refusal(who, action, decision.reason))


def _approved(
    database: Database, who: Administrator, action: str, words: str, needs: frozenset[Approval], now: int
) -> None:
    """Use up the approval of others for exactly this. Raises ApprovalMissing, after asking them; AccountError."""
    from kmip_server.storage.accounts import changing
    from kmip_server.storage.administration import record
    from kmip_server.storage.approving import ApprovalMissing, approved
    from kmip_server.storage.identifiers import new_identifier
    from policy.approvals import ApprovalRequest

    digest = sha256(json.dumps([action, who.name, words]).encode()).digest()
    with changing(database) as connection:
        found = approved(connection, ApprovalRequest(new_identifier(), digest, who.name, action, words, needs, now))
        if not isinstance(found, ApprovalMissing):
            detail = f"{words}: {', '.join(f'approved by {each}' for each in found)}"
            record(connection, action, by=who.name, about="", now=now, detail=detail, outcome="approved")
    if isinstance(found, ApprovalMissing):
        raise found


def _refusal(who: Administrator, action: str, reason: str) -> str:
    return (
        f"{who.name} may not do this: {reason}. It takes {action}: have a user do it whose role allows that"
        " (kmip-server --as USER …), or ask for the role"
    )


def _asked(context: typer.Context) -> tuple[str, str]:
    """The command that runs, and with all that was given with it: of files, what is in them."""
    command = context.command_path.partition(" ")[2]
    # `user` is another name of `users`.
    command = command.replace("user ", "users ", 1) if command.startswith("user ") else command
    words = [command]
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if parameter.name not in _SAYS_NOTHING and value not in (None, False, (), []):
            name = [max(parameter.opts, key=len)] if parameter.param_type_name == "option" else []
            values = value if isinstance(value, list | tuple) else [value]
            words += name if value is True else [*name, *map(_said, values)]
    return command, " ".join(words)


def _said(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Path) and value.is_file():
        with value.open("rb") as file:
            return f"{value} (SHA-256 {file_digest(file, 'sha256').hexdigest()})"
    return str(value)
