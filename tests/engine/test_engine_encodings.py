"""Answers that an encoding cannot express: text that is legal in TTLV and in JSON, and impossible in XML 1.0."""

from __future__ import annotations

import http.client
import json
import xml.etree.ElementTree as ET
from itertools import count

import pytest
from support import requests as ask
from support.numbers import Tag
from support.server import Client, RunningServer
from support.wire import enumeration, octets

IMPOSSIBLE = {"NUL": "\0", "control": "\x01", "escape": "\x1b[31m", "no character": "\ufffe"}
HEADER = (
    '<RequestHeader><ProtocolVersion><ProtocolVersionMajor type="Integer" value="2"/>'
    '<ProtocolVersionMinor type="Integer" value="1"/></ProtocolVersion>{}<BatchCount type="Integer" value="{}"/>'
    "</RequestHeader>"
)
GET_ATTRIBUTES = (
    '<BatchItem><Operation type="Enumeration" value="GetAttributes"/>'
    '<UniqueBatchItemID type="ByteString" value="{:02x}"/>'
    '<RequestPayload><UniqueIdentifier type="TextString" value="{}"/></RequestPayload></BatchItem>'
)
CONTINUE = '<BatchErrorContinuationOption type="Enumeration" value="Continue"/>'
_numbers = count()


def posted(client: Client, body: str, content_type: str) -> bytes:
    connection = http.client.HTTPSConnection(*client.server.https, context=client.credentials.context(), timeout=30)
    connection.request("POST", "/kmip", body.encode(), {"Content-Type": content_type})
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    assert response.status == 200, answer
    return answer


def in_xml(client: Client, *keys: str) -> list[ET.Element]:
    """Get Attributes of some objects, in XML; the batch items of the answer."""
    items = "".join(GET_ATTRIBUTES.format(place, key) for place, key in enumerate(keys))
    document = posted(
        client, f"<RequestMessage>{HEADER.format(CONTINUE, len(keys))}{items}</RequestMessage>", "text/xml"
    )
    return ET.fromstring(document).findall("BatchItem")


def value(item: ET.Element, name: str) -> str | None:
    found = item.find(name)
    return None if found is None else found.get("value")


@pytest.mark.parametrize("character", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_text_that_xml_does_not_have_fails_its_item_alone(
    client: Client, server: RunningServer, character: str
) -> None:
    before = len(server.stderr.read_bytes())
    with client.session((2, 1)) as session:
        strange = session.create_aes(ask.name(f"strange {character} {next(_numbers)}"))
        plain = session.create_aes()
    first, second, third = in_xml(client, plain, strange, plain)
    for good in (first, third):
        assert value(good, "ResultStatus") == "Success"
        assert value(good, "ResponsePayload/UniqueIdentifier") == plain
    assert value(second, "ResultStatus") == "OperationFailed"
    assert value(second, "ResultReason") == "GeneralFailure"
    assert value(second, "UniqueBatchItemID") == "01"
    assert second.find("ResponsePayload") is None
    assert "XML" in str(value(second, "ResultMessage"))
    logged = server.stderr.read_bytes()[before:]
    assert b"Traceback" not in logged
    assert b"fault" not in logged


def test_text_that_xml_has_is_sent_as_it_is(client: Client) -> None:
    """The negative control."""
    name = f"a < b & \"c\" 'd' \u00e9 \U0001f511 tab\tbreak\r\n {next(_numbers)}"
    with client.session((2, 1)) as session:
        key = session.create_aes(ask.name(name))
    (item,) = in_xml(client, key)
    assert name in [node.get("value") for node in item.iter("NameValue")]


@pytest.mark.parametrize("character", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_json_has_all_text(client: Client, character: str) -> None:
    name = f"strange {character} json {next(_numbers)}"
    with client.session((2, 1)) as session:
        key = session.create_aes(ask.name(name))

    def leaf(tag: str, kind: str, what: object) -> dict[str, object]:
        return {"tag": tag, "type": kind, "value": what}

    def node(tag: str, *children: object) -> dict[str, object]:
        return {"tag": tag, "value": list(children)}

    version = node(
        "ProtocolVersion", leaf("ProtocolVersionMajor", "Integer", 2), leaf("ProtocolVersionMinor", "Integer", 1)
    )
    message = node(
        "RequestMessage",
        node("RequestHeader", version, leaf("BatchCount", "Integer", 1)),
        node(
            "BatchItem",
            leaf("Operation", "Enumeration", "GetAttributes"),
            node("RequestPayload", leaf("UniqueIdentifier", "TextString", key)),
        ),
    )
    answer = json.loads(posted(client, json.dumps(message), "application/json"))
    assert json.dumps(name) in json.dumps(answer)


def test_an_asynchronous_answer_that_xml_does_not_have_is_there_in_ttlv(client: Client) -> None:
    with client.session((2, 1)) as session:
        strange = session.create_aes(ask.name(f"strange \x01 poll {next(_numbers)}"))
        mandatory = (enumeration(Tag.ASYNCHRONOUS_INDICATOR, 1),)
        pending = session.do(ask.get_attributes((2, 1), strange), fields=mandatory)
        assert pending.correlation is not None
        poll = ask.Request(0x1A, octets(Tag.ASYNCHRONOUS_CORRELATION_VALUE, pending.correlation))
        while (done := session.do(poll)).status == pending.status:
            pass
        item = (
            '<BatchItem><Operation type="Enumeration" value="Poll"/><RequestPayload><AsynchronousCorrelationValue '
            f'type="ByteString" value="{pending.correlation.hex()}"/></RequestPayload></BatchItem>'
        )
        document = posted(client, f"<RequestMessage>{HEADER.format('', 1)}{item}</RequestMessage>", "text/xml")
        (answer,) = ET.fromstring(document).findall("BatchItem")
        assert value(answer, "ResultReason") == "GeneralFailure"
        assert done.expect_success().unique_identifier == strange
