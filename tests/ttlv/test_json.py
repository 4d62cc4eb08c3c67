"""The JSON encoding (KMIP 2.1 s10.2.2): forms of each type, and what it refuses."""

from __future__ import annotations

import json as plain
from typing import Any

import pytest
from trees import REGISTER

from kmip_server.ttlv import json
from kmip_server.ttlv.item import CodecError, Item, Limits, Type
from kmip_server.ttlv.tags import Tag


def item(tag: str, kind: str, value: Any) -> bytes:
    return plain.dumps({"tag": tag, "type": kind, "value": value}).encode()


FORMS = {
    "an Integer": (item("BatchCount", "Integer", -5), Item(0x42000D, 2, -5)),
    "an Integer in hexadecimal": (item("BatchCount", "Integer", "0xFFFFFFFF"), Item(0x42000D, 2, -1)),
    "a mask by names": (item("CryptographicUsageMask", "Integer", "Encrypt|Decrypt"), Item(0x42002C, 2, 12)),
    "a mask as a number": (item("CryptographicUsageMask", "Integer", 12), Item(0x42002C, 2, 12)),
    "a tag by number": (item("0x54000A", "Integer", 1), Item(0x54000A, 2, 1)),
    "a Long Integer": (item("UsageLimitsTotal", "LongInteger", 1 << 53), Item(0x420097, 3, 1 << 53)),
    "a Long Integer in hexadecimal": (
        item("UsageLimitsTotal", "LongInteger", "0x8000000000000000"),
        Item(0x420097, 3, -(1 << 63)),
    ),
    "a Big Integer in hexadecimal": (item("P", "BigInteger", "0xFFFFFFFFFFFFFFFE"), Item(0x42005E, 4, -2)),
    "a Big Integer as a number": (item("P", "BigInteger", 65537), Item(0x42005E, 4, 65537)),
    "an Enumeration by name": (item("CryptographicAlgorithm", "Enumeration", "AES"), Item(0x420028, 5, 3)),
    "an Enumeration in hexadecimal": (
        item("CryptographicAlgorithm", "Enumeration", "0x00000003"),
        Item(0x420028, 5, 3),
    ),
    "an Enumeration as a number": (item("CryptographicAlgorithm", "Enumeration", 3), Item(0x420028, 5, 3)),
    "a Boolean": (item("Fresh", "Boolean", True), Item(0x4200A8, 6, True)),
    "a Boolean in hexadecimal": (item("Fresh", "Boolean", "0x0000000000000001"), Item(0x4200A8, 6, True)),
    "a Text String with controls": (
        item("NameValue", "TextString", "a\0\x1b\u00e9"),
        Item(0x420055, 7, "a\0\x1b\u00e9"),
    ),
    "a Text String with a pair of surrogates": (
        item("NameValue", "TextString", "\U0001f511"),
        Item(0x420055, 7, "\U0001f511"),
    ),
    "a Byte String": (item("KeyMaterial", "ByteString", "00fF"), Item(0x420043, 8, b"\x00\xff")),
    "a Date-Time": (item("ActivationDate", "DateTime", "1970-01-01T00:00:06+00:00"), Item(0x420001, 9, 6)),
    "a Date-Time in hexadecimal": (item("ActivationDate", "DateTime", "0x0000000000000006"), Item(0x420001, 9, 6)),
    "an Interval": (item("LeaseTime", "Interval", 3600), Item(0x420049, 10, 3600)),
    "an Interval in hexadecimal": (item("LeaseTime", "Interval", "0x00000E10"), Item(0x420049, 10, 3600)),
    "a Structure": (b' { "tag" : "RequestPayload", "value" : [ ] } ', Item(0x420079, 1, ())),
    "a Structure that says so": (b'{"tag":"RequestPayload","type":"Structure","value":[]}', Item(0x420079, 1, ())),
}


@pytest.mark.parametrize(("document", "expected"), FORMS.values(), ids=FORMS.keys())
def test_every_form_of_a_value_is_read(document: bytes, expected: Item) -> None:
    assert json.decode(document) == expected
    assert json.decode(json.encode(expected)) == expected


@pytest.mark.parametrize("value", [(1 << 53) + 1, -(1 << 53) - 1, (1 << 63) - 1, -(1 << 63)])
def test_a_long_integer_beyond_the_exact_ones_is_written_as_a_string(value: int) -> None:
    written = plain.loads(json.encode(Item(int(Tag.USAGE_LIMITS_TOTAL), int(Type.LONG_INTEGER), value)))
    assert written["value"].startswith("0x")
    assert len(written["value"]) == 18


def test_an_attribute_value_takes_its_enumeration_from_the_attribute_name() -> None:
    """KMIP 1.4 s2.1.1."""
    document = (
        b'{"tag":"Attribute","value":[{"tag":"AttributeName","type":"TextString","value":"State"},'
        b'{"tag":"AttributeValue","type":"Enumeration","value":"Active"}]}'
    )
    assert json.encode(json.decode(document)) == document
    assert json.decode(document).value[1].value == 2


NAME = '{"tag":"NameValue","type":"TextString","value":%s}'

