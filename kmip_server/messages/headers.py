"""Request and response messages: headers, batch items, credentials (KMIP 2.1 s8 and s9).

A batch item's payload stays an Item here: it is decoded by its operation, so that one bad payload fails one batch item
and not the whole message (KMIP 1.4 s11.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from kmip_server.errors import KmipError
from kmip_server.messages.fields import (
    Payload,
    Slot,
    boolean,
    byte_string,
    date_time,
    declare,
    enumeration,
    integer,
    item,
    payload,
    plain,
    secret_payload,
    structure,
    text,
)
from kmip_server.messages.kinds import ANY, EnumerationKind, Primitive, wrong_type
from kmip_server.ttlv import binary
from kmip_server.ttlv import enumerations as enums
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import SUPPORTED_VERSIONS, V1_0, V1_2, V1_4, V2_0, ProtocolVersion


@payload
class ProtocolVersionStructure(Payload):
    """Protocol Version (s9.16)."""

    protocol_version_major: int = integer(Tag.PROTOCOL_VERSION_MAJOR, required=True)
    protocol_version_minor: int = integer(Tag.PROTOCOL_VERSION_MINOR, required=True)

    @property
    def number(self) -> ProtocolVersion:
        """The version as a number that compares."""
        return ProtocolVersion(self.protocol_version_major, self.protocol_version_minor)


@payload
class Nonce(Payload):
    """Nonce (s9.14)."""

    nonce_id: bytes = byte_string(Tag.NONCE_ID, required=True)
    nonce_value: bytes = byte_string(Tag.NONCE_VALUE, required=True)


@payload
class UsernameAndPassword(Payload):
    """Credential Value for Username and Password (s9.11)."""

    username: str = text(Tag.USERNAME, required=True)
    password: str | None = text(Tag.PASSWORD)

    def __repr__(self) -> str:
        return f"UsernameAndPassword(username={self.username!r})"


@payload
class Device(Payload):
    """Credential Value for Device (s9.11)."""

    device_serial_number: str | None = text(Tag.DEVICE_SERIAL_NUMBER)
    password: str | None = text(Tag.PASSWORD)
    device_identifier: str | None = text(Tag.DEVICE_IDENTIFIER)
    network_identifier: str | None = text(Tag.NETWORK_IDENTIFIER)
    machine_identifier: str | None = text(Tag.MACHINE_IDENTIFIER)
    media_identifier: str | None = text(Tag.MEDIA_IDENTIFIER)

    def __repr__(self) -> str:
        return f"Device(device_serial_number={self.device_serial_number!r})"


@secret_payload
class Credential(Payload):
    """Credential (s9.11). The value's structure depends on the type; the identity room reads it."""

    credential_type: enums.CredentialType = enumeration(Tag.CREDENTIAL_TYPE, enums.CredentialType, required=True)
    credential_value: Item = item(Tag.CREDENTIAL_VALUE, required=True)

    def __repr__(self) -> str:
        return f"Credential({self.credential_type.title})"


@payload
class Authentication(Payload):
    """Authentication (s9.4): every credential must be satisfied."""

    credential: tuple[Credential, ...] = structure(Tag.CREDENTIAL, Credential, required=True, many=True)


class AsynchronousIndicatorField:
    """Asynchronous Indicator: a Boolean in 1.x (KMIP 1.4 s6.7), an Enumeration since 2.0 (s9.2).

    In Python it is the enumeration: True is Optional (the client can take an asynchronous answer), False Prohibited.
    """

    _boolean: Final = Primitive(Type.BOOLEAN)
    _enumeration: Final = EnumerationKind(enums.AsynchronousIndicator)

    def slots(self, name: str, version: ProtocolVersion) -> tuple[Slot, ...]:
        """See Field."""
        tag = Tag.ASYNCHRONOUS_INDICATOR
        if version >= V2_0:
            return (
                Slot(
                    name,
                    tag,
                    False,
                    False,
                    lambda items: self._enumeration.read(items[0], version),
                    lambda value: self._enumeration.write(tag, value, version),
                ),
            )
        optional, prohibited = enums.AsynchronousIndicator.OPTIONAL, enums.AsynchronousIndicator.PROHIBITED
        return (
            Slot(
                name,
                tag,
                False,
                False,
                lambda items: optional if self._boolean.read(items[0], version) else prohibited,
                lambda value: self._boolean.write(tag, value != prohibited, version),
            ),
        )


