"""The primitives against independent implementations, the encoding against its inverse, records out of order."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

import dscc
from dscc.errors import DsccError, Reason
from dscc.primitives import S384, S512, SUITES, Direction, Suite, choose_suite, enc, suite_named

HASHES = {"sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
BOTH = [S384, S512]


@pytest.mark.parametrize("suite", BOTH, ids=str)
@given(salt=st.binary(min_size=1, max_size=80), secret=st.binary(max_size=100), size=st.integers(1, 512))
def test_extract_and_expand_are_those_of_rfc_5869(suite: Suite, salt: bytes, secret: bytes, size: int) -> None:
    info = size.to_bytes(2, "big") + b"\x0aDSCC1 test" + b"\x03abc"
    whole = HKDF(HASHES[suite.hash], size, salt, info).derive(secret)
    assert suite.expand(suite.extract(salt, secret), "test", b"abc", size) == whole
    assert HKDFExpand(HASHES[suite.hash], size, info).derive(suite.extract(salt, secret)) == whole


@given(st.lists(st.binary(max_size=20), max_size=5), st.lists(st.binary(max_size=20), max_size=5))
def test_no_two_lists_of_fields_are_encoded_alike(one: list[bytes], other: list[bytes]) -> None:
    assert (enc(*one) == enc(*other)) == (one == other)


def test_another_label_context_or_size_gives_another_key() -> None:
    keys = {
        S384.expand(bytes(48), label, context, size)[:16]
        for label in ("a", "b", "ab")
        for context in (b"", b"c", b"bc")
        for size in (16, 32, 48)
    }
    assert len(keys) == 27


def test_a_wrong_mac_is_refused_with_what_it_was_of() -> None:
    with pytest.raises(DsccError, match="M2 was not made") as refused:
        S384.check(b"k", b"data", S384.mac(b"k", b"other"), "M2")
    assert refused.value.reason is Reason.NOT_AUTHENTIC


def test_an_old_device_and_a_new_node_find_the_suite_that_both_have() -> None:
    assert choose_suite(tuple(SUITES)) is S512
    assert choose_suite((S384.name,)) is S384
    assert choose_suite(tuple(SUITES), (S384.name,)) is S384
    with pytest.raises(DsccError, match="no suite in common"):
        choose_suite(("DSCC9-S1",))
    with pytest.raises(DsccError, match="not known here"):
        suite_named("DSCC9-S1")


def directions() -> tuple[Direction, Direction]:
    return Direction(bytes(32), bytes(12), b"session"), Direction(bytes(32), bytes(12), b"session")


def test_records_are_opened_in_their_order_and_once() -> None:
    sends, receives = directions()
    records = [sends.seal(b"%d" % number) for number in range(4)]
    assert [receives.open(record) for record in records] == [b"0", b"1", b"2", b"3"]
    for lost in ([records[1]], [records[0], records[0]], [records[0], records[2]]):
        fresh = directions()[1]
        with pytest.raises(DsccError) as refused:
            for record in lost:
                fresh.open(record)
        assert refused.value.reason is Reason.NOT_AUTHENTIC


def test_a_record_of_another_session_or_direction_is_refused() -> None:
    record = directions()[0].seal(b"hello")
    for other in (Direction(bytes(32), bytes(12), b"other"), Direction(bytes(32), b"\x01" * 12, b"session")):
        with pytest.raises(DsccError):
            other.open(record)
    with pytest.raises(DsccError):
        directions()[1].open(record[:-1] + bytes([record[-1] ^ 1]))


def test_a_session_ends_before_its_counter_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Direction, "_MOST", 2)
    sends = directions()[0]
    sends.seal(b""), sends.seal(b"")
    with pytest.raises(DsccError) as refused:
        sends.seal(b"")
    assert refused.value.reason is Reason.EXPIRED


BANNED = {"rsa", "ec", "dh", "dsa", "x25519", "x448", "ed25519", "ed448", "ssl", "mldsa", "padding"}
HARDENING = "hardening.py"


def imported(source: str) -> set[str]:
    """Every part of every name that a module imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [node.module or ""] + [f"{node.module}.{alias.name}" for alias in node.names]
    return {part for name in names for part in name.split(".")}


def asymmetric(file: Path) -> set[str]:
    """What a file of the engine imports and must not. Links speak mutual TLS with what others made."""
    found = imported(file.read_text()) & BANNED
    if file.parent.name == "links":
        found -= {"ssl"}
    if "asymmetric" in imported(file.read_text()) and file.name != HARDENING:
        found.add("asymmetric")
    return found


def test_there_is_no_rsa_no_diffie_hellman_and_no_elliptic_curve_in_the_engine(tmp_path: Path) -> None:
    files = list(Path(dscc.__path__[0]).rglob("*.py"))
    assert len(files) > 8
    assert {file.name: asymmetric(file) for file in files if asymmetric(file)} == {}
    guilty = tmp_path / "guilty.py"
    guilty.write_text("from cryptography.hazmat.primitives.asymmetric import ec\n")
    assert asymmetric(guilty) == {"ec", "asymmetric"}
