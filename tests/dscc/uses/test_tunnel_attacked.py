"""An attacker between the two ends of a tunnel: what is changed, repeated, left out or cut off reaches nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tunnels import HEAD, HOST, Middle, all_of, echo, tunnel
from two_ends import asynchronous

from dscc.enrolment import Address
from dscc.uses.tunnel_records import HELLO_BYTES


def flipped(record: bytes, at: int) -> bytes:
    return record[:at] + bytes((record[at] ^ 1,)) + record[at + 1 :]


CHANGES: dict[str, Callable[[list[bytes]], Callable[[int, bytes], bytes | None]]] = {
    "a byte is changed": lambda _: lambda number, record: flipped(record, 20) if number == 3 else record,
    "the tag is changed": lambda _: lambda number, record: flipped(record, len(record) - 1) if number == 3 else record,
    "the epoch is changed": lambda _: lambda number, record: flipped(record, 3) if number == 3 else record,
    "the number is changed": lambda _: lambda number, record: flipped(record, 11) if number == 3 else record,
    "it comes twice": lambda _: lambda number, record: record + record if number == 3 else record,
    "an earlier one comes again": lambda held: lambda number, record: record + held[1] if number == 3 else record,
    "it comes again as the next one": lambda held: (
        lambda number, record: (
            record + HEAD.pack(0, 4, len(held[3]) - HEAD.size) + held[3][HEAD.size :] if number == 3 else record
        )
    ),
    "it is left out": lambda _: lambda number, record: b"" if number == 3 else record,
    "two change places": lambda held: (
        lambda number, record: b"" if number == 3 else record + held[3] if number == 4 else record
    ),
    "it is cut off before a record": lambda _: lambda number, record: None if number == 3 else record,
    "its length says too much": lambda _: (
        lambda number, record: record[:12] + b"\xff\xff" + record[14:] if number == 3 else record
    ),
    "its length says nothing": lambda _: (
        lambda number, record: record[:12] + b"\x00\x00" + record[14:] if number == 3 else record
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@asynchronous
async def test_what_an_attacker_changes_reaches_nobody_and_ends_in_a_reset(change: str) -> None:
    heard, lost = bytearray(), asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                heard.extend(data)
            heard.extend(b"and an end that nobody said")
        except ConnectionResetError:
            lost.set()

    middle = Middle(Address(HOST, 0))
    middle.change = CHANGES[change](middle.records)
    async with tunnel(listen, middle=middle) as between:
        _, writer = await between.open()
        said = b""
        for number in range(6):
            said += b"record %d." % number
            writer.write(b"record %d." % number)
            while len(middle.records) < number + 2 and not lost.is_set():
                await asyncio.sleep(0.001)
        await lost.wait()
        writer.close()
    # Record 0 is the client end's first, which carries nothing.
    assert said.startswith(heard) and len(heard) <= 3 * len(b"record 0.")


@asynchronous
async def test_a_record_that_is_cut_in_its_middle_is_no_end() -> None:
    lost = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with pytest.raises(ConnectionResetError):
            while await reader.read(65_536):
                pass
        lost.set()

    cut: list[bytes] = []

    def half(number: int, record: bytes) -> bytes | None:
        if cut:
            return None
        if number == 2:
            cut.append(record)
            return record[: len(record) // 2]
        return record

    middle = Middle(Address(HOST, 0))
    middle.change = half
    async with tunnel(listen, middle=middle) as between:
        _, writer = await between.open()
        for _ in range(3):
            writer.write(b"something")
            await writer.drain()
            await asyncio.sleep(0)
        writer.write_eof()
        await lost.wait()
        writer.close()


@asynchronous
async def test_a_connection_that_was_recorded_opens_nothing_when_it_comes_again() -> None:
    middle = Middle(Address(HOST, 0))
    async with tunnel(echo, middle=middle) as between:
        said: list[bytes] = []
        middle.change = lambda _, record: (said.append(record), record)[1]
        reader, writer = await between.open()
        writer.write(b"pay once")
        assert await reader.readexactly(8) == b"pay once"
        assert len(between.served) == 1
        again_reader, again = await asyncio.open_connection(*middle._to)
        # The same hello, and everything that came after it; the server end has another nonce.
        again.write(b"dscc-tunnel-1" + bytes.fromhex(between.sources[0].now.to_protect().kid) + bytes(32))
        again.write(b"".join(said))
        await again_reader.readexactly(HELLO_BYTES)
        with pytest.raises(ConnectionResetError):
            await all_of(again_reader)
        again.close()
        writer.close()
        assert len(between.served) == 1
