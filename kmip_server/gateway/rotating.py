"""Which shared keys are to be replaced: those whose rule says so after a time, and a group's when who is in it changes.

Who has asked for a key replaces it; the replacement is agreed on a while before the date at which both sites begin to
use it. It is the owner's Re-key, on record for the rule, by the code that clients' requests go through.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from kmip_server.automating.keys import allowing, re_key_request
from kmip_server.engine import Engine
from kmip_server.execution import Execution, Prepared
from kmip_server.gateway.calls import call_of
from kmip_server.gateway.watching import IN_USE, shared_by
from kmip_server.identity.directory import Directory
from kmip_server.messages.headers import ResponseBatchItem
from kmip_server.objects.dscc_attributes import dscc_value
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.objects.sharing import group_of, is_held
from kmip_server.operations.services import Services
from kmip_server.operations.sharing import sharing_of
from kmip_server.storage.port import ObjectRow, Range, Unit
from kmip_server.ttlv.enumerations import LinkType, ResultStatus, State
from kmip_server.ttlv.tags import Tag
from policy.model import Sharing

_LONGEST_LEAD: Final = 60
_SHORTEST_LEAD: Final = 3
_PART: Final = 10
"""A key is replaced a tenth of its time before the date: some seconds at least, a minute at most."""


class Standing(NamedTuple):
    """A group as this gateway has it: its epoch, who is in it, who leads it, and whom that one has not reached yet."""

    epoch: int
    roster: tuple[str, ...]
    leader: str
    behind: tuple[str, ...]


class Due(NamedTuple):
    """A key to be replaced, and from when on the replacement is to be used; None: the key is not used either."""

    unique_identifier: str
    owner: str
    activation: int | None
    why: str
    is_groups: bool = False


def due(
    unit: Unit, directory: Directory, services: Services, me: str, groups: Mapping[str, Standing], now: int
) -> list[Due]:
    """The keys that this gateway has to replace now."""
    found: list[Due] = []
    ages = [_age(rule) for rule in directory.ruling.policy.sharing if rule.rotate]
    if ages:
        # Most keys are too young: they are not even read, nor is any that was made since, whatever its date.
        before = Range(None, now - min(ages))
        old = {"activation_date": before, "initial_date": before}
        found += [
            one
            for key in _in_use(unit, "Initiator", me, old, now)
            if (one := _by_age(unit, directory, services, key, now)) is not None
        ]
    for name, standing in groups.items():
        found += [
            Due(
                key.unique_identifier,
                key.owner,
                key.first(Tag.ACTIVATION_DATE),
                f"others are in {name}",
                is_groups=True,
            )
            for key in _in_use(unit, "Group", name, {}, now)
            if dscc_value(key.attributes, "Epoch") != str(standing.epoch) and _replaces(key, standing, me)
        ]
    return list({one.unique_identifier: one for one in found}.values())


def _age(rule: Sharing) -> int:
    """At how many seconds after its activation a key is replaced."""
    return rule.rotate - min(_LONGEST_LEAD, max(_SHORTEST_LEAD, rule.rotate // _PART))


def _in_use(unit: Unit, attribute: str, value: str, columns: Mapping[str, Range], now: int) -> list[ManagedObject]:
    keys = [ManagedObject.of(row) for row in shared_by(unit, attribute, value, {**IN_USE, **columns})]
    for key in keys:
        key.settle(now)
    return [
        key
        for key in keys
        if key.state in (State.PRE_ACTIVE, State.ACTIVE)
        and not is_held(key.attributes)
        and not any(link.link_type is LinkType.REPLACEMENT_OBJECT_LINK for link in key.attributes.all(Tag.LINK))
    ]


def _by_age(unit: Unit, directory: Directory, services: Services, key: ManagedObject, now: int) -> Due | None:
    activation = key.first(Tag.ACTIVATION_DATE)
    if key.state is not State.ACTIVE or activation is None:
        return None
    rule = sharing_of(call_of(unit, directory, services, key.owner, now), key)
    if not isinstance(rule, Sharing) or not rule.rotate:
        return None
    if activation + _age(rule) > now:
        return None
    return Due(key.unique_identifier, key.owner, activation + rule.rotate, f"sharing rule {rule.name}")


def _replaces(key: ManagedObject, standing: Standing, me: str) -> bool:
    """Whether this gateway replaces a group's key: who has asked for it does, or who leads if that is not there."""
    initiator, there = dscc_value(key.attributes, "Initiator"), set(standing.roster) - set(standing.behind)
    return me == (initiator if initiator in there else standing.leader) and bool(group_of(key.attributes))


def replace(
    unit: Unit, directory: Directory, engine: Engine, one: Due, prepared: Prepared | None, now: int
) -> ResponseBatchItem:
    """Re-key a key as its owner. Raises NegotiationNeeded."""
    caller = directory.named(one.owner)
    # It may have taken a while to agree on the new key: the date is the same.
    offset = None if one.activation is None else max(0, one.activation - now)
    request = re_key_request(one.unique_identifier, offset)
    ruling = allowing(directory.ruling, one.why)
    execution = Execution(unit, caller, request, now, engine.services, ruling=ruling, because=f"by {one.why}")
    answer = execution.carry_out(request.items[0], prepared)
    row = unit.get(one.unique_identifier)
    if one.is_groups and row is not None and answer.result_status is ResultStatus.SUCCESS:
        _tell_all(unit, directory, engine.services, row, now)
    return answer


def _tell_all(unit: Unit, directory: Directory, services: Services, row: ObjectRow, now: int) -> None:
    """Have all hear of a group's key that have it: who is not in the group any more does not use it from then on."""
    found = ManagedObject.of(row)
    call = call_of(unit, directory, services, found.owner, now)
    call.tells = True
    call.share(found)
    unit.accept()
