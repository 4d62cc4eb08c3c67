"""A managed object as the policy sees it: what rules ask about, read off its row, and no more of it than they ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from kmip_server.objects.managed_object import ManagedObject
from kmip_server.storage.port import ObjectRow
from kmip_server.ttlv.enumerations import CryptographicAlgorithm, CryptographicUsageMask, ObjectType, State
from kmip_server.ttlv.item import Type
from kmip_server.ttlv.tags import Tag
from policy.compiling import Ruling
from policy.decision import Subject, Thing
from policy.operation_policies import DEFAULT, SERVER
from policy.parameters import NO_PARAMETERS, Parameters

_TYPES: Final = {int(each): each.name for each in ObjectType}
_NOTHING: Final[frozenset[str]] = frozenset()


@lru_cache(maxsize=1024)
def server_itself(subject: Subject, parameters: Parameters = NO_PARAMETERS) -> Thing:
    """What is asked for by an operation that names no existing object."""
    return Thing(
        SERVER,
        owner=subject.name,
        tenants=frozenset({subject.tenant}),
        operation_policy=DEFAULT,
        parameters=parameters,
    )


@lru_cache(maxsize=256)
def bits_of(mask: int) -> frozenset[str]:
    """The names of the bits in a Cryptographic Usage Mask (s4.17)."""
    return frozenset([bit.name for bit in CryptographicUsageMask if mask & bit])


Computes = Callable[[ManagedObject], Parameters]
"""What tells with which Cryptographic Parameters an object will be used."""


class ObjectResource:
    """An object in a row of the storage, at a time in POSIX seconds (policy.decision.Resource).

    `computes` is asked once at most; without it nothing is computed with the object.
    """

    __slots__ = ("_computes", "_now", "_parameters", "_row", "_ruling")

    def __init__(self, ruling: Ruling, row: ObjectRow, now: int, computes: Computes | None = None) -> None:
        self._ruling, self._row, self._now, self._computes = ruling, row, now, computes
        self._parameters: Parameters | None = None

    @property
    def object_type(self) -> str:
        """The name of the Object Type's constant (s4.36)."""
        return _TYPES[self._row.object_type]

    @property
    def owner(self) -> str:
        """Who made it."""
        return self._row.owner

    @property
    def tenants(self) -> frozenset[str]:
        """Its owner's tenant."""
        return self._ruling.tenants(self._row.owner)

    @property
    def operation_policy(self) -> str:
        """Operation Policy Name (KMIP 1.4 s3.18)."""
        return self._row.operation_policy

    @property
    def groups(self) -> frozenset[str]:
        """Its Object Groups (s4.35)."""
        return frozenset(self._object().attributes.all(Tag.OBJECT_GROUP))

    @property
    def names(self) -> frozenset[str]:
        """Its Names (s4.32)."""
        return frozenset([name.name_value for name in self._object().attributes.all(Tag.NAME)])

    @property
    def attributes(self) -> Mapping[str, frozenset[str]]:
        """Its vendor attributes that are text, as "vendor-name" (s4.60)."""
        found: dict[str, frozenset[str]] = {}
        for value in self._object().attributes.all(Tag.ATTRIBUTE):
            if value.attribute_value.type == Type.TEXT_STRING:
                name = f"{value.vendor_identification}-{value.attribute_name}"
                found[name] = found.get(name, _NOTHING) | {value.attribute_value.value}
        return found

    @property
    def algorithm(self) -> str | None:
        """The name of the Cryptographic Algorithm's constant (s4.12)."""
        code = self._row.cryptographic_algorithm
        return None if code is None else CryptographicAlgorithm(code).name

    @property
    def length(self) -> int | None:
        """Cryptographic Length in bits (s4.14)."""
        return self._row.cryptographic_length

    @property
    def uses(self) -> frozenset[str]:
        """The names of the bits in its Cryptographic Usage Mask (s4.17)."""
        return bits_of(self._row.cryptographic_usage_mask or 0)

    @property
    def state(self) -> str | None:
        """The name of its State (s4.57), with the transitions that time has brought."""
        row = self._row
        if row.next_transition is not None and row.next_transition <= self._now:
            settled = self._object()
            settled.settle(self._now)
            return settled.state.name
        return None if row.state is None else State(row.state).name

    @property
    def pair(self) -> None:
        """An object is no pair of devices."""
        return

    @property
    def parameters(self) -> Parameters:
        """The Cryptographic Parameters in effect (s4.16)."""
        if self._parameters is None:
            self._parameters = NO_PARAMETERS if self._computes is None else self._computes(self._object())
        return self._parameters

    def _object(self) -> ManagedObject:
        return ManagedObject.of(self._row)
