"""What the items of one batch share: the ID Placeholder, and references to what earlier items answered.

KMIP 2.1 s4.58 (Unique Identifier) and s7.9 (Data). In 1.x there is only the ID Placeholder (KMIP 1.4 s4).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from kmip_server.errors import KmipError
from kmip_server.messages.structures import DataReference, Identifier
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.ttlv.enumerations import DataEnumeration, Operation, ResultReason, UniqueIdentifier
from kmip_server.ttlv.tags import Tag


class Produced(NamedTuple):
    """What one successful batch item answered."""

    operation: Operation
    identifiers: tuple[str, ...]
    data: bytes | None


_PRODUCED_BY: Final[dict[UniqueIdentifier, tuple[Operation, int | None]]] = {
    UniqueIdentifier.CERTIFY: (Operation.CERTIFY, None),
    UniqueIdentifier.CREATE: (Operation.CREATE, None),
    UniqueIdentifier.CREATE_KEY_PAIR: (Operation.CREATE_KEY_PAIR, None),
    UniqueIdentifier.CREATE_KEY_PAIR_PRIVATE_KEY: (Operation.CREATE_KEY_PAIR, 0),
    UniqueIdentifier.CREATE_KEY_PAIR_PUBLIC_KEY: (Operation.CREATE_KEY_PAIR, 1),
    UniqueIdentifier.CREATE_SPLIT_KEY: (Operation.CREATE_SPLIT_KEY, None),
    UniqueIdentifier.DERIVE_KEY: (Operation.DERIVE_KEY, None),
    UniqueIdentifier.IMPORT: (Operation.IMPORT, None),
    UniqueIdentifier.JOIN_SPLIT_KEY: (Operation.JOIN_SPLIT_KEY, None),
    UniqueIdentifier.LOCATE: (Operation.LOCATE, None),
    UniqueIdentifier.REGISTER: (Operation.REGISTER, None),
    UniqueIdentifier.RE_KEY: (Operation.RE_KEY, None),
    UniqueIdentifier.RE_CERTIFY: (Operation.RE_CERTIFY, None),
    UniqueIdentifier.RE_KEY_KEY_PAIR: (Operation.RE_KEY_KEY_PAIR, None),
    UniqueIdentifier.RE_KEY_KEY_PAIR_PRIVATE_KEY: (Operation.RE_KEY_KEY_PAIR, 0),
    UniqueIdentifier.RE_KEY_KEY_PAIR_PUBLIC_KEY: (Operation.RE_KEY_KEY_PAIR, 1),
}

_DATA_OF: Final[dict[DataEnumeration, tuple[Operation, ...]]] = {
    DataEnumeration.DECRYPT: (Operation.DECRYPT,),
    DataEnumeration.ENCRYPT: (Operation.ENCRYPT,),
    DataEnumeration.HASH: (Operation.HASH,),
    DataEnumeration.MAC_MAC_DATA: (Operation.MAC,),
    DataEnumeration.RNG_RETRIEVE: (Operation.RNG_RETRIEVE,),
    DataEnumeration.SIGN_SIGNATURE_DATA: (Operation.SIGN,),
    DataEnumeration.SIGNATURE_VERIFY: (Operation.SIGNATURE_VERIFY,),
}


@dataclass(slots=True)
class Batch:
    """The state of one batch, in the order of its items."""

    id_placeholder: str | None = None
    produced: list[Produced] = field(default_factory=list)
    held: frozenset[str] = frozenset()
    """Unique Identifiers of shared keys that its items have made, and that other sites have still to take."""
    pbkdf2_iterations: int = 0
    """How many its items have taken; failed ones, too."""
    rsa_pairs: int = 0
    """How many its items have generated within the transaction; failed ones, too."""

    def identifier(self, given: Identifier | None) -> str:
        """The Unique Identifier that a request means. Raises Object Not Found if it means none, or several."""
        if isinstance(given, str):
            return given
        if given is None or given is UniqueIdentifier.ID_PLACEHOLDER:
            if self.id_placeholder is None:
                raise KmipError(
                    ResultReason.OBJECT_NOT_FOUND,
                    "no Unique Identifier (420094) is given, and the ID Placeholder is empty",
                )
            return self.id_placeholder
        if isinstance(given, UniqueIdentifier):
            operation, place = _PRODUCED_BY[given]
            for item in reversed(self.produced):
                if item.operation is operation:
                    found = item.identifiers if place is None else item.identifiers[place : place + 1]
                    if len(found) == 1:
                        return found[0]
                    break
            raise KmipError(
                ResultReason.OBJECT_NOT_FOUND,
                f"the Unique Identifier (420094) {given.title} does not mean exactly one object in this batch",
            )
        every = [identifier for item in self.produced for identifier in item.identifiers]
        if not -len(every) <= given < len(every):
            raise KmipError(
                ResultReason.OBJECT_NOT_FOUND, "this batch has not answered a Unique Identifier (420094) so many times"
            )
        return every[given]

    def resolved(self, attribute: AttributeValue) -> AttributeValue:
        """An attribute as it is kept or compared: a Link to an earlier item is one to its object (s4.31)."""
        linked = attribute.value.linked_object_identifier if attribute.tag is Tag.LINK else None
        if linked is None or isinstance(linked, str):
            return attribute
        return attribute._replace(value=replace(attribute.value, linked_object_identifier=self.identifier(linked)))

    def data(self, given: DataReference | None) -> bytes | None:
        """The data that a request means: its own bytes, or what an earlier item answered (s7.9)."""
        if given is None or isinstance(given, bytes):
            return given
        if isinstance(given, DataEnumeration):
            operations = _DATA_OF[given]
            for item in reversed(self.produced):
                if item.operation in operations and item.data is not None:
                    return item.data
        else:
            every = [item.data for item in self.produced if item.data is not None]
            if -len(every) <= given < len(every):
                return every[given]
        raise KmipError(ResultReason.INVALID_FIELD, "Data (4200C2) refers to an output that this batch does not have")
