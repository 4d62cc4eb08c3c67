"""Frames and messages: what is written is read, and everything else is refused before it costs anything."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscc import direct_messages, messages
from dscc.direct_messages import D3, Contribution
from dscc.errors import DsccError, Reason
from dscc.messages import M1, M3, R1, Refused
from dscc.wire import FRAME_BYTES, FrameKind, FrameReader, core, decode, decode_as, encode, transcript, write_frame

ALL = [each for room in (messages, direct_messages) for each in vars(room).values() if hasattr(each, "_fields")]
SAID = M1("meter-7", "n1", "production", 2, 7, bytes(32), b"m" * 48)


def refused(data: bytes, reason: Reason = Reason.MALFORMED) -> str:
    with pytest.raises(DsccError) as error:
        decode(data)
    assert error.value.reason is reason
    return error.value.message


def test_a_message_is_read_as_it_was_written() -> None:
    assert decode(encode(SAID)) == SAID
    assert decode_as(M1, encode(SAID)) is not None
    offer = R1(("DSCC1-S384",), "qkey", bytes(16), "d", "n", (("site", "a"),), bytes(32), b"", b"")
    assert decode(encode(offer)) == offer


def test_another_message_is_out_of_order() -> None:
    with pytest.raises(DsccError, match="expected M3, not M1") as error:
        decode_as(M3, encode(SAID))
    assert error.value.reason is Reason.OUT_OF_ORDER


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([20, "meter-7", "n1", "p", 2, 7, bytes(32)], "M1 has 7 fields, not 6"),
        ([20, "meter-7", "n1", "p", 2, 7, bytes(31), b""], "M1.nonce has to be 32 to 32 bytes"),
        ([20, "meter-7", "n1", "p", 2, -1, bytes(32), b""], "M1.epoch has to be a number"),
        ([20, "meter-7", "n1", "p", 2, 1 << 63, bytes(32), b""], "M1.epoch has to be a number"),
        ([20, "meter-7", "n1", "p", 2, True, bytes(32), b""], "M1.epoch has to be a number"),
        ([20, b"meter-7", "n1", "p", 2, 7, bytes(32), b""], "M1.device has to be a printable text"),
        ([20, "m" * 65, "n1", "p", 2, 7, bytes(32), b""], "M1.device has to be a printable text of at most 64 bytes"),
        ([20, "meter-7", "n1", "p", 2, 7, bytes(32), bytes(65)], "M1.mac has to be 0 to 64 bytes"),
        ([42, bytes(48), ["n"] * 17, bytes(48), b""], "D3.nodes has to be at most 16"),
        ([999], "an array that starts with its number"),
        ([], "an array that starts with its number"),
        ({"a": 1}, "an array that starts with its number"),
        ([20, "meter-7", "n1", "p", 2, 7, bytes(32), {}], "M1.mac has to be"),
        ([20, "m\u00e9" * 32, "n1", "p", 2, 7, bytes(32), b""], "M1.device has to be a printable text of at most 64"),
        ([20, "a\nb", "n1", "p", 2, 7, bytes(32), b""], "M1.device has to be a printable text"),
    ],
)
def test_a_field_that_is_not_what_it_has_to_be_is_named(values: object, words: str) -> None:
    assert words in refused(cbor2.dumps(values))


def test_what_is_no_message_is_refused() -> None:
    refused(b"")
    refused(encode(SAID)[:-1])
    assert "left over" in refused(encode(SAID) + b"\x00")
    refused(b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff")
    refused(b"\x81" * 60_000 + b"\x01")
    refused(bytes(FRAME_BYTES + 1))
    refused(b"\xd8\x1c\x81\xd8\x1d\x00")


@given(st.binary(max_size=300))
def test_no_bytes_do_harm(data: bytes) -> None:
    try:
        said = decode(data)
    except DsccError:
        return
    assert type(said) in ALL


@given(st.sampled_from(ALL), st.data())
def test_no_change_of_a_message_does_harm(declared: type, data: st.DataObject) -> None:
    values = [
        data.draw(st.one_of(st.text(max_size=5), st.binary(max_size=70), st.integers(), st.lists(st.text(max_size=3))))
        for _ in declared._fields  # type: ignore[attr-defined]
    ]
    number = next(number for number in range(100) if _declares(number, declared))
    try:
        said = decode(cbor2.dumps([number, *values]))
    except DsccError as error:
        assert error.reason is Reason.MALFORMED
    else:
        assert decode(encode(said)) == said


def _declares(number: int, declared: type) -> bool:
    try:
        decode(cbor2.dumps([number] + [None] * 50))
    except DsccError as error:
        return error.message.startswith(f"{declared.__name__} has")
    return False


def test_what_is_authenticated_is_the_fields_and_not_how_they_were_written() -> None:
    assert transcript(SAID) != core(SAID)
    assert core(SAID) == core(SAID._replace(mac=b"other"))
    for change in ({"device": "meter-8"}, {"epoch": 8}, {"nonce": b"\x01" * 32}, {"node": "n1p"}):
        assert core(SAID) != core(SAID._replace(**change))
    one = D3(bytes(48), ("a", "bc"), bytes(48), b"")
    assert core(one) != core(one._replace(nodes=("ab", "c")))
    assert transcript(M3(b"x" * 32)) != transcript(Contribution("", 0, b"x" * 32))


def test_a_member_of_an_enumeration_is_authenticated_as_the_text_that_is_read() -> None:
    said = SAID._replace(stage=Reason.GLARE)
    assert core(said) == core(decode_as(M1, encode(said)))
    with pytest.raises(TypeError):
        core(SAID._replace(epoch=None))  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.sampled_from(FrameKind), st.binary(min_size=1, max_size=50)), max_size=5), st.data())
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    frames: list[tuple[FrameKind, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(write_frame(kind, body) for kind, body in frames)
    reader, read = FrameReader(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        read += [tuple(frame) for frame in reader.feed(stream[:size])]
        stream = stream[size:]
    assert read == frames


@pytest.mark.parametrize("start", [b"\xff\xff\xff\xff\x01", b"\x00\x01\x00\x01\x01", bytes(5), b"\x00\x00\x00\x05\x03"])
def test_a_frame_that_is_none_is_refused_at_its_header(start: bytes) -> None:
    with pytest.raises(DsccError) as error:
        list(FrameReader().feed(start))
    assert error.value.reason is Reason.MALFORMED


def test_a_frame_that_would_be_too_large_is_not_written() -> None:
    with pytest.raises(DsccError):
        write_frame(FrameKind.RECORD, bytes(FRAME_BYTES))
    assert len(write_frame(FrameKind.RECORD, bytes(FRAME_BYTES - 1))) == FRAME_BYTES + 4


def test_a_refusal_says_why() -> None:
    assert decode(encode(Refused(Reason.GLARE, "wait"))) == Refused("glare", "wait")
