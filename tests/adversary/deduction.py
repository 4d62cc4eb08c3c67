"""What follows from what, in the code as it runs: every computation is written down, and an attacker replays them.

While it watches, each extraction, expansion, MAC, digest, sealing and encapsulation becomes a rule: who has the inputs
has the output. Every random string, and every output, is a secret until it is known. An attacker begins with what it
has and what it saw, and applies the rules until nothing new comes. That is all that it can do if these functions
behave like random ones: what honest parties did not compute is of no use to it. (It listens, and is in nobody's place.)
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

import pytest

from dscc import group, hardening, keyfill, pairwise
from dscc.primitives import Direction, Suite

LEAST = 12
"""Shorter strings are not secrets."""
Rule = tuple[tuple[bytes, ...], bytes]


class Watch:
    """What was computed since it was made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rules: list[Rule] = []
        self.secrets: set[bytes] = set()
        self._patch = monkeypatch
        self._watch_suites()
        self._watch_randomness()
        self._watch_boxes()
        self._watch_kem()

    def _made(self, output: bytes, *inputs: bytes) -> bytes:
        self.rules.append((inputs, output))
        return self._secret(output)

    def _secret(self, made: bytes) -> bytes:
        if len(made) >= LEAST and any(made):
            self.secrets.add(made)
        return made

    def _watch_suites(self) -> None:
        extract, expand, mac, digest = Suite.extract, Suite.expand, Suite.mac, Suite.digest
        made = self._made
        self._patch.setattr(Suite, "extract", lambda s, salt, secret: made(extract(s, salt, secret), salt, secret))
        self._patch.setattr(Suite, "mac", lambda s, key, data: made(mac(s, key, data), key, data))
        self._patch.setattr(Suite, "digest", lambda s, data: made(digest(s, data), data))

        def expanded(s: Suite, key: bytes, label: str, context: bytes = b"", size: int = 48) -> bytes:
            return made(expand(s, key, label, context, size), key, context)

        self._patch.setattr(Suite, "expand", expanded)

    def _watch_randomness(self) -> None:
        token_bytes = secrets.token_bytes
        self._patch.setattr(secrets, "token_bytes", lambda size=32: self._secret(token_bytes(size)))
        joined = keyfill._joined

        def watched(pieces: tuple[bytes, ...], *given: Any) -> bytes:
            return self._made(joined(pieces, *given), *pieces)

        self._patch.setattr(keyfill, "_joined", watched)

    def _watch_boxes(self) -> None:
        rules, keys = self.rules, {}
        begin, seal = Direction.__init__, Direction.seal
        box, box_seal = group.Box.__init__, group.Box.seal

        def direction(self: Direction, key: bytes, iv: bytes, session: bytes) -> None:
            begin(self, key, iv, session)
            keys[id(self)] = self, key

        def sealed(self: Direction, plain: bytes) -> bytes:
            record = seal(self, plain)
            rules.append(((keys[id(self)][1], record), plain))
            return record

        def boxed(self: group.Box, suite: Suite, secret: bytes, label: str, bound: bytes) -> None:
            box(self, suite, secret, label, bound)
            keys[id(self)] = self, suite.expand(secret, label, b"", 32)

        def box_sealed(self: group.Box, plain: bytes, iv: bytes) -> bytes:
            record = box_seal(self, plain, iv)
            rules.append(((keys[id(self)][1], record), plain))
            return record

        self._patch.setattr(Direction, "__init__", direction)
        self._patch.setattr(Direction, "seal", sealed)
        self._patch.setattr(group.Box, "__init__", boxed)
        self._patch.setattr(group.Box, "seal", box_sealed)

    def _watch_kem(self) -> None:
        begin, seeds = hardening.KemKey.__init__, {}

        def key(made: hardening.KemKey, kind: str, seed: bytes | None = None) -> None:
            begin(made, kind, seed)
            seeds[made.public] = self._secret(made.seed)

        encapsulate = hardening.encapsulate

        def encapsulated(kind: str, public: bytes) -> hardening.Encapsulated:
            given = encapsulate(kind, public)
            self._made(given.secret, seeds[public])
            return given

        self._patch.setattr(hardening.KemKey, "__init__", key)
        for module in (hardening, pairwise):
            self._patch.setattr(module, "encapsulate", encapsulated)
        self.encapsulate = encapsulated

    def knows(self, target: bytes, *known: bytes, seen: Iterable[bytes] = ()) -> bool:
        """Whether who knows these strings, and saw those go by, has the target."""
        assert target in self.secrets, "the target was not computed while this was watching"
        unknown = set(self.secrets)

        def learn(text: bytes) -> None:
            unknown.difference_update([secret for secret in unknown if secret in text])

        def has(text: bytes) -> bool:
            return not any(secret in text for secret in unknown)

        records = b"|".join(seen)
        for text in (*known, records):
            learn(text)
        rules = list(dict.fromkeys(self.rules))
        before = -1
        while before != len(rules):
            before, left = len(rules), []
            for inputs, output in rules:
                # What is sealed is opened if it was seen; a key alone opens nothing.
                if all(has(each) or each in records for each in inputs):
                    learn(output)
                else:
                    left.append((inputs, output))
            rules = left
        return target not in unknown
