"""Multi-part operations between their requests (KMIP 2.1 s7.8): a part is processed once, or the stream ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kmip_server.errors import KmipError
from kmip_server.operations.streams import Streams
from kmip_server.ttlv.enumerations import Operation, ResultReason

FIRST, SECOND, THIRD = object(), object(), object()


class Stream:
    """A list of the parts that were processed, kept as the context of a stream."""

    def __init__(self) -> None:
        self.streams, self.parts = Streams(), ["first"]
        self.value = self.streams.begin("alice", Operation.ENCRYPT, "key", self.parts, 0, FIRST)

    def add(self, request: object, part: str, *, final: bool = False) -> int:
        def added(parts: list[str]) -> int:
            parts.append(part)
            return len(parts)

        return self.advance(request, added, final=final)

    def fail(self, request: object) -> None:
        def failing(_: list[str]) -> int:
            raise KmipError(ResultReason.CRYPTOGRAPHIC_FAILURE, "wrong")

        self.advance(request, failing)

    def advance(self, request: object, part: Callable[[list[str]], int], *, final: bool = False) -> int:
        return self.streams.advance(self.value, "alice", Operation.ENCRYPT, "key", 1, request, part, final=final)


@pytest.mark.parametrize("final", [False, True])
def test_the_same_batch_item_again_gets_the_same_result_and_no_second_part(final: bool) -> None:
    stream = Stream()
    assert [stream.add(SECOND, "second", final=final) for _ in range(2)] == [2, 2]
    assert stream.parts == ["first", "second"]


def test_a_part_that_fails_ends_the_stream_and_fails_again() -> None:
    """The result of the part before must not be taken for that of a last part whose tag is wrong."""
    stream = Stream()
    stream.add(SECOND, "second")
    for _ in range(2):
        with pytest.raises(KmipError):
            stream.fail(THIRD)
    with pytest.raises(KmipError, match="no operation is outstanding"):
        stream.add(SECOND, "second")


def test_a_batch_item_that_was_undone_ends_the_streams_that_it_began_or_continued() -> None:
    begun, continued, other = Stream(), Stream(), Stream()
    continued.add(SECOND, "second")
    for stream in (begun, continued):
        stream.streams.end([FIRST, SECOND])
        with pytest.raises(KmipError, match="no operation is outstanding"):
            stream.add(THIRD, "third")
    other.streams.end([SECOND])
    assert other.add(THIRD, "third") == 2


def test_a_batch_item_that_is_undone_twice_has_the_same_result_both_times() -> None:
    """Its transaction may fail, and all of it be done again."""
    stream = Stream()
    stream.add(SECOND, "second")
    stream.streams.end([SECOND])
    assert stream.add(SECOND, "second") == 2
