"""Requests that many tests send, as bytes, in the form their version of KMIP asks for.

In 1.x attributes travel as Template-Attribute and Attribute structures with textual names, in 2.x as an Attributes
structure of the attributes themselves. An Attribute here holds what both forms need.
"""

from __future__ import annotations

from typing import NamedTuple

from support.numbers import Operation, Tag
from support.wire import (
    Connection,
    Response,
    Result,
    Version,
    batch_item,
    boolean,
    date_time,
    enumeration,
    integer,
    message,
    octets,
    structure,
    text,
)

AES, RSA, HMAC_SHA256 = 0x03, 0x04, 0x09
CERTIFICATE, SYMMETRIC_KEY, PUBLIC_KEY, PRIVATE_KEY, SECRET_DATA, OPAQUE_OBJECT = 1, 2, 3, 4, 7, 8
RAW = 0x01
ENCRYPT, DECRYPT = 0x04, 0x08
CBC, GCM = 0x01, 0x09
UNSPECIFIED, KEY_COMPROMISE, CESSATION_OF_OPERATION = 1, 2, 6
PRE_ACTIVE, ACTIVE, DEACTIVATED, COMPROMISED, DESTROYED, DESTROYED_COMPROMISED = 1, 2, 3, 4, 5, 6


class Attribute(NamedTuple):
    """An attribute: its textual name (1.x) and its encoded item (2.x)."""

    name: str
    item: bytes


class Request(NamedTuple):
    """An operation and the content of its Request Payload."""

    operation: int
    payload: bytes


# --- attributes -----------------------------------------------------------------------------------------------------


def name(value: str, kind: int = 1) -> Attribute:
    return Attribute("Name", structure(Tag.NAME, text(Tag.NAME_VALUE, value), enumeration(Tag.NAME_TYPE, kind)))


def algorithm(value: int) -> Attribute:
    return Attribute("Cryptographic Algorithm", enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, value))


def length(bits: int) -> Attribute:
    return Attribute("Cryptographic Length", integer(Tag.CRYPTOGRAPHIC_LENGTH, bits))


def usage_mask(mask: int) -> Attribute:
    return Attribute("Cryptographic Usage Mask", integer(Tag.CRYPTOGRAPHIC_USAGE_MASK, mask))


def object_type(value: int) -> Attribute:
    return Attribute("Object Type", enumeration(Tag.OBJECT_TYPE, value))


def state(value: int) -> Attribute:
    return Attribute("State", enumeration(Tag.STATE, value))


def activation_date(at: int) -> Attribute:
    return Attribute("Activation Date", date_time(Tag.ACTIVATION_DATE, at))


def object_group(value: str) -> Attribute:
    return Attribute("Object Group", text(Tag.OBJECT_GROUP, value))


def operation_policy_name(value: str) -> Attribute:
    return Attribute("Operation Policy Name", text(Tag.OPERATION_POLICY_NAME, value))


def contact_information(value: str) -> Attribute:
    return Attribute("Contact Information", text(Tag.CONTACT_INFORMATION, value))


def link(to: str, kind: int = 0x106) -> Attribute:
    """A Link, to a Replacement Object unless told otherwise."""
    return Attribute(
        "Link", structure(Tag.LINK, enumeration(Tag.LINK_TYPE, kind), text(Tag.LINKED_OBJECT_IDENTIFIER, to))
    )


def in_1x(attribute: Attribute, index: int | None = None) -> bytes:
    """The Attribute structure of KMIP 1.x; the value keeps its type and loses its tag."""
    return structure(
        Tag.ATTRIBUTE,
        text(Tag.ATTRIBUTE_NAME, attribute.name),
        b"" if index is None else integer(Tag.ATTRIBUTE_INDEX, index),
        int(Tag.ATTRIBUTE_VALUE).to_bytes(3, "big") + attribute.item[3:],
    )


def attributes(version: Version, *given: Attribute) -> bytes:
    """The attributes of a Create, Register, ... request."""
    if version < (2, 0):
        return structure(Tag.TEMPLATE_ATTRIBUTE, *(in_1x(attribute) for attribute in given))
    return structure(Tag.ATTRIBUTES, *(attribute.item for attribute in given))


def one_attribute(version: Version, attribute: Attribute, index: int | None = None) -> bytes:
    """The attribute of an Add, Modify or Set Attribute request."""
    return in_1x(attribute, index) if version < (2, 0) else structure(Tag.NEW_ATTRIBUTE, attribute.item)


# --- operations -----------------------------------------------------------------------------------------------------


def identifier(value: str | None) -> bytes:
    return b"" if value is None else text(Tag.UNIQUE_IDENTIFIER, value)


def discover_versions(*versions: Version) -> Request:
    listed = (
        structure(
            Tag.PROTOCOL_VERSION,
            integer(Tag.PROTOCOL_VERSION_MAJOR, major),
            integer(Tag.PROTOCOL_VERSION_MINOR, minor),
        )
        for major, minor in versions
    )
    return Request(Operation.DISCOVER_VERSIONS, b"".join(listed))


