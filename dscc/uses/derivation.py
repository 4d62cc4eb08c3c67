"""The key of each use, from a negotiated key: one label a use, so that a key for one use is never the key for another.

    key of a use = XL(negotiated key, label, enc(kid, names), size)        with DSCC1-S384, whatever suite agreed on it

In a use with two roles the names are the client's and the server's, in this order: a message that comes back to who
sent it was made with another key (the Selfie attack). In a use without roles they are in their order as bytes.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple

from dscc.errors import DsccError, Reason
from dscc.primitives import S384, enc

LEAST_BYTES: Final = 32
"""Of a negotiated key: every use promises the strength of AES-256."""
MOST_BYTES: Final = 512
_NAME_BYTES: Final = 64
_KID: Final = re.compile(r"[0-9a-f]{32}")


class Role(StrEnum):
    """Which end of a connection this device is."""

    CLIENT = "client"
    SERVER = "server"


class SharedKey(NamedTuple):
    """A key that this device and a peer negotiated, as the uses take it. Made by `shared_key`."""

    kid: str
    key: bytes
    own: str
    peer: str

    def __repr__(self) -> str:
        return f"SharedKey({self.kid}, {self.own!r}, {self.peer!r})"

    def ends(self, role: Role) -> tuple[str, str]:
        """The client's name and the server's."""
        return (self.own, self.peer) if role is Role.CLIENT else (self.peer, self.own)


class Keys(NamedTuple):
    """The keys of a use with a peer, at one moment."""

    protect: SharedKey | None
    """The one to encrypt with; None: there is none at present."""
    process: tuple[SharedKey, ...]
    """Those to decrypt with, the latest first."""

    def to_protect(self) -> SharedKey:
        """The key to encrypt with. Raises DsccError (EXPIRED) if there is none."""
        if self.protect is None:
            raise DsccError(
                Reason.EXPIRED,
                "there is no key to use: none was negotiated for this purpose and activated, or its time is over",
            )
        return self.protect

    def find(self, kid: str) -> SharedKey | None:
        """The key to decrypt with that has this identifier."""
        return next((each for each in self.process if each.kid == kid), None)


class Use(NamedTuple):
    """A row of `USES`."""

    purpose: str
    """What the key has to be negotiated for."""
    label: str
    has_roles: bool
    size: int
    """Of the use's key, in bytes."""


TLS13: Final = Use("tls13", "use tls13", True, 48)
TUNNEL: Final = Use("tunnel", "use tunnel", True, 48)
IKEV2_PPK: Final = Use("ikev2-ppk", "use ikev2-ppk", False, 32)
WIREGUARD: Final = Use("wireguard", "use wireguard", False, 32)
USES: Final = (TLS13, TUNNEL, IKEV2_PPK, WIREGUARD)
"""Every use, and the label of its keys."""


def shared_key(kid: str, key: bytes, own: str, peer: str) -> SharedKey:
    """A key for the uses. Raises DsccError (MALFORMED): its identifier, its length or a name is not as it has to be."""
    if not _KID.fullmatch(kid):
        raise DsccError(Reason.MALFORMED, "a key's identifier has 32 hexadecimal digits, in lower case")
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise DsccError(
            Reason.MALFORMED,
            f"key {kid} has {8 * len(key)} bits: a use takes {8 * LEAST_BYTES} to {8 * MOST_BYTES}",
        )
    for name in (own, peer):
        if not 0 < len(name.encode()) <= _NAME_BYTES or not name.isprintable():
            raise DsccError(Reason.MALFORMED, f"a device's name is a printable text of 1 to {_NAME_BYTES} bytes")
    if own == peer:
        raise DsccError(Reason.MALFORMED, "the two devices of a key have different names")
    return SharedKey(kid, key, own, peer)


def bound_names(shared: SharedKey, use: Use, role: Role) -> bytes:
    """What the key of a use is bound to: the negotiated key's identifier, and both names."""
    names = [name.encode() for name in shared.ends(role)]
    return enc(bytes.fromhex(shared.kid), *(names if use.has_roles else sorted(names)))


def key_of_use(shared: SharedKey, use: Use, role: Role = Role.CLIENT) -> bytes:
    """The key of a use. Without roles (`has_roles`) it is the same whatever role is given."""
    return S384.expand(shared.key, use.label, bound_names(shared, use, role), use.size)
