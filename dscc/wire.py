"""Frames and messages on the wire: a length, a kind, and CBOR (RFC 8949). Limits come before everything else.

A message is an array of its number and its fields, in their order. What is authenticated is not these bytes but the
canonical encoding of the same fields (`core`, `transcript`), so that it does not matter how CBOR was written.

Of CBOR only this is read: numbers, byte strings, texts, and arrays of them, each with its length in front, three deep.
Tags are refused: among them are references to what came before, by which 200 bytes unfold to gigabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from io import BytesIO
from struct import Struct
from typing import Annotated, Any, Final, NamedTuple, TypeVar, cast, get_args, get_type_hints

import cbor2

from dscc.errors import DsccError, Reason
from dscc.primitives import NONCE_BYTES, ROOT_BYTES, enc

FRAME_BYTES: Final = 65_536
"""The largest frame, its kind included."""
HEADER_BYTES: Final = 5
_header = Struct(">IB")
_int64 = Struct(">q").pack
_DEEPEST: Final = 3
"""A message, a list in it, and the pairs of that."""


class FrameKind(IntEnum):
    """What a frame carries: a message in the clear (handshakes), or a sealed record of a session."""

    MESSAGE = 1
    RECORD = 2


class Frame(NamedTuple):
    """One frame."""

    kind: FrameKind
    body: bytes


def write_frame(kind: FrameKind, body: bytes) -> bytes:
    """A frame: four bytes of length (kind and body), one of kind, the body. Raises DsccError if it is too large."""
    if len(body) >= FRAME_BYTES:
        raise DsccError(Reason.MALFORMED, f"a frame has at most {FRAME_BYTES} bytes, not {len(body) + 1}")
    return _header.pack(len(body) + 1, kind) + body


class FrameReader:
    """Cuts a stream of bytes into frames. It never holds more than one frame and what came with it."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that these bytes complete. Raises DsccError (MALFORMED): the stream is of no further use."""
        self._buffer += data
        while len(self._buffer) >= HEADER_BYTES:
            size, kind = _header.unpack_from(self._buffer)
            if not 1 < size <= FRAME_BYTES:
                raise DsccError(Reason.MALFORMED, f"a frame has 2 to {FRAME_BYTES} bytes, not {size}")
            if kind not in (1, 2):
                raise DsccError(Reason.MALFORMED, f"there is no frame of kind {kind}")
            end = 4 + size
            if len(self._buffer) < end:
                return
            body = bytes(memoryview(self._buffer)[HEADER_BYTES:end])
            del self._buffer[:end]
            yield Frame(FrameKind(kind), body)


class _Check(NamedTuple):
    """What a field has to be: whether a value that was read is it, and what that is in words."""

    ok: Callable[[Any], bool]
    what: str


def _text(most: int) -> _Check:
    # Counted in bytes of UTF-8, since names become labels of keys; no control characters, since they are logged.
    return _Check(
        lambda value: type(value) is str and len(value.encode()) <= most and value.isprintable(),
        f"a printable text of at most {most} bytes",
    )


def _octets(least: int, most: int) -> _Check:
    return _Check(lambda value: type(value) is bytes and least <= len(value) <= most, f"{least} to {most} bytes")


def _many(most: int, one: _Check) -> _Check:
    return _Check(
        lambda value: type(value) is tuple and len(value) <= most and all(map(one.ok, value)),
        f"at most {most} times {one.what}",
    )


_SHORT: Final = _text(64)
_ATTRIBUTE: Final = _text(256)
Name = Annotated[str, _SHORT]
"""A device, a node, a stage, a purpose, a suite: at most 64 bytes."""
Sentence = Annotated[str, _text(512)]
Names = Annotated[tuple[str, ...], _many(16, _SHORT)]
_PAIR: Final = _Check(
    lambda value: type(value) is tuple and len(value) == 2 and all(map(_ATTRIBUTE.ok, value)), "a name and a value"
)
Pairs = Annotated[tuple[tuple[str, str], ...], _many(32, _PAIR)]
"""Attributes: names and values of at most 256 bytes."""
Nonce = Annotated[bytes, _octets(NONCE_BYTES, NONCE_BYTES)]
Mac = Annotated[bytes, _octets(0, 64)]
Digest = Annotated[bytes, _octets(32, 64)]
Share = Annotated[bytes, _octets(ROOT_BYTES, ROOT_BYTES)]
Identifier = Annotated[bytes, _octets(16, 16)]
Octets = Annotated[bytes, _octets(0, 4096)]
"""Key encapsulation: an ML-KEM-1024 key has 1,568 bytes."""
Blob = Annotated[bytes, _octets(0, 49_152)]
"""What others made, and the protocol only carries."""
Count = Annotated[int, _Check(lambda value: type(value) is int and 0 <= value < 1 << 63, "a number from 0 to 2^63 - 1")]
Macs = Annotated[tuple[bytes, ...], _many(1024, _octets(0, 64))]
Roster = Annotated[tuple[str, ...], _many(1024, _SHORT)]