def query(*functions: int) -> Request:
    return Request(Operation.QUERY, b"".join(enumeration(Tag.QUERY_FUNCTION, function) for function in functions))


def create(version: Version, *given: Attribute, kind: int = SYMMETRIC_KEY) -> Request:
    return Request(Operation.CREATE, enumeration(Tag.OBJECT_TYPE, kind) + attributes(version, *given))


def create_aes(version: Version, *more: Attribute, bits: int = 256, mask: int = ENCRYPT | DECRYPT) -> Request:
    """Create an AES key; `more` are further attributes."""
    return create(version, algorithm(AES), length(bits), usage_mask(mask), *more)


def create_key_pair(version: Version, common: list[Attribute], private_mask: int, public_mask: int) -> Request:
    """Create a key pair; names of the parts' attribute structures differ between 1.x and 2.x."""
    if version < (2, 0):
        forms = (Tag.COMMON_TEMPLATE_ATTRIBUTE, Tag.PRIVATE_KEY_TEMPLATE_ATTRIBUTE, Tag.PUBLIC_KEY_TEMPLATE_ATTRIBUTE)
    else:
        forms = (Tag.COMMON_ATTRIBUTES, Tag.PRIVATE_KEY_ATTRIBUTES, Tag.PUBLIC_KEY_ATTRIBUTES)
    parts = (common, [usage_mask(private_mask)], [usage_mask(public_mask)])
    encoded = b""
    for tag, part in zip(forms, parts, strict=True):
        items = [in_1x(attribute) if version < (2, 0) else attribute.item for attribute in part]
        encoded += structure(tag, *items)
    return Request(Operation.CREATE_KEY_PAIR, encoded)


def key_block(key: bytes, algorithm_: int | None = AES, bits: int | None = None, key_format: int = RAW) -> bytes:
    """A Key Block with raw key material; without an algorithm, for Secret Data."""
    return structure(
        Tag.KEY_BLOCK,
        enumeration(Tag.KEY_FORMAT_TYPE, key_format),
        structure(Tag.KEY_VALUE, octets(Tag.KEY_MATERIAL, key)),
        b"" if algorithm_ is None else enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, algorithm_),
        b"" if algorithm_ is None else integer(Tag.CRYPTOGRAPHIC_LENGTH, len(key) * 8 if bits is None else bits),
    )


def register_key(version: Version, key: bytes, *more: Attribute, mask: int = ENCRYPT | DECRYPT) -> Request:
    """Register a raw AES key."""
    return register(version, SYMMETRIC_KEY, structure(Tag.SYMMETRIC_KEY, key_block(key)), usage_mask(mask), *more)


def register_secret(version: Version, secret: bytes, *more: Attribute, kind: int = 1, mask: int = 0x02) -> Request:
    """Register Secret Data, a password unless told otherwise."""
    body = structure(Tag.SECRET_DATA, enumeration(Tag.SECRET_DATA_TYPE, kind), key_block(secret, None, key_format=2))
    return register(version, SECRET_DATA, body, usage_mask(mask), *more)


def register_opaque(version: Version, data: bytes, *more: Attribute) -> Request:
    body = structure(
        Tag.OPAQUE_OBJECT, enumeration(Tag.OPAQUE_DATA_TYPE, 0x80000001), octets(Tag.OPAQUE_DATA_VALUE, data)
    )
    return register(version, OPAQUE_OBJECT, body, *more)


def register(version: Version, kind: int, body: bytes, *given: Attribute) -> Request:
    """Register an object; `body` is the encoded object."""
    return Request(Operation.REGISTER, enumeration(Tag.OBJECT_TYPE, kind) + attributes(version, *given) + body)


def locate(version: Version, *given: Attribute, maximum: int | None = None, offset: int | None = None) -> Request:
    limits = b"" if maximum is None else integer(Tag.MAXIMUM_ITEMS, maximum)
    if offset is not None:
        limits += integer(Tag.OFFSET_ITEMS, offset)
    if version < (2, 0):
        return Request(Operation.LOCATE, limits + b"".join(in_1x(attribute) for attribute in given))
    return Request(Operation.LOCATE, limits + attributes(version, *given))


def get(unique_identifier: str | None = None) -> Request:
    return Request(Operation.GET, identifier(unique_identifier))


def get_attributes(version: Version, unique_identifier: str | None, *given: tuple[str, int]) -> Request:
    """Get Attributes; each attribute is given by its name (1.x) and its tag (2.x); none asks for all."""
    if version < (2, 0):
        wanted = [text(Tag.ATTRIBUTE_NAME, attribute) for attribute, _ in given]
    else:
        wanted = [enumeration(Tag.ATTRIBUTE_REFERENCE, tag) for _, tag in given]
    return Request(Operation.GET_ATTRIBUTES, identifier(unique_identifier) + b"".join(wanted))


