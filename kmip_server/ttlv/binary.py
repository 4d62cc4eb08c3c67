"""The binary encoding of TTLV (KMIP 2.1 s10.1): three bytes of tag, one of type, four of length, value, padding.

Decoding is strict: lengths must fit their parent, padding must be zero, and the limits are checked before anything is
allocated. Encoding trusts its caller: an Item of ours has the value its type asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any, Final

from kmip_server.ttlv.item import CodecError, Item, Limits, Type, make_item
from kmip_server.ttlv.tags import Tag

HEADER_BYTES: Final = 8

_OURS: Final = Limits(message_bytes=1 << 30, depth=64, nodes=1 << 24)

_header = Struct(">II").unpack_from

# Eight bytes as a value and its padding, which is false if it is zero, or not there.
_int32 = Struct(">iI").unpack_from
_uint32 = Struct(">II").unpack_from
_int64 = Struct(">q0s").unpack_from
_uint64 = Struct(">Q0s").unpack_from

_FIXED: Final[dict[int, tuple[int, Callable[..., tuple[int, int | bytes]]]]] = {
    int(Type.INTEGER): (4, _int32),
    int(Type.LONG_INTEGER): (8, _int64),
    int(Type.ENUMERATION): (4, _uint32),
    int(Type.BOOLEAN): (8, _uint64),
    int(Type.DATE_TIME): (8, _int64),
    int(Type.INTERVAL): (4, _uint32),
    int(Type.DATE_TIME_EXTENDED): (8, _int64),
}
_REQUEST_HEADER: Final = int(Tag.REQUEST_HEADER)
_AUTHENTICATION: Final = int(Tag.AUTHENTICATION)
_LONGEST_HEADER: Final = 160
_MOST_HEADERS: Final = 256
_ZEROS: Final = tuple(bytes(n) for n in range(8))
# Plain numbers, since looking up a member of an enumeration takes longer than comparing it.
_STRUCTURE: Final = int(Type.STRUCTURE)
_INTEGER: Final = int(Type.INTEGER)
_LONG_INTEGER: Final = int(Type.LONG_INTEGER)
_BIG_INTEGER: Final = int(Type.BIG_INTEGER)
_ENUMERATION: Final = int(Type.ENUMERATION)
_BOOLEAN: Final = int(Type.BOOLEAN)
_TEXT_STRING: Final = int(Type.TEXT_STRING)
_BYTE_STRING: Final = int(Type.BYTE_STRING)
_DATE_TIME: Final = int(Type.DATE_TIME)
_INTERVAL: Final = int(Type.INTERVAL)
_DATE_TIME_EXTENDED: Final = int(Type.DATE_TIME_EXTENDED)


def frame_bytes(header: bytes | bytearray, expected_tag: int, limits: Limits) -> int:
    """The whole size, header included, of the message that starts with these bytes, at least 8.

    Raises CodecError if it is not a structure with the expected tag, or is larger than the limits allow.
    """
    word, length = _header(header)
    if word >> 8 != expected_tag:
        raise CodecError(f"a message starts with tag {expected_tag:06X}, not {word >> 8:06X}")
    if word & 0xFF != _STRUCTURE:
        raise CodecError(f"a message is a Structure, not type {word & 0xFF:02X}")
    if length == 0 or length % 8:
        raise CodecError(f"a message's length is a multiple of 8 above 0, not {length}")
    if length + HEADER_BYTES > limits.message_bytes:
        raise CodecError(f"a message of {length} bytes is larger than the {limits.message_bytes} allowed")
    return int(length) + HEADER_BYTES


def decode(data: bytes, limits: Limits | None = None) -> Item:
    """Decode exactly one item. Raises CodecError on anything malformed, trailing, or beyond the limits."""
    limits = limits or Limits()
    if len(data) > limits.message_bytes:
        raise CodecError(f"a message of {len(data)} bytes is larger than the {limits.message_bytes} allowed")
    budget = [limits.nodes]
    items = _items(data, 0, len(data), limits.depth, budget)
    if len(items) != 1:
        raise CodecError(f"expected one item, found {len(items)}")
    return items[0]


def _items(data: bytes, position: int, end: int, depth: int, budget: list[int]) -> tuple[Item, ...]:
    if depth < 0:
        raise CodecError(f"nested too deeply at byte {position}")
    items: list[Item] = []
    while position < end:
        budget[0] -= 1
        if budget[0] < 0:
            raise CodecError("too many items in one message")
        start = position + HEADER_BYTES
        if start > end:
            raise CodecError(f"an item is cut short at byte {position}")
        word, length = _header(data, position)
        tag, kind = word >> 8, word & 0xFF
        following = start + length
        if following > end:
            raise CodecError(f"tag {tag:06X} at byte {position} is longer than its parent")
        fixed = _FIXED.get(kind)
        value: Any
        if fixed is not None:
            size, read = fixed
            if length != size:
                raise CodecError(f"tag {tag:06X} at byte {position}: length {length}, expected {size}")
            following = start + 8
            if following > end:
                raise _padding_error(tag, following)
            value, padding = read(data, start)
            if padding:
                raise _padding_error(tag, following)
            if kind == _BOOLEAN:
                if value > 1:
                    raise CodecError(f"tag {tag:06X} at byte {position}: a Boolean is 0 or 1")
                value = value == 1
        else:
            if kind == _STRUCTURE:
                read_children = _header_items if tag == _REQUEST_HEADER else _items
                value = read_children(data, start, following, depth - 1, budget)
            elif kind == _TEXT_STRING:
                try:
                    value = str(data[start:following], "utf-8")
                except UnicodeDecodeError:
                    raise CodecError(f"tag {tag:06X} at byte {position}: a Text String is not UTF-8") from None
            elif kind == _BYTE_STRING:
                value = bytes(data[start:following])
            elif kind == _BIG_INTEGER:
                if length == 0 or length % 8:
                    raise CodecError(f"tag {tag:06X} at byte {position}: a Big Integer's length is a multiple of 8")
                value = int.from_bytes(data[start:following], "big", signed=True)
            else:
                raise CodecError(f"tag {tag:06X} at byte {position}: unknown type {kind:02X}")
            missing = -length % 8
            if missing:
                if data[following : following + missing] != _ZEROS[missing] or following + missing > end:
                    raise _padding_error(tag, following + missing)
                following += missing
        items.append(make_item((tag, kind, value)))
        position = following
    return tuple(items)


_headers: Final[dict[tuple[bytes, int], tuple[tuple[Item, ...], int]]] = {}
"""Request Headers by their bytes and the depth that they may have: their items, and how many there are in all."""


def _header_items(data: bytes, position: int, end: int, depth: int, budget: list[int]) -> tuple[Item, ...]:
    """As _items. A client sends the same Request Header again and again: half of the items of a small message.

    One with credentials is not remembered, nor a long one.
    """
    key = (data[position:end], depth)
    known = _headers.get(key)
    if known is not None and known[1] <= budget[0]:
        budget[0] -= known[1]
        return known[0]
    before = budget[0]
    items = _items(data, position, end, depth, budget)
    if end - position <= _LONGEST_HEADER and _AUTHENTICATION not in [item[0] for item in items]:
        if len(_headers) >= _MOST_HEADERS:
            _headers.clear()
        _headers[key] = items, before - budget[0]
    return items


def _padding_error(tag: int, end: int) -> CodecError:
    return CodecError(f"tag {tag:06X}: padding before byte {end} is not zero")


def encode(item: Item) -> bytes:
    """Encode one item, children included. A Structure's value may also be the bytes of its encoded children."""
    parts: list[bytes] = []
    _append(item, parts)
    return b"".join(parts)


