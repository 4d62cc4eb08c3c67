"""How a command has a device do something: by its agent, if one runs, and otherwise by opening the folder itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from console.output import CommandError, ask_secret, printable

if TYPE_CHECKING:
    from dscc.device.serving import LocalClient

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The device's folder.", show_default=False)]
Tell = Callable[[str, str], None]
_LONGEST_SECRET: Final = 1024


def ask(folder: Path, **request: Any) -> dict[str, Any]:
    """The result of a request; what is told meanwhile goes to standard error. Raises DsccError."""
    from dscc.device.serving import SOCKET, LocalClient

    if (folder / SOCKET).exists():
        try:
            client = LocalClient(folder)
        except ConnectionRefusedError:
            # An agent that was killed left it there.
            return _carry_out(folder, request)
        return _ask_over(client, request)
    return _carry_out(folder, request)


def ask_agent(folder: Path, **request: Any) -> dict[str, Any]:
    """The same of an agent, and of nobody else. Raises DsccError if none runs."""
    from dscc.device.serving import LocalClient
    from dscc.device.vault import FolderError

    try:
        client = LocalClient(folder)
    except OSError as error:
        raise FolderError(f"no agent runs in {folder} ({error.strerror}): start dscc-agent {folder}") from None
    return _ask_over(client, request)


def tell(who: str, what: str) -> None:
    """A line about what takes long."""
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, highlight=False).print(Text(f"{printable(who)}: {printable(what)}", style="dim"))


def passphrase_of(folder: Path) -> bytes | None:
    """The passphrase of a device's key, if it has one: from the terminal, or the first line of standard input."""
    from dscc.device.vault import needs_passphrase

    return ask_secret("Passphrase of the device", twice=False).encode() if needs_passphrase(folder) else None


def read_descriptor(descriptor: int | None) -> bytes | None:
    """A passphrase from an open file descriptor, which is closed. Raises CommandError if it is empty."""
    if descriptor is None:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        secret = stream.readline(_LONGEST_SECRET).rstrip(b"\r\n")
    if not secret:
        raise CommandError("the passphrase is empty")
    return secret


def read_secret(file: str | None, question: str) -> str:
    """A code from a file ("-": standard input), or asked for: what is in the arguments, everybody can see."""
    if file is None or file == "-":
        return ask_secret(question, twice=False)
    return Path(file).read_text(encoding="utf-8").strip()


def _ask_over(client: LocalClient, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return client.ask(request, tell)
    finally:
        client.close()


def _carry_out(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    from dscc.device.device import Device
    from dscc.device.requests import read_request

    asked = read_request(request)
    passphrase = passphrase_of(folder)

    async def run() -> dict[str, Any]:
        async with Device.open(folder, passphrase=passphrase) as device:
            return await asked.carry_out(device, tell)

    return asyncio.run(run())
