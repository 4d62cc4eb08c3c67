"""The approval of others for what administrators do: asked for, voted on, and used up when it is done."""

from __future__ import annotations

from sqlalchemy import Connection, update

from kmip_server.storage.accounts import AccountError, changing
from kmip_server.storage.administration import record
from kmip_server.storage.database import Database
from kmip_server.storage.identifiers import new_identifier
from policy import outbox
from policy import store as policy_store
from policy.approvals import ApprovalRequest, Standing, Vote, may_vote, needs_in_words, standing
from policy.decision import Subject
from policy.model import Who
from policy.notifications import Event


class ApprovalMissing(AccountError):  # noqa: N818
    """Others have to approve first; they are asked, and nothing else is done."""


def approved(connection: Connection, wanted: ApprovalRequest) -> tuple[str, ...] | ApprovalMissing:
    """Who has approved what is wanted, which is used up with it; or that others are asked, which has to be committed.

    The caller's transaction keeps other administrators out (accounts.changing). Raises AccountError if it was refused.
    """
    table, roles = policy_store.approvals, policy_store.in_force(connection).roles_of_users
    for known in policy_store.requests_for_approval(connection):
        if known.digest != wanted.digest or known.used_at is not None:
            continue
        # What is asked for now, not what was asked for then.
        where = standing(known._replace(needs=wanted.needs), roles, wanted.requested_at)
        if where is Standing.GRANTED:
            this = table.c.approval_id == known.approval_id
            connection.execute(update(table).where(this).values(used_at=wanted.requested_at))
            return tuple(vote.user for vote in known.votes if vote.approves)
        if where is Standing.REFUSED:
            raise AccountError(f"this was refused, under {known.approval_id}")
        if where is Standing.OPEN:
            return _missing(known.approval_id)
        break
    policy_store.ask_for_approval(connection, wanted)
    asking = Subject(wanted.subject, kind=Who.USER)
    said = Event("approval-requested", wanted.requested_at, asking, wanted.resource, wanted.action, wanted.approval_id)
    outbox.announce(connection, said, new_identifier)
    return _missing(wanted.approval_id)


def vote(database: Database, identifier: str, user: str, *, approves: bool, now: int) -> Standing:
    """Enter what a user says to a request for approval, which every worker looks at next; where it stands then.

    Raises AccountError if there is no such request, it is not open any more, or the user has no vote.
    """
    with changing(database) as connection:
        roles = policy_store.in_force(connection).roles_of_users
        found = [one for one in policy_store.requests_for_approval(connection) if one.approval_id == identifier]
        if not found:
            raise AccountError(f"there is no request for approval {identifier!r}; `approvals list` has them")
        (request,) = found
        where = standing(request, roles, now)
        if where is not Standing.OPEN:
            raise AccountError(f"this request is {where.value} already")
        if not may_vote(request, user, roles.get(user, frozenset())):
            needs = needs_in_words(request.needs)
            raise AccountError(f"{user} may not approve this: it needs {needs}, and never the one who asked")
        if any(given.user == user for given in request.votes):
            raise AccountError(f"{user} has voted on this already")
        given = Vote(user, approves, now)
        policy_store.enter_vote(connection, identifier, given)
        outcome, detail = "approved" if approves else "refused", f"{request.action}, {identifier}"
        record(connection, "Approval", by=user, about=request.resource, now=now, detail=detail, outcome=outcome)
        after = standing(request._replace(votes=(*request.votes, given)), roles, now)
        if after is not Standing.OPEN:
            subject = Subject(user, kind=Who.USER, roles=roles[user])
            asked = f"asked by {request.subject}"
            said = Event(f"approval-{after.value}", now, subject, request.resource, request.action, asked)
            outbox.announce(connection, said, new_identifier)
    return after


def _missing(approval_id: str) -> ApprovalMissing:
    return ApprovalMissing(f"others have to approve this first, under {approval_id}: ask again when they have")