def expand(item: Item) -> Item:
    """The same item with all its children as Items, for the encodings that need them so."""
    return decode(encode(item), _OURS)


def split(data: bytes) -> list[tuple[int, bytes]]:
    """The encoded items that follow one another in data of our own: each one's tag, and it with header and padding."""
    parts = []
    position, end = 0, len(data)
    while position < end:
        word, length = _header(data, position)
        following = position + HEADER_BYTES + length + -length % 8
        parts.append((word >> 8, data[position:following]))
        position = following
    return parts


_pack_header = Struct(">II").pack
_pack_int32 = Struct(">IIi4x").pack
_pack_uint32 = Struct(">III4x").pack
_pack_int64 = Struct(">IIq").pack


def structure(tag: int, children: bytes) -> bytes:
    """An encoded Structure, of its children encoded one after another."""
    return _pack_header(tag << 8 | _STRUCTURE, len(children)) + children


def _framed(word: int, data: bytes) -> bytes:
    length = len(data)
    return _pack_header(word, length) + data + _ZEROS[-length % 8]


PRIMITIVES: Final[dict[int, Callable[[int, Any], bytes]]] = {
    _INTEGER: lambda tag, value: _pack_int32(tag << 8 | _INTEGER, 4, value),
    _LONG_INTEGER: lambda tag, value: _pack_int64(tag << 8 | _LONG_INTEGER, 8, value),
    _BIG_INTEGER: lambda tag, value: _framed(
        tag << 8 | _BIG_INTEGER, value.to_bytes((value.bit_length() // 64 + 1) * 8, "big", signed=True)
    ),
    _ENUMERATION: lambda tag, value: _pack_uint32(tag << 8 | _ENUMERATION, 4, value),
    _BOOLEAN: lambda tag, value: _pack_int64(tag << 8 | _BOOLEAN, 8, value),
    _TEXT_STRING: lambda tag, value: _framed(tag << 8 | _TEXT_STRING, value.encode("utf-8")),
    _BYTE_STRING: lambda tag, value: _framed(tag << 8 | _BYTE_STRING, value),
    _DATE_TIME: lambda tag, value: _pack_int64(tag << 8 | _DATE_TIME, 8, value),
    _INTERVAL: lambda tag, value: _pack_uint32(tag << 8 | _INTERVAL, 4, value),
    _DATE_TIME_EXTENDED: lambda tag, value: _pack_int64(tag << 8 | _DATE_TIME_EXTENDED, 8, value),
}
"""By type: an encoded item of this tag and value."""


def _append(item: Item, parts: list[bytes]) -> int:
    """Append the item's bytes to the parts; answer how many there are."""
    tag, kind, value = item
    if kind != _STRUCTURE:
        part = PRIMITIVES[kind](tag, value)
    elif type(value) is bytes:
        part = structure(tag, value)
    else:
        place = len(parts)
        parts.append(b"")
        length = 0
        for child in value:
            length += _append(child, parts)
        parts[place] = _pack_header(tag << 8 | kind, length)
        return length + HEADER_BYTES
    parts.append(part)
    return len(part)
