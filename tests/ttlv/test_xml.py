"""The XML encoding (KMIP 2.1 s10.2.3): forms of each type, and what it refuses."""

from __future__ import annotations

import pytest
from trees import REGISTER, enumeration, integer, structure, text

from kmip_server.ttlv import xml
from kmip_server.ttlv.item import CodecError, Item, Limits, Type
from kmip_server.ttlv.tags import Tag

FORMS = {
    "an element is named after its tag": ('<Fresh type="Boolean" value="true"/>', Item(0x4200A8, 6, True)),
    "a tag by number": ('<TTLV tag="0x4200A8" type="Boolean" value="false"/>', Item(0x4200A8, 6, False)),
    "a tag with a namespace": (
        '<Fresh xmlns="urn:oasis:tc:kmip:xmlns" type="Boolean" value="true"/>',
        Item(0x4200A8, 6, True),
    ),
    "an empty Structure": ("<RequestPayload/>", Item(0x420079, 1, ())),
    "a Structure that says so": ('<RequestPayload type="Structure"></RequestPayload>', Item(0x420079, 1, ())),
    "an Integer in decimal": ('<BatchCount type="Integer" value="-5"/>', Item(0x42000D, 2, -5)),
    "an Integer in hexadecimal": ('<BatchCount type="Integer" value="0xFFFFFFFF"/>', Item(0x42000D, 2, -1)),
    "a mask by names": (
        '<CryptographicUsageMask type="Integer" value="Encrypt Decrypt"/>',
        Item(0x42002C, 2, 12),
    ),
    "a mask by name and number": (
        '<CryptographicUsageMask type="Integer" value="Sign 0x80000000"/>',
        Item(0x42002C, 2, 1 - (1 << 31)),
    ),
    "a mask as a number": ('<CryptographicUsageMask type="Integer" value="12"/>', Item(0x42002C, 2, 12)),
    "an Enumeration by name": (
        '<CryptographicAlgorithm type="Enumeration" value="DES3"/>',
        Item(0x420028, 5, 2),
    ),
    "an Enumeration by number": (
        '<CryptographicAlgorithm type="Enumeration" value="0x80000001"/>',
        Item(0x420028, 5, 0x80000001),
    ),
    "an Attribute Reference names a tag": (
        '<AttributeReference type="Enumeration" value="CryptographicLength"/>',
        Item(0x42013B, 5, 0x42002A),
    ),
    "a Long Integer": ('<UsageLimitsTotal type="LongInteger" value="16"/>', Item(0x420097, 3, 16)),
    "a Big Integer": ('<P type="BigInteger" value="FFFFFFFFFFFFFFFE"/>', Item(0x42005E, 4, -2)),
    "a Text String with markup": ('<NameValue type="TextString" value="&lt;a&#10;&amp;"/>', Item(0x420055, 7, "<a\n&")),
    "a Byte String": ('<KeyMaterial type="ByteString" value="00fF"/>', Item(0x420043, 8, b"\x00\xff")),
    "an empty Byte String": ('<KeyMaterial type="ByteString" value=""/>', Item(0x420043, 8, b"")),
    "a Date-Time in another zone": (
        '<ActivationDate type="DateTime" value="2000-02-01T00:00:00+10:00"/>',
        Item(0x420001, 9, 949_327_200),
    ),
    "a Date-Time in UTC": (
        '<ActivationDate type="DateTime" value="1970-01-01T00:00:06Z"/>',
        Item(0x420001, 9, 6),
    ),
    "a Date-Time beyond the calendar": (
        '<ActivationDate type="DateTime" value="0x7FFFFFFFFFFFFFFF"/>',
        Item(0x420001, 9, (1 << 63) - 1),
    ),
    "a Date-Time Extended": (
        '<TTLV tag="0x540001" type="DateTimeExtended" value="1969-12-31T23:59:59.999999+00:00"/>',
        Item(0x540001, 11, -1),
    ),
    "an Interval": ('<LeaseTime type="Interval" value="4294967295"/>', Item(0x420049, 10, (1 << 32) - 1)),
}


@pytest.mark.parametrize(("document", "item"), FORMS.values(), ids=FORMS.keys())
def test_every_form_of_a_value_is_read(document: str, item: Item) -> None:
    assert xml.decode(document.encode()) == item
    assert xml.decode(xml.encode(item)) == item