Message = tuple[Any, ...]
"""A NamedTuple that `message` has declared."""
_Declared = TypeVar("_Declared", bound=type)
_M = TypeVar("_M")


class _Kind(NamedTuple):
    type: type
    number: int
    fields: tuple[tuple[str, _Check], ...]


_BY_NUMBER: Final[dict[int, _Kind]] = {}
_NUMBERS: Final[dict[type, int]] = {}


def message(number: int) -> Callable[[_Declared], _Declared]:
    """Declare a NamedTuple as a message: its annotations say what each field has to be."""

    def declare(declared: _Declared) -> _Declared:
        hints = get_type_hints(declared, include_extras=True)
        fields = tuple((name, get_args(hint)[1]) for name, hint in hints.items())
        if number in _BY_NUMBER:
            raise ValueError(f"message {number} is declared twice")
        _BY_NUMBER[number] = _Kind(declared, number, fields)
        _NUMBERS[declared] = number
        return declared

    return declare


def encode(said: Message) -> bytes:
    """A message as CBOR."""
    return cbor2.dumps([_NUMBERS[type(said)], *said])


def decode(data: bytes) -> Message:
    """Any message. Raises DsccError (MALFORMED) that names the message and the field."""
    if len(data) > FRAME_BYTES:
        raise DsccError(Reason.MALFORMED, f"a message has at most {FRAME_BYTES} bytes")
    items = _read(data)
    if type(items) is not tuple or not items or type(items[0]) is not int or items[0] not in _BY_NUMBER:
        raise DsccError(Reason.MALFORMED, "a message is an array that starts with its number")
    kind, values = _BY_NUMBER[items[0]], items[1:]
    if len(values) != len(kind.fields):
        raise DsccError(Reason.MALFORMED, f"{kind.type.__name__} has {len(kind.fields)} fields, not {len(values)}")
    for (name, check), value in zip(kind.fields, values, strict=True):
        if not check.ok(value):
            raise DsccError(Reason.MALFORMED, f"{kind.type.__name__}.{name} has to be {check.what}")
    return cast(Message, kind.type(*values))


def decode_as(wanted: type[_M], data: bytes) -> _M:
    """A message of this type. Raises DsccError: MALFORMED, or OUT_OF_ORDER for another message."""
    return expect(wanted, decode(data))


def expect(wanted: type[_M], said: Message) -> _M:
    """The message, if it is of this type. Raises DsccError (OUT_OF_ORDER) otherwise."""
    if not isinstance(said, wanted):
        raise DsccError(Reason.OUT_OF_ORDER, f"expected {wanted.__name__}, not {type(said).__name__}")
    return said


def _refuse(*_: object) -> Any:
    raise ValueError("a message has no tags")


_TAGS: Final = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)
"""The tags that cbor2 would follow if it were not told otherwise; all others come to `tag_hook`."""
_STRICT: Final[dict[str, Any]] = {
    "immutable": True,
    "max_depth": _DEEPEST,
    "allow_indefinite": False,
    "semantic_decoders": dict.fromkeys(_TAGS, _refuse),
    "tag_hook": _refuse,
}


def _read(data: bytes) -> Any:
    """One item of CBOR (RFC 8949): arrays of known length, numbers, bytes and texts, and nothing that they refer to."""
    stream = BytesIO(data)
    try:
        found = cbor2.load(stream, **_STRICT)
    except (cbor2.CBORError, ValueError) as error:
        raise DsccError(Reason.MALFORMED, f"not what messages are made of: {type(error).__name__}") from None
    if stream.tell() != len(data):
        raise DsccError(Reason.MALFORMED, "bytes are left over behind the message")
    return found


def _canonical(value: Any) -> bytes:
    made = _CANONICAL.get(type(value))
    if made is None:
        # A member of an enumeration is the text or the number that it stands for: so it is on the wire.
        made = next((each for kind, each in _CANONICAL.items() if isinstance(value, kind)), None)
    if made is None:
        raise TypeError(f"{type(value).__name__} is no field of a message")
    return made(value)


_CANONICAL: Final[dict[type, Callable[[Any], bytes]]] = {
    bytes: lambda value: value,
    str: str.encode,
    int: _int64,
    tuple: lambda value: enc(*map(_canonical, value)),
}


def transcript(said: Message) -> bytes:
    """The canonical encoding of a message: its name and all its fields."""
    return enc(type(said).__name__.encode(), *map(_canonical, said))


def core(said: Message) -> bytes:
    """The same without its last field, which is the MAC over the others."""
    return enc(type(said).__name__.encode(), *map(_canonical, said[:-1]))
