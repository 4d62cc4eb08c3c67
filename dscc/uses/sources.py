"""Where a use has its keys from: a `KeySource`. A file is one; devices and their agents are in `dscc.device`."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final, Protocol

from dscc.errors import DsccError, Reason
from dscc.uses.derivation import LEAST_BYTES, MOST_BYTES, Keys, Use, shared_key

_MOST_CHARACTERS: Final = 2 * MOST_BYTES + 2


class KeySource(Protocol):
    """Gives the keys that two devices have. It may wait, so it is called from no event loop."""

    def keys(self, use: Use) -> Keys:
        """The keys that were negotiated for a use, as they are now. Raises DsccError, OSError."""
        ...


class KeyFile:
    """A key in a file of mode 0600, raw or in hexadecimal. What it was negotiated for is up to who wrote it."""

    def __init__(self, path: Path, kid: str, own: str, peer: str) -> None:
        self._path, self._kid, self._own, self._peer = path, kid, own, peer

    def keys(self, use: Use) -> Keys:
        """The key of the file. Raises DsccError: others can read the file, or what is in it is no key."""
        key = shared_key(self._kid, _key_in(_read_private(self._path)), self._own, self._peer)
        return Keys(key, (key,))


def _read_private(path: Path) -> bytes:
    with path.open("rb") as stream:
        found = os.fstat(stream.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise DsccError(Reason.MALFORMED, f"{path} is not a file")
        if found.st_mode & 0o077:
            raise DsccError(Reason.MALFORMED, f"{path} has mode {stat.S_IMODE(found.st_mode):04o}: set it to 0600")
        return stream.read(_MOST_CHARACTERS + 1)


def _key_in(content: bytes) -> bytes:
    """Hexadecimal, if it is nothing else and long enough: a random key of 32 bytes looks so once in 10^35 times."""
    text = content.strip()
    if len(text) >= 2 * LEAST_BYTES and not text.translate(None, b"0123456789abcdefABCDEF"):
        if len(text) % 2:
            raise DsccError(Reason.MALFORMED, "the key file has an odd number of hexadecimal digits")
        return bytes.fromhex(text.decode())
    return content