def test_an_attribute_value_takes_its_enumeration_from_the_attribute_name() -> None:
    """KMIP 1.4 s2.1.1."""
    document = (
        '<Attribute><AttributeName type="TextString" value="State"/>'
        '<AttributeIndex type="Integer" value="0"/><AttributeValue type="Enumeration" value="Active"/></Attribute>'
    )
    item = structure(
        Tag.ATTRIBUTE,
        text(Tag.ATTRIBUTE_NAME, "State"),
        integer(Tag.ATTRIBUTE_INDEX, 0),
        enumeration(Tag.ATTRIBUTE_VALUE, 2),
    )
    assert xml.decode(document.encode()) == item
    assert xml.encode(item) == document.encode()


def test_a_vendors_attribute_is_not_read_as_the_standards() -> None:
    """KMIP 2.1 s4.60: the name of a vendor's attribute is the vendor's."""
    document = (
        '<Attribute><VendorIdentification type="TextString" value="x"/><AttributeName type="TextString" value="State"/>'
        '<AttributeValue type="Enumeration" value="Active"/></Attribute>'
    )
    with pytest.raises(CodecError):
        xml.decode(document.encode())


def test_comments_and_an_xml_declaration_are_allowed() -> None:
    document = b'<?xml version="1.0" encoding="UTF-8"?>\n<!-- a -->\n<RequestPayload> <!-- b --> </RequestPayload>\n'
    assert xml.decode(document).value == ()


REFUSED = {
    "nothing": "",
    "no XML": "RequestMessage",
    "two roots": "<Name/><Name/>",
    "an unknown name": "<Nonsense/>",
    "an element of TTLV without tag": '<TTLV type="Integer" value="1"/>',
    "a tag of five digits": '<TTLV tag="0x42000" type="Integer" value="1"/>',
    "a named element with a tag": '<Name tag="0x420053"/>',
    "an unknown type": '<Name type="Float" value="1"/>',
    "an unknown attribute": '<Name type="Integer" value="1" unit="s"/>',
    "a repeated attribute": '<Name type="Integer" value="1" value="2"/>',
    "another namespace": '<Name xmlns="http://www.w3.org/1999/xhtml"/>',
    "a value of a Structure": '<Name value="1"/>',
    "a type without value": '<Name type="Integer"/>',
    "an element in a value": '<BatchCount type="Integer" value="1"><Name/></BatchCount>',
    "text": "<Name>abc</Name>",
    "text in CDATA": "<Name><![CDATA[abc]]></Name>",
    "an Integer above 32 bits": '<BatchCount type="Integer" value="2147483648"/>',
    "an Integer of nine digits": '<BatchCount type="Integer" value="0x100000001"/>',
    "an Interval of nine digits": '<LeaseTime type="Interval" value="0x100000001"/>',
    "an Integer with underscore": '<BatchCount type="Integer" value="1_0"/>',
    "an Integer with a sign": '<BatchCount type="Integer" value="+1"/>',
    "an Integer in other digits": '<BatchCount type="Integer" value="\u0661"/>',
    "an Integer of 10,000 digits": f'<BatchCount type="Integer" value="{"9" * 10_000}"/>',
    "a name without mask": '<BatchCount type="Integer" value="Encrypt"/>',
    "an unknown bit": '<CryptographicUsageMask type="Integer" value="Encrypt Fly"/>',
    "two spaces": '<CryptographicUsageMask type="Integer" value="Encrypt  Decrypt"/>',
    "an unknown value of an Enumeration": '<CryptographicAlgorithm type="Enumeration" value="ROT13"/>',
    "an Enumeration in decimal": '<CryptographicAlgorithm type="Enumeration" value="3"/>',
    "a Big Integer of odd length": '<P type="BigInteger" value="0F"/>',
    "a Big Integer of nothing": '<P type="BigInteger" value=""/>',
    "an odd Byte String": '<KeyMaterial type="ByteString" value="0"/>',
    "a Byte String with spaces": '<KeyMaterial type="ByteString" value="00 11"/>',
    "a Byte String that is not ASCII": '<KeyMaterial type="ByteString" value="\uff10\uff10"/>',
    "a Boolean of 1": '<Fresh type="Boolean" value="1"/>',
    "a Boolean in capitals": '<Fresh type="Boolean" value="TRUE"/>',
    "a date without zone": '<ActivationDate type="DateTime" value="2000-01-01T00:00:00"/>',
    "a date with fractions": '<ActivationDate type="DateTime" value="2000-01-01T00:00:00.5Z"/>',
    "the 30th of February": '<ActivationDate type="DateTime" value="2000-02-30T00:00:00Z"/>',
    "hour 24": '<ActivationDate type="DateTime" value="2000-02-01T24:00:00Z"/>',
    "year 0": '<ActivationDate type="DateTime" value="0000-01-01T00:00:00Z"/>',
    "a zone of 99 hours": '<ActivationDate type="DateTime" value="2000-02-01T00:00:00+99:00"/>',
    "NUL": '<NameValue type="TextString" value="&#0;"/>',
    "half a character": '<NameValue type="TextString" value="&#xD800;"/>',
    "B72 a document type": "<!DOCTYPE Name><Name/>",
    "B72 an external document type": '<!DOCTYPE Name SYSTEM "http://127.0.0.1:9/x.dtd"><Name/>',
    "B72 an external entity": '<!DOCTYPE Name [<!ENTITY x SYSTEM "file:///etc/passwd">]><Name>&x;</Name>',
    "B72 an entity in a value": '<!DOCTYPE Name [<!ENTITY x "y">]><NameValue type="TextString" value="&x;"/>',
    "B72 a parameter entity": '<!DOCTYPE Name [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]><Name/>',
    "B72 an undeclared entity": "<Name>&x;</Name>",
    "B72 a processing instruction": "<Name><?php echo 1 ?></Name>",
    "B72 a style sheet": '<?xml-stylesheet href="http://127.0.0.1:9/x.xsl"?><Name/>',
    "B72 another charset": '<?xml version="1.0" encoding="ISO-8859-1"?><Name/>',
}


