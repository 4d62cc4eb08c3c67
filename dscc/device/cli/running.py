"""Running until a signal says stop."""

from __future__ import annotations

import asyncio
import resource
import signal

from console.output import say_line


async def until_stopped(ready: str) -> None:
    """Print that line, and wait for SIGTERM or SIGINT. No core is dumped: keys are in memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    say_line(ready)
    await stopped.wait()
