"""The outside of DER: which elements follow one another (ITU-T X.690), for what the library does not tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

SEQUENCE, INTEGER, BIT_STRING, OCTET_STRING = 0x30, 0x02, 0x03, 0x04


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Element:
    """One element with a tag of one byte: all of its bytes, and its content alone."""

    tag: int
    encoded: bytes
    content: bytes


def elements(encoded: bytes) -> Iterator[Element]:
    """Walk the elements that follow one another. Raises ValueError where one does not fit."""
    position = 0
    while position < len(encoded):
        header = encoded[position : position + 2]
        if len(header) < 2:
            raise ValueError("the DER element has no length")
        start, length = position + 2, header[1]
        if length & 0x80:
            size = length & 0x7F
            length, start = int.from_bytes(encoded[start : start + size]), start + size
        end = start + length
        if end > len(encoded):
            raise ValueError("the DER element is longer than what holds it")
        yield Element(tag=header[0], encoded=encoded[position:end], content=encoded[start:end])
        position = end


def tags_within(encoded: bytes) -> tuple[int, ...]:
    """Return the tags of the elements inside one sequence that is all there is; nothing for anything else."""
    try:
        outer = list(elements(encoded))
        if len(outer) != 1 or outer[0].tag != SEQUENCE:
            return ()
        return tuple(element.tag for element in elements(outer[0].content))
    except ValueError:
        return ()
