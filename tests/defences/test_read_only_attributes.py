"""D-32: what KMIP 2.1 s4 lets no client modify or delete, no operation on attributes changes, whoever asks.

Every attribute whose table says "Modifiable by client: No" and "Deletable by client: No" is here, on an object that has
it, if any object here has it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from support import requests as ask
from support.defences import (
    ABOUT_AN_OBJECT,
    VERSION,
    adjust_attribute,
    attributes_of,
    delete_attribute,
    refused,
    set_attribute,
)
from support.numbers import Operation, Reason, Tag
from support.requests import Attribute, Session
from support.server import Client
from support.wire import boolean, date_time, enumeration, integer, interval, octets, structure, text

KEY, PRIVATE, CERTIFICATE, OPAQUE = "key", "private key", "certificate", "opaque object"
P_256, ECDSA = 7, 6
ON_P_256: Final = structure(Tag.CRYPTOGRAPHIC_DOMAIN_PARAMETERS, enumeration(Tag.RECOMMENDED_CURVE, P_256))

READ_ONLY: Final[dict[Tag, tuple[str, bytes]]] = {
    # 4.3 to 4.17
    Tag.ALWAYS_SENSITIVE: (KEY, boolean(Tag.ALWAYS_SENSITIVE, True)),
    Tag.ARCHIVE_DATE: (KEY, date_time(Tag.ARCHIVE_DATE, 1)),
    Tag.CERTIFICATE_SUBJECT_CN: (CERTIFICATE, text(Tag.CERTIFICATE_SUBJECT_CN, "somebody else")),
    Tag.CERTIFICATE_ISSUER_CN: (CERTIFICATE, text(Tag.CERTIFICATE_ISSUER_CN, "somebody else")),
    Tag.CERTIFICATE_TYPE: (CERTIFICATE, enumeration(Tag.CERTIFICATE_TYPE, 2)),
    Tag.CERTIFICATE_LENGTH: (CERTIFICATE, integer(Tag.CERTIFICATE_LENGTH, 1)),
    Tag.COMPROMISE_DATE: (KEY, date_time(Tag.COMPROMISE_DATE, 1)),
    Tag.COMPROMISE_OCCURRENCE_DATE: (KEY, date_time(Tag.COMPROMISE_OCCURRENCE_DATE, 1)),
    Tag.CRYPTOGRAPHIC_ALGORITHM: (KEY, enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, 4)),
    Tag.CRYPTOGRAPHIC_DOMAIN_PARAMETERS: (PRIVATE, ON_P_256),
    Tag.CRYPTOGRAPHIC_LENGTH: (KEY, integer(Tag.CRYPTOGRAPHIC_LENGTH, 64)),
    Tag.CRYPTOGRAPHIC_USAGE_MASK: (KEY, integer(Tag.CRYPTOGRAPHIC_USAGE_MASK, 0x3F)),
    # 4.20 to 4.34
    Tag.DESTROY_DATE: (KEY, date_time(Tag.DESTROY_DATE, 1)),
    Tag.DIGEST: (
        KEY,
        structure(Tag.DIGEST, enumeration(Tag.HASHING_ALGORITHM, 6), octets(Tag.DIGEST_VALUE, bytes(32))),
    ),
    Tag.DIGITAL_SIGNATURE_ALGORITHM: (CERTIFICATE, enumeration(Tag.DIGITAL_SIGNATURE_ALGORITHM, 1)),
    Tag.FRESH: (KEY, boolean(Tag.FRESH, True)),
    Tag.INITIAL_DATE: (KEY, date_time(Tag.INITIAL_DATE, 1)),
    Tag.KEY_FORMAT_TYPE: (KEY, enumeration(Tag.KEY_FORMAT_TYPE, 2)),
    Tag.KEY_VALUE_PRESENT: (KEY, boolean(Tag.KEY_VALUE_PRESENT, False)),
    Tag.LAST_CHANGE_DATE: (KEY, date_time(Tag.LAST_CHANGE_DATE, 1)),
    Tag.LEASE_TIME: (KEY, interval(Tag.LEASE_TIME, 1)),
    Tag.NEVER_EXTRACTABLE: (KEY, boolean(Tag.NEVER_EXTRACTABLE, True)),
    Tag.NIST_KEY_TYPE: (KEY, enumeration(Tag.NIST_KEY_TYPE, 2)),
    # 4.36 to 4.52
    Tag.OBJECT_TYPE: (KEY, enumeration(Tag.OBJECT_TYPE, 7)),
    Tag.OPAQUE_DATA_TYPE: (OPAQUE, enumeration(Tag.OPAQUE_DATA_TYPE, 0x80000002)),
    Tag.ORIGINAL_CREATION_DATE: (KEY, date_time(Tag.ORIGINAL_CREATION_DATE, 1)),
    Tag.PROTECTION_STORAGE_MASK: (KEY, integer(Tag.PROTECTION_STORAGE_MASK, 2)),
    Tag.RANDOM_NUMBER_GENERATOR: (
        KEY,
        structure(Tag.RANDOM_NUMBER_GENERATOR, enumeration(Tag.RNG_ALGORITHM, 2)),
    ),
    Tag.REVOCATION_REASON: (KEY, structure(Tag.REVOCATION_REASON, enumeration(Tag.REVOCATION_REASON_CODE, 1))),
    Tag.ROTATE_AUTOMATIC: (KEY, boolean(Tag.ROTATE_AUTOMATIC, False)),
    Tag.ROTATE_DATE: (KEY, date_time(Tag.ROTATE_DATE, 1)),
    Tag.ROTATE_GENERATION: (KEY, integer(Tag.ROTATE_GENERATION, 9)),
    Tag.ROTATE_INTERVAL: (KEY, interval(Tag.ROTATE_INTERVAL, 9)),
    Tag.ROTATE_LATEST: (KEY, boolean(Tag.ROTATE_LATEST, True)),
    # 4.54 to 4.63
    Tag.ROTATE_OFFSET: (KEY, interval(Tag.ROTATE_OFFSET, 9)),
    Tag.SHORT_UNIQUE_IDENTIFIER: (KEY, octets(Tag.SHORT_UNIQUE_IDENTIFIER, bytes(8))),
    Tag.STATE: (KEY, enumeration(Tag.STATE, ask.ACTIVE)),
    Tag.UNIQUE_IDENTIFIER: (KEY, text(Tag.UNIQUE_IDENTIFIER, "mine")),
    Tag.X_509_CERTIFICATE_IDENTIFIER: (
        CERTIFICATE,
        structure(
            Tag.X_509_CERTIFICATE_IDENTIFIER,
            octets(Tag.ISSUER_DISTINGUISHED_NAME, b"0\0"),
            octets(Tag.CERTIFICATE_SERIAL_NUMBER, b"\1"),
        ),
    ),
    Tag.X_509_CERTIFICATE_ISSUER: (
        CERTIFICATE,
        structure(Tag.X_509_CERTIFICATE_ISSUER, octets(Tag.ISSUER_DISTINGUISHED_NAME, b"0\0")),
    ),
    Tag.X_509_CERTIFICATE_SUBJECT: (
        CERTIFICATE,
        structure(Tag.X_509_CERTIFICATE_SUBJECT, octets(Tag.SUBJECT_DISTINGUISHED_NAME, b"0\0")),
    ),
}
"""On which object it is tried, and a value that somebody might wish for."""

ABSENT: Final = frozenset({Tag.ARCHIVE_DATE, Tag.KEY_VALUE_PRESENT, Tag.ROTATE_DATE, Tag.ROTATE_GENERATION})
"""What no object has that can be asked: of an archived one only Recover is, and a key without its value is not here."""
SEVERAL: Final = frozenset({Tag.NIST_KEY_TYPE})
"""A client sets it, and an object may have more than one: to add another changes none (KMIP 2.1 s4.34)."""


def certificate() -> bytes:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("unit", "authority"))
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(4711).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def lived(session: Session) -> str:
    """A key that has been through everything: replaced, archived and recovered, compromised, destroyed."""
    given = [
        boolean(Tag.FRESH, False),
        date_time(Tag.ORIGINAL_CREATION_DATE, 5),
        enumeration(Tag.NIST_KEY_TYPE, 1),
        boolean(Tag.ROTATE_AUTOMATIC, True),
        interval(Tag.ROTATE_INTERVAL, 3600),
        interval(Tag.ROTATE_OFFSET, 3600),
    ]
    key = session.do(ask.create_aes(VERSION, *[Attribute("", item) for item in given])).unique_identifier
    for asked in (
        ask.rekey(key),
        ABOUT_AN_OBJECT[Operation.ARCHIVE](key),
        ABOUT_AN_OBJECT[Operation.RECOVER](key),
        ask.revoke(key, ask.KEY_COMPROMISE, at=7),
        ask.destroy(key),
    ):
        session.do(asked).expect_success()
    return key


@pytest.fixture(scope="module")
def objects(client: Client) -> dict[str, str]:
    with client.session(VERSION) as session:
        common = [ask.algorithm(ECDSA), Attribute("", ON_P_256)]
        pair = session.do(ask.create_key_pair(VERSION, common, 1, 2)).expect_success()
        body = structure(
            Tag.CERTIFICATE, enumeration(Tag.CERTIFICATE_TYPE, 1), octets(Tag.CERTIFICATE_VALUE, certificate())
        )
        return {
            KEY: lived(session),
            PRIVATE: pair.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER),
            CERTIFICATE: session.do(ask.register(VERSION, ask.CERTIFICATE, body)).unique_identifier,
            OPAQUE: session.do(ask.register_opaque(VERSION, b"anything")).unique_identifier,
        }


@pytest.mark.parametrize("tag", READ_ONLY, ids=lambda tag: tag.name.lower())
def test_d32_what_the_server_says_no_client_changes(mine: Session, objects: dict[str, str], tag: Tag) -> None:
    """The words are docs/decisions/result-reasons.md, 1."""
    kind, item = READ_ONLY[tag]
    key, given = objects[kind], Attribute("", item)
    before = attributes_of(mine, key)
    attributes = before.find(Tag.ATTRIBUTES)
    assert attributes is not None
    assert (attributes.find(tag) is None) is (tag in ABSENT)
    refused(mine, ask.modify_attribute(VERSION, key, given), Reason.ATTRIBUTE_READ_ONLY)
    refused(mine, delete_attribute(key, tag), Reason.ATTRIBUTE_READ_ONLY)
    refused(mine, adjust_attribute(key, tag), Reason.READ_ONLY_ATTRIBUTE)
    if tag not in SEVERAL:
        refused(mine, ask.add_attribute(VERSION, key, given), Reason.READ_ONLY_ATTRIBUTE)
        refused(mine, set_attribute(key, given), Reason.READ_ONLY_ATTRIBUTE)
    assert attributes_of(mine, key) == before