@pytest.mark.parametrize("document", REFUSED.values(), ids=REFUSED.keys())
def test_malformed_documents_are_refused(document: str) -> None:
    with pytest.raises(CodecError):
        xml.decode(document.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-be", "utf-32", "latin-1"])
def test_another_charset_is_refused(charset: str) -> None:
    with pytest.raises(CodecError):
        xml.decode('<NameValue type="TextString" value="\u00e9"/>'.encode(charset))


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-be", "utf-16-le", "utf-32"])
def test_another_charset_is_refused_where_every_byte_is_ascii(charset: str) -> None:
    with pytest.raises(CodecError):
        xml.decode("<Name/>".encode(charset))


def test_entity_expansion_is_refused_before_anything_expands() -> None:
    levels = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(12))
    document = f'<!DOCTYPE Name [<!ENTITY e0 "a">{levels}]><NameValue type="TextString" value="&e12;"/>'
    with pytest.raises(CodecError, match="document type"):
        xml.decode(document.encode())


def test_structures_nest_as_deep_as_the_limit_and_no_deeper() -> None:
    leaf = '<Fresh type="Boolean" value="true"/>'
    xml.decode(("<Name>" * 32 + leaf + "</Name>" * 32).encode(), Limits(depth=32))
    with pytest.raises(CodecError, match="deep"):
        xml.decode(("<Name>" * 33 + "</Name>" * 33).encode(), Limits(depth=32))


def test_a_hundred_thousand_levels_are_refused() -> None:
    with pytest.raises(CodecError, match="deep"):
        xml.decode(b"<Name>" * 100_000)


def test_the_limit_of_nodes_is_exact() -> None:
    document = b"<Name>" + b"<Name/>" * 9 + b"</Name>"
    xml.decode(document, Limits(nodes=10))
    with pytest.raises(CodecError, match="too many"):
        xml.decode(document, Limits(nodes=9))


def test_a_document_above_the_limit_of_size_is_refused() -> None:
    document = xml.encode(REGISTER)
    xml.decode(document, Limits(message_bytes=len(document)))
    with pytest.raises(CodecError, match="larger"):
        xml.decode(document, Limits(message_bytes=len(document) - 1))


def test_text_that_xml_cannot_hold_is_refused_when_encoding() -> None:
    for value in ("\0", "\x1b[2J", "\ufffe", "\x0b"):
        with pytest.raises(CodecError):
            xml.encode(Item(int(Tag.NAME_VALUE), int(Type.TEXT_STRING), value))


def test_text_cannot_break_out_of_its_attribute() -> None:
    value = '"/><Name type="TextString" value="\r\n\t<&>\''
    assert xml.decode(xml.encode(text(Tag.NAME_VALUE, value))).value == value


def test_errors_hold_no_values() -> None:
    for document in REFUSED.values():
        with pytest.raises(CodecError) as caught:
            xml.decode(document.encode("utf-8", "surrogatepass"))
        for word in ("Nonsense", "ROT13", "Fly", "passwd", "9999", "Float", "2000", "xhtml"):
            assert word not in str(caught.value)
