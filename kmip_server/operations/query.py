"""Query: what this server can do (KMIP 2.1 s6.1.40). Every answer derives from the tables that make it true.

Nothing that is stored is looked at, so that the answer tells nobody anything about anyone's objects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, boolean, enumeration, payload, structure, text
from kmip_server.messages.structures import RNGParameters
from kmip_server.objects.attribute_fields import attribute_list
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.objects.key_block import STRUCTURES
from kmip_server.operations.call import Call
from kmip_server.operations.creation import SERVER_RNG
from kmip_server.operations.defaults import DEFAULTS, Default
from kmip_server.operations.protection import STORED_IN, ProtectionStorageMasks
from kmip_server.operations.registry import REGISTRY, operation
from kmip_server.ttlv import enumerations as enums
from kmip_server.ttlv.enumerations import ObjectType, Operation, ProfileName, QueryFunction, ResultReason
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_3, V1_4, V2_0, V2_1, ProtocolVersion

VENDOR: Final = "kmip-server"
"""Vendor Identification. Neither it nor Server Information says which version or build this is."""


@payload
class ObjectGroups(Payload):
    """Object Groups (s7.23)."""

    object_group: tuple[str, ...] = text(Tag.OBJECT_GROUP, many=True)


@payload
class QueryRequest(Payload):
    """What the client wants to know."""

    query_function: tuple[QueryFunction, ...] = enumeration(Tag.QUERY_FUNCTION, QueryFunction, many=True, required=True)
    object_groups: ObjectGroups | None = structure(Tag.OBJECT_GROUPS, ObjectGroups, since=V2_1)


@payload
class ServerInformation(Payload):
    """Server Information (s7.37): vendors' own fields in 1.x, standard ones since 2.0."""

    product_name: str | None = text(Tag.PRODUCT_NAME, since=V2_0)


@payload
class ProfileInformation(Payload):
    """Profile Information (s7.31)."""

    profile_name: ProfileName = enumeration(Tag.PROFILE_NAME, ProfileName, required=True)


@payload
class CapabilityInformation(Payload):
    """Capability Information (s7.5)."""

    streaming_capability: bool | None = boolean(Tag.STREAMING_CAPABILITY)
    asynchronous_capability: bool | None = boolean(Tag.ASYNCHRONOUS_CAPABILITY)
    attestation_capability: bool | None = boolean(Tag.ATTESTATION_CAPABILITY)
    batch_undo_capability: bool | None = boolean(Tag.BATCH_UNDO_CAPABILITY, since=V1_4)
    batch_continue_capability: bool | None = boolean(Tag.BATCH_CONTINUE_CAPABILITY, since=V1_4)
    unwrap_mode: enums.UnwrapMode | None = enumeration(Tag.UNWRAP_MODE, enums.UnwrapMode)
    destroy_action: enums.DestroyAction | None = enumeration(Tag.DESTROY_ACTION, enums.DestroyAction)
    shredding_algorithm: enums.ShreddingAlgorithm | None = enumeration(
        Tag.SHREDDING_ALGORITHM, enums.ShreddingAlgorithm
    )
    rng_mode: enums.RNGMode | None = enumeration(Tag.RNG_MODE, enums.RNGMode)
    quantum_safe_capability: bool | None = boolean(Tag.QUANTUM_SAFE_CAPABILITY, since=V2_0)


@payload
class ObjectDefaults(Payload):
    """Object Defaults (s7.22)."""

    object_type: ObjectType = enumeration(Tag.OBJECT_TYPE, ObjectType, required=True)
    attributes: tuple[AttributeValue, ...] = attribute_list()


@payload
class DefaultsInformation(Payload):
    """Defaults Information (s7.11)."""

    object_defaults: tuple[ObjectDefaults, ...] = structure(Tag.OBJECT_DEFAULTS, ObjectDefaults, many=True)


@payload
class QueryResponse(Payload):
    """What the client asked for, as far as there is something to say.

    This server generates no Application Data, knows no extensions, attests nothing, asserts no validation and
    registers no clients over the protocol: those fields of the standard are never in the answer.
    """

    operation: tuple[Operation, ...] = enumeration(Tag.OPERATION, Operation, many=True)
    object_type: tuple[ObjectType, ...] = enumeration(Tag.OBJECT_TYPE, ObjectType, many=True)
    vendor_identification: str | None = text(Tag.VENDOR_IDENTIFICATION)
    server_information: ServerInformation | None = structure(Tag.SERVER_INFORMATION, ServerInformation)
    rng_parameters: tuple[RNGParameters, ...] = structure(Tag.RNG_PARAMETERS, RNGParameters, many=True, since=V1_3)
    profile_information: tuple[ProfileInformation, ...] = structure(
        Tag.PROFILE_INFORMATION, ProfileInformation, many=True, since=V1_3
    )
    capability_information: CapabilityInformation | None = structure(
        Tag.CAPABILITY_INFORMATION, CapabilityInformation, since=V1_3
    )
    defaults_information: DefaultsInformation | None = structure(
        Tag.DEFAULTS_INFORMATION, DefaultsInformation, since=V2_0
    )
    protection_storage_masks: ProtectionStorageMasks | None = structure(
        Tag.PROTECTION_STORAGE_MASKS, ProtectionStorageMasks, since=V2_0
    )


