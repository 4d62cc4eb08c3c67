"""The command line `dscc-agent`: keep a device's sessions and keys, and serve local programs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from console.running import LogFormat, LogLevel, run
from dscc.device.cli.asking import Folder, passphrase_of, read_descriptor
from dscc.device.cli.main import REFUSALS
from dscc.device.cli.running import until_stopped

app = typer.Typer(
    name="dscc-agent",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def serve(
    folder: Folder,
    passphrase_fd: Annotated[int | None, typer.Option(help="A file descriptor with the passphrase.")] = None,
    log_format: LogFormat = "console",
    log_level: LogLevel = "info",
) -> None:
    """Run the device in DIR by its device.toml until SIGTERM.

    A line that begins with "dscc-agent ready" says where it listens for peers. Local programs speak to DIR/agent.sock.

    Example: dscc-agent /var/lib/dscc/meter-7
    """
    from console import logs
    from dscc.device.agent import Agent
    from dscc.device.device import Device

    logs.configure(log_format, log_level)
    secret = read_descriptor(passphrase_fd) or passphrase_of(folder)

    async def keeping() -> None:
        device = Device.open(folder, passphrase=secret)
        agent = Agent(device)
        try:
            await agent.start()
            await until_stopped(f"dscc-agent ready {device.name} {agent.address or 'no address'}")
        finally:
            await agent.stop()

    asyncio.run(keeping())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the agent and answer its exit code."""
    return run(app, "dscc-agent", arguments, REFUSALS)


if __name__ == "__main__":
    sys.exit(main())
