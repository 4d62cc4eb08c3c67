"""Who must approve something before it is done: m of n others, within a time, never the one who asks.

A request for approval is about one action of one subject on one resource, down to the bytes that were asked for. Votes
are counted by the roles that the voters have when it is done, not when they voted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from hashlib import sha256
from typing import Final, NamedTuple

from policy.model import Approval, Stage

ADVANCE_STAGE: Final = "DSCC_ADVANCE_STAGE"
"""The action that a step of a device is."""


class Vote(NamedTuple):
    """What a user said, and when (POSIX seconds)."""

    user: str
    approves: bool
    at: int


class ApprovalRequest(NamedTuple):
    """What waits for approval. `digest` is the SHA-256 of all that was asked; `used_at` is when it was done."""

    approval_id: str
    digest: bytes
    subject: str
    action: str
    resource: str
    needs: frozenset[Approval]
    requested_at: int
    used_at: int | None = None
    votes: tuple[Vote, ...] = ()


def request_for_step(
    approval_id: str, subject: str, device: str, stage: Stage, transitions: int, now: int
) -> ApprovalRequest:
    """What is asked about one step of a device: another request once the device has taken any stage since."""
    resource = f"{device}: {stage.name}"
    digest = sha256(json.dumps([ADVANCE_STAGE, resource, transitions]).encode()).digest()
    return ApprovalRequest(approval_id, digest, subject, ADVANCE_STAGE, resource, stage.approvals, now)


class Standing(Enum):
    """Where a request for approval stands."""

    OPEN = "open"
    GRANTED = "granted"
    REFUSED = "refused"
    EXPIRED = "expired"
    USED = "used"


def standing(request: ApprovalRequest, roles: Mapping[str, frozenset[str]], now: int) -> Standing:
    """Where a request stands, by the roles that users have now.

    One of those who may approve refuses it for all. What is granted is done within the same time, and once.
    """
    if request.used_at is not None:
        return Standing.USED
    if now > request.requested_at + min(need.within for need in request.needs):
        return Standing.EXPIRED
    voices = [[vote for vote in request.votes if _counts(request, vote, need, roles)] for need in request.needs]
    if any(not vote.approves for votes in voices for vote in votes):
        return Standing.REFUSED
    granted = all(
        len({vote.user for vote in votes}) >= need.needed for need, votes in zip(request.needs, voices, strict=True)
    )
    return Standing.GRANTED if granted else Standing.OPEN


def may_vote(request: ApprovalRequest, user: str, roles: frozenset[str]) -> bool:
    """Whether a user's vote would count."""
    return user != request.subject and any(not need.roles.isdisjoint(roles) for need in request.needs)


def _counts(request: ApprovalRequest, vote: Vote, need: Approval, roles: Mapping[str, frozenset[str]]) -> bool:
    return vote.user != request.subject and not need.roles.isdisjoint(roles.get(vote.user, frozenset()))


def needs_in_words(needs: frozenset[Approval]) -> str:
    """The needs as people say them."""
    return "; ".join(f"{need.needed} of {' or '.join(sorted(need.roles))}" for need in sorted(needs, key=str))


def needs_to_text(needs: frozenset[Approval]) -> str:
    """The needs as the database keeps them."""
    return json.dumps(sorted([need.needed, sorted(need.roles), need.within] for need in needs))


def needs_from_text(text: str) -> frozenset[Approval]:
    """The needs that `needs_to_text` wrote."""
    return frozenset(Approval(needed, frozenset(roles), within) for needed, roles, within in json.loads(text))
