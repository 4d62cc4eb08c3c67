"""One tree, three encodings: whatever one says, the others say (KMIP 2.1 s10)."""

from __future__ import annotations

import os
import random
import re
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from trees import REGISTER, trees

from kmip_server.ttlv import binary, json, xml
from kmip_server.ttlv.item import CodecError, Item, Limits
from kmip_server.ttlv.tree import render

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "oasis"
CODECS = {"binary": binary, "xml": xml, "json": json}
FUZZ_CASES = int(os.environ.get("KMIP_FUZZ_CASES", "3000"))
"""How many mutations a codec gets; the long run: KMIP_FUZZ_CASES=1000000 python -m pytest tests/ttlv -k mutated."""

codecs = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())


@settings(max_examples=200, deadline=None)
@given(trees)
def test_every_tree_survives_every_encoding(tree: Item) -> None:
    for codec in CODECS.values():
        assert codec.decode(codec.encode(tree)) == tree


@settings(max_examples=100, deadline=None)
@given(trees)
def test_every_tree_can_be_printed(tree: Item) -> None:
    assert render(tree)


@codecs
def test_an_encoding_that_is_decoded_and_encoded_again_is_the_same(codec: object) -> None:
    data = codec.encode(REGISTER)  # type: ignore[attr-defined]
    assert codec.encode(codec.decode(data)) == data  # type: ignore[attr-defined]


# --- published messages ---------------------------------------------------------------------------------------------

NOT_IN_THE_TABLES = {"PKCS11-M-1-21": "names functions of PKCS#11, whose enumeration is not KMIP's"}
"""Files whose messages cannot be read, with the reason."""

PLACEHOLDERS = {"DateTime": "2026-01-01T00:00:00+00:00", "ByteString": "0102", "TextString": "$"}
FILES = sorted(path for folder in ("kmip-1.4", "kmip-2.1") for path in (VECTORS / folder).rglob("*.xml"))


def messages(path: Path) -> list[str]:
    document = re.sub(r"<!--.*?-->", "", path.read_text(), flags=re.DOTALL)
    document = re.sub(
        r'type="(\w+)" value="\$[^"]*"', lambda found: f'type="{found[1]}" value="{PLACEHOLDERS[found[1]]}"', document
    )
    return [found[0] for found in re.finditer(r"<(Re\w+Message)>.*?</\1>", document, re.DOTALL)]


@pytest.mark.skipif(not FILES, reason="the published cases are not here: ../shared is absent")
def test_every_published_message_is_read_and_written_by_every_encoding() -> None:
    count = 0
    for path in FILES:
        if path.stem in NOT_IN_THE_TABLES:
            continue
        for document in messages(path):
            tree = xml.decode(document.encode())
            for codec in CODECS.values():
                assert codec.decode(codec.encode(tree)) == tree, path.name
            count += 1
    assert count > 2000


# --- anything -------------------------------------------------------------------------------------------------------


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The data with a few bytes changed, removed, doubled, or moved."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed))
        match chance.randrange(5):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                changed[at] ^= 1 << chance.randrange(8)
            case 2:
                del changed[at : at + chance.randint(1, 16)]
            case 3:
                changed[at:at] = changed[at : at + chance.randint(1, 64)]
            case _:
                other = chance.randrange(len(changed))
                changed[at : at + 8] = changed[other : other + 8]
        if not changed:
            break
    return bytes(changed)


@codecs
def test_mutated_messages_are_read_or_refused_with_a_codec_error(codec: object) -> None:
    chance = random.Random(1)
    decode: Callable[[bytes], Item] = codec.decode  # type: ignore[attr-defined]
    encode: Callable[[Item], bytes] = codec.encode  # type: ignore[attr-defined]
    data = encode(REGISTER)
    read = 0
    for _ in range(FUZZ_CASES):
        try:
            tree = decode(mutated(data, chance))
        except CodecError:
            continue
        read += 1
        assert decode(encode(tree)) == tree
        render(tree)
    assert 0 < read < FUZZ_CASES


HUNGRY: dict[str, tuple[object, bytes]] = {
    "binary, empty structures": (
        binary,
        b"\x42\x00\x53\x01" + (80_000).to_bytes(4, "big") + b"\x42\x00\x53\x01\0\0\0\0" * 10_000,
    ),
    "binary, one Byte String": (binary, b"\x42\x00\x53\x08" + (1 << 16).to_bytes(4, "big") + bytes(1 << 16)),
    "xml, empty structures": (xml, b"<Name>" + b"<Q/>" * 15_000 + b"</Name>"),
    "xml, attributes": (xml, b"<Name " + b" ".join(b'a%d=""' % n for n in range(10_000)) + b"/>"),
    "xml, one Byte String": (xml, b'<Name type="ByteString" value="' + b"00" * (1 << 15) + b'"/>'),
    "xml, a comment": (xml, b"<!--" + b"a" * (1 << 16) + b"--><Name/>"),
    "json, numbers": (json, b'{"tag":"Name","value":[' + b"1000," * 15_000 + b"1]}"),
    "json, strings": (json, b'{"tag":"Name","value":[' + b'"",' * 20_000 + b'""]}'),
    "json, empty objects": (json, b'{"tag":"Name","value":[' + b"{}," * 15_000 + b"{}]}"),
    "json, items": (json, b'{"tag":"Name","value":[' + b'{"tag":"Q","value":[]},' * 3000 + b'{"tag":"Q","value":[]}]}'),
}


@pytest.mark.parametrize(("codec", "data"), HUNGRY.values(), ids=HUNGRY.keys())
def test_decoding_takes_memory_in_proportion_to_the_message(codec: object, data: bytes) -> None:
    """No form of input costs more than 64 bytes of memory for each of its own, refused or not."""
    tracemalloc.start()
    with suppress(CodecError):
        codec.decode(data, Limits())  # type: ignore[attr-defined]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * len(data)
