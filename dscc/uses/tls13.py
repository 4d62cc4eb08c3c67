"""TLS 1.3 with an external PSK: the importer of RFC 9258, and a session file for OpenSSL, which has no importer. Pure.

The external PSK is the key of the use; SHA-384 is the hash that goes with it, and TLS_AES_256_GCM_SHA384 the suite.
The importer's context has the key's identifier, which follows from the whole negotiation (the channel binding of s5.1),
and the names of client and server, in this order, against reflection (the Selfie attack, appendix A).

A library with an importer takes `external_psk` and imports it itself, or takes `imported_psk`. OpenSSL takes the
imported key as an external PSK, under the identity `dscc:` and the key's identifier: then the binder is made with the
label "ext binder" instead of "imp binder" (s5.2), so both ends have to do so.
"""

from __future__ import annotations

import hmac
from base64 import encodebytes
from hashlib import sha384
from struct import Struct
from typing import Final, NamedTuple

from dscc.uses.derivation import TLS13, Role, SharedKey, bound_names, key_of_use

TLS_1_3: Final = 0x0304
HKDF_SHA384: Final = 0x0002
"""In the registry of RFC 9258 s10: the KDF of TLS_AES_256_GCM_SHA384."""
CIPHER: Final = "TLS_AES_256_GCM_SHA384"
_CIPHER_NUMBER: Final = b"\x13\x02"
_HASH_BYTES: Final = 48
_numbers = Struct(">HH").pack
_length = Struct(">H").pack


class ExternalPsk(NamedTuple):
    """A PSK that two ends have from elsewhere, and its identity."""

    identity: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"ExternalPsk({self.identity!r})"


def external_psk(shared: SharedKey, role: Role) -> ExternalPsk:
    """The external PSK of a negotiated key, before it is imported; both ends have the same one."""
    return ExternalPsk(identity_of(shared).encode(), key_of_use(shared, TLS13, role))


def identity_of(shared: SharedKey) -> str:
    """The identity under which both ends know the key."""
    return f"dscc:{shared.kid}"


def imported_identity(external: bytes, context: bytes, protocol: int = TLS_1_3, kdf: int = HKDF_SHA384) -> bytes:
    """ImportedIdentity (RFC 9258 s5.1), which is the identity on the wire where the ends have an importer."""
    return _vector(external) + _vector(context) + _numbers(protocol, kdf)


def imported_key(key: bytes, identity: bytes) -> bytes:
    """The imported PSK's key (RFC 9258 s5.1) of an external one whose hash is SHA-384, for a KDF of SHA-384."""
    extracted = hmac.digest(bytes(_HASH_BYTES), key, "sha384")
    return _expand_label(extracted, b"derived psk", sha384(identity).digest())


def imported_psk(shared: SharedKey, role: Role) -> ExternalPsk:
    """A negotiated key as RFC 9258 imports it for TLS 1.3 and SHA-384."""
    external = external_psk(shared, role)
    identity = imported_identity(external.identity, bound_names(shared, TLS13, role))
    return ExternalPsk(identity, imported_key(external.key, identity))


def openssl_psk(shared: SharedKey, role: Role) -> ExternalPsk:
    """The imported key under the plain identity, for libraries without an importer."""
    return imported_psk(shared, role)._replace(identity=identity_of(shared).encode())


def session_file(psk: ExternalPsk) -> str:
    """A PSK as OpenSSL reads it (`-psk_session`): an SSL_SESSION of TLS 1.3, as PEM."""
    # Structure version, protocol, suite, session identifier, secret; and in what would else be three seconds it ends.
    fields = (
        _der(_INTEGER, b"\x01"),
        _der(_INTEGER, _length(TLS_1_3)),
        _der(_OCTETS, _CIPHER_NUMBER),
        _der(_OCTETS, b""),
        _der(_OCTETS, psk.key),
        _der(_TIMEOUT, _der(_INTEGER, _LONGEST_SECONDS)),
    )
    body = encodebytes(_der(_SEQUENCE, b"".join(fields))).decode()
    return f"-----BEGIN SSL SESSION PARAMETERS-----\n{body}-----END SSL SESSION PARAMETERS-----\n"


_INTEGER: Final = 0x02
_OCTETS: Final = 0x04
_SEQUENCE: Final = 0x30
_TIMEOUT: Final = 0xA2
_LONGEST_SECONDS: Final = b"\x7f\xff\xff\xff"


def _der(tag: int, content: bytes) -> bytes:
    """Of DER (X.690) what is shorter than 128 bytes, which everything here is."""
    return bytes((tag, len(content))) + content


def _vector(content: bytes) -> bytes:
    return _length(len(content)) + content


def _expand_label(secret: bytes, label: bytes, context: bytes) -> bytes:
    """HKDF-Expand-Label (RFC 8446 s7.1) of one block of SHA-384."""
    name = b"tls13 " + label
    info = _length(_HASH_BYTES) + bytes((len(name),)) + name + bytes((len(context),)) + context
    return hmac.digest(secret, info + b"\x01", "sha384")
