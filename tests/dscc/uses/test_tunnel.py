"""The tunnel on real sockets: load, keys that change meanwhile, half-close, revocation, and limits."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from hashlib import sha256
from pathlib import Path

import pytest
from tunnels import HOST, all_of, digest, echo, tunnel
from two_ends import DSCC, OWN, PEER, Source, asynchronous, key_file, key_number, process, through

from dscc.errors import DsccError, Reason
from dscc.uses.derivation import TUNNEL, Keys, Role, Use
from dscc.uses.key_ring import KeyRing
from dscc.uses.tunnel_records import HELLO_BYTES, Sending, connection, hello


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


@asynchronous
async def test_who_says_that_keys_are_not_for_this_end_is_believed_at_once() -> None:
    async with tunnel(echo, every=0.05) as between:
        reader, writer = await between.open()
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        between.sources[1].error = DsccError(Reason.POLICY_DENIED, "not for you")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(all_of(reader), 10)
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
