"""Codes that people carry: what is written is read again, and what is wrong is refused without showing a secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parties import token

from dscc.enrolment import (
    Address,
    EnrolmentCode,
    EnrolmentNode,
    StepCode,
    as_qr,
    read_address,
    read_enrolment,
    read_step,
)
from dscc.errors import DsccError, Reason
from dscc.registration import Mode

names = st.text(st.characters(categories=("L", "N", "P", "S", "Zs"), exclude_characters="~"), min_size=1, max_size=64)
names = names.filter(str.isprintable)
hosts = st.sampled_from(["127.0.0.1", "::1", "node-1.example.org"])


def code(count: int = 3) -> EnrolmentCode:
    nodes = [EnrolmentNode(f"n{number}", Address("127.0.0.1", 7000 + number), token()) for number in range(count)]
    return EnrolmentCode("meter-7", Mode.OTA_KEM, tuple(nodes))


@given(names, st.sampled_from(Mode), st.lists(names, min_size=1, max_size=16, unique=True), hosts)
def test_an_enrolment_code_is_read_as_it_was_written(device: str, mode: Mode, nodes: list[str], host: str) -> None:
    entries = tuple(EnrolmentNode(node, Address(host, 7000), token()) for node in nodes)
    written = EnrolmentCode(device, mode, entries)
    assert read_enrolment(written.text()) == written


@given(names, st.dictionaries(names, st.binary(min_size=32, max_size=32), min_size=1, max_size=16))
def test_a_step_code_is_read_as_it_was_written(stage: str, codes: dict[str, bytes]) -> None:
    assert read_step(StepCode(stage, codes).text()) == StepCode(stage, codes)


@given(st.text(max_size=300))
def test_nothing_else_is_taken_for_a_code(text: str) -> None:
    for read in (read_enrolment, read_step):
        for tried in (text, f"dscc-enrol:v1?{text}", f"dscc-step:v1?{text}"):
            with pytest.raises(DsccError) as error:
                read(tried)
            assert error.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("v1", "v2"),
        ("mode=ota-kem", "mode=plain"),
        ("mode=ota-kem", ""),
        ("device=meter-7", "device=meter-7&device=meter-8"),
        ("&n=n1", "&n=n0"),
        ("127.0.0.1:7000", "127.0.0.1:70000"),
        ("127.0.0.1:7000", "127.0.0.1"),
        ("n=n0~", "n=~"),
        ("&n=n0", "&m=n0"),
        ("~127", "~more~127"),
    ],
)
def test_a_code_that_is_wrong_in_one_place_is_refused_without_its_tokens(before: str, after: str) -> None:
    good = code()
    assert before in good.text()
    with pytest.raises(DsccError) as error:
        read_enrolment(good.text().replace(before, after, 1))
    assert error.value.reason is Reason.MALFORMED
    assert not [entry for entry in good.nodes if entry.token.secret.hex() in str(error.value)]


def test_a_short_token_or_too_long_a_code_is_refused() -> None:
    text = code(1).text()
    for wrong in (text[:-2], text + "&n=x" * 20, text + "0" * 9000):
        with pytest.raises(DsccError):
            read_enrolment(wrong)


def test_what_would_not_be_read_again_is_not_written() -> None:
    with pytest.raises(DsccError):
        code()._replace(device="a~b").text()
    with pytest.raises(DsccError):
        StepCode("stage", {"n1": b"short"}).text()


def test_addresses() -> None:
    assert read_address("[::1]:7000") == Address("::1", 7000)
    assert str(Address("::1", 7000)) == "[::1]:7000"
    for wrong in ("", ":7000", "host:", "host:0", "host:٣", "host:7000000000000"):
        with pytest.raises(DsccError):
            read_address(wrong)


def test_codes_show_no_secret_and_are_drawn() -> None:
    good, step = code(), StepCode("production", {"n1": bytes(range(32))})
    assert good.nodes[0].token.secret.hex() not in repr(good) and str(good.nodes[0].token.secret) not in repr(good)
    assert bytes(range(32)).hex() not in repr(step) and str(bytes(range(32))) not in repr(step)
    drawn = as_qr(good.text())
    assert len(drawn.splitlines()) > 30 and good.nodes[0].token.secret.hex() not in drawn
