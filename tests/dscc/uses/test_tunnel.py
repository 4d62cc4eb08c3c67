"""The tunnel on real sockets: load, keys that change meanwhile, half-close, and an attacker between the two ends."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from struct import Struct

import pytest
from two_ends import DSCC, OWN, PEER, Source, asynchronous, key_file, key_number, process, through

from dscc.enrolment import Address
from dscc.errors import DsccError
from dscc.uses.derivation import TUNNEL, Keys, Role, Use
from dscc.uses.key_ring import KeyRing
from dscc.uses.tunnel import TunnelEnd
from dscc.uses.tunnel_records import HELLO_BYTES, Sending, connection, hello

HOST = "127.0.0.1"
HEAD = Struct(">IQH")
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says what it hears, and ends when the other side has ended."""
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()
    except ConnectionError:
        writer.transport.abort()


async def digest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says the digest of everything, which it can only once the other side has ended: half-close."""
    writer.write(sha256(await reader.read()).digest())
    writer.close()


class Middle:
    """A program between the two ends, which sees records: `change` gives the bytes that go on for each of them.

    Records of the client end are numbered from 0. None cuts the connection there.
    """

    def __init__(self, to: Address) -> None:
        self._to = to
        self.change: Callable[[int, bytes], bytes | None] = lambda _, record: record
        self.records: list[bytes] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> Address:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        return Address(*self._server.sockets[0].getsockname())

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        there, back = await asyncio.open_connection(*self._to)
        backward = asyncio.create_task(self._backward(there, writer))
        try:
            back.write(await reader.readexactly(HELLO_BYTES))
            for number in range(1 << 30):
                head = await reader.readexactly(HEAD.size)
                record = head + await reader.readexactly(HEAD.unpack(head)[2])
                self.records.append(record)
                changed = self.change(number, record)
                if changed is None:
                    break
                back.write(changed)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        back.close()
        await asyncio.gather(backward, return_exceptions=True)
        writer.close()

    async def _backward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.write_eof()


class Between:
    """A tunnel that runs: where programs connect to, the sources of its ends, and what its target has served."""

    def __init__(
        self, address: Address, server: Address, sources: tuple[Source, Source], rings: tuple[KeyRing, KeyRing]
    ) -> None:
        self.address, self.server, self.sources, self.rings = address, server, sources, rings
        self.served: list[asyncio.StreamWriter] = []

    async def open(self) -> Streams:
        return await asyncio.open_connection(*self.address)

    def have(self, *numbers: int) -> None:
        for source in self.sources:
            source.have(*numbers)

    async def look(self) -> None:
        """Both ends ask for keys now."""
        await asyncio.gather(*[ring.look() for ring in self.rings])


@asynccontextmanager
async def tunnel(
    serve: Serve, *, middle: Middle | None = None, keys: tuple[int, ...] = (1,), every: float = 60
) -> AsyncIterator[Between]:
    """A tunnel to a target that serves so, through a program in between if there is one."""
    sources = Source(OWN, PEER, *keys), Source(PEER, OWN, *keys)
    rings = KeyRing(sources[0], TUNNEL, every=every), KeyRing(sources[1], TUNNEL, every=every)
    for ring in rings:
        await ring.start()
    served: list[asyncio.StreamWriter] = []

    async def serving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(writer)
        await serve(reader, writer)

    target = await asyncio.start_server(serving, HOST, 0)
    server = TunnelEnd(rings[1], Role.SERVER, Address(*target.sockets[0].getsockname()))
    to = listens = await server.start(HOST, 0)
    if middle is not None:
        middle._to = to
        to = await middle.start()
    client = TunnelEnd(rings[0], Role.CLIENT, to)
    found = Between(await client.start(HOST, 0), listens, sources, rings)
    found.served = served
    try:
        yield found
    finally:
        await client.stop()
        if middle is not None:
            await middle.stop()
        await server.stop()
        target.close()
        for writer in served:
            writer.transport.abort()
        for ring in rings:
            await ring.stop()
        await asyncio.sleep(0)


async def all_of(reader: asyncio.StreamReader) -> bytes:
    """Everything until the end. Raises ConnectionResetError if the connection was cut instead."""
    return await reader.read()


@asynchronous
async def test_what_goes_in_comes_out_and_the_ends_are_passed_on() -> None:
    async with tunnel(echo) as between:
        reader, writer = await between.open()
        writer.write(b"over there")
        assert await reader.readexactly(10) == b"over there"
        writer.write_eof()
        assert await all_of(reader) == b""
        writer.close()


@asynchronous
async def test_one_way_ends_and_the_other_goes_on() -> None:
    content = os.urandom(300_000)
    async with tunnel(digest) as between:
        reader, writer = await between.open()
        writer.write(content)
        writer.write_eof()
        assert await all_of(reader) == sha256(content).digest()
        writer.close()


@asynchronous
async def test_no_byte_is_lost_or_repeated_while_keys_change_under_load() -> None:
    enough = asyncio.Event()
    async with tunnel(echo) as between:
        connections = [await between.open() for _ in range(3)]
        going = [asyncio.create_task(_until(enough, *each)) for each in connections]
        for number in range(1, 61):
            # Both keep the old ones: many are under way.
            between.have(*range(number + 1, 0, -1))
            # One end is told before the other one, now this, now that.
            for ring in between.rings if number % 2 else reversed(between.rings):
                await ring.look()
        enough.set()
        for each in going:
            said, heard = await each
            assert heard == said and len(said) > 1_000_000


async def _until(
    enough: asyncio.Event, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[bytes, bytes]:
    """What was said until then, and what came back."""
    said = bytearray()
    hearing = asyncio.create_task(all_of(reader))
    while not enough.is_set() and not hearing.done():
        part = os.urandom(10_007)
        said += part
        writer.write(part)
        await writer.drain()
    writer.write_eof()
    heard = await hearing
    writer.close()
    return bytes(said), heard


@asynchronous
async def test_an_end_that_does_not_know_the_new_key_yet_waits_for_it() -> None:
    async with tunnel(echo) as between:
        reader, writer = await between.open()
        writer.write(b"old")
        assert await reader.readexactly(3) == b"old"
        client, server = between.sources
        client.have(2, 1)
        await between.rings[0].look()
        asked = server.asked
        writer.write(b"new")
        while server.asked == asked:
            await asyncio.sleep(0.01)
        server.have(2, 1)
        assert await reader.readexactly(3) == b"new"
        # The key before is given up by both: the connection does not need it any more.
        between.have(2)
        await between.look()
        writer.write(b"still")
        assert await reader.readexactly(5) == b"still"
        writer.close()


@asynchronous
async def test_a_way_that_has_ended_needs_its_key_no_more() -> None:
    may_answer = asyncio.Event()

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b"question"
        between.have(2, 1)
        await between.look()
        between.have(2)
        await between.look()
        may_answer.set()
        writer.write(b"answer")
        writer.close()

    async with tunnel(slowly) as between:
        reader, writer = await between.open()
        writer.write(b"question")
        writer.write_eof()
        assert await all_of(reader) == b"answer"
        assert may_answer.is_set()
        writer.close()


@asynchronous
async def test_a_key_that_is_revoked_ends_open_connections_and_there_are_no_new_ones() -> None:
    async with tunnel(echo, every=0.05) as between:
        reader, writer = await between.open()
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        between.have()
        with pytest.raises(ConnectionResetError):
            await all_of(reader)
        writer.close()
        reader, writer = await between.open()
        with pytest.raises(ConnectionResetError):
            await all_of(reader)
        writer.close()
        assert len(between.served) == 1


@asynchronous
async def test_nobody_says_any_more_that_keys_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dscc.uses.key_ring._BLIND_SECONDS", 0.1)
    async with tunnel(echo, every=0.05) as between:
        reader, writer = await between.open()
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        between.sources[1].error = OSError("the agent is gone")
        with pytest.raises(ConnectionResetError):
            await all_of(reader)
        writer.close()


@pytest.mark.parametrize("how", ["it does not answer", "it fails in a way that nobody has thought of"])
@asynchronous
async def test_a_source_that_is_stuck_or_broken_ends_the_use_of_its_keys(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dscc.uses.key_ring._BLIND_SECONDS", 0.1)
    stuck = threading.Event()

    def keys(use: Use) -> Keys:
        if how == "it does not answer":
            stuck.wait(100)
        raise ZeroDivisionError

    async with tunnel(echo, every=0.05) as between:
        reader, writer = await between.open()
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        monkeypatch.setattr(between.sources[0], "keys", keys)
        try:
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(all_of(reader), 10)
        finally:
            stuck.set()
            writer.close()


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


@asynchronous
async def test_all_who_wait_for_a_key_cost_the_same_few_questions() -> None:
    source = Source(OWN, PEER, 1)
    ring = KeyRing(source, TUNNEL, every=60)
    await ring.start()
    waiting = [asyncio.create_task(ring.to_process(key_number(2).kid)) for _ in range(20)]
    while source.asked < 2:
        await asyncio.sleep(0.001)
    source.have(2, 1)
    assert await asyncio.gather(*waiting) == [key_number(2)] * 20
    # Anybody can name a key that does not exist, so a question for each would be the agent's burden.
    assert source.asked <= 4
    await ring.stop()


@asynchronous
async def test_a_client_end_that_begins_otherwise_reaches_nothing() -> None:
    async with tunnel(echo) as between:
        reader, writer = await asyncio.open_connection(*between.server)
        own = hello(key_number(1), bytes(32))
        writer.write(own)
        between_both = connection(Role.CLIENT, own, await reader.readexactly(HELLO_BYTES))
        writer.write(Sending(between_both, key_number(1)).seal(b"at once"))
        with pytest.raises(ConnectionResetError):
            await all_of(reader)
        writer.close()
        assert not between.served


def test_the_command_takes_a_key_from_a_file(tmp_path: Path) -> None:
    def end(own: str, peer: str, role: str, to: str) -> list[str]:
        files = key_file(tmp_path, key_number(1, own, peer))
        return [*DSCC, "use", "tunnel", *map(str, files), "--role", role, "--port", "0", "--to", to]

    with (
        socket.create_server((HOST, 0)) as target,
        process(*end(PEER, OWN, "server", f"{HOST}:{target.getsockname()[1]}")) as there,
        process(*end(OWN, PEER, "client", there.address)) as here,
        socket.create_connection((HOST, int(here.address.rsplit(":", 1)[1]))) as program,
    ):
        reached, _ = target.accept()
        with reached:
            through(program, reached, b"under the key of a file")


@asynchronous
async def test_who_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dscc.uses.tunnel._OPEN_SECONDS", 0.1)
    async with tunnel(echo) as between:
        reader, writer = await asyncio.open_connection(*between.server)
        with pytest.raises(ConnectionResetError):
            await all_of(reader)
        writer.close()


@asynchronous
async def test_there_are_no_more_connections_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dscc.uses.tunnel._MOST_CONNECTIONS", 1)
    async with tunnel(echo) as between:
        reader, writer = await between.open()
        writer.write(b"first")
        assert await reader.readexactly(5) == b"first"
        more_reader, more = await between.open()
        with pytest.raises(ConnectionResetError):
            await all_of(more_reader)
        for each in (more, writer):
            each.close()


@asynchronous
async def test_without_a_key_it_does_not_start() -> None:
    with pytest.raises(DsccError, match="no key to use"):
        await KeyRing(Source(OWN, PEER), TUNNEL).start()


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\nHost: somewhere.example\r\nAccept: */*\r\n\r\n" + bytes(20), b""])
@asynchronous
async def test_who_speaks_something_else_reaches_nothing(said: bytes) -> None:
    async with tunnel(echo) as between:
        reader, writer = await asyncio.open_connection(*between.server)
        writer.write(said)
        writer.write_eof()
        with pytest.raises(ConnectionResetError):
            await all_of(reader)
        writer.close()
        assert not between.served
