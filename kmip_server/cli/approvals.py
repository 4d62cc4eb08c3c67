"""kmip-server approvals: what waits for others, and what they say to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.output import Json, print_json, print_table, shown_time
from kmip_server.cli.accounts import Directory
from kmip_server.cli.acting import administering

if TYPE_CHECKING:
    from policy.approvals import ApprovalRequest

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
    from policy.store import in_force, requests_for_approval

    with administering(directory) as admin, admin.database.reading() as connection:
        roles = in_force(connection).roles_of_users
        found = [(one, standing(one, roles, admin.now)) for one in requests_for_approval(connection)]
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
    from kmip_server.storage.approving import vote

    with administering(directory, voter=user) as admin:
        where = vote(admin.database, identifier, admin.by, approves=approves, now=admin.now)
    print(f"{user} has {'approved' if approves else 'refused'} it: it is {where.value} now")


def _row(request: ApprovalRequest) -> tuple[str, ...]:
    from policy.approvals import needs_in_words

    asked = shown_time(request.requested_at)
    votes = ", ".join(f"{vote.user} {'agrees' if vote.approves else 'refuses'}" for vote in request.votes)
    needs = needs_in_words(request.needs)
    return (request.approval_id, asked, request.subject, request.action, request.resource, needs, votes)


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