@payload
class RequestHeader(Payload):
    """Request Header (s8.2)."""

    protocol_version: ProtocolVersionStructure = structure(
        Tag.PROTOCOL_VERSION, ProtocolVersionStructure, required=True
    )
    maximum_response_size: int | None = integer(Tag.MAXIMUM_RESPONSE_SIZE)
    client_correlation_value: str | None = text(Tag.CLIENT_CORRELATION_VALUE, since=V1_4)
    server_correlation_value: str | None = text(Tag.SERVER_CORRELATION_VALUE, since=V1_4)
    asynchronous_indicator: enums.AsynchronousIndicator | None = declare(AsynchronousIndicatorField())
    attestation_capable_indicator: bool | None = boolean(Tag.ATTESTATION_CAPABLE_INDICATOR, since=V1_2)
    attestation_type: tuple[enums.AttestationType, ...] = enumeration(
        Tag.ATTESTATION_TYPE, enums.AttestationType, many=True, since=V1_2
    )
    authentication: Authentication | None = structure(Tag.AUTHENTICATION, Authentication)
    batch_error_continuation_option: enums.BatchErrorContinuationOption | None = enumeration(
        Tag.BATCH_ERROR_CONTINUATION_OPTION, enums.BatchErrorContinuationOption
    )
    batch_order_option: bool | None = boolean(Tag.BATCH_ORDER_OPTION)
    time_stamp: int | None = date_time(Tag.TIME_STAMP)
    batch_count: int = integer(Tag.BATCH_COUNT, required=True)


@payload
class MessageExtension(Payload):
    """Message Extension (s9.13)."""

    vendor_identification: str = text(Tag.VENDOR_IDENTIFICATION, required=True)
    criticality_indicator: bool = boolean(Tag.CRITICALITY_INDICATOR, required=True)
    vendor_extension: Item = item(Tag.VENDOR_EXTENSION, required=True)


class _OperationKind(EnumerationKind):
    """An operation that the version does not have is not supported, whatever else it may be (KMIP 1.4 s11.1)."""

    def read(self, item: Item, version: ProtocolVersion) -> enums.Operation:
        """See Kind."""
        try:
            operation: enums.Operation = super().read(item, version)
        except KmipError as error:
            if error.reason is enums.ResultReason.UNKNOWN_ENUMERATION:
                raise KmipError(enums.ResultReason.OPERATION_NOT_SUPPORTED, error.message) from None
            raise
        return operation


@payload
class RequestBatchItem(Payload):
    """Request Batch Item (s8.3)."""

    operation: enums.Operation = plain(Tag.OPERATION, _OperationKind(enums.Operation), required=True)
    ephemeral: bool | None = boolean(Tag.EPHEMERAL, since=V2_0)
    unique_batch_item_id: bytes | None = byte_string(Tag.UNIQUE_BATCH_ITEM_ID)
    request_payload: Item = item(Tag.REQUEST_PAYLOAD, required=True)
    message_extension: tuple[MessageExtension, ...] = structure(Tag.MESSAGE_EXTENSION, MessageExtension, many=True)


@payload
class ResponseHeader(Payload):
    """Response Header (s8.5)."""

    protocol_version: ProtocolVersionStructure = structure(
        Tag.PROTOCOL_VERSION, ProtocolVersionStructure, required=True
    )
    time_stamp: int = date_time(Tag.TIME_STAMP, required=True)
    nonce: Nonce | None = structure(Tag.NONCE, Nonce, since=V1_2)
    server_hashed_password: bytes | None = byte_string(Tag.SERVER_HASHED_PASSWORD, since=V2_0)
    attestation_type: tuple[enums.AttestationType, ...] = enumeration(
        Tag.ATTESTATION_TYPE, enums.AttestationType, many=True, since=V1_2
    )
    client_correlation_value: str | None = text(Tag.CLIENT_CORRELATION_VALUE, since=V1_4)
    server_correlation_value: str | None = text(Tag.SERVER_CORRELATION_VALUE, since=V1_4)
    batch_count: int = integer(Tag.BATCH_COUNT, required=True)


@payload
class ResponseBatchItem(Payload):
    """Response Batch Item (s8.6)."""

    operation: enums.Operation | None = enumeration(Tag.OPERATION, enums.Operation)
    unique_batch_item_id: bytes | None = byte_string(Tag.UNIQUE_BATCH_ITEM_ID)
    result_status: enums.ResultStatus = enumeration(Tag.RESULT_STATUS, enums.ResultStatus, required=True)
    result_reason: enums.ResultReason | None = enumeration(Tag.RESULT_REASON, enums.ResultReason)
    result_message: str | None = text(Tag.RESULT_MESSAGE)
    asynchronous_correlation_value: bytes | None = byte_string(Tag.ASYNCHRONOUS_CORRELATION_VALUE)
    response_payload: Item | None = item(Tag.RESPONSE_PAYLOAD)
    message_extension: tuple[MessageExtension, ...] = structure(Tag.MESSAGE_EXTENSION, MessageExtension, many=True)

    def encode(self, version: ProtocolVersion) -> bytes:
        """See Payload. Most items are successes without an identifier, and differ in their payload alone."""
        if (
            self.result_status is not enums.ResultStatus.SUCCESS
            or self.unique_batch_item_id is not None
            or self.asynchronous_correlation_value is not None
            or self.message_extension
        ):
            return super().encode(version)
        payload = self.response_payload
        rest = b"" if payload is None else ANY.write(Tag.RESPONSE_PAYLOAD, payload, version)
        return _success(self.operation, version) + rest


@lru_cache(maxsize=256)
def _success(operation: enums.Operation | None, version: ProtocolVersion) -> bytes:
    """What stands before the payload in the answer of an operation that succeeded."""
    return Payload.encode(ResponseBatchItem(operation=operation, result_status=enums.ResultStatus.SUCCESS), version)


