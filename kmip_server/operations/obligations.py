"""What a policy requires of keys: how long one may be used before it is renewed, and how often.

A new object is brought within its bounds; a change of an object that would leave them is refused.
"""

from __future__ import annotations

from typing import Final

from kmip_server.errors import KmipError
from kmip_server.messages.kinds import name_of
from kmip_server.messages.structures import UsageLimits
from kmip_server.objects.attribute_set import AttributeSet
from kmip_server.objects.attributes import ATTRIBUTES
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.ttlv.enumerations import ResultReason, UsageLimitsUnit
from kmip_server.ttlv.tags import Tag
from policy.model import Obligations

BOUNDED: Final = frozenset({Tag.ACTIVATION_DATE, Tag.DEACTIVATION_DATE, Tag.USAGE_LIMITS})
"""Attributes whose change may leave the bounds."""

_ENDS: Final = (Tag.PROTECT_STOP_DATE, Tag.DEACTIVATION_DATE)


def bring_within(made: ManagedObject, obligations: Obligations, now: int) -> None:
    """Give a new object the Deactivation Date and the Usage Limits that it has to have, unless its own are stricter."""
    kinds = [tag for tag in (Tag.DEACTIVATION_DATE, Tag.USAGE_LIMITS) if made.object_type in ATTRIBUTES[tag].objects]
    if obligations.cryptoperiod is not None and Tag.DEACTIVATION_DATE in kinds:
        end = _start(made.attributes, now) + obligations.cryptoperiod
        for tag in _ENDS:
            given = made.first(tag)
            if (given is None and tag is Tag.DEACTIVATION_DATE) or (given is not None and given > end):
                made.set(tag, end)
    if obligations.usage_limit is not None and Tag.USAGE_LIMITS in kinds:
        made.set(Tag.USAGE_LIMITS, limited(made.first(Tag.USAGE_LIMITS), obligations.usage_limit))


def limited(given: UsageLimits | None, most: int) -> UsageLimits:
    """Usage Limits of so many objects, or those given, if they are no looser."""
    if given is not None and _is_limited(given, most):
        return given
    return UsageLimits(usage_limits_total=most, usage_limits_count=most, usage_limits_unit=UsageLimitsUnit.OBJECT)


def check_within(attributes: AttributeSet, obligations: Obligations, now: int) -> None:
    """Refuse attributes that leave the bounds. Raises Permission Denied."""
    if obligations.cryptoperiod is not None:
        end = attributes.first(Tag.DEACTIVATION_DATE)
        if end is None or end > _start(attributes, now) + obligations.cryptoperiod:
            raise _refused(Tag.DEACTIVATION_DATE, f"at most {obligations.cryptoperiod} seconds after its activation")
    if obligations.usage_limit is not None and not _is_limited(
        attributes.first(Tag.USAGE_LIMITS), obligations.usage_limit
    ):
        raise _refused(Tag.USAGE_LIMITS, f"for {obligations.usage_limit} objects at most")


def _start(attributes: AttributeSet, now: int) -> int:
    """When the key's period begins: with its activation, or now, if none is set."""
    activation: int | None = attributes.first(Tag.ACTIVATION_DATE)
    return now if activation is None else activation


def _is_limited(limits: UsageLimits | None, most: int) -> bool:
    return (
        limits is not None and limits.usage_limits_unit is UsageLimitsUnit.OBJECT and limits.usage_limits_total <= most
    )


def _refused(tag: Tag, bound: str) -> KmipError:
    return KmipError(ResultReason.PERMISSION_DENIED, f"the policy wants the object's {name_of(tag)}, {bound}")
