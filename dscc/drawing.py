"""Keys that are drawn from one that was agreed: one negotiation, or one epoch of a group, gives many. Pure.

    context = enc("drawn key", the seed's identifier, number)
    kid     = the first 16 bytes of H(context)
    key     = XL(seed, "drawn key", context, size)

A pair's seed is the key of an agreement, and its identifier that key's; numbers count from 1, so that 0 is left for the
agreed key itself (`RevokeKey.number`). A group's seed is that of an epoch, and its identifier the epoch's digest; there
a number is 16 random bytes of whoever draws, since members do not count together.

Who draws sees to it that a number is drawn once, and for one size. A drawn key is no stronger than its seed. From its
identifier nothing follows about the key: nodes compute identifiers, too.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from uuid import UUID

from dscc.errors import DsccError, Reason
from dscc.group import Epoch
from dscc.primitives import BASE, Suite, enc

KID_BYTES: Final = 16
NUMBER_BYTES: Final = 16
"""A number in a group."""
MOST_NUMBER: Final = (1 << 63) - 1
MOST_BITS: Final = 4096
"""As of the keys that are agreed on."""
_VERSION: Final = 8 << 76
_VARIANT: Final = 2 << 62
_FREE: Final = ~(0xF << 76 | 3 << 62)
"""What is left of the 128 bits beside version and variant (RFC 9562 s5.8)."""


class Drawn(NamedTuple):
    """A drawn key, and what it is called. Its repr does not show it."""

    kid: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"Drawn({self.kid.hex()})"


def drawn_kid(seed_kid: bytes, number: int) -> bytes:
    """What the key of this number is called, which is drawn from an agreed key of this identifier.

    Raises DsccError (MALFORMED): numbers count from 1.
    """
    return _kid(BASE, _pair_context(seed_kid, number))


def draw(seed_kid: bytes, seed: bytes, number: int, bits: int) -> Drawn:
    """The key of a number, from an agreed key. Raises DsccError: MALFORMED, or EXPIRED if the agreed key is erased."""
    return _draw(BASE, seed, _pair_context(seed_kid, number), bits)


def draw_of_group(epoch: Epoch, number: bytes, bits: int) -> Drawn:
    """The key of a number, 16 random bytes, from an epoch of a group. Raises DsccError (MALFORMED)."""
    if len(number) != NUMBER_BYTES:
        raise DsccError(Reason.MALFORMED, f"a number in a group has {NUMBER_BYTES} bytes, not {len(number)}")
    return _draw(epoch.suite, epoch.seed, _context(epoch.digest, number), bits)


def unique_identifier(kid: bytes) -> str:
    """A key identifier as the text of a UUID of version 8 (RFC 9562 s5.8): six of its bits are overwritten."""
    if len(kid) != KID_BYTES:
        raise DsccError(Reason.MALFORMED, f"a key identifier has {KID_BYTES} bytes, not {len(kid)}")
    return str(UUID(int=int.from_bytes(kid, "big") & _FREE | _VERSION | _VARIANT))


def _pair_context(seed_kid: bytes, number: int) -> bytes:
    if len(seed_kid) != KID_BYTES:
        raise DsccError(Reason.MALFORMED, f"a key identifier has {KID_BYTES} bytes, not {len(seed_kid)}")
    if not 1 <= number <= MOST_NUMBER:
        raise DsccError(Reason.MALFORMED, f"keys are drawn by numbers from 1 to 2^63 - 1, not {number}")
    return _context(seed_kid, number.to_bytes(8, "big"))


def _context(identifier: bytes, number: bytes) -> bytes:
    return enc(b"drawn key", identifier, number)


def _kid(suite: Suite, context: bytes) -> bytes:
    return suite.digest(context)[:KID_BYTES]


def _draw(suite: Suite, seed: bytes, context: bytes, bits: int) -> Drawn:
    if not seed:
        raise DsccError(Reason.EXPIRED, "the key to draw from is erased")
    if not 8 <= bits <= MOST_BITS or bits % 8:
        raise DsccError(Reason.MALFORMED, f"a drawn key has whole bytes, at most {MOST_BITS} bits, not {bits}")
    return Drawn(_kid(suite, context), suite.expand(seed, "drawn key", context, bits // 8))
