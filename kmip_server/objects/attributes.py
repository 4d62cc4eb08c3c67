"""The attributes of managed objects: one row each, and every rule about them derives from the row.

KMIP 2.1 s4 and the attribute sections of the earlier versions. A row says how the value looks on the wire, which
versions have the attribute, whether it may have several instances, who sets it first, when a client may change or
delete it, which object types have it, and how Locate finds it. An attribute without a row does not exist here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from kmip_server.messages import structures as s
from kmip_server.messages.kinds import (
    BOOLEAN,
    BYTES,
    DATE_TIME,
    INTEGER,
    INTERVAL,
    TEXT,
    EnumerationKind,
    Kind,
    MaskKind,
    StructureKind,
)
from kmip_server.ttlv import enumerations as enums
from kmip_server.ttlv.enumerations import ObjectType
from kmip_server.ttlv.item import Item
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_0, V1_1, V1_2, V1_3, V1_4, V2_0, V2_1, ProtocolVersion


class SetBy(Enum):
    """Who sets an attribute first."""

    SERVER = auto()
    CLIENT = auto()
    EITHER = auto()


class When(Enum):
    """When a client may change or delete an attribute that has a value."""

    NEVER = auto()
    ALWAYS = auto()
    PRE_ACTIVE = auto()
    BEFORE_DEACTIVATED = auto()
    BEFORE_REACHED = auto()
    """Until the object is deactivated, and until the date itself is reached."""
    BEFORE_USE = auto()
    """Until Get Usage Allocation or a use has changed the count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One row of the table."""

    tag: Tag
    kind: Kind
    since: ProtocolVersion = V1_0
    until: ProtocolVersion = V2_1
    multiple: bool = False
    set_by: SetBy = SetBy.SERVER
    modify: When = When.NEVER
    delete: When = When.NEVER
    objects: frozenset[ObjectType] = frozenset(ObjectType)
    column: str | None = None
    index: Callable[[Any], str | None] | None = None
    """The text under which Locate finds a value; None for what Locate compares with and does not hold enough."""

    @property
    def name(self) -> str:
        """The attribute's name in 1.x messages, which is its title in the standard."""
        return self.tag.title

    def known_in(self, version: ProtocolVersion) -> bool:
        """Whether a peer of this version knows the attribute."""
        return self.since <= version <= self.until


ALL: Final = frozenset(ObjectType)
CERTIFICATES: Final = frozenset({ObjectType.CERTIFICATE})
KEYS: Final = frozenset(
    {ObjectType.SYMMETRIC_KEY, ObjectType.PUBLIC_KEY, ObjectType.PRIVATE_KEY, ObjectType.SPLIT_KEY, ObjectType.PGP_KEY}
)
KEY_PAIRS: Final = frozenset({ObjectType.PUBLIC_KEY, ObjectType.PRIVATE_KEY})


def _exact(value: str) -> str:
    return value


def _linked(link: s.Link) -> str | None:
    linked = link.linked_object_identifier
    return linked if isinstance(linked, str) else None


_DSCC: Final = "DSCC"
_SEARCHED: Final = frozenset({"Peer", "Group", "Purpose", "KeyId", "Initiator"})
"""Of the attributes of a shared key, those that it is found by; by the others it is found among those."""


def _vendor(value: s.VendorAttribute) -> str | None:
    vendor, name, item = value.vendor_identification, value.attribute_name, value.attribute_value
    if item is None or (vendor == _DSCC and name not in _SEARCHED):
        return None
    return vendor_index(vendor, name, item)


def vendor_index(vendor: str, name: str, value: Item) -> str:
    """The index entry of a vendor attribute's value: everything that must be equal for Locate to find it."""
    shown = value.value.hex() if isinstance(value.value, bytes) else str(value.value)
    return f"{vendor}\0{name}\0{int(value.type)}\0{shown}"


def _server(tag: Tag, kind: Kind, **more: Any) -> Attribute:
    return Attribute(tag=tag, kind=kind, **more)


def _client(tag: Tag, kind: Kind, **more: Any) -> Attribute:
    return Attribute(
        tag=tag, kind=kind, **{"set_by": SetBy.CLIENT, "modify": When.ALWAYS, "delete": When.ALWAYS} | more
    )


def _either(tag: Tag, kind: Kind, **more: Any) -> Attribute:
    return _client(tag, kind, **{"set_by": SetBy.EITHER} | more)


