"""The base of the standard's tables: an integer that knows its title and the versions that have it."""

from __future__ import annotations

import re
from enum import IntEnum
from functools import cached_property
from typing import Self

from kmip_server.ttlv.versions import V1_0, V2_1, ProtocolVersion, within


class Enumeration(IntEnum):
    """One value of a KMIP enumeration: its number, the standard's title, the first and last version with it."""

    title: str
    since: ProtocolVersion
    until: ProtocolVersion

    def __new__(cls, value: int, title: str = "", since: ProtocolVersion = V1_0, until: ProtocolVersion = V2_1) -> Self:
        """Make a member from a row of a table."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.title = title
        member.since = since
        member.until = until
        return member

    @classmethod
    def of(cls, value: int) -> Self | None:
        """The member with this number, or None."""
        member: Self | None = cls._value2member_map_.get(value)  # type: ignore[assignment]
        return member

    def known_in(self, version: ProtocolVersion) -> bool:
        """Whether a peer that speaks `version` knows this value."""
        return within(self.since, self.until, version)

    @cached_property
    def encoded_name(self) -> str:
        """The name in the XML and JSON encodings (KMIP Additional Message Encodings, normalised names)."""
        return normalise(self.title)


class Mask(Enumeration):
    """One bit of a KMIP bit mask (KMIP 2.1 s12)."""


def normalise(title: str) -> str:
    """Turn a title of the standard into its XML and JSON name: "X.509 Certificate" -> "X_509Certificate"."""
    words = title.replace("(", " ").replace(")", " ")
    words = re.sub(r"[^\w\s](?=[A-Za-z][a-z])", " ", words)
    words = re.sub(r"[^\w\s]", "_", words)
    first, *rest = words.split()
    digits = re.match(r"\d+", first)
    if digits:
        first = first[digits.end() :] + digits.group()
    return "".join(word[0].upper() + word[1:] for word in (first, *rest))