REFUSED = {
    "nothing": "",
    "no JSON": "RequestMessage",
    "two documents": '{"tag":"Name","value":[]}{"tag":"Name","value":[]}',
    "an array": "[]",
    "a string": '"Name"',
    "null": "null",
    "no tag": '{"value":[]}',
    "a tag that is a number": '{"tag":4325459,"value":[]}',
    "an unknown tag": '{"tag":"Nonsense","value":[]}',
    "no value": '{"tag":"Name"}',
    "a type that is a list": '{"tag":"Name","type":[],"value":[]}',
    "an unknown type": '{"tag":"Name","type":"Float","value":1}',
    "an unknown member": '{"tag":"Name","value":[],"unit":"s"}',
    "a Structure that is a string": '{"tag":"Name","value":"x"}',
    "a Structure with a number in it": '{"tag":"Name","value":[1]}',
    "a Text String that is a number": NAME % "1",
    "a Text String that is null": NAME % "null",
    "half a character": NAME % '"\\ud800"',
    "a raw control character": NAME % '"\n"',
    "an Integer that is true": '{"tag":"BatchCount","type":"Integer","value":true}',
    "an Integer above 32 bits": '{"tag":"BatchCount","type":"Integer","value":2147483648}',
    "a fraction": '{"tag":"BatchCount","type":"Integer","value":1.0}',
    "an exponent": '{"tag":"BatchCount","type":"Integer","value":1e2}',
    "a mask with an empty name": '{"tag":"CryptographicUsageMask","type":"Integer","value":"Sign|"}',
    "an unknown bit": '{"tag":"CryptographicUsageMask","type":"Integer","value":"Sign|Fly"}',
    "an unknown value of an Enumeration": '{"tag":"CryptographicAlgorithm","type":"Enumeration","value":"ROT13"}',
    "an Enumeration below zero": '{"tag":"CryptographicAlgorithm","type":"Enumeration","value":-1}',
    "a Boolean of 1": '{"tag":"Fresh","type":"Boolean","value":1}',
    "a Date-Time that is a number": '{"tag":"ActivationDate","type":"DateTime","value":6}',
    "an odd Byte String": '{"tag":"KeyMaterial","type":"ByteString","value":"000"}',
    "B72 a repeated name": '{"tag":"Name","tag":"Link","value":[]}',
    "B72 1e999": '{"tag":"BatchCount","type":"Integer","value":1e999}',
    "B72 NaN": '{"tag":"BatchCount","type":"Integer","value":NaN}',
    "B72 Infinity": '{"tag":"BatchCount","type":"Integer","value":-Infinity}',
    "B72 a number of 5,000 digits": '{"tag":"P","type":"BigInteger","value":%s}' % ("9" * 5000),
    "B72 a byte order mark": '\ufeff{"tag":"Name","value":[]}',
    "an open string": '{"tag":"Name',
}  # fmt: skip


@pytest.mark.parametrize("document", REFUSED.values(), ids=REFUSED.keys())
def test_malformed_documents_are_refused(document: str) -> None:
    with pytest.raises(CodecError) as caught:
        json.decode(document.encode())
    for word in ("Nonsense", "ROT13", "Fly", "9999", "Float"):
        assert word not in str(caught.value)


@pytest.mark.parametrize("number", ["1e999", "NaN", "-Infinity", "1.0"])
def test_numbers_that_are_not_whole_are_refused_by_the_reader(number: str) -> None:
    with pytest.raises(CodecError, match="whole number"):
        json.decode(f'{{"tag":"BatchCount","type":"Integer","value":{number}}}'.encode())


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-be", "utf-32", "latin-1"])
def test_another_charset_is_refused(charset: str) -> None:
    with pytest.raises(CodecError):
        json.decode((NAME % '"\u00e9"').encode(charset))


def test_structures_nest_as_deep_as_the_limit_and_no_deeper() -> None:
    def nested(levels: int, leaf: str = "") -> bytes:
        return ('{"tag":"Name","value":[' * levels + leaf + "]}" * levels).encode()

    json.decode(nested(32, NAME % '""'), Limits(depth=32))
    with pytest.raises(CodecError, match="deep"):
        json.decode(nested(33), Limits(depth=32))


@pytest.mark.parametrize("opening", ["[", '{"tag":', '{"value":[', '[{"a":'])
def test_a_hundred_thousand_levels_are_refused_without_a_recursion_error(opening: str) -> None:
    with pytest.raises(CodecError, match="deep"):
        json.decode(opening.encode() * 100_000)


def test_brackets_in_text_do_not_count() -> None:
    value = '[{"' * 1000 + "\\"
    assert json.decode(item("NameValue", "TextString", value), Limits(depth=1, nodes=1)).value == value


def test_the_limit_of_nodes_is_exact() -> None:
    document = b'{"tag":"Name","value":[' + b",".join([NAME.encode() % b'""'] * 9) + b"]}"
    json.decode(document, Limits(nodes=10))
    with pytest.raises(CodecError, match="too many"):
        json.decode(document, Limits(nodes=9))


@pytest.mark.parametrize("document", [b'"' * 1_000_001, b'"\\' * 500_000, b"{" * 9, b'["a",' * 2])
def test_a_string_without_end_is_refused_at_once(document: bytes) -> None:
    with pytest.raises(CodecError):
        json.decode(document, Limits(nodes=1000))


def test_more_strings_than_items_can_have_are_refused_before_they_are_kept() -> None:
    with pytest.raises(CodecError, match="too many strings"):
        json.decode(b"[" + b'"a",' * 200_000 + b'"b"]', Limits(nodes=1000))


def test_a_document_above_the_limit_of_size_is_refused() -> None:
    document = json.encode(REGISTER)
    json.decode(document, Limits(message_bytes=len(document)))
    with pytest.raises(CodecError, match="larger"):
        json.decode(document, Limits(message_bytes=len(document) - 1))