_ROWS: Final = (
    _server(Tag.UNIQUE_IDENTIFIER, TEXT, column="unique_identifier"),
    _client(Tag.NAME, StructureKind(s.Name), multiple=True, index=lambda name: name.name_value),
    _server(Tag.OBJECT_TYPE, EnumerationKind(enums.ObjectType), column="object_type"),
    _server(
        Tag.CRYPTOGRAPHIC_ALGORITHM, EnumerationKind(enums.CryptographicAlgorithm), column="cryptographic_algorithm"
    ),
    _server(Tag.CRYPTOGRAPHIC_LENGTH, INTEGER, column="cryptographic_length"),
    _client(Tag.CRYPTOGRAPHIC_PARAMETERS, StructureKind(s.CryptographicParameters), multiple=True),
    _client(
        Tag.CRYPTOGRAPHIC_DOMAIN_PARAMETERS,
        StructureKind(s.CryptographicDomainParameters),
        modify=When.NEVER,
        delete=When.NEVER,
        objects=KEY_PAIRS,
    ),
    _server(Tag.CERTIFICATE_TYPE, EnumerationKind(enums.CertificateType), objects=CERTIFICATES),
    _server(Tag.CERTIFICATE_IDENTIFIER, StructureKind(s.CertificateIdentifier), until=V1_4, objects=CERTIFICATES),
    _server(Tag.CERTIFICATE_SUBJECT, StructureKind(s.CertificateSubject), until=V1_4, objects=CERTIFICATES),
    _server(Tag.CERTIFICATE_ISSUER, StructureKind(s.CertificateIssuer), until=V1_4, objects=CERTIFICATES),
    _server(
        Tag.X_509_CERTIFICATE_IDENTIFIER, StructureKind(s.X509CertificateIdentifier), since=V1_1, objects=CERTIFICATES
    ),
    _server(Tag.X_509_CERTIFICATE_SUBJECT, StructureKind(s.X509CertificateSubject), since=V1_1, objects=CERTIFICATES),
    _server(Tag.X_509_CERTIFICATE_ISSUER, StructureKind(s.X509CertificateIssuer), since=V1_1, objects=CERTIFICATES),
    _server(Tag.CERTIFICATE_LENGTH, INTEGER, since=V1_1, objects=CERTIFICATES),
    _server(
        Tag.DIGITAL_SIGNATURE_ALGORITHM,
        EnumerationKind(enums.DigitalSignatureAlgorithm),
        since=V1_1,
        objects=frozenset({ObjectType.CERTIFICATE, ObjectType.PGP_KEY}),
    ),
    _server(Tag.DIGEST, StructureKind(s.Digest), multiple=True),
    _either(
        Tag.OPERATION_POLICY_NAME,
        TEXT,
        until=V1_4,
        modify=When.NEVER,
        delete=When.NEVER,
        column="operation_policy",
    ),
    _either(
        Tag.CRYPTOGRAPHIC_USAGE_MASK,
        MaskKind(enums.CryptographicUsageMask),
        modify=When.NEVER,
        delete=When.NEVER,
        column="cryptographic_usage_mask",
    ),
    _server(Tag.LEASE_TIME, INTERVAL),
    _either(Tag.USAGE_LIMITS, StructureKind(s.UsageLimits), modify=When.BEFORE_USE, delete=When.BEFORE_USE),
    _server(Tag.STATE, EnumerationKind(enums.State), column="state"),
    _server(Tag.INITIAL_DATE, DATE_TIME, column="initial_date"),
    _either(Tag.ACTIVATION_DATE, DATE_TIME, modify=When.PRE_ACTIVE, delete=When.NEVER, column="activation_date"),
    _either(
        Tag.PROCESS_START_DATE,
        DATE_TIME,
        modify=When.BEFORE_REACHED,
        delete=When.NEVER,
        column="process_start_date",
    ),
    _either(
        Tag.PROTECT_STOP_DATE,
        DATE_TIME,
        modify=When.BEFORE_REACHED,
        delete=When.NEVER,
        column="protect_stop_date",
    ),
    _either(
        Tag.DEACTIVATION_DATE,
        DATE_TIME,
        modify=When.BEFORE_DEACTIVATED,
        delete=When.NEVER,
        column="deactivation_date",
    ),
    _server(Tag.DESTROY_DATE, DATE_TIME, column="destroy_date"),
    _server(Tag.COMPROMISE_OCCURRENCE_DATE, DATE_TIME),
    _server(Tag.COMPROMISE_DATE, DATE_TIME, column="compromise_date"),
    _server(Tag.REVOCATION_REASON, StructureKind(s.RevocationReason)),
    _server(Tag.ARCHIVE_DATE, DATE_TIME, column="archive_date"),
    _either(Tag.OBJECT_GROUP, TEXT, multiple=True, index=_exact),
    _either(Tag.FRESH, BOOLEAN, since=V1_1, set_by=SetBy.EITHER, modify=When.NEVER, delete=When.NEVER, column="fresh"),
    _either(Tag.LINK, StructureKind(s.Link), multiple=True, index=_linked),
    _either(
        Tag.APPLICATION_SPECIFIC_INFORMATION,
        StructureKind(s.ApplicationSpecificInformation),
        multiple=True,
        index=lambda information: information.application_namespace,
    ),
    _either(Tag.CONTACT_INFORMATION, TEXT, index=_exact),
    _server(Tag.LAST_CHANGE_DATE, DATE_TIME, column="last_change_date"),
    _client(
        Tag.ALTERNATIVE_NAME,
        StructureKind(s.AlternativeName),
        since=V1_2,
        multiple=True,
        index=lambda name: name.alternative_name_value,
    ),
    _server(Tag.KEY_VALUE_PRESENT, BOOLEAN, since=V1_2),
    _client(Tag.KEY_VALUE_LOCATION, StructureKind(s.KeyValueLocation), since=V1_2, multiple=True),
    _either(Tag.ORIGINAL_CREATION_DATE, DATE_TIME, since=V1_2, modify=When.NEVER, delete=When.NEVER),
    _either(
        Tag.RANDOM_NUMBER_GENERATOR, StructureKind(s.RNGParameters), since=V1_3, modify=When.NEVER, delete=When.NEVER
    ),
    _either(Tag.PKCS12_FRIENDLY_NAME, TEXT, since=V1_4, index=_exact),
    _either(Tag.DESCRIPTION, TEXT, since=V1_4, index=_exact),
    _either(Tag.COMMENT, TEXT, since=V1_4, index=_exact),
    _either(Tag.SENSITIVE, BOOLEAN, since=V1_4, delete=When.NEVER),
    _server(Tag.ALWAYS_SENSITIVE, BOOLEAN, since=V1_4),
    _either(Tag.EXTRACTABLE, BOOLEAN, since=V1_4, delete=When.NEVER),
    _server(Tag.NEVER_EXTRACTABLE, BOOLEAN, since=V1_4),
    *[
        _server(tag, TEXT, since=V2_0, multiple=True, objects=CERTIFICATES, index=_exact)
        for tag in Tag
        if tag.name.startswith(("CERTIFICATE_SUBJECT_", "CERTIFICATE_ISSUER_")) and tag.since == V1_4
    ],
    _server(Tag.KEY_FORMAT_TYPE, EnumerationKind(enums.KeyFormatType), since=V2_0),
    _client(
        Tag.NIST_KEY_TYPE,
        EnumerationKind(enums.NISTKeyType),
        since=V2_0,
        multiple=True,
        modify=When.NEVER,
        delete=When.NEVER,
    ),
    _server(
        Tag.OPAQUE_DATA_TYPE,
        EnumerationKind(enums.OpaqueDataType, extensible=True),
        since=V2_0,
        objects=frozenset({ObjectType.OPAQUE_OBJECT}),
    ),
    _client(Tag.PROTECTION_LEVEL, EnumerationKind(enums.ProtectionLevel), since=V2_0),
    _client(Tag.PROTECTION_PERIOD, INTERVAL, since=V2_0),
    _server(Tag.PROTECTION_STORAGE_MASK, MaskKind(enums.ProtectionStorageMask), since=V2_0),
    _client(Tag.QUANTUM_SAFE, BOOLEAN, since=V2_0),
    # Not indexed: hashes would fall all over the index, a page each, and nobody looks for one.
    _server(Tag.SHORT_UNIQUE_IDENTIFIER, BYTES, since=V2_0),
    _either(Tag.ROTATE_AUTOMATIC, BOOLEAN, since=V2_1, modify=When.NEVER, delete=When.NEVER),
    _server(Tag.ROTATE_DATE, DATE_TIME, since=V2_1),
    _server(Tag.ROTATE_GENERATION, INTEGER, since=V2_1),
    _either(Tag.ROTATE_INTERVAL, INTERVAL, since=V2_1, modify=When.NEVER, delete=When.NEVER),
    _server(Tag.ROTATE_LATEST, BOOLEAN, since=V2_1),
    _client(
        Tag.ROTATE_NAME,
        StructureKind(s.RotateName),
        since=V2_1,
        index=lambda name: name.rotate_name_value,
    ),
    _either(Tag.ROTATE_OFFSET, INTERVAL, since=V2_1, modify=When.NEVER, delete=When.NEVER),
    _client(Tag.ATTRIBUTE, StructureKind(s.VendorAttribute), multiple=True, index=_vendor),
)

ATTRIBUTES: Final[dict[Tag, Attribute]] = {row.tag: row for row in _ROWS}
"""Every attribute by its tag."""

BY_NAME: Final[dict[str, Attribute]] = {row.name: row for row in _ROWS if row.tag is not Tag.ATTRIBUTE}
"""Every attribute by its 1.x name. Custom attributes ("x-…", "y-…") are vendor attributes here."""
