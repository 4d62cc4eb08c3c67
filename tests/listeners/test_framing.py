"""Whole TTLV messages come out of a stream, however it is cut, and nothing else does."""

from __future__ import annotations

import time

import pytest
from edge_support import RESPONSE_TAG, message

from kmip_server.listeners.framing import FrameAssembler
from kmip_server.ttlv.item import CodecError, Limits


def drain(assembler: FrameAssembler) -> list[bytes]:
    return list(iter(assembler.take, None))


@pytest.mark.parametrize("step", [1, 3, 7, 8, 9, 24, 1000])
def test_messages_come_out_whole_and_in_order_however_the_stream_is_cut(step: int) -> None:
    messages = [message(bytes([number]) * 8 * number) for number in range(1, 6)]
    stream = b"".join(messages)
    assembler = FrameAssembler(Limits())
    taken = []
    for start in range(0, len(stream), step):
        assembler.feed(stream[start : start + step])
        taken += drain(assembler)
    assert taken == messages
    assert assembler.buffered == 0


def test_a_response_message_is_framed_so_that_it_can_be_refused() -> None:
    assembler = FrameAssembler(Limits())
    assembler.feed(message(bytes(8), RESPONSE_TAG))
    assert assembler.take() == message(bytes(8), RESPONSE_TAG)


def test_a_message_of_the_largest_size_is_taken_and_one_that_is_larger_is_refused() -> None:
    limits = Limits(message_bytes=1024)
    assembler = FrameAssembler(limits)
    assembler.feed(message(bytes(1016)))
    assert assembler.take() == message(bytes(1016))
    assembler.feed(message(bytes(1024))[:8])
    with pytest.raises(CodecError, match="larger than"):
        assembler.take()


@pytest.mark.parametrize(
    "header",
    [
        b"\x42\x00\x77\x01\x00\x00\x00\x08",
        b"\x42\x00\x78\x02\x00\x00\x00\x08",
        b"\x42\x00\x78\x01\x00\x00\x00\x00",
        b"\x42\x00\x78\x01\xff\xff\xff\xff",
        b"\x42\x00\x78\x01\x00\x00\x00\x09",
        b"GET / HT",
        b"SSH-2.0-",
    ],
)
def test_a_header_that_frames_no_message_is_refused_before_its_body(header: bytes) -> None:
    assembler = FrameAssembler(Limits())
    assembler.feed(header)
    assert assembler.complete
    with pytest.raises(CodecError):
        assembler.take()


def test_a_large_message_in_small_pieces_costs_linear_time() -> None:
    def seconds(size: int) -> float:
        data, assembler = message(bytes(size)), FrameAssembler(Limits(message_bytes=1 << 24))
        began = time.process_time()
        for start in range(0, len(data), 512):
            assembler.feed(data[start : start + 512])
            assembler.take()
        return time.process_time() - began

    small = min(seconds(1 << 20) for _ in range(3))
    assert min(seconds(1 << 23) for _ in range(3)) < 32 * small
