"""Usage, counted from the audit log and the policies that were in force while it was written."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from kmip_server.storage.audit_log import Wanted, records
from policy import store as policy_store
from policy import usage
from policy.usage import Usage


def usage_between(
    connection: Connection, since: int | None, until: int | None, period: Callable[[int], str]
) -> dict[tuple[str, str], Usage]:
    """Usage by (period, tenant) from `since` until before `until` (POSIX seconds; None: from the first record on).

    The records are read once, some at a time. Raises PolicyError if a policy of that time cannot be read.
    """
    policies = [(one.at, one.policy) for one in policy_store.in_force_since(connection, since or 0)]
    return usage.count(records(connection, Wanted(since, until)), usage.tenants(policies), period)
