"""Who approves the steps of devices: asked for in the transaction that finds it wanting, used up with the step."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, update

from dscc.errors import DsccError, Reason
from dscc.node import telling
from dscc.node.audit import Entry, record
from dscc.node.database import NodeError
from dscc.node.registry import Device
from policy import store as policy_store
from policy.approvals import (
    ADVANCE_STAGE,
    ApprovalRequest,
    Standing,
    Vote,
    may_vote,
    needs_in_words,
    request_for_step,
    standing,
)
from policy.model import Stage


def question(device: Device, stage: Stage, now: int) -> ApprovalRequest:
    """What is asked about one step of a device: another one once it has taken any stage since."""
    return request_for_step(secrets.token_hex(16), device.name, device.name, stage, device.transitions, now)


def found(connection: Connection, wanted: ApprovalRequest) -> tuple[Standing, ApprovalRequest] | None:
    """Where the newest request like this one stands, by what is needed now; None if nobody was asked."""
    roles = policy_store.in_force(connection).roles_of_users
    for each in policy_store.requests_for_approval(connection):
        if each.digest == wanted.digest and each.used_at is None:
            return standing(each._replace(needs=wanted.needs), roles, wanted.requested_at), each
    return None


def ask(connection: Connection, wanted: ApprovalRequest) -> None:
    """Ask, unless that was done already."""
    known = found(connection, wanted)
    if known is not None and known[0] in (Standing.OPEN, Standing.GRANTED):
        return
    policy_store.ask_for_approval(connection, wanted)
    said = f"{needs_in_words(wanted.needs)}, under {wanted.approval_id}"
    record(connection, Entry(wanted.requested_at, wanted.subject, "Approval Requested", wanted.resource, "done", said))
    by = telling.device(wanted.subject)
    telling.announce(connection, "approval-requested", wanted.requested_at, by, wanted.resource, ADVANCE_STAGE, said)


def granted(connection: Connection, wanted: ApprovalRequest) -> tuple[str, ...] | None:
    """Who has approved it, or None if it is not. Raises DsccError (POLICY_DENIED) if somebody refused it."""
    known = found(connection, wanted)
    if known is not None and known[0] is Standing.REFUSED:
        raise DsccError(Reason.POLICY_DENIED, "an approver has refused this step")
    if known is None or known[0] is not Standing.GRANTED:
        return None
    return tuple(vote.user for vote in known[1].votes if vote.approves)


def use_up(connection: Connection, wanted: ApprovalRequest) -> None:
    """An approval is good for one step."""
    table = policy_store.approvals
    this = (table.c.digest == wanted.digest, table.c.used_at.is_(None))
    connection.execute(update(table).where(*this).values(used_at=wanted.requested_at))


def vote(connection: Connection, device: str, user: str, now: int, *, approves: bool) -> Standing:
    """Enter what a user says about the step that a device waits for. Raises NodeError: nothing is asked, or no vote."""
    roles = policy_store.in_force(connection).roles_of_users
    mine = [each for each in policy_store.requests_for_approval(connection) if each.subject == device]
    waiting = [each for each in mine if standing(each, roles, now) is Standing.OPEN]
    if not waiting:
        raise NodeError(f"{device} waits for no approval here; it asks by itself: dscc advance")
    request = waiting[0]
    if not may_vote(request, user, roles.get(user, frozenset())):
        raise NodeError(f"{user} may not approve this: it needs {needs_in_words(request.needs)}")
    if any(given.user == user for given in request.votes):
        raise NodeError(f"{user} has voted on this already")
    said = Vote(user, approves, now)
    policy_store.enter_vote(connection, request.approval_id, said)
    outcome = "approved" if approves else "refused"
    record(connection, Entry(now, user, "Approval", request.resource, outcome, request.approval_id))
    after = standing(request._replace(votes=(*request.votes, said)), roles, now)
    if after is not Standing.OPEN:
        telling.announce(
            connection, f"approval-{after.value}", now, telling.user(user), request.resource, ADVANCE_STAGE
        )
    return after
