"""What the tests of uses share: keys of two devices, a source of keys that changes, and tests that are coroutines."""

from __future__ import annotations

import asyncio
import functools
import gc
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from hashlib import sha512
from io import StringIO
from pathlib import Path
from typing import IO, Any, NamedTuple

from dscc.device.cli.main import main
from dscc.uses.derivation import Keys, SharedKey, Use, shared_key

DSCC = (sys.executable, "-m", "dscc.device.cli.main")
OWN, PEER = "meter-7", "meter-8"


def key_number(number: int, own: str = OWN, peer: str = PEER) -> SharedKey:
    """A key of the two: each number another one, the same on both sides."""
    made = sha512(f"key {number}".encode()).digest()
    return shared_key(made[:16].hex(), made[32:], own, peer)


class Source:
    """A source of keys, as a test says. It counts how often it was asked."""

    def __init__(self, own: str, peer: str, *numbers: int) -> None:
        self._own, self._peer = own, peer
        self.asked = 0
        self.error: Exception | None = None
        self.have(*numbers)

    def have(self, *numbers: int) -> None:
        """The keys from now on, the latest first."""
        found = tuple(key_number(number, self._own, self._peer) for number in numbers)
        self.now = Keys(found[0] if found else None, found)

    def keys(self, use: Use) -> Keys:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.now


def asynchronous(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """A test that is a coroutine, in an event loop of its own. What is left undone in a minute fails."""

    @functools.wraps(test)
    def run(*positional: Any, **named: Any) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(60):
                await test(*positional, **named)

        asyncio.run(bounded())
        # What was left open is told here, and not by a test that has nothing to do with it.
        gc.collect()

    return run


def dscc(*words: object, expect: int = 0) -> str:
    """What the command prints; if it is to be refused, what it says then."""
    said, refused = StringIO(), StringIO()
    with redirect_stdout(said), redirect_stderr(refused):
        code = main([str(word) for word in words])
    assert code == expect, refused.getvalue()
    return said.getvalue() if code == 0 else refused.getvalue()


def key_file(folder: Path, shared: SharedKey) -> tuple[object, ...]:
    """The options of `dscc use` for a key that is in a file of this folder."""
    path = folder / f"{shared.own}-{shared.kid}.key"
    if not path.exists():
        path.touch(0o600)
        path.write_text(shared.key.hex() + "\n")
    return ("--key-file", path, "--kid", shared.kid, "--names", shared.own, shared.peer)


class Running(NamedTuple):
    """A program that runs, and where it listens."""

    address: str
    log: IO[str]

    def wait_for(self, words: str) -> None:
        """Wait until its log says this."""
        assert any(words in line for line in self.log)


@contextmanager
def process(*words: str) -> Iterator[Running]:
    """A program that runs: the last word of the line by which it says that it is ready is its address."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None and running.stderr is not None
        line = running.stdout.readline()
        assert " ready " in line, running.stderr.read()
        try:
            yield Running(line.split()[-1], running.stderr)
        finally:
            running.terminate()
            _, log = running.communicate(timeout=20)
        assert running.returncode == 0, log


def through(one: socket.socket, other: socket.socket, said: bytes) -> None:
    """Say it both ways, and hear it."""
    for sender, receiver in ((one, other), (other, one)):
        sender.sendall(said)
        receiver.settimeout(20)
        assert receiver.recv(len(said), socket.MSG_WAITALL) == said