class BatchItemError(KmipError):
    """Why a batch item cannot be decoded, and the Unique Batch Item ID of its answer, where that can be read (s8.6)."""

    def __init__(self, error: KmipError, items: Sequence[Item]) -> None:
        super().__init__(error.reason, error.message)
        self.unique_batch_item_id: bytes | None = next(
            (item.value for item in items if (item.tag, item.type) == (Tag.UNIQUE_BATCH_ITEM_ID, Type.BYTE_STRING)),
            None,
        )


class ExplainedError(KmipError):
    """A failure whose batch item has a Response Payload all the same: "Yes, if not a failure" does not forbid it."""

    def __init__(self, reason: enums.ResultReason, message: str, payload: Payload) -> None:
        super().__init__(reason, message)
        self.payload = payload


class RequestMessage(NamedTuple):
    """A decoded request: its version, header, and batch items whose payloads are still Items.

    `correlation` is the Server Correlation Value of its response, if that has one (s9.10).
    """

    version: ProtocolVersion
    header: RequestHeader
    items: tuple[RequestBatchItem | BatchItemError, ...]
    correlation: str | None = None


def decode_request(message: Item) -> RequestMessage:
    """Decode a Request Message's header and batch items (s8.1). Raises KmipError for what fails the whole message.

    A batch item that cannot be decoded stands in its place as its error.
    """
    if message.tag != Tag.REQUEST_MESSAGE or message.type != Type.STRUCTURE:
        raise KmipError(enums.ResultReason.INVALID_MESSAGE, "not a Request Message (420078)")
    children = message.value
    if not children or children[0].tag != Tag.REQUEST_HEADER or children[0].type != Type.STRUCTURE:
        raise KmipError(enums.ResultReason.INVALID_MESSAGE, "a Request Message starts with a Request Header (420077)")
    version = version_of(message)
    if version not in SUPPORTED_VERSIONS:
        raise KmipError(
            enums.ResultReason.UNSUPPORTED_PROTOCOL_VERSION,
            f"KMIP {version} is not supported; this server speaks 1.0 to 1.4, 2.0 and 2.1",
        )
    header = _header(children[0].value, version)
    return RequestMessage(version, header, tuple([_batch_item(child, version) for child in children[1:]]))


_NOT_KEPT: Final = frozenset(
    {Tag.AUTHENTICATION, Tag.CLIENT_CORRELATION_VALUE, Tag.SERVER_CORRELATION_VALUE, Tag.ATTESTATION_TYPE}
)


def _header(items: tuple[Item, ...], version: ProtocolVersion) -> RequestHeader:
    """The header; most clients send the same one with every request. What is secret, or has no bound, is not kept."""
    if not _NOT_KEPT.isdisjoint([item.tag for item in items]):
        return RequestHeader.decode(items, version)
    return _plain_header(items, version)


@lru_cache(maxsize=256)
def _plain_header(items: tuple[Item, ...], version: ProtocolVersion) -> RequestHeader:
    return RequestHeader.decode(items, version)


def _batch_item(child: Item, version: ProtocolVersion) -> RequestBatchItem | BatchItemError:
    if child.tag != Tag.BATCH_ITEM:
        raise KmipError(enums.ResultReason.INVALID_MESSAGE, "after the Request Header come Batch Items (42000F)")
    if child.type != Type.STRUCTURE:
        raise wrong_type(child, Type.STRUCTURE)
    try:
        return RequestBatchItem.decode(child.value, version)
    except KmipError as error:
        return BatchItemError(error, child.value)


def version_of(message: Item) -> ProtocolVersion:
    """The Protocol Version at the head of a message. Raises KmipError if there is none (s9.16)."""
    try:
        first = message.value[0].value[0]
        if first.tag == Tag.PROTOCOL_VERSION:
            return _number(first.value)
    except (IndexError, TypeError, AttributeError):
        pass
    raise KmipError(
        enums.ResultReason.INVALID_MESSAGE, "a header starts with a Protocol Version (420069) of two Integers"
    )


@lru_cache(maxsize=256)
def _number(items: tuple[Item, ...]) -> ProtocolVersion:
    return ProtocolVersionStructure.decode(items, V1_0).number


class ResponseMessage(NamedTuple):
    """A response, ready to be encoded."""

    version: ProtocolVersion
    header: ResponseHeader
    items: tuple[ResponseBatchItem, ...]

    def encode(self) -> Item:
        """The whole message as an Item (s8.4)."""
        version, header = self.version, self.header
        encode_header = _response_header if header.server_correlation_value is None else _encoded_header
        parts = [binary.structure(Tag.BATCH_ITEM, item.encode(version)) for item in self.items]
        return Item(Tag.RESPONSE_MESSAGE, Type.STRUCTURE, encode_header(header, version) + b"".join(parts))


def _encoded_header(header: ResponseHeader, version: ProtocolVersion) -> bytes:
    return binary.structure(Tag.RESPONSE_HEADER, header.encode(version))


_response_header = lru_cache(maxsize=64)(_encoded_header)
"""For a second the header is the same for all, unless it has a Server Correlation Value."""
