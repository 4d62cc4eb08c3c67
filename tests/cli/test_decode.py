from __future__ import annotations

import pytest

from kmip_server.ttlv.binary import encode
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag

SECRET = b"canary canary canary canary 3210"
MESSAGE = encode(
    Item(
        Tag.REQUEST_MESSAGE,
        Type.STRUCTURE,
        (
            Item(Tag.UNIQUE_IDENTIFIER, Type.TEXT_STRING, "an identifier"),
            Item(Tag.KEY_MATERIAL, Type.BYTE_STRING, SECRET),
        ),
    )
)


def test_a_message_is_a_tree_with_names(run) -> None:
    ran = run("decode", MESSAGE.hex())
    assert ran.code == 0
    assert ran.out.splitlines()[0].startswith("RequestMessage")
    assert "UniqueIdentifier" in ran.out
    assert "an identifier" in ran.out


def test_secrets_are_masked_unless_asked_for(run) -> None:
    masked, revealed = run("decode", MESSAGE.hex()), run("decode", "--reveal", MESSAGE.hex())
    assert SECRET.hex() not in masked.out
    assert SECRET.hex() in revealed.out


def test_standard_input_is_read_and_what_dumps_put_between_digits_is_skipped(run) -> None:
    spaced = "0x" + MESSAGE.hex(":", 1).upper().replace(":", ": ", 3) + "\n"
    assert run("decode", "-", stdin=spaced).out == run("decode", MESSAGE.hex()).out


def test_messages_one_after_another_are_shown_one_after_another(run) -> None:
    assert run("decode", (MESSAGE * 2).hex()).out == 2 * run("decode", MESSAGE.hex()).out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing to decode"),
        ("zz", "not hexadecimal"),
        ("4", "not hexadecimal"),
        ("42", "the message at byte 0"),
        (MESSAGE.hex() + "42007801ffffffff", f"the message at byte {len(MESSAGE)}"),
        ("420078010000000800", "the message at byte 0"),
        ("42007801000000080000000000000000", "the message at byte 0"),
    ],
)
def test_what_is_no_message_is_refused_with_its_place(run, text: str, words: str) -> None:
    ran = run("decode", text)
    assert ran.code == 1
    assert words in ran.err
