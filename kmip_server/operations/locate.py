"""Locate: the objects that have the attributes asked for, newest first (KMIP 2.1 s6.1.28).

A caller finds only what its policies let it locate; everything else is not counted either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from heapq import merge
from typing import Final

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, enumeration, integer, mask, payload, text
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.objects.key_block import STRUCTURES
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.objects.matching import Patterns, gather, matches, narrow, patterns
from kmip_server.operations.call import Call
from kmip_server.operations.registry import operation
from kmip_server.storage.port import ObjectRow, Range, Search
from kmip_server.ttlv.enumerations import ObjectGroupMember, ObjectType, Operation, ResultReason, StorageStatusMask
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_1, V1_3

_COUNTED: Final = 1000
"""How many objects are counted beyond the page that is asked for: more would keep others waiting."""

_DUE_AT_ONCE: Final = 200


@payload
class LocateRequest(Payload):
    """What to look for, where, and how many of the objects to name."""

    maximum_items: int | None = integer(Tag.MAXIMUM_ITEMS)
    offset_items: int | None = integer(Tag.OFFSET_ITEMS, since=V1_3)
    storage_status_mask: int | None = mask(Tag.STORAGE_STATUS_MASK, StorageStatusMask)
    object_group_member: ObjectGroupMember | None = enumeration(Tag.OBJECT_GROUP_MEMBER, ObjectGroupMember, since=V1_1)
    attributes: tuple[AttributeValue, ...] = patterns()


@payload
class LocateResponse(Payload):
    """The objects found. Located Items counts all that there are, and is absent if that would take too long."""

    located_items: int | None = integer(Tag.LOCATED_ITEMS, since=V1_3)
    unique_identifier: tuple[str, ...] = text(Tag.UNIQUE_IDENTIFIER, many=True)


@operation(Operation.LOCATE, request=LocateRequest, response=LocateResponse, sets_placeholder=True, names_object=False)
def locate(call: Call, request: LocateRequest) -> LocateResponse:
    """Search, and name one page of what was found; exactly one name becomes the ID Placeholder (s6.1.28)."""
    limit = call.services.limits.locate_items
    offset = _not_negative(Tag.OFFSET_ITEMS, request.offset_items, 0)
    most = min(limit, _not_negative(Tag.MAXIMUM_ITEMS, request.maximum_items, limit))
    wanted = gather([call.batch.resolved(attribute) for attribute in request.attributes])
    if request.object_group_member is not None:
        if Tag.OBJECT_GROUP not in wanted:
            raise KmipError(ResultReason.INVALID_FIELD, "Object Group Member (4200AC) needs an Object Group (420056)")
        if request.object_group_member is ObjectGroupMember.GROUP_MEMBER_FRESH:
            wanted[Tag.FRESH] = (*wanted.get(Tag.FRESH, ()), True)
    if Tag.STATE in wanted:
        _settle_due(call)
    found = _visible(call, wanted, _storage(request.storage_status_mask))
    if request.object_group_member is ObjectGroupMember.GROUP_MEMBER_DEFAULT:
        found = iter([row for row in (next(found, None),) if row is not None])
    page: list[str] = []
    count = 0
    for count, row in enumerate(found, 1):
        if offset < count <= offset + most:
            page.append(row.unique_identifier)
        if count > max(offset + most, _COUNTED) or (call.version < V1_3 and count == most):
            return LocateResponse(unique_identifier=tuple(page))
    return LocateResponse(located_items=count, unique_identifier=tuple(page))


def _not_negative(tag: Tag, given: int | None, otherwise: int) -> int:
    if given is not None and given < 0:
        raise KmipError(ResultReason.INVALID_FIELD, f"{tag.title} ({tag:06X}) is not negative")
    return otherwise if given is None else given


def _storage(given: int | None) -> int:
    return StorageStatusMask.ON_LINE_STORAGE if given is None else given


def _settle_due(call: Call) -> None:
    """Make every transition that time has brought, so that a search by State finds what is true now (s4.57).

    An object whose seal is broken is left as it is: those who look for others need not suffer from it.
    """
    left: set[str] = set()
    while due := [
        row for row in call.unit.due(call.now, _DUE_AT_ONCE + len(left)) if row.unique_identifier not in left
    ]:
        left.update(row.unique_identifier for row in due if not call.settle(ManagedObject.of(row)))


def _visible(call: Call, wanted: Patterns, storage: int) -> Iterator[ObjectRow]:
    """The rows that match and that the caller may locate, newest first."""
    narrowed = narrow(wanted)
    mine = Search(
        owner=call.caller.name,
        columns=narrowed.columns,
        mask=narrowed.mask,
        index=narrowed.index,
        online=bool(storage & StorageStatusMask.ON_LINE_STORAGE),
        archived=bool(storage & StorageStatusMask.ARCHIVAL_STORAGE),
        destroyed=bool(storage & StorageStatusMask.DESTROYED_STORAGE),
    )
    searches = [mine, *_beyond_own(call, mine)]
    rows = call.unit.search(mine) if len(searches) == 1 else _merged(call, searches)
    for row in rows:
        if call.decide(Operation.LOCATE, row).allowed and (
            not narrowed.rest or matches(ManagedObject.of(row).attributes, narrowed.rest)
        ):
            yield row


_LOCATABLE: Final = frozenset([kind.name for kind in STRUCTURES])


def _beyond_own(call: Call, mine: Search) -> Iterator[Search]:
    """The same search among what policies share with the caller, whoever owns it."""
    for owner, policy, kind in call.ruling.beyond_own(call.subject, Operation.LOCATE.name):
        if owner == mine.owner or (kind is not None and kind not in _LOCATABLE):
            continue
        columns: dict[str, int | str | bool | Range] = {}
        if policy is not None:
            columns["operation_policy"] = policy
        if kind is not None:
            columns["object_type"] = int(ObjectType[kind])
        if all(mine.columns.get(name, value) == value for name, value in columns.items()):
            yield replace(mine, owner=owner, columns=mine.columns | columns)


def _merged(call: Call, searches: list[Search]) -> Iterator[ObjectRow]:
    """The rows of several searches as one, newest first, each once."""
    last = None
    streams = [call.unit.search(search) for search in searches]
    for row in merge(*streams, key=lambda row: (row.initial_date, row.unique_identifier), reverse=True):
        if row.unique_identifier != last:
            yield row
        last = row.unique_identifier
