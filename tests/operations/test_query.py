"""Query (KMIP 2.1 s6.1.40): what the server says about itself is what its tables make true."""

from __future__ import annotations

import pytest
from support.engine import EngineHarness
from support.numbers import Operation, Reason, Tag
from support.requests import Request, query
from support.wire import VERSIONS, Node, Version, enumeration, structure, text

from kmip_server import __version__
from kmip_server.operations.registry import REGISTRY

OPERATIONS, OBJECTS, SERVER_INFORMATION, APPLICATION_NAMESPACES, EXTENSION_LIST, EXTENSION_MAP = range(1, 7)
ATTESTATION_TYPES, RNGS, VALIDATIONS, PROFILES, CAPABILITIES, CLIENT_REGISTRATION_METHODS = range(7, 13)
DEFAULTS, STORAGE_PROTECTION_MASKS = 13, 14


def answer(engine: EngineHarness, version: Version, *functions: int) -> Node:
    result = engine.client(version).do(query(*functions)).expect_success()
    assert result.payload is not None
    return result.payload


def values(node: Node, tag: int) -> list[int]:
    return [child.value for child in node.all(tag)]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_operation_that_the_version_has_and_the_server_carries_out_is_listed(
    engine: EngineHarness, version: Version
) -> None:
    listed = values(answer(engine, version, OPERATIONS), Tag.OPERATION)
    assert sorted(listed) == sorted(int(code) for code, spec in REGISTRY.items() if spec.since <= version <= spec.until)
    assert Operation.QUERY in listed


def test_an_operation_of_a_later_version_is_not_listed(engine: EngineHarness) -> None:
    assert Operation.DISCOVER_VERSIONS not in values(answer(engine, (1, 0), OPERATIONS), Tag.OPERATION)
    assert Operation.ENCRYPT not in values(answer(engine, (1, 1), OPERATIONS), Tag.OPERATION)
    assert Operation.SET_ATTRIBUTE not in values(answer(engine, (1, 4), OPERATIONS), Tag.OPERATION)
    assert Operation.SET_ATTRIBUTE in values(answer(engine, (2, 0), OPERATIONS), Tag.OPERATION)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_object_types_are_those_that_can_be_registered(engine: EngineHarness, version: Version) -> None:
    assert sorted(values(answer(engine, version, OBJECTS), Tag.OBJECT_TYPE)) == [1, 2, 3, 4, 7, 8]


@pytest.mark.parametrize("version", VERSIONS)
def test_server_information_names_the_vendor_and_no_build(engine: EngineHarness, version: Version) -> None:
    payload = answer(engine, version, SERVER_INFORMATION)
    assert payload.get(Tag.VENDOR_IDENTIFICATION)
    information = payload.find(Tag.SERVER_INFORMATION)
    assert information is not None
    assert not [node for node in payload.walk() if isinstance(node.value, str) and __version__ in node.value]
    assert not {Tag.BUILD_LEVEL, Tag.SERVER_VERSION, Tag.BUILD_DATE} & {node.tag for node in payload.walk()}


def test_only_what_was_asked_for_is_answered(engine: EngineHarness) -> None:
    assert {node.tag for node in answer(engine, (1, 4), OBJECTS).value} == {Tag.OBJECT_TYPE}


def test_a_function_that_is_asked_twice_is_answered_once(engine: EngineHarness) -> None:
    assert answer(engine, (2, 1), OBJECTS, OBJECTS) == answer(engine, (2, 1), OBJECTS)


@pytest.mark.parametrize(
    ("version", "function"),
    [
        ((1, 0), APPLICATION_NAMESPACES),
        ((1, 1), EXTENSION_LIST),
        ((1, 1), EXTENSION_MAP),
        ((1, 2), ATTESTATION_TYPES),
        ((1, 3), VALIDATIONS),
        ((1, 3), CLIENT_REGISTRATION_METHODS),
    ],
)
def test_the_response_payload_is_empty_if_there_are_no_values_to_return(
    engine: EngineHarness, version: Version, function: int
) -> None:
    assert answer(engine, version, function).value == ()


@pytest.mark.parametrize(
    ("version", "function"), [((1, 0), EXTENSION_LIST), ((1, 2), RNGS), ((1, 4), DEFAULTS), ((2, 1), 99)]
)
def test_a_function_that_the_version_does_not_have_is_refused(
    engine: EngineHarness, version: Version, function: int
) -> None:
    expected = Reason.UNKNOWN_ENUMERATION if version >= (2, 0) else Reason.INVALID_FIELD
    assert engine.client(version).do(query(function)).reason == expected


