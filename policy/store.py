"""The policy in the database: every version that ever was in force, the last of which is.

A version is added, never changed: a roll back adds an older document again. Each function works in the transaction
that its caller has begun, together with what else must be true at the same time (the epoch that tells workers to read
again, the audit record).
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Text,
    func,
    insert,
    select,
)

from policy import workflows
from policy.approvals import ApprovalRequest, Vote, needs_from_text, needs_to_text
from policy.documents import read_document, write_document
from policy.model import Policy, PolicyError, Workflow

metadata = MetaData()

versions = Table(
    "policy_versions",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    # POSIX seconds.
    Column("at", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("document", Text, nullable=False),
    # SHA-256 of the document, in hexadecimal.
    Column("digest", Text, nullable=False),
)


approvals = Table(
    "approvals",
    metadata,
    Column("approval_id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("subject", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("resource", Text, nullable=False),
    # As approvals.needs_to_text writes it.
    Column("needs", Text, nullable=False),
    Column("requested_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)
Index("approvals_by_digest", approvals.c.digest)
_NEWEST_FIRST: Final = (approvals.c.requested_at.desc(), approvals.c.approval_id)

approval_votes = Table(
    "approval_votes",
    metadata,
    Column("approval_id", Text, primary_key=True),
    Column("user_name", Text, primary_key=True),
    Column("approves", Boolean, nullable=False),
    Column("at", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the policy: when it came into force, by whom and why, and its document."""

    version: int
    at: int
    author: str
    comment: str
    document: str
    digest: str

    @property
    def policy(self) -> Policy:
        """The policy. Raises PolicyError if the document was damaged, or a later server wrote it."""
        if digest_of(self.document) != self.digest:
            raise PolicyError(f"version {self.version} of the policy was changed in the database")
        return read_document(self.document, f"version {self.version} of the policy")


def digest_of(document: str) -> str:
    """What tells one document from another: its SHA-256 in hexadecimal."""
    return sha256(document.encode()).hexdigest()


def current(connection: Connection) -> Version | None:
    """The version in force; None before there is one."""
    last = select(func.max(versions.c.version)).scalar_subquery()
    found = connection.execute(select(versions).where(versions.c.version == last)).first()
    return None if found is None else Version(**found._mapping)


def in_force(connection: Connection) -> Policy:
    """The policy in force; an empty one before there is any. Raises PolicyError."""
    found = current(connection)
    return Policy() if found is None else found.policy


def in_force_since(connection: Connection, since: int) -> list[Version]:
    """The version in force at a time (POSIX seconds), if there was one, and all that came later, in their order."""
    before = select(func.coalesce(func.max(versions.c.version), 0)).where(versions.c.at <= since).scalar_subquery()
    found = connection.execute(select(versions).where(versions.c.version >= before).order_by(versions.c.version))
    return [Version(**row._mapping) for row in found]


def numbered(connection: Connection, version: int) -> Version:
    """A version by its number. Raises PolicyError if there is none."""
    found = connection.execute(select(versions).where(versions.c.version == version)).first()
    if found is None:
        raise PolicyError(f"there is no version {version} of the policy; `policy history` lists them")
    return Version(**found._mapping)


def history(connection: Connection) -> list[Version]:
    """All versions, the newest first."""
    return [Version(**row._mapping) for row in connection.execute(select(versions).order_by(versions.c.version.desc()))]


def requests_for_approval(connection: Connection) -> list[ApprovalRequest]:
    """Every request for approval with its votes, the newest first."""
    return _with_votes(connection, select(approvals), select(approval_votes))


def unused_requests(connection: Connection, most: int) -> list[ApprovalRequest]:
    """The newest requests for approval of what was not done yet, at most so many of them, with their votes."""
    unused = select(approvals).where(approvals.c.used_at.is_(None)).order_by(*_NEWEST_FIRST).limit(most)
    theirs = approval_votes.c.approval_id.in_(select(unused.subquery().c.approval_id))
    return _with_votes(connection, unused, select(approval_votes).where(theirs))


def ask_for_approval(connection: Connection, wanted: ApprovalRequest) -> None:
    """Keep a request for approval, which has no votes yet."""
    values = wanted._asdict() | {"needs": needs_to_text(wanted.needs)}
    del values["votes"]
    connection.execute(insert(approvals).values(values))


def enter_vote(connection: Connection, approval_id: str, vote: Vote) -> None:
    """Keep what a user says to a request for approval."""
    values = {"approval_id": approval_id, "user_name": vote.user, "approves": vote.approves, "at": vote.at}
    connection.execute(insert(approval_votes).values(values))


def _with_votes(connection: Connection, requests: Select[Any], all_votes: Select[Any]) -> list[ApprovalRequest]:
    votes: dict[str, list[Vote]] = {}
    for row in connection.execute(all_votes.order_by(approval_votes.c.at)):
        votes.setdefault(row.approval_id, []).append(Vote(row.user_name, row.approves, row.at))
    found = connection.execute(requests.order_by(None).order_by(*_NEWEST_FIRST))
    return [
        ApprovalRequest(
            row.approval_id,
            row.digest,
            row.subject,
            row.action,
            row.resource,
            needs_from_text(row.needs),
            row.requested_at,
            row.used_at,
            tuple(votes.get(row.approval_id, ())),
        )
        for row in found
    ]


def put_in_force(connection: Connection, policy: Policy, *, author: str, comment: str, now: int) -> Version:
    """Make a policy the one in force. Raises PolicyError if it is that already.

    The caller's transaction has to keep other writers out: two that add a version at once would add the same.
    """
    before = current(connection)
    document = write_document(policy)
    digest = digest_of(document)
    if before is not None and before.digest == digest:
        raise PolicyError(f"this is the policy in force already, version {before.version}")
    added = Version(1 if before is None else before.version + 1, now, author, comment, document, digest)
    values = {name: getattr(added, name) for name in Version.__slots__}
    connection.execute(insert(versions).values(values))
    return added


def difference(old: str, new: str, names: tuple[str, str]) -> list[str]:
    """What changes from one document to another, as lines of a unified diff."""
    return list(difflib.unified_diff(old.splitlines(), new.splitlines(), *names, lineterm=""))


def workflow_in_version(connection: Connection, name: str, version: int) -> Workflow:
    """A workflow in the version by which a device was enrolled, from the policies that were ever in force.

    Raises PolicyError if no policy had it.
    """
    now = workflows.named(in_force(connection), name)
    if now is not None and now.version == version:
        return now
    for each in history(connection):
        found = workflows.named(each.policy, name)
        if found is not None and found.version == version:
            return found
    if (name, version) == (workflows.DEFAULT_NAME, workflows.DEFAULT.version):
        return workflows.DEFAULT
    raise PolicyError(f"version {version} of the workflow {name!r} is in no policy")
