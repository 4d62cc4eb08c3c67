"""The printed tree: names for people, and no secrets."""

from __future__ import annotations

import pytest
from trees import REGISTER, enumeration, integer, octets, structure, text

from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.tree import render

SECRET = bytes(range(32)).hex()


def test_a_message_is_an_indented_tree_of_names() -> None:
    assert render(
        structure(
            Tag.BATCH_ITEM,
            enumeration(Tag.OPERATION, 1),
            structure(
                Tag.REQUEST_PAYLOAD,
                integer(Tag.CRYPTOGRAPHIC_USAGE_MASK, 12),
                Item(int(Tag.ACTIVATION_DATE), int(Type.DATE_TIME), 0),
                structure(
                    Tag.ATTRIBUTE,
                    text(Tag.ATTRIBUTE_NAME, "State"),
                    enumeration(Tag.ATTRIBUTE_VALUE, 2),
                ),
                enumeration(Tag.OBJECT_TYPE, 0x80000001),
                octets(Tag.UNIQUE_BATCH_ITEM_ID, b"\1"),
            ),
        )
    ).splitlines() == [
        "BatchItem (Structure)",
        "  Operation (Enumeration): Create (0x00000001)",
        "  RequestPayload (Structure)",
        "    CryptographicUsageMask (Integer): Encrypt | Decrypt (0x0000000C)",
        "    ActivationDate (DateTime): 1970-01-01T00:00:00+00:00",
        "    Attribute (Structure)",
        '      AttributeName (TextString): "State"',
        "      AttributeValue (Enumeration): Active (0x00000002)",
        "    ObjectType (Enumeration): 0x80000001",
        "    UniqueBatchItemID (ByteString): 01",
    ]


def test_key_material_is_masked_and_revealed_only_on_demand() -> None:
    assert SECRET not in render(REGISTER)
    assert "KeyMaterial (ByteString): <masked, 32 bytes>" in render(REGISTER)
    assert SECRET in render(REGISTER, reveal=True)


SECRETS = {
    "a password": text(Tag.PASSWORD, "hunter2"),
    "a wrapped key": octets(Tag.KEY_VALUE, b"hunter2"),
    "plaintext": octets(Tag.DATA, b"hunter2"),
    "an opaque value": octets(Tag.OPAQUE_DATA_VALUE, b"hunter2"),
    "a seed of derivation": octets(Tag.DERIVATION_DATA, b"hunter2"),
    "a ticket": octets(Tag.TICKET_VALUE, b"hunter2"),
    "a vendor's bytes": octets(Tag.ATTRIBUTE_VALUE, b"hunter2"),
    "bytes of an unknown tag": octets(0x540001, b"hunter2"),
    "text of an unknown tag": text(0x540001, "hunter2"),
    "text in a structure of an unknown tag": structure(0x540001, text(Tag.NAME_VALUE, "hunter2")),
    "a private number": Item(int(Tag.PRIVATE_EXPONENT), int(Type.BIG_INTEGER), 0x68756E74657232),
    "a number in a transparent key": structure(Tag.KEY_MATERIAL, integer(Tag.PRIME_FIELD_SIZE, 0x68756E74)),
}


@pytest.mark.parametrize("item", SECRETS.values(), ids=SECRETS.keys())
def test_secrets_are_masked_by_tag_and_type(item: Item) -> None:
    shown = render(item)
    for form in ("hunter2", b"hunter2".hex(), b"hunter2".hex().upper(), str(0x68756E74)):
        assert form not in shown
    assert "masked" in shown


def test_text_cannot_forge_a_line_or_move_the_cursor() -> None:
    shown = render(text(Tag.NAME_VALUE, 'a\n"level":"info"\x1b[2J\u202e\u200b\\'))
    assert shown == r'NameValue (TextString): "a\u000a\"level\":\"info\"\u001b[2J\u202e\u200b\\"'


def test_long_values_are_cut() -> None:
    assert len(render(text(Tag.NAME_VALUE, "a" * 100_000))) < 400
    assert len(render(octets(Tag.CERTIFICATE_VALUE, bytes(100_000)))) < 400
    assert len(render(text(Tag.NAME_VALUE, "a" * 100_000), reveal=True)) > 100_000


def test_dates_beyond_the_calendar_are_shown_as_numbers() -> None:
    assert render(Item(int(Tag.ACTIVATION_DATE), int(Type.DATE_TIME), (1 << 63) - 1)).endswith(str((1 << 63) - 1))
