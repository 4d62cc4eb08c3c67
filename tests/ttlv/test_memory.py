"""What pure functions answered is remembered within bounds, whatever a client sends."""

from __future__ import annotations

import pytest

from kmip_server.objects.attribute_fields import read_tagged
from kmip_server.objects.key_block import from_material, raw_secret, to_material
from kmip_server.ttlv.enumerations import ObjectType
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.memory import remembered, weight
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V2_1


def test_an_answer_is_found_once_and_then_remembered() -> None:
    asked = []

    @remembered(2, lambda arguments, _: arguments[0] < 10)
    def square(number: int) -> int:
        asked.append(number)
        return number * number

    assert [square(number) for number in (3, 3, 4, 3, 12, 12)] == [9, 9, 16, 9, 144, 144]
    assert asked == [3, 4, 12, 12]
    assert square(5) == 25
    assert [square(number) for number in (5, 3)] == [25, 9]
    assert asked == [3, 4, 12, 12, 5, 3]


def test_an_exception_is_not_remembered() -> None:
    @remembered(2, lambda _, __: True)
    def refuse(number: int) -> int:
        raise ValueError(number)

    for _ in range(2):
        with pytest.raises(ValueError, match="1"):
            refuse(1)


def test_the_weight_of_an_item_is_that_of_all_in_it() -> None:
    text = Item(Tag.NAME_VALUE, Type.TEXT_STRING, "x" * 100)
    assert weight(text) == 108
    assert weight(Item(Tag.NAME, Type.STRUCTURE, (text, Item(Tag.NAME_TYPE, Type.ENUMERATION, 1)))) == 124


def test_what_is_large_is_read_anew_each_time() -> None:
    """The values are the same; that they are not one object shows that nobody kept them."""
    for size, kept in ((100, True), (100_000, False)):
        item = Item(Tag.DESCRIPTION, Type.TEXT_STRING, "x" * size)
        assert (read_tagged(item, V2_1) is read_tagged(item, V2_1)) == kept
        material = to_material(raw_secret(bytes(size)))
        parts = [from_material(ObjectType.SECRET_DATA, material) for _ in range(2)]
        assert parts[0] == parts[1]
        assert (parts[0] is parts[1]) == kept
