"""The published OASIS test cases of KMIP 1.4 and 2.1, played against a running server over the wire."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from comparison import Knowledge, value_at
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from player import play, transport_for
from published import Case, files, operations, read
from support.numbers import Tag
from support.server import Client
from support.wire import parse

NOT_IN_SCOPE = {"PKCS11-M-1-21": "PKCS#11 is not an operation of this server"}
"""Files that are not played, with the operation that is not the server's."""

CONTINUES = {
    "SASED-M-3-14": "SASED-M-2-14",
    "SASED-M-3-21": "SASED-M-2-21",
    "TL-M-3-14": "TL-M-2-14",
    "TL-M-3-21": "TL-M-2-21",
}
"""Cases that go on with the objects of another, which is played first."""

ONE_OF = {
    "CS-RNG-O": "a server may take all of a seed, some of it, none of it, or refuse it (KMIP 2.1 s6.1.50): a file each",
}
"""Families of optional cases with the same requests that show what a server may do; it does one of them."""

FILES = files()
VERSION_OF_SUFFIX = {"14": "published-1-4", "21": "published-2-1"}


def cases() -> list[object]:
    """The files as parameters; where they are absent, one that says so."""
    if not FILES:
        return [pytest.param("", marks=pytest.mark.skip("the published cases are not here: ../shared is absent"))]
    marks = {name: [pytest.mark.skip(reason)] for name, reason in NOT_IN_SCOPE.items()}
    return [pytest.param(name, id=name, marks=marks.get(name, [])) for name in FILES]


@pytest.fixture(scope="session")
def identity(make_published_client: Callable[[str], Client]) -> Callable[[str], Client]:
    """The client that plays a case: one for each version, and one of its own for cases that share names."""
    made: dict[str, Client] = {}

    def client(name: str) -> Client:
        if name in CONTINUES or name in CONTINUES.values():
            return make_published_client("published")
        key = VERSION_OF_SUFFIX[name.rsplit("-", 1)[1]]
        if key not in made:
            made[key] = make_published_client(key)
        return made[key]

    return client


def alternatives(name: str) -> list[Case]:
    """The other cases of the family, of the same version, any one of whose answers will do."""
    for family in ONE_OF:
        if name.startswith(family):
            others = (other for other in FILES if other.startswith(family) and other[-3:] == name[-3:])
            return [read(FILES[other]) for other in others if other != name]
    return []


@pytest.mark.parametrize("name", cases())
def test_the_server_answers_as_published(name: str, identity: Callable[[str], Client]) -> None:
    client = identity(name)
    knowledge = Knowledge()
    for part in [*filter(None, [CONTINUES.get(name)]), name]:
        knowledge.bound.clear()
        transport = transport_for(part, client)
        try:
            problems = play(read(FILES[part]), transport, knowledge, alternatives(part))
        finally:
            transport.close()
        if problems:
            pytest.fail("\n".join([f"{part} differs:", *problems]), pytrace=False)
    for prefix, check in CHECKS.items():
        if name.startswith(prefix):
            check(knowledge)


ALSO_IN_TEXT = ("AX-M", "BL-M", "CS-BC-M-GCM-3", "SKFF-M-9", "SKLC")
"""Cases that are played over HTTPS in XML and in JSON as well: between them they have every type of value."""


@pytest.mark.skipif(not FILES, reason="the published cases are not here: ../shared is absent")
@pytest.mark.parametrize("encoding", ["MSGENC-XML", "MSGENC-JSON"])
def test_the_server_answers_the_same_in_text(encoding: str, make_published_client: Callable[[str], Client]) -> None:
    client = {version: make_published_client("text") for version in ("14", "21")}
    different: dict[str, list[str]] = {}
    for name in (name for name in FILES if name.startswith(ALSO_IN_TEXT)):
        transport = transport_for(encoding, client[name[-2:]])
        try:
            different[name] = play(read(FILES[name]), transport, Knowledge())
        finally:
            transport.close()
    assert len(different) > 20
    assert {name: problems for name, problems in different.items() if problems} == {}


def wrapped_keys_unwrap(knowledge: Knowledge) -> None:
    """A wrapped Key Value without Encoding Option is TTLV under AES Key Wrap (KMIP 1.4 s2.1.5, RFC 3394)."""
    for name in ("$KEY_VALUE_0", "$KEY_VALUE_1"):
        key_value = parse(aes_key_unwrap(knowledge.bound["$KEY_MATERIAL_0"], knowledge.bound[name]))
        assert key_value.tag == Tag.KEY_VALUE
        assert len(value_at(key_value, Tag.KEY_MATERIAL)) == 32  # type: ignore[arg-type]


CHECKS: dict[str, Callable[[Knowledge], None]] = {"AX-M-2": wrapped_keys_unwrap}
"""What can be checked beyond the answers' text, by the beginning of the file's name."""


@pytest.mark.skipif(not FILES, reason="the published cases are not here: ../shared is absent")
def test_no_file_is_left_out_without_a_reason() -> None:
    assert len([name for name in FILES if name.endswith("14")]) == 75
    assert len([name for name in FILES if name.endswith("21")]) == 93
    assert FILES.keys() >= NOT_IN_SCOPE.keys() | CONTINUES.keys() | set(CONTINUES.values())
    assert all("PKCS_11" in operations(FILES[name]) for name in NOT_IN_SCOPE)
