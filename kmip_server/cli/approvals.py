"""kmip-server approvals: what waits for others, and what they say to it."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kmip_server.cli.accounts import Directory
from kmip_server.cli.output import CommandError, Json, ask_secret, print_json, print_table, shown_time

if TYPE_CHECKING:
    from kmip_server.storage.store import Store
    from policy.approvals import ApprovalRequest
    from policy.compiling import Ruling

approvals = typer.Typer(help="What waits for the approval of others.", no_args_is_help=True)

Identifier = Annotated[str, typer.Argument(metavar="ID", help="The request for approval, as `approvals list` has it.")]
User = Annotated[str, typer.Option("--user", help="Who says so: a user with a password, whose role may approve it.")]


@approvals.command(name="list")
def list_all(
    directory: Directory,
    every: Annotated[bool, typer.Option("--all", help="Also what was used, refused or is expired.")] = False,
    as_json: Json = False,
) -> None:
    """List what waits for approval: who asked for what, how many have to agree, and who has."""
    from policy.approvals import Standing, standing
    from policy.store import requests_for_approval

    with closing(_store(directory)) as store:
        ruling, now = _ruling(store), int(time.time())
        with store.database.reading() as connection:
            found = [(one, standing(one, ruling.roles, now)) for one in requests_for_approval(connection)]
    shown = [(one, where) for one, where in found if every or where in (Standing.OPEN, Standing.GRANTED)]
    if as_json:
        print_json([_described(one) | {"standing": where.value} for one, where in shown])
    elif shown:
        columns = ("ID", "Asked", "By", "Operation", "Object", "Needs", "Votes", "Standing")
        print_table(columns, [(*_row(one), where.value) for one, where in shown])
    else:
        print("Nothing waits for approval")


@approvals.command()
def approve(directory: Directory, identifier: Identifier, user: User) -> None:
    """Agree to a request. The password is asked for, or read from the first line of standard input.

    Example: kmip-server approvals approve /var/lib/kmip 0199a2c4-... --user carol
    """
    _vote(directory, identifier, user, approves=True)


@approvals.command()
def refuse(directory: Directory, identifier: Identifier, user: User) -> None:
    """Refuse a request, for all. The password is asked for, or read from the first line of standard input.

    Example: kmip-server approvals refuse /var/lib/kmip 0199a2c4-... --user carol
    """
    _vote(directory, identifier, user, approves=False)


def _vote(directory: Path, identifier: str, user: str, *, approves: bool) -> None:
    from kmip_server.identity.credentials import is_password
    from kmip_server.storage.accounts import read_accounts
    from kmip_server.storage.port import AuditEntry
    from policy.approvals import Standing, Vote, may_vote, standing
    from policy.model import Who
    from policy.notifications import Event
    from policy.store import requests_for_approval

    password = ask_secret(f"Password of {user}", twice=False)
    with closing(_store(directory)) as store:
        account = read_accounts(store.database).users.get(user)
        if account is None or not is_password(password, account.password_hash):
            raise CommandError(f"there is no user {user!r} with this password")
        ruling, now = _ruling(store), int(time.time())
        with store.database.reading() as connection:
            found = [one for one in requests_for_approval(connection) if one.approval_id == identifier]
        if not found:
            raise CommandError(f"there is no request for approval {identifier!r}; `approvals list` has them")
        (request,) = found
        where = standing(request, ruling.roles, now)
        if where is not Standing.OPEN:
            raise CommandError(f"this request is {where.value} already")
        if not may_vote(request, user, ruling.roles.get(user, frozenset())):
            raise CommandError(f"{user} may not approve this: it needs {_needs(request)}, and never the one who asked")
        if any(vote.user == user for vote in request.votes):
            raise CommandError(f"{user} has voted on this already")
        with store.unit(writes=True) as unit:
            unit.vote(identifier, Vote(user, approves, now))
            said = "approved" if approves else "refused"
            unit.audit(
                AuditEntry(now, user, "Approval", request.resource or None, said, f"{request.action}, {identifier}")
            )
            after = standing(request._replace(votes=(*request.votes, Vote(user, approves, now))), ruling.roles, now)
            if after is not Standing.OPEN:
                event, voter = f"approval-{after.value}", ruling.subject(Who.USER, user)
                told = Event(event, now, voter, request.resource, request.action, f"asked by {request.subject}")
                unit.notify(ruling.messages(told))
    print(f"{user} has {said} it: it is {after.value} now")


def _store(directory: Path) -> Store:
    from kmip_server.cli.master_key import open_master_key
    from kmip_server.config import Settings
    from kmip_server.storage.store import Store

    settings = Settings.load(directory)
    return Store.open(settings.storage.url, open_master_key(settings))


def _ruling(store: Store) -> Ruling:
    from kmip_server.opening import directory_source

    return directory_source(store).current.ruling


def _needs(request: ApprovalRequest) -> str:
    return "; ".join(f"{need.needed} of {' or '.join(sorted(need.roles))}" for need in sorted(request.needs, key=str))


def _row(request: ApprovalRequest) -> tuple[str, ...]:
    asked = shown_time(request.requested_at)
    votes = ", ".join(f"{vote.user} {'agrees' if vote.approves else 'refuses'}" for vote in request.votes)
    return (request.approval_id, asked, request.subject, request.action, request.resource, _needs(request), votes)


def _described(request: ApprovalRequest) -> dict[str, object]:
    return {
        "id": request.approval_id,
        "requested_at": request.requested_at,
        "subject": request.subject,
        "action": request.action,
        "resource": request.resource,
        "needs": [
            {"needed": need.needed, "roles": sorted(need.roles), "within": need.within} for need in request.needs
        ],
        "votes": [vote._asdict() for vote in request.votes],
        "used_at": request.used_at,
    }
