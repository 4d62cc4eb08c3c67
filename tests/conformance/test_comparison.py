"""The runner itself: what it forgives, what it does not, and that it says where."""

from __future__ import annotations

import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from comparison import RULES, Knowledge, Place, differences
from player import play
from published import Case, Message, files, read
from support.numbers import Tag
from test_published_cases import NOT_IN_SCOPE

from kmip_server.ttlv import xml
from kmip_server.ttlv.item import Item

NOW = 1_700_000_000


def compare(
    operation: str, expected: str, actual: str, knowledge: Knowledge | None = None, request: str = ""
) -> list[str]:
    """Compare two Response Payloads given as XML."""
    wants = Message.of(ElementTree.fromstring(f"<BatchItem><ResponsePayload>{expected}</ResponsePayload></BatchItem>"))
    got = xml.decode(f"<BatchItem><ResponsePayload>{actual}</ResponsePayload></BatchItem>".encode())
    asked = xml.decode(f"<RequestPayload>{request}</RequestPayload>".encode())
    place = Place(operation, asked, got.value[0], knowledge or Knowledge(), NOW)
    return differences(wants.tree, got, place, "BatchItem")


def uid(value: str) -> str:
    return f'<UniqueIdentifier type="TextString" value="{value}"/>'


def attribute(name: str, value: str, kind: str = "Enumeration") -> str:
    return (
        f'<Attribute><AttributeName type="TextString" value="{name}"/>'
        f'<AttributeValue type="{kind}" value="{value}"/></Attribute>'
    )


ACTIVE = '<State type="Enumeration" value="Active"/>'
PRE_ACTIVE = '<State type="Enumeration" value="PreActive"/>'
FRESH = '<Fresh type="Boolean" value="true"/>'


def test_equal_answers_have_no_differences() -> None:
    assert compare("Get", uid("a") + ACTIVE, uid("a") + ACTIVE) == []


DIFFERENT = {
    "another value": (ACTIVE, PRE_ACTIVE, "BatchItem/ResponsePayload/State: expected"),
    "a missing field": (uid("a") + ACTIVE, uid("a"), "BatchItem/ResponsePayload/State: missing"),
    "a field too many": (uid("a"), uid("a") + ACTIVE, "BatchItem/ResponsePayload/State: not expected"),
    "another type": (FRESH, '<Fresh type="Integer" value="1"/>', "expected Fresh (Boolean), got Fresh (Integer)"),
    "another order": (uid("a") + ACTIVE, ACTIVE + uid("a"), "order State, UniqueIdentifier"),
    "a repeated field": (uid("a"), uid("a") * 2, "UniqueIdentifier: not expected"),
    "a time too far": (
        '<InitialDate type="DateTime" value="$NOW"/>',
        '<InitialDate type="DateTime" value="2023-11-14T22:15:20Z"/>',
        "InitialDate: expected a time",
    ),
}


@pytest.mark.parametrize(("expected", "actual", "problem"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_a_difference_is_found_and_named(expected: str, actual: str, problem: str) -> None:
    assert any(problem in found for found in compare("Get", expected, actual))


def test_a_time_may_be_a_minute_off() -> None:
    expected = '<InitialDate type="DateTime" value="$NOW-3600"/>'
    assert compare("Get", expected, '<InitialDate type="DateTime" value="2023-11-14T21:13:30Z"/>') == []


def test_a_placeholder_is_bound_once_and_then_exact() -> None:
    knowledge = Knowledge()
    assert compare("Get", uid("$UNIQUE_IDENTIFIER_0"), uid("a"), knowledge) == []
    assert knowledge.bound == {"$UNIQUE_IDENTIFIER_0": "a"}
    assert compare("Get", uid("$UNIQUE_IDENTIFIER_0"), uid("a"), knowledge) == []
    assert compare("Get", uid("$UNIQUE_IDENTIFIER_0"), uid("b"), knowledge)


def test_attributes_have_no_order_and_are_compared_by_name() -> None:
    one, other = attribute("State", "Active"), attribute("Object Type", "SymmetricKey")
    assert compare("GetAttributes", one + other, other + one, request="") == []
    found = compare("GetAttributes", one + other, other + attribute("State", "PreActive"))
    assert found == ["BatchItem/ResponsePayload/Attribute:State/AttributeValue: expected AttributeValue (Enumeration): "
                     "0x00000002, got AttributeValue (Enumeration): 0x00000001"]  # fmt: skip


def test_a_full_listing_may_have_more_and_a_listing_by_name_may_not() -> None:
    more = attribute("State", "Active") + attribute("Object Type", "SymmetricKey")
    asked = '<AttributeName type="TextString" value="State"/>'
    assert compare("GetAttributes", attribute("State", "Active"), more) == []
    assert compare("GetAttributes", attribute("State", "Active"), more, request=asked)
    assert compare("GetAttributes", more, attribute("State", "Active"))


def test_key_material_is_exact_unless_the_server_made_it() -> None:
    def answer(material: str) -> str:
        return f'{uid("a")}<KeyMaterial type="ByteString" value="{material}"/>'

    assert compare("Get", answer("00"), answer("01"))
    assert compare("Get", answer("00"), answer("01"), Knowledge(generated={"a"})) == []
    assert compare("Get", answer("00"), answer("0101"), Knowledge(generated={"a"}))


def test_query_may_list_more_and_may_lack_only_what_is_out_of_scope() -> None:
    def operations(*names: str) -> str:
        return "".join(f'<Operation type="Enumeration" value="{name}"/>' for name in names)

    assert compare("Query", operations("Get", "Certify"), operations("Create", "Get")) == []
    assert compare("Query", operations("Get", "Destroy"), operations("Create", "Get"))


def test_every_rule_has_a_reason() -> None:
    assert all(rule.reason and ": " in rule.where for rule in RULES)


class AsPublished:
    """A server that answers what the file says, with the version of the request and identifiers of its own."""

    def __init__(self, case: Case) -> None:
        self.left = list(case.exchanges)
        self.bound: dict[str, object] = {}

    def exchange(self, request: Item) -> Item:
        while True:
            response = self.left.pop(0).response
            answer = self._answer(response)
            if answer.value[1].value[0] == request.value[1].value[0]:
                header, *items = answer.value
                version = request.value[0].value[0]
                return answer._replace(value=(header._replace(value=(version, *header.value[1:])), *items))

    def _answer(self, response: Message) -> Item:
        for name, item in response.placeholders():
            self.bound.setdefault(name, f"id-{name}" if item.type == 7 else name.encode())
        return response.substituted(self.bound, int(time.time()) - 2)

    def close(self) -> None:
        pass


@pytest.mark.skipif(not files(), reason="the published cases are not here: ../shared is absent")
def test_a_server_that_answers_as_published_passes_every_case() -> None:
    for name, path in files().items():
        if name not in NOT_IN_SCOPE:
            case = read(path)
            assert play(case, AsPublished(case), Knowledge()) == [], name


def test_a_file_is_read_into_exchanges_with_placeholders(tmp_path: Path) -> None:
    file = tmp_path / "CASE-1-14.xml"
    file.write_text(
        f"<KMIP><!-- c --><RequestMessage>{uid('$UNIQUE_IDENTIFIER_0')}</RequestMessage>"
        f"<ResponseMessage>{uid('$UNIQUE_IDENTIFIER_0')}</ResponseMessage></KMIP>"
    )
    (exchange,) = read(file).exchanges
    request = exchange.request.substituted({"$UNIQUE_IDENTIFIER_0": "a"}, NOW)
    assert request.value == (Item(Tag.UNIQUE_IDENTIFIER, 7, "a"),)