@operation(
    Operation.QUERY,
    request=QueryRequest,
    response=QueryResponse,
    names_object=False,
    stateless=True,
)
def query(call: Call, request: QueryRequest) -> QueryResponse:
    """Answer each Query Function once. Raises Unknown Object Group: no group has defaults of its own (s6.1.40)."""
    if request.object_groups is not None and request.object_groups.object_group:
        raise KmipError(ResultReason.UNKNOWN_OBJECT_GROUP, "this server has no defaults for Object Groups (420166)")
    answers: dict[str, Any] = {}
    for function in request.query_function:
        if function in _ANSWERS:
            answers.update(_ANSWERS[function](call.version))
    return QueryResponse(**answers)


# What each function answers. ------------------------------------------------------------------------------------------


def _operations(version: ProtocolVersion) -> dict[str, Any]:
    return {"operation": tuple(sorted(code for code, spec in REGISTRY.items() if spec.known_in(version)))}


def _objects(version: ProtocolVersion) -> dict[str, Any]:
    return {"object_type": tuple([object_type for object_type in STRUCTURES if object_type.known_in(version)])}


def _server_information(version: ProtocolVersion) -> dict[str, Any]:
    return {"vendor_identification": VENDOR, "server_information": ServerInformation(product_name=VENDOR)}


def _rngs(version: ProtocolVersion) -> dict[str, Any]:
    return {"rng_parameters": (SERVER_RNG,)}


PROFILES: Final[tuple[str, ...]] = (
    "BASELINE_SERVER",
    "TAPE_LIBRARY_SERVER",
    "SYMMETRIC_KEY_LIFECYCLE_SERVER",
    "ASYMMETRIC_KEY_LIFECYCLE_SERVER",
    "BASIC_CRYPTOGRAPHIC_SERVER",
    "ADVANCED_CRYPTOGRAPHIC_SERVER",
    "RNG_CRYPTOGRAPHIC_SERVER",
    "SYMMETRIC_KEY_FOUNDRY_SERVER",
    "OPAQUE_MANAGED_OBJECT_STORE_SERVER",
    "STORAGE_ARRAY_WITH_SELF_ENCRYPTING_DRIVE_SERVER",
    "HTTPS_SERVER",
    "JSON_SERVER",
    "XML_SERVER",
)
"""The profiles whose published test cases this server passes: those of KMIP 1.4 and 2.1 exist."""


def _profiles(version: ProtocolVersion) -> dict[str, Any]:
    if version >= V2_0:
        names = PROFILES
    elif version == V1_4:
        names = tuple(f"{name.replace('BASELINE_SERVER', 'BASELINE_SERVER_BASIC')}_KMIP_V1_4" for name in PROFILES)
    else:
        names = ()
    return {"profile_information": tuple([ProfileInformation(profile_name=ProfileName[name]) for name in names])}


def _capabilities(version: ProtocolVersion) -> dict[str, Any]:
    capabilities = CapabilityInformation(
        streaming_capability=any(
            slot.tag == Tag.INIT_INDICATOR for spec in REGISTRY.values() for slot in spec.request.slots(version)
        ),
        asynchronous_capability=Operation.POLL in REGISTRY,
        attestation_capability=False,
        batch_undo_capability=True,
        batch_continue_capability=True,
        unwrap_mode=enums.UnwrapMode.NOT_PROCESSED,
        destroy_action=enums.DestroyAction.KEY_MATERIAL_SHREDDED,
        shredding_algorithm=enums.ShreddingAlgorithm.CRYPTOGRAPHIC,
        rng_mode=enums.RNGMode.SHARED_INSTANTIATION,
        quantum_safe_capability=False,
    )
    return {"capability_information": capabilities}


def _defaults(version: ProtocolVersion) -> dict[str, Any]:
    return {
        "defaults_information": DefaultsInformation(
            object_defaults=tuple(
                [
                    ObjectDefaults(object_type=object_type, attributes=_attributes(default))
                    for object_type, default in DEFAULTS.items()
                ]
            )
        )
    }


def _attributes(default: Default) -> tuple[AttributeValue, ...]:
    return (
        AttributeValue(Tag.CRYPTOGRAPHIC_ALGORITHM, default.algorithm),
        AttributeValue(Tag.CRYPTOGRAPHIC_LENGTH, default.length),
        AttributeValue(Tag.CRYPTOGRAPHIC_USAGE_MASK, default.usage_mask),
    )


def _storage_protection_masks(version: ProtocolVersion) -> dict[str, Any]:
    return {"protection_storage_masks": ProtectionStorageMasks(protection_storage_mask=(int(STORED_IN),))}


_ANSWERS: Final[dict[QueryFunction, Callable[[ProtocolVersion], dict[str, Any]]]] = {
    QueryFunction.QUERY_OPERATIONS: _operations,
    QueryFunction.QUERY_OBJECTS: _objects,
    QueryFunction.QUERY_SERVER_INFORMATION: _server_information,
    QueryFunction.QUERY_RNGS: _rngs,
    QueryFunction.QUERY_PROFILES: _profiles,
    QueryFunction.QUERY_CAPABILITIES: _capabilities,
    QueryFunction.QUERY_DEFAULTS_INFORMATION: _defaults,
    QueryFunction.QUERY_STORAGE_PROTECTION_MASKS: _storage_protection_masks,
}
"""Query Functions without a row have nothing to say on this server."""
