"""Suites, the canonical encoding, the key schedule's two functions, and the sealing of records. All pure.

Symmetric primitives only: HMAC, HKDF (RFC 5869), AES-256-GCM (NIST SP 800-38D). Everything that is authenticated or
hashed is first encoded by `enc`, in which no two lists of fields have the same bytes.
"""

from __future__ import annotations

import hashlib
import hmac
from struct import Struct
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dscc.errors import DsccError, Reason

NONCE_BYTES: Final = 32
KEY_BYTES: Final = 32
"""AES-256."""
ROOT_BYTES: Final = 48
"""Roots and shares, in every suite: no less than the longest key that is asked for."""
IV_BYTES: Final = 12
TAG_BYTES: Final = 16
NOTHING: Final = bytes(32)
"""Stands in the key schedule where an optional secret is not there."""

_length = Struct(">I").pack
_info = Struct(">HB").pack
_LABEL_PREFIX: Final = b"DSCC1 "


class Suite(NamedTuple):
    """A set of primitives, by its name: the hash of HMAC and HKDF, and how many bytes that has."""

    name: str
    hash: str
    size: int

    def digest(self, data: bytes) -> bytes:
        """The hash of some bytes."""
        return hashlib.new(self.hash, data).digest()

    def mac(self, key: bytes, data: bytes) -> bytes:
        """HMAC (RFC 2104)."""
        return hmac.digest(key, data, self.hash)

    def check(self, key: bytes, data: bytes, mac: bytes, what: str) -> None:
        """Compare a MAC in constant time. Raises DsccError (NOT_AUTHENTIC) if it is another one."""
        if not hmac.compare_digest(hmac.digest(key, data, self.hash), mac):
            raise DsccError(Reason.NOT_AUTHENTIC, f"{what} was not made with the key that it names")

    def extract(self, salt: bytes, secret: bytes) -> bytes:
        """HKDF-Extract (RFC 5869 s2.2): a cascade of these is secret as long as any of its inputs is."""
        return hmac.digest(salt, secret, self.hash)

    def expand(self, key: bytes, label: str, context: bytes = b"", size: int = ROOT_BYTES) -> bytes:
        """HKDF-Expand (RFC 5869 s2.3) under a label and a context, in the shape of TLS 1.3 (RFC 8446 s7.1).

        `size` is in bytes, at most 255 times the hash's; the context has at most 255 bytes.
        """
        named = _LABEL_PREFIX + label.encode()
        info = _info(size, len(named)) + named + bytes([len(context)]) + context
        block = hmac.digest(key, info + b"\x01", self.hash)
        if size <= self.size:
            return block[:size]
        blocks = [block]
        while len(blocks) * self.size < size:
            blocks.append(hmac.digest(key, blocks[-1] + info + bytes([len(blocks) + 1]), self.hash))
        return b"".join(blocks)[:size]


S384: Final = Suite("DSCC1-S384", "sha384", 48)
S512: Final = Suite("DSCC1-S512", "sha512", 64)
SUITES: Final = {suite.name: suite for suite in (S512, S384)}
"""Every suite by its name, the preferred one first."""
BASE: Final = S384
"""The suite that all know: it authenticates the offer by which another one is chosen."""


def suite_named(name: str) -> Suite:
    """A suite by its name. Raises DsccError (UNSUPPORTED)."""
    suite = SUITES.get(name)
    if suite is None:
        raise DsccError(Reason.UNSUPPORTED, f"suite {name!r} is not known here; known are {', '.join(SUITES)}")
    return suite


def choose_suite(offered: tuple[str, ...], accepted: tuple[str, ...] = tuple(SUITES)) -> Suite:
    """The first accepted suite that is offered: the chooser's preference decides. Raises DsccError (UNSUPPORTED)."""
    for name in accepted:
        if name in offered:
            return suite_named(name)
    raise DsccError(
        Reason.UNSUPPORTED, f"no suite in common: offered {', '.join(offered)}; accepted {', '.join(accepted)}"
    )


def enc(*fields: bytes) -> bytes:
    """Fields, each behind its length in four bytes: no two lists of fields are encoded alike."""
    return b"".join([part for field in fields for part in (_length(len(field)), field)])


class Direction:
    """One direction of a session's records: its key, and the number of its next record (NIST SP 800-38D s8.2.1).

    Raises DsccError (EXPIRED) after 2^24 records, long before the counter or the key has been used too often.
    """

    _MOST: Final = 1 << 24

    def __init__(self, key: bytes, iv: bytes, session: bytes) -> None:
        self._aead = AESGCM(key)
        self._iv = int.from_bytes(iv, "big")
        self._session = session
        self._number = 0

    def seal(self, plain: bytes) -> bytes:
        """The next record."""
        iv, bound = self._next()
        return self._aead.encrypt(iv, plain, bound)

    def open(self, record: bytes) -> bytes:
        """What the next record says. Raises DsccError (NOT_AUTHENTIC): it is forged, replayed, or out of order."""
        iv, bound = self._next()
        try:
            return self._aead.decrypt(iv, record, bound)
        except InvalidTag:
            raise DsccError(Reason.NOT_AUTHENTIC, "a record is not the session's next one") from None

    def _next(self) -> tuple[bytes, bytes]:
        number = self._number
        if number >= self._MOST:
            raise DsccError(Reason.EXPIRED, "the session has carried all the records that it may")
        self._number = number + 1
        counted = number.to_bytes(8, "big")
        return (self._iv ^ number).to_bytes(IV_BYTES, "big"), self._session + counted


class Box:
    """Single messages, of a group or of two devices: AES-256-GCM under a key for this alone.

    The initialization vector is random and stands in front; a key is used for far fewer than 2^32 messages
    (NIST SP 800-38D s8.3).
    """

    def __init__(self, suite: Suite, secret: bytes, label: str, bound: bytes) -> None:
        self._aead = AESGCM(suite.expand(secret, label, b"", KEY_BYTES))
        self._bound = bound

    def seal(self, plain: bytes, iv: bytes) -> bytes:
        """The message under an initialization vector of 12 random bytes."""
        return iv + self._aead.encrypt(iv, plain, self._bound)

    def open(self, sealed: bytes) -> bytes:
        """What was sealed. Raises DsccError (NOT_AUTHENTIC)."""
        try:
            return self._aead.decrypt(sealed[:IV_BYTES], sealed[IV_BYTES:], self._bound)
        except (InvalidTag, ValueError):
            raise DsccError(Reason.NOT_AUTHENTIC, "this was not sealed for who opens it") from None
