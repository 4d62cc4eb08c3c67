"""What the tests of uses share: keys of two devices, a source of keys that changes, and tests that are coroutines."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from contextlib import redirect_stderr, redirect_stdout
from hashlib import sha512
from io import StringIO
from pathlib import Path
from typing import Any

from dscc.device.cli.main import main
from dscc.uses.derivation import Keys, SharedKey, Use, shared_key

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
