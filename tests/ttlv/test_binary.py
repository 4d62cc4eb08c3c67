"""The binary encoding (KMIP 2.1 s10.1): what it refuses, and the limits. The codes are the bad-input categories."""

from __future__ import annotations

import struct
import tracemalloc
from typing import Any

import pytest
from trees import REGISTER

from kmip_server.ttlv import binary
from kmip_server.ttlv.item import CodecError, Item, Limits, Type
from kmip_server.ttlv.tags import Tag


def ttlv(
    kind: int, value: bytes, *, tag: int = Tag.NAME, length: int | None = None, padding: bytes | None = None
) -> bytes:
    size = len(value) if length is None else length
    return (
        tag.to_bytes(3, "big")
        + bytes([kind])
        + struct.pack(">I", size)
        + value
        + (bytes(-len(value) % 8) if padding is None else padding)
    )


def wrapped(*items: bytes, **how: Any) -> bytes:
    return ttlv(Type.STRUCTURE, b"".join(items), **how)


REFUSED = {
    "nothing at all": b"",
    "two items": ttlv(7, b"a") * 2,
    "a header cut short": b"\x42\x00\x53\x01\x00\x00",
    "B10 length 0xFFFFFFFF": ttlv(8, b"", length=0xFFFFFFFF),
    "B15 a child longer than its parent": wrapped(ttlv(7, b"abcdefgh", length=16)),
    "B15 a child that reaches into its parent's sibling": wrapped(ttlv(7, b"", length=8)) + ttlv(7, b"abcdefgh"),
    "B16 an end inside padding": wrapped(ttlv(7, b"abc", padding=b"\0\0")),
    "B16 no padding": wrapped(ttlv(7, b"abc", padding=b"")),
    "B18 padding that is not zero": wrapped(ttlv(7, b"abc", padding=b"\0\0\0\0\1")),
    "B18 padding of an Integer": wrapped(ttlv(2, b"\0\0\0\1", padding=b"\0\0\0\1")),
    "B19 an Integer of 8 bytes": ttlv(2, bytes(8)),
    "B19 an Enumeration of 0 bytes": ttlv(5, b""),
    "B19 an Interval of 3 bytes": ttlv(10, bytes(3)),
    "B20 a Long Integer of 4 bytes": ttlv(3, bytes(4)),
    "B20 a Date-Time of 16 bytes": ttlv(9, bytes(16)),
    "B20 a Boolean of 1 byte": ttlv(6, b"\1"),
    "B20 a Date-Time Extended of 4 bytes": ttlv(11, bytes(4)),
    "B25 a Boolean of 2": ttlv(6, bytes(7) + b"\2"),
    "B25 a Boolean of all ones": ttlv(6, b"\xff" * 8),
    "B26 a Big Integer of 0 bytes": ttlv(4, b""),
    "B26 a Big Integer of 12 bytes": ttlv(4, bytes(12)),
    "B27 type 0": ttlv(0, bytes(8)),
    "B27 type 12": ttlv(12, bytes(8)),
    "B27 type 255": ttlv(255, bytes(8)),
    "B32 not UTF-8": ttlv(7, b"\xff\xfe"),
    "B32 an overlong form": ttlv(7, b"\xc0\xaf"),
    "B32 a surrogate": ttlv(7, b"\xed\xa0\x80"),
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_malformed_items_are_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        binary.decode(data)


ACCEPTED = {
    "B17 padding counted into a Text String is part of the text": (ttlv(7, b"abc\0\0\0\0\0"), "abc\0\0\0\0\0"),
    "B24 an empty Structure": (wrapped(), ()),
    "B26 a Big Integer with needless leading bytes": (ttlv(4, bytes(15) + b"\7"), 7),
    "B33 control characters": (ttlv(7, b"a\0\r\n\x1b[2J"), "a\0\r\n\x1b[2J"),
    "B35 the first Date-Time": (ttlv(9, b"\x80" + bytes(7)), -(1 << 63)),
    "B35 the last Date-Time": (ttlv(9, b"\x7f" + b"\xff" * 7), (1 << 63) - 1),
    "B36 the longest Interval": (ttlv(10, b"\xff" * 4), (1 << 32) - 1),
}


@pytest.mark.parametrize(("data", "value"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_unusual_items_keep_their_value(data: bytes, value: object) -> None:
    assert binary.decode(data).value == value


@pytest.mark.parametrize("tag", [0x000000, 0x42FFFF, 0x540001, 0xFFFFFF], ids="{:06X}".format)
def test_an_unknown_tag_is_still_an_item(tag: int) -> None:
    assert binary.decode(ttlv(7, b"a", tag=tag)) == Item(tag, Type.TEXT_STRING, "a")


def nested(levels: int) -> bytes:
    data = b""
    for _ in range(levels):
        data = wrapped(data)
    return data


def test_structures_nest_as_deep_as_the_limit_and_no_deeper() -> None:
    assert binary.decode(nested(32), Limits(depth=32)).tag == Tag.NAME
    with pytest.raises(CodecError, match="deep"):
        binary.decode(nested(33), Limits(depth=32))


def test_ten_thousand_levels_are_refused_without_a_recursion_error() -> None:
    with pytest.raises(CodecError, match="deep"):
        binary.decode(nested(10_000))


def test_a_million_empty_children_are_refused_for_little_memory() -> None:
    data = wrapped(wrapped() * 1_000_000)
    tracemalloc.start()
    with pytest.raises(CodecError, match="too many"):
        binary.decode(data, Limits(message_bytes=len(data)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_the_limit_of_nodes_is_exact() -> None:
    data = wrapped(wrapped() * 9)
    assert len(binary.decode(data, Limits(nodes=10)).value) == 9
    with pytest.raises(CodecError):
        binary.decode(data, Limits(nodes=9))


def test_a_message_as_large_as_the_limit_is_accepted_and_one_byte_more_is_not() -> None:
    data = ttlv(8, bytes(64))
    assert binary.decode(data, Limits(message_bytes=len(data))).value == bytes(64)
    with pytest.raises(CodecError, match="larger"):
        binary.decode(data, Limits(message_bytes=len(data) - 1))


FRAMES = {
    "B05 another tag": (0x42007B, 1, 8),
    "B06 no Structure": (0x420078, 7, 8),
    "B09 length 0": (0x420078, 1, 0),
    "B10 the largest length": (0x420078, 1, 0xFFFFFFF8),
    "B11 a length above the limit": (0x420078, 1, 1024),
    "B14 a length that is no multiple of 8": (0x420078, 1, 12),
}


@pytest.mark.parametrize(("tag", "kind", "length"), FRAMES.values(), ids=FRAMES.keys())
def test_a_header_that_cannot_start_a_message_is_refused(tag: int, kind: int, length: int) -> None:
    with pytest.raises(CodecError):
        binary.frame_bytes(struct.pack(">II", tag << 8 | kind, length), Tag.REQUEST_MESSAGE, Limits(message_bytes=1024))


def test_the_size_of_a_message_is_in_its_header() -> None:
    data = binary.encode(REGISTER)
    assert binary.frame_bytes(data[:8], Tag.REQUEST_MESSAGE, Limits(message_bytes=len(data))) == len(data)


EXAMPLES = {
    "an Integer": (Item(0x420020, 2, 8), "42002002000000040000000800000000"),
    "a Long Integer": (Item(0x420020, 3, 123456789000000000), "420020030000000801B69B4BA5749200"),
    "a Big Integer": (
        Item(0x420020, 4, 1234567890000000000000000000),
        "42002004000000100000000003FD35EB6BC2DF4618080000",
    ),
    "an Enumeration": (Item(0x420020, 5, 255), "4200200500000004000000FF00000000"),
    "a Boolean": (Item(0x420020, 6, True), "42002006000000080000000000000001"),
    "a Text String": (Item(0x420020, 7, "Hello World"), "420020070000000B48656C6C6F20576F726C640000000000"),
    "a Byte String": (Item(0x420020, 8, b"\1\2\3"), "42002008000000030102030000000000"),
    "a Date-Time": (Item(0x420020, 9, 1205495800), "42002009000000080000000047DA67F8"),
    "an Interval": (Item(0x420020, 10, 864000), "4200200A00000004000D2F0000000000"),
    "a Structure": (
        Item(0x420020, 1, (Item(0x420004, 5, 254), Item(0x420005, 2, 255))),
        "42002001000000204200040500000004000000FE000000004200050200000004000000FF00000000",
    ),
}


@pytest.mark.parametrize(("item", "data"), EXAMPLES.values(), ids=EXAMPLES.keys())
def test_the_examples_of_the_standard_encode_and_decode(item: Item, data: str) -> None:
    """KMIP 1.4 s9.1.2, KMIP 2.1 s10.1.5."""
    assert binary.encode(item) == bytes.fromhex(data)
    assert binary.decode(bytes.fromhex(data)) == item


def test_errors_hold_no_values() -> None:
    secret = b"correct horse battery staple"
    for data in (
        ttlv(7, secret + b"\xff"),
        ttlv(2, secret),
        ttlv(6, secret[:8]),
        wrapped(ttlv(8, secret, padding=b"")),
    ):
        with pytest.raises(CodecError) as caught:
            binary.decode(data)
        assert secret[:8].decode() not in str(caught.value)
        assert secret[:8].hex() not in str(caught.value).lower()
