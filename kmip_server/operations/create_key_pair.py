"""Create Key Pair: the server makes a private and a public key (KMIP 2.1 s6.1.9, KMIP 1.4 s4.2)."""

from __future__ import annotations

from kmip_server.messages.fields import Payload, payload, structure, text
from kmip_server.objects.attribute_fields import template
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.operations.call import Call
from kmip_server.operations.creation import check_template
from kmip_server.operations.key_pairs import NewKeyPair, add_pair, generate, merged, new_pair, pair_wanted
from kmip_server.operations.protection import ProtectionStorageMasks, check_protection
from kmip_server.operations.registry import operation
from kmip_server.operations.services import Services
from kmip_server.ttlv.enumerations import ObjectType, Operation, ResultReason
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V2_0


@payload
class PairAttributes(Payload):
    """What a new key pair shall have: attributes of both keys, and of each (Re-key Key Pair has the same fields)."""

    common_attributes: tuple[AttributeValue, ...] = template(Tag.COMMON_TEMPLATE_ATTRIBUTE, Tag.COMMON_ATTRIBUTES)
    private_key_attributes: tuple[AttributeValue, ...] = template(
        Tag.PRIVATE_KEY_TEMPLATE_ATTRIBUTE, Tag.PRIVATE_KEY_ATTRIBUTES
    )
    public_key_attributes: tuple[AttributeValue, ...] = template(
        Tag.PUBLIC_KEY_TEMPLATE_ATTRIBUTE, Tag.PUBLIC_KEY_ATTRIBUTES
    )
    common_protection_storage_masks: ProtectionStorageMasks | None = structure(
        Tag.COMMON_PROTECTION_STORAGE_MASKS, ProtectionStorageMasks, since=V2_0
    )
    private_protection_storage_masks: ProtectionStorageMasks | None = structure(
        Tag.PRIVATE_PROTECTION_STORAGE_MASKS, ProtectionStorageMasks, since=V2_0
    )
    public_protection_storage_masks: ProtectionStorageMasks | None = structure(
        Tag.PUBLIC_PROTECTION_STORAGE_MASKS, ProtectionStorageMasks, since=V2_0
    )

    @property
    def for_private_key(self) -> tuple[AttributeValue, ...]:
        """The attributes that the private key shall have."""
        return merged(self.common_attributes, self.private_key_attributes)

    @property
    def for_public_key(self) -> tuple[AttributeValue, ...]:
        """The attributes that the public key shall have."""
        return merged(self.common_attributes, self.public_key_attributes)

    def check_protection(self) -> None:
        """Refuse what no storage of this server can satisfy (s7.33)."""
        check_protection(self.common_protection_storage_masks, ResultReason.PRIVATE_PROTECTION_STORAGE_UNAVAILABLE)
        check_protection(self.private_protection_storage_masks, ResultReason.PRIVATE_PROTECTION_STORAGE_UNAVAILABLE)
        check_protection(self.public_protection_storage_masks, ResultReason.PUBLIC_PROTECTION_STORAGE_UNAVAILABLE)


@payload
class CreateKeyPairRequest(PairAttributes):
    """What to make."""


@payload
class CreateKeyPairResponse(Payload):
    """The two new objects."""

    private_key_unique_identifier: str = text(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER, required=True)
    public_key_unique_identifier: str = text(Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER, required=True)


def _prepare(services: Services, request: CreateKeyPairRequest) -> NewKeyPair:
    return generate(pair_wanted(request.for_private_key, request.for_public_key))


@operation(
    Operation.CREATE_KEY_PAIR,
    request=CreateKeyPairRequest,
    response=CreateKeyPairResponse,
    changes=True,
    names_object=False,
    prepare=_prepare,
)
def create_key_pair(call: Call, request: CreateKeyPairRequest) -> CreateKeyPairResponse:
    """Store the pair that was generated beforehand. The ID Placeholder is the private key's (s6.1.9)."""
    request.check_protection()
    private_key, public_key = new_pair(
        call,
        call.prepared,
        check_template(call, ObjectType.PRIVATE_KEY, request.for_private_key),
        check_template(call, ObjectType.PUBLIC_KEY, request.for_public_key),
    )
    add_pair(call, call.prepared, private_key, public_key)
    call.batch.id_placeholder = private_key.unique_identifier
    return CreateKeyPairResponse(
        private_key_unique_identifier=private_key.unique_identifier,
        public_key_unique_identifier=public_key.unique_identifier,
    )
