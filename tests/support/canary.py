"""Known secrets, and the search for them in every form in which a leak would show."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PIECE = 16
"""Half a key is a leak too: every form is searched for pieces of this many bytes."""


@dataclass(frozen=True)
class Canary:
    """A secret that no one but the test knows."""

    name: str
    value: bytes

    @classmethod
    def make(cls, name: str, size: int = 32) -> Canary:
        return cls(name, secrets.token_bytes(size))

    @classmethod
    def word(cls, name: str) -> Canary:
        """A secret that is text."""
        return cls(name, secrets.token_hex(16).encode())

    def forms(self) -> dict[str, bytes]:
        """The piece at the start of the secret and the one at its end, as they could be written down."""
        forms = {}
        for place, piece in (("start", self.value[:PIECE]), ("end", self.value[-PIECE:])):
            reversed_ = piece[::-1]
            forms |= {
                f"{place}, raw": piece,
                f"{place}, reversed": reversed_,
                f"{place}, hex": piece.hex().encode(),
                f"{place}, HEX": piece.hex().upper().encode(),
                f"{place}, spaced hex": piece.hex(" ").encode(),
                f"{place}, UTF-16": "".join(map(chr, piece)).encode("utf-16-le"),
                f"{place}, repr": repr(piece)[2:-1].encode(),
                f"{place}, numbers": ", ".join(map(str, piece)).encode(),
                f"{place}, JSON escapes": "".join(f"\\u{byte:04x}" for byte in piece).encode(),
            }
            for shift in range(3):
                # In base64 a piece looks different at each offset; its first and last digits depend on the neighbours.
                for encode in (base64.b64encode, base64.urlsafe_b64encode):
                    digits = encode(bytes(shift) + piece)[2 + shift : -4]
                    forms[f"{place}, {encode.__name__} at {shift}"] = digits
        return forms


def leaks(canaries: Iterable[Canary], files: Iterable[Path]) -> list[str]:
    """Where any of the secrets is found, in words."""
    forms = [(canary.name, form, data) for canary in canaries for form, data in canary.forms().items()]
    found = []
    for file in files:
        content = file.read_bytes()
        found.extend(f"{name} ({form}) in {file.name}" for name, form, data in forms if data in content)
    return found