def test_a_query_names_at_least_one_function(engine: EngineHarness) -> None:
    assert engine.client().do(query()).reason == Reason.INVALID_MESSAGE


@pytest.mark.parametrize("version", [(1, 3), (1, 4), (2, 0), (2, 1)])
def test_an_rng_whose_details_are_not_known_is_unspecified(engine: EngineHarness, version: Version) -> None:
    assert answer(engine, version, RNGS).get(Tag.RNG_PARAMETERS, Tag.RNG_ALGORITHM) == 1


def test_profiles_are_those_of_the_client_s_version(engine: EngineHarness) -> None:
    names = {
        version: [node.get(Tag.PROFILE_NAME) for node in answer(engine, version, PROFILES).all(Tag.PROFILE_INFORMATION)]
        for version in [(1, 3), (1, 4), (2, 1)]
    }
    assert names[1, 3] == []
    assert 0x82 in names[1, 4]  # Symmetric Key Lifecycle Server KMIP v1.4
    assert 0x109 in names[2, 1]  # Symmetric Key Lifecycle Server
    assert not set(names[1, 4]) & set(names[2, 1])


def test_capabilities_are_told_as_far_as_the_version_has_them(engine: EngineHarness) -> None:
    in_1_3 = answer(engine, (1, 3), CAPABILITIES).find(Tag.CAPABILITY_INFORMATION)
    in_2_1 = answer(engine, (2, 1), CAPABILITIES).find(Tag.CAPABILITY_INFORMATION)
    assert in_1_3 is not None
    assert in_2_1 is not None
    assert in_1_3.get(Tag.BATCH_UNDO_CAPABILITY) is None
    assert in_2_1.get(Tag.BATCH_UNDO_CAPABILITY) is True
    assert in_2_1.get(Tag.BATCH_CONTINUE_CAPABILITY) is True
    assert in_2_1.get(Tag.ATTESTATION_CAPABILITY) is False
    assert in_2_1.get(Tag.QUANTUM_SAFE_CAPABILITY) is False
    assert in_2_1.get(Tag.STREAMING_CAPABILITY) is True
    assert in_2_1.get(Tag.ASYNCHRONOUS_CAPABILITY) is True


def test_defaults_are_those_that_a_new_key_gets(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    defaults = answer(engine, (2, 1), DEFAULTS).find(Tag.DEFAULTS_INFORMATION)
    assert defaults is not None
    of_keys = next(node for node in defaults.all(Tag.OBJECT_DEFAULTS) if node.get(Tag.OBJECT_TYPE) == 2)
    create = Request(Operation.CREATE, enumeration(Tag.OBJECT_TYPE, 2) + structure(Tag.ATTRIBUTES))
    key = client.do(create).unique_identifier
    asked = Request(Operation.GET_ATTRIBUTES, text(Tag.UNIQUE_IDENTIFIER, key))
    made = client.do(asked).expect_success().payload
    assert made is not None
    for tag in (Tag.CRYPTOGRAPHIC_ALGORITHM, Tag.CRYPTOGRAPHIC_LENGTH, Tag.CRYPTOGRAPHIC_USAGE_MASK):
        assert of_keys.get(Tag.ATTRIBUTES, tag) == made.get(Tag.ATTRIBUTES, tag)


def test_storage_protection_is_software(engine: EngineHarness) -> None:
    payload = answer(engine, (2, 0), STORAGE_PROTECTION_MASKS)
    assert payload.get(Tag.PROTECTION_STORAGE_MASKS, Tag.PROTECTION_STORAGE_MASK) == 1


def test_an_object_group_is_unknown_to_query(engine: EngineHarness) -> None:
    groups = structure(Tag.OBJECT_GROUPS, text(Tag.OBJECT_GROUP, "a group"))
    asked = Request(Operation.QUERY, enumeration(Tag.QUERY_FUNCTION, DEFAULTS) + groups)
    assert engine.client((2, 1)).do(asked).reason == Reason.UNKNOWN_OBJECT_GROUP
    assert engine.client((2, 0)).do(asked).reason in (Reason.UNKNOWN_TAG, Reason.INVALID_MESSAGE)


def test_operations_and_objects_fit_in_two_thousand_bytes(engine: EngineHarness) -> None:
    payload = answer(engine, (2, 1), OPERATIONS, OBJECTS)
    assert 16 * len(payload.value) < 2048 - 200
