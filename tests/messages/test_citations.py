"""Every refusal says where to look: what a message does not name itself is added (KMIP 2.1 s9.17)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from support.error_tables import says_where

from kmip_server.messages.citations import ENCODING, MESSAGE, SECTIONS, cited
from kmip_server.operations import load_all
from kmip_server.operations.registry import REGISTRY
from kmip_server.ttlv.enumerations import Operation
from kmip_server.ttlv.versions import SUPPORTED_VERSIONS, V1_0, V1_4, V2_0, V2_1

load_all()

SPECIFICATIONS: Final = Path(__file__).parents[3] / "shared" / "spec"
ADDED_IN_2: Final = {Operation.ADJUST_ATTRIBUTE, Operation.SET_ATTRIBUTE}


def headings(version: str) -> dict[str, str]:
    """The titles of a specification by the numbers of their sections."""
    path = SPECIFICATIONS / f"kmip-{version}.md"
    if not path.exists():
        pytest.skip("the specifications are not at hand (../shared/spec)")
    found = re.findall(r"^#+ (\d+(?:\.\d+)*) (.+)$", path.read_text(), re.MULTILINE)
    return {number: title.strip() for number, title in found}


@pytest.mark.parametrize(
    ("message", "operation", "expected"),
    [
        ("it is empty", Operation.GET, "it is empty [Operation (42005C), KMIP 2.1 s6.1.19]"),
        ("Name (420053) is empty", Operation.GET, "Name (420053) is empty [KMIP 2.1 s6.1.19]"),
        ("it is empty (KMIP 2.1 s4.32)", Operation.GET, "it is empty (KMIP 2.1 s4.32) [Operation (42005C)]"),
        ("Name (420053) is empty (KMIP 2.1 s4.32)", Operation.GET, "Name (420053) is empty (KMIP 2.1 s4.32)"),
        ("tag 54F00D is unknown", Operation.GET, "tag 54F00D is unknown [KMIP 2.1 s6.1.19]"),
        ("it is empty", None, "it is empty [Request Message (420078), KMIP 2.1 s8.1]"),
        ("not of this server", Operation.JOIN_SPLIT_KEY, "not of this server [Operation (42005C), KMIP 2.1 s6.1]"),
    ],
)
def test_what_a_message_does_not_name_is_added(message: str, operation: Operation | None, expected: str) -> None:
    assert cited(message, V2_1, operation) == expected


def test_a_peer_is_shown_the_text_of_its_own_kind_of_version() -> None:
    shown = {version: cited("Name (420053) is empty", version, Operation.GET)[-21:] for version in SUPPORTED_VERSIONS}
    assert {shown[version] for version in shown if version <= V1_4} == {"mpty [KMIP 1.4 s4.11]"}
    assert shown[V2_0] == shown[V2_1] == "ty [KMIP 2.1 s6.1.19]"
    assert V1_0 in shown


def test_every_operation_of_the_server_has_its_section() -> None:
    assert SECTIONS.keys() == REGISTRY.keys()


def test_the_sections_are_those_of_the_specifications() -> None:
    in_1x, in_2x = headings("1.4"), headings("2.1")
    for operation, (old, new) in SECTIONS.items():
        assert in_2x[new].lower() == operation.title.lower()
        assert old == "4" if operation in ADDED_IN_2 else in_1x[old].lower() == operation.title.lower()
    assert (in_1x[MESSAGE[0]], in_2x[MESSAGE[1]]) == ("Message Structure", "Request Message")
    assert in_2x[ENCODING.removeprefix("KMIP 2.1 s")] == "Message Protocols"


def test_the_question_that_is_asked_of_every_refusal_can_be_answered_no() -> None:
    assert says_where("Name (420053) is empty [KMIP 1.4 s4.11]")
    assert not says_where("Name (420053) is empty")
    assert not says_where("it is empty (KMIP 2.1 s4.32)")
    assert not says_where(None)
