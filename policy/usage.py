"""What tenants used, counted from audit records: there is no other counter, which could say something else.

A record counts if it is about a success. One that was undone with its batch is taken off again: it is on record as done
and as undone. Successful reads of metadata are on no record, and so are not counted.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from time import gmtime, strftime
from typing import Final, Protocol

from policy.actions import DSCC_ACTIONS, OPERATIONS, action_named
from policy.model import Member, Policy, Who

KEY_MAKING: Final = frozenset({"CREATE", "CREATE_KEY_PAIR", "DERIVE_KEY", "RE_KEY", "RE_KEY_KEY_PAIR"})
"""The operations that make keys: there is a record for each key made. Register and Import bring keys made elsewhere."""

DEVICE_STAGE: Final = "Device Stage"
"""The operation on record when a device takes a stage; the record is about the device."""

_DAY: Final = 86_400
_WEIGHTS: Final[Mapping[str, int]] = {"succeeded": 1, "undone": -1}
_BY_DEVICES: Final = frozenset(DSCC_ACTIONS)
_NOBODY: Final = Member()


class Recorded(Protocol):
    """What is read of an audit record; `at` is in POSIX seconds."""

    @property
    def at(self) -> int: ...  # noqa: D102
    @property
    def caller(self) -> str: ...  # noqa: D102
    @property
    def operation(self) -> str: ...  # noqa: D102
    @property
    def unique_identifier(self) -> str | None: ...  # noqa: D102
    @property
    def outcome(self) -> str: ...  # noqa: D102


@dataclass(slots=True)
class Usage:
    """What a tenant used in a period: keys made, operations by their action, and which devices were active."""

    keys_made: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    devices: set[str] = field(default_factory=set)


TenantAt = Callable[[Who, str, int], str]
"""The tenant of a client or device, by its name, at a time in POSIX seconds."""


def count(
    records: Iterable[Recorded], tenant_at: TenantAt, period: Callable[[int], str]
) -> dict[tuple[str, str], Usage]:
    """Usage by (period, tenant), in order; `period` names the day or month of a time."""
    found: defaultdict[tuple[str, str], Usage] = defaultdict(Usage)
    for one in records:
        weight = _WEIGHTS.get(one.outcome)
        if weight is None:
            continue
        action = action_named(one.operation)
        is_stage = one.operation == DEVICE_STAGE
        if not is_stage and action not in OPERATIONS and action not in _BY_DEVICES:
            continue
        device = one.unique_identifier if is_stage else one.caller if action in _BY_DEVICES else None
        tenant = tenant_at(Who.CLIENT, one.caller, one.at) if device is None else tenant_at(Who.DEVICE, device, one.at)
        usage = found[period(one.at), tenant]
        if device is not None:
            usage.devices.add(device)
        if not is_stage:
            usage.operations[action] += weight
        if action in KEY_MAKING:
            usage.keys_made += weight
    return dict(sorted(found.items()))


def tenants(policies: Sequence[tuple[int, Policy]]) -> TenantAt:
    """Who was of which tenant, by the policies in their order and since when each was in force (POSIX seconds)."""
    by_time = sorted((at, number) for number, (at, _) in enumerate(policies))
    times = [at for at, _ in by_time]
    # Where the clock was set back, the later policy holds all the same.
    in_force = list(accumulate((number for _, number in by_time), max))

    def tenant_at(kind: Who, name: str, at: int) -> str:
        place = bisect_right(times, at) - 1
        if place < 0:
            return _NOBODY.tenant
        policy = policies[in_force[place]][1]
        members = policy.clients if kind is Who.CLIENT else policy.devices
        return members.get(name, _NOBODY).tenant

    return tenant_at


def day(at: int) -> str:
    """The day of a time in POSIX seconds, in UTC: "2026-11-29"."""
    return _day(at // _DAY)


def month(at: int) -> str:
    """The month of a time in POSIX seconds, in UTC: "2026-11"."""
    return _day(at // _DAY)[:-3]


@lru_cache(maxsize=1024)
def _day(number: int) -> str:
    return strftime("%Y-%m-%d", gmtime(number * _DAY))