def add_attribute(version: Version, unique_identifier: str | None, attribute: Attribute) -> Request:
    return Request(Operation.ADD_ATTRIBUTE, identifier(unique_identifier) + one_attribute(version, attribute))


def modify_attribute(version: Version, unique_identifier: str | None, attribute: Attribute) -> Request:
    return Request(Operation.MODIFY_ATTRIBUTE, identifier(unique_identifier) + one_attribute(version, attribute))


def activate(unique_identifier: str | None = None) -> Request:
    return Request(Operation.ACTIVATE, identifier(unique_identifier))


def revoke(unique_identifier: str | None = None, code: int = CESSATION_OF_OPERATION, at: int | None = None) -> Request:
    reason = structure(Tag.REVOCATION_REASON, enumeration(Tag.REVOCATION_REASON_CODE, code))
    when = b"" if at is None else date_time(Tag.COMPROMISE_OCCURRENCE_DATE, at)
    return Request(Operation.REVOKE, identifier(unique_identifier) + reason + when)


def destroy(unique_identifier: str | None = None) -> Request:
    return Request(Operation.DESTROY, identifier(unique_identifier))


def rekey(unique_identifier: str | None = None) -> Request:
    return Request(Operation.RE_KEY, identifier(unique_identifier))


def parameters(
    mode: int, *, padding: int | None = None, tag_length: int | None = None, random_iv: bool = False
) -> bytes:
    """Cryptographic Parameters for AES."""
    return structure(
        Tag.CRYPTOGRAPHIC_PARAMETERS,
        enumeration(Tag.BLOCK_CIPHER_MODE, mode),
        b"" if padding is None else enumeration(Tag.PADDING_METHOD, padding),
        enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, AES),
        boolean(Tag.RANDOM_IV, True) if random_iv else b"",
        b"" if tag_length is None else integer(Tag.TAG_LENGTH, tag_length),
    )


def encrypt(unique_identifier: str | None, data: bytes, how: bytes, iv: bytes | None = None) -> Request:
    return Request(
        Operation.ENCRYPT,
        identifier(unique_identifier)
        + how
        + octets(Tag.DATA, data)
        + (b"" if iv is None else octets(Tag.IV_COUNTER_NONCE, iv)),
    )


def decrypt(
    unique_identifier: str | None, data: bytes, how: bytes, iv: bytes | None = None, tag: bytes | None = None
) -> Request:
    return Request(
        Operation.DECRYPT,
        identifier(unique_identifier)
        + how
        + octets(Tag.DATA, data)
        + (b"" if iv is None else octets(Tag.IV_COUNTER_NONCE, iv))
        + (b"" if tag is None else octets(Tag.AUTHENTICATED_ENCRYPTION_TAG, tag)),
    )


# --- sending --------------------------------------------------------------------------------------------------------


def one(version: Version, asked: Request, *, fields: tuple[bytes, ...] = ()) -> bytes:
    """A request message of one operation."""
    return message(version, batch_item(asked.operation, asked.payload), fields=fields)


def batch(version: Version, *asked: Request, fields: tuple[bytes, ...] = ()) -> bytes:
    """A request message of several operations, each with a Unique Batch Item ID of its own."""
    items = [
        batch_item(each.operation, each.payload, identifier=number.to_bytes(4, "big"))
        for number, each in enumerate(asked, 1)
    ]
    return message(version, *items, fields=fields)


class Session:
    """A connection that speaks one version."""

    def __init__(self, connection: Connection, version: Version) -> None:
        self.connection = connection
        self.version = version

    def do(self, asked: Request, *, fields: tuple[bytes, ...] = ()) -> Result:
        """Carry out one operation and answer its result, whatever it is."""
        return self.connection.exchange(one(self.version, asked, fields=fields)).result

    def batch(self, *asked: Request, fields: tuple[bytes, ...] = ()) -> Response:
        """Carry out several operations in one message."""
        return self.connection.exchange(batch(self.version, *asked, fields=fields))

    def create_aes(self, *more: Attribute, active: bool = False, **how: int) -> str:
        """Create an AES key, Active if asked, and answer its Unique Identifier."""
        key = self.do(create_aes(self.version, *more, **how)).unique_identifier
        if active:
            self.do(activate(key)).expect_success()
        return key

    def key_material(self, unique_identifier: str) -> bytes:
        """Get a symmetric key and answer its bytes."""
        got = self.do(get(unique_identifier)).expect_success()
        return bytes(got.get(Tag.SYMMETRIC_KEY, Tag.KEY_BLOCK, Tag.KEY_VALUE, Tag.KEY_MATERIAL))

    def located(self, *given: Attribute) -> list[str]:
        """The Unique Identifiers that Locate answers."""
        found = self.do(locate(self.version, *given)).expect_success()
        assert found.payload is not None
        return [node.value for node in found.payload.all(Tag.UNIQUE_IDENTIFIER)]
