"""DER elements are walked as they stand, and never past what holds them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmip_server.cryptography.der import elements, tags_within


def test_elements_follow_one_another_with_short_and_long_lengths() -> None:
    encoded = b"\x02\x01\x05" + b"\x04\x82\x01\x00" + bytes(256) + b"\x05\x00"
    walked = list(elements(encoded))
    assert [element.tag for element in walked] == [0x02, 0x04, 0x05]
    assert [len(element.content) for element in walked] == [1, 256, 0]
    assert b"".join(element.encoded for element in walked) == encoded


@pytest.mark.parametrize(
    "encoded",
    [b"\x30", b"\x30\x01", b"\x30\x81", b"\x30\x81\x80", b"\x30\x84\xff\xff\xff\xff", b"\x02\x01\x05\x30\x05\x00"],
)
def test_an_element_that_does_not_fit_is_refused(encoded: bytes) -> None:
    with pytest.raises(ValueError, match="DER element"):
        list(elements(encoded))
    assert tags_within(encoded) == ()


@given(st.binary(max_size=60))
def test_any_bytes_are_walked_to_an_end(encoded: bytes) -> None:
    try:
        assert b"".join(element.encoded for element in elements(encoded)) == encoded
    except ValueError:
        assert tags_within(encoded) == ()
