"""What a new object takes over from the objects it is made from: it is never less protected than they are."""

from __future__ import annotations

from collections.abc import Iterable

from kmip_server.objects.attribute_set import AttributeSet
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.ttlv.tags import Tag


def no_looser(template: AttributeSet, parents: Iterable[ManagedObject]) -> AttributeSet:
    """The template with Sensitive and Extractable at least as strict as those of every parent (s4.23, s4.54)."""
    for parent in parents:
        if parent.first(Tag.SENSITIVE):
            template = template.with_value(Tag.SENSITIVE, True)
        if parent.first(Tag.EXTRACTABLE) is False:
            template = template.with_value(Tag.EXTRACTABLE, False)
    return template
