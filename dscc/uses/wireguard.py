"""WireGuard with a preshared key, which is mixed into the handshake of two peers beside their own keys. Pure.

It has no roles. The file for `wg set` and the fragment of a configuration hold the key; the command line does not.
"""

from __future__ import annotations

import re
import shlex
from base64 import b64decode, b64encode
from binascii import Error
from typing import Final

from dscc.errors import DsccError, Reason
from dscc.uses.derivation import WIREGUARD, SharedKey, key_of_use

_PUBLIC_BYTES: Final = 32
_INTERFACE: Final = re.compile(r"[A-Za-z0-9_=+.-]{1,15}")


def preshared_key(shared: SharedKey) -> str:
    """The preshared key in base64, as `wg` reads it from a file."""
    return b64encode(key_of_use(shared, WIREGUARD)).decode()


def set_command(interface: str, public_key: str, file: str) -> str:
    """The command that has an interface use the key of a file with a peer. Raises DsccError (MALFORMED)."""
    if not _INTERFACE.fullmatch(interface):
        raise DsccError(Reason.MALFORMED, "the name of an interface has up to 15 letters, digits and '_=+.-'")
    peer = _checked(public_key)
    return shlex.join(("wg", "set", interface, "peer", peer, "preshared-key", file))


def peer_section(shared: SharedKey, public_key: str) -> str:
    """The lines of a peer for wg0.conf. Raises DsccError (MALFORMED): that is no public key."""
    peer = _checked(public_key)
    return f"[Peer]\nPublicKey = {peer}\nPresharedKey = {preshared_key(shared)}\n"


def _checked(public_key: str) -> str:
    try:
        found = b64decode(public_key, validate=True)
    except (Error, ValueError):
        found = b""
    if len(found) != _PUBLIC_BYTES:
        raise DsccError(Reason.MALFORMED, "the public key of a peer is 32 bytes in base64, as `wg pubkey` prints it")
    return public_key
