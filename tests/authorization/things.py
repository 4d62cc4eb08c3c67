"""The objects that are asked for: every type in every state it can be in, with and without what protects it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from support import requests as ask
from support.attributes import custom, custom_text, extractable, sensitive, usage_limits
from support.keys import PKCS_1, block, material
from support.numbers import Tag
from support.requests import Attribute, Request
from support.wire import Version, enumeration, integer, octets, structure

SETUP_VERSION: Version = (1, 4)
"""It has the Operation Policy Name as well as Sensitive and Extractable."""

TYPES: Final = {
    "SYMMETRIC_KEY": ask.SYMMETRIC_KEY, "SECRET_DATA": ask.SECRET_DATA, "OPAQUE_OBJECT": ask.OPAQUE_OBJECT,
    "PUBLIC_KEY": ask.PUBLIC_KEY, "PRIVATE_KEY": ask.PRIVATE_KEY, "CERTIFICATE": ask.CERTIFICATE,
}  # fmt: skip
STATES: Final = ("PRE_ACTIVE", "ACTIVE", "DEACTIVATED", "COMPROMISED", "DESTROYED", "DESTROYED_COMPROMISED")
DEAD: Final = frozenset({"DESTROYED", "DESTROYED_COMPROMISED"})
BITS: Final = {"SIGN": 1, "VERIFY": 2, "ENCRYPT": 4, "DECRYPT": 8, "MAC_GENERATE": 0x80, "MAC_VERIFY": 0x100,
               "DERIVE_KEY": 0x200}  # fmt: skip
MASKS: Final[dict[str, tuple[str, ...]]] = {
    "all": tuple(BITS), "protects": ("ENCRYPT", "SIGN", "MAC_GENERATE", "DERIVE_KEY"),
    "processes": ("DECRYPT", "VERIFY", "MAC_VERIFY"),
}  # fmt: skip
AMPLE, SCARCE = 1_000_000, 1
KEY: Final = bytes(range(32))


class Thing(NamedTuple):
    """An object to be made. `limits` is how many bytes it may still protect; None is any number."""

    object_type: str = "SYMMETRIC_KEY"
    state: str = "ACTIVE"
    mask: str = "all"
    archived: bool = False
    sensitive: bool = False
    extractable: bool = True
    policy: str = "default"
    blue: bool = False
    limits: int | None = None

    @property
    def possible(self) -> bool:
        """Whether there is such an object: an Opaque Object is never used, and what is destroyed is not archived."""
        opaque = self.object_type == "OPAQUE_OBJECT"
        return (
            not (opaque and (self.state in ("ACTIVE", "DEACTIVATED") or self.mask != "all" or self.limits))
            and not (self.archived and self.state in DEAD)
            and not (self.limits and self.object_type == "CERTIFICATE")
        )

    @property
    def uses(self) -> tuple[str, ...]:
        """The bits of its Cryptographic Usage Mask."""
        return () if self.object_type == "OPAQUE_OBJECT" else MASKS[self.mask]

    @property
    def algorithm(self) -> tuple[str | None, int | None]:
        """Cryptographic Algorithm and Length."""
        return {"SYMMETRIC_KEY": ("AES", 256), "SECRET_DATA": (None, None), "OPAQUE_OBJECT": (None, None)}.get(
            self.object_type, ("RSA", 2048)
        )

    def made_by(self, number: int) -> tuple[Request, ...]:
        """Its owner's requests in 1.4, in one batch: the first makes it, the others take it to its state."""
        attributes = [
            ask.name(f"{'blue' if self.blue else 'red'}-{number}"),
            ask.contact_information("the owner"),
            custom(SETUP_VERSION, "count", integer(Tag.ATTRIBUTE_VALUE, 1)),
            custom_text(SETUP_VERSION, "site", "berlin" if self.blue else "paris"),
            ask.operation_policy_name(self.policy),
            sensitive(self.sensitive),
            extractable(self.extractable),
        ]
        if self.blue:
            attributes.append(ask.object_group("blue"))
        if self.uses:
            attributes.append(ask.usage_mask(sum(BITS[bit] for bit in self.uses)))
        if self.state in ("ACTIVE", "DEACTIVATED"):
            attributes.append(ask.activation_date(1))
        if self.limits is not None:
            attributes.append(usage_limits(self.limits))
        return (_register(self.object_type, attributes), *_STEPS[self.state], *([_ARCHIVE] if self.archived else []))


_ARCHIVE: Final = Request(0x15, b"")
_STEPS: Final[dict[str, tuple[Request, ...]]] = {
    "PRE_ACTIVE": (),
    "ACTIVE": (),
    "DEACTIVATED": (ask.revoke(),),
    "COMPROMISED": (ask.revoke(code=ask.KEY_COMPROMISE),),
    "DESTROYED": (ask.destroy(),),
    "DESTROYED_COMPROMISED": (ask.destroy(), ask.revoke(code=ask.KEY_COMPROMISE)),
}


def _register(kind: str, attributes: list[Attribute]) -> Request:
    return ask.register(SETUP_VERSION, TYPES[kind], _body(kind), *attributes)


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    """The one key pair of all public keys, private keys and certificates."""
    return rsa.generate_private_key(65537, 2048)


@cache
def _body(kind: str) -> bytes:
    private = rsa_key()
    der = private.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    in_rsa = {"key_format": PKCS_1, "algorithm": ask.RSA, "bits": 2048}
    return {
        "SYMMETRIC_KEY": lambda: structure(Tag.SYMMETRIC_KEY, ask.key_block(KEY)),
        "SECRET_DATA": lambda: structure(
            Tag.SECRET_DATA, enumeration(Tag.SECRET_DATA_TYPE, 1), ask.key_block(KEY, None, key_format=2)
        ),
        "OPAQUE_OBJECT": lambda: structure(
            Tag.OPAQUE_OBJECT, enumeration(Tag.OPAQUE_DATA_TYPE, 0x80000001), octets(Tag.OPAQUE_DATA_VALUE, KEY)
        ),
        "PUBLIC_KEY": lambda: structure(Tag.PUBLIC_KEY, block(material(public), **in_rsa)),
        "PRIVATE_KEY": lambda: structure(Tag.PRIVATE_KEY, block(material(der), **in_rsa)),
        "CERTIFICATE": lambda: structure(
            Tag.CERTIFICATE, enumeration(Tag.CERTIFICATE_TYPE, 1), octets(Tag.CERTIFICATE_VALUE, _certificate())
        ),
    }[kind]()


def _certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "matrix")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(rsa_key().public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=9))
        .sign(rsa_key(), SHA256())
    )
    return made.public_bytes(Encoding.DER)
