"""A TTLV item (tag, type, value), the limits of decoding, and the one error that decoding raises.

KMIP 2.1 s10.1. Values in Python: Structure -> tuple of Items; Integer, Long Integer, Big Integer, Interval (seconds),
Date-Time (POSIX seconds) and Date-Time Extended (POSIX microseconds) -> int; Enumeration -> int; Boolean -> bool;
Text String -> str; Byte String -> bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import Any, Final, NamedTuple


class Type(IntEnum):
    """The item types (KMIP 2.1 s10.1.2)."""

    STRUCTURE = 0x01
    INTEGER = 0x02
    LONG_INTEGER = 0x03
    BIG_INTEGER = 0x04
    ENUMERATION = 0x05
    BOOLEAN = 0x06
    TEXT_STRING = 0x07
    BYTE_STRING = 0x08
    DATE_TIME = 0x09
    INTERVAL = 0x0A
    DATE_TIME_EXTENDED = 0x0B


class Item(NamedTuple):
    """One TTLV item. Tag and type are plain integers, so that an unknown tag is still an item."""

    tag: int
    type: int
    value: Any


make_item: Final[Callable[[tuple[int, int, Any]], Item]] = partial(tuple.__new__, Item)
"""Item(tag, type, value) from a tuple, where many are made: it calls no Python function and takes half as long."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one message may cost; checked before anything is allocated."""

    message_bytes: int = 1 << 20
    depth: int = 32
    nodes: int = 20_000


class CodecError(ValueError):
    """The bytes are not a TTLV item within the limits; the message says where and why, and holds no values."""
