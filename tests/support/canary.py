"""Known secrets, and the search for them in every form in which a leak would show."""

from __future__ import annotations

import base64
import secrets
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PIECE = 16
"""Half a key is a leak too: every form is searched for pieces of this many bytes."""
WORD = 8


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
    holding = _forms_by_word([data for _, _, data in forms])
    found = []
    for file in files:
        content = file.read_bytes()
        words = set(memoryview(content + bytes(-len(content) % WORD)).cast("Q"))
        likely = {number for word in words & holding.keys() for number in holding[word]}
        for name, form, data in (forms[number] for number in sorted(likely)):
            if data in content:
                found.append(f"{name} ({form}) in {file.name}")
    return found


def _forms_by_word(forms: Sequence[bytes]) -> Mapping[int, set[int]]:
    """The numbers of the forms that have a word in them, at any place.

    A content that holds a form has one of its words at a multiple of a word's size: so what is not there need not be
    searched for, form by form, in files as large as a write-ahead log.
    """
    holding = defaultdict(set)
    for number, form in enumerate(forms):
        assert len(form) >= 2 * WORD - 1
        for at in range(len(form) - WORD + 1):
            holding[int.from_bytes(form[at : at + WORD], sys.byteorder)].add(number)
    return holding
