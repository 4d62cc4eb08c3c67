"""Who must approve: m of n others, each once, within the time, by the roles that they have now."""

from __future__ import annotations

import pytest

from policy.approvals import ApprovalRequest, Standing, Vote, may_vote, needs_from_text, needs_to_text, standing
from policy.model import Approval

TWO = Approval(2, frozenset({"officer", "boss"}), 100)
BOSS = Approval(1, frozenset({"boss"}), 50)
ROLES = {
    "ann": frozenset({"officer"}),
    "ben": frozenset({"officer", "boss"}),
    "cy": frozenset({"boss"}),
    "dee": frozenset({"clerk"}),
    "asker": frozenset({"officer", "boss"}),
}


def asked(*votes: tuple[str, bool], needs: frozenset[Approval] = frozenset({TWO})) -> ApprovalRequest:
    said = tuple(Vote(user, approves, 1001) for user, approves in votes)
    return ApprovalRequest("1", b"", "asker", "DESTROY", "key", needs, 1000, None, said)


@pytest.mark.parametrize(
    ("request_", "now", "expected"),
    [
        (asked(), 1001, Standing.OPEN),
        (asked(("ann", True)), 1001, Standing.OPEN),
        (asked(("ann", True), ("ann", True)), 1001, Standing.OPEN),
        (asked(("ann", True), ("cy", True)), 1001, Standing.GRANTED),
        (asked(("ann", True), ("dee", True)), 1001, Standing.OPEN),
        (asked(("ann", True), ("nobody", True)), 1001, Standing.OPEN),
        (asked(("ann", True), ("asker", True)), 1001, Standing.OPEN),
        (asked(("ann", True), ("cy", True), ("ben", False)), 1001, Standing.REFUSED),
        (asked(("ann", True), ("cy", True), ("dee", False)), 1001, Standing.GRANTED),
        (asked(("ann", True), ("cy", True)), 1100, Standing.GRANTED),
        (asked(("ann", True), ("cy", True)), 1101, Standing.EXPIRED),
        (asked(("ann", True), ("cy", True))._replace(used_at=1001), 1001, Standing.USED),
        (asked(("ann", True), ("ben", True), needs=frozenset({TWO, BOSS})), 1001, Standing.GRANTED),
        (asked(("ann", True), ("ben", True), needs=frozenset({TWO, BOSS})), 1051, Standing.EXPIRED),
        (asked(("ben", True), needs=frozenset({TWO, BOSS})), 1001, Standing.OPEN),
    ],
)
def test_where_a_request_stands(request_: ApprovalRequest, now: int, expected: Standing) -> None:
    assert standing(request_, ROLES, now) is expected


def test_a_role_that_was_taken_away_takes_its_vote_along() -> None:
    granted = asked(("ann", True), ("cy", True))
    assert standing(granted, ROLES | {"ann": frozenset({"clerk"})}, 1001) is Standing.OPEN


def test_who_asks_may_not_vote_and_who_has_no_such_role_neither() -> None:
    assert may_vote(asked(), "ann", ROLES["ann"])
    assert not may_vote(asked(), "asker", ROLES["asker"])
    assert not may_vote(asked(), "dee", ROLES["dee"])


def test_needs_are_kept_as_they_are() -> None:
    needs = frozenset({TWO, BOSS})
    assert needs_from_text(needs_to_text(needs)) == needs
