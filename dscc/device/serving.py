"""The agent's socket for local programs: DIR/agent.sock, mode 0600, JSON, a line for each thing that is said.

    {"do": "key", "peer": "meter-8", "purpose": "tunnel"}
    {"progress": ["n1", "waiting for approval"]}             as often as there is something to tell
    {"result": {...}}                                        or {"error": {"reason": "...", "message": "..."}}

Requests of one connection are answered one after another.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from pathlib import Path
from typing import Any, Final

from console.local import is_own_user
from dscc.device.device import Device
from dscc.device.requests import Tell, read_request
from dscc.device.vault import FolderError
from dscc.errors import DsccError

SOCKET: Final = "agent.sock"
_LINE_BYTES: Final = 65_536
_MOST_CONNECTIONS: Final = 64


class LocalServer:
    """Serves programs of the same user."""

    def __init__(self, device: Device) -> None:
        self._device, self._path = device, device.folder / SOCKET
        self._connections: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises FolderError: the folder's path is too long for a socket."""
        # The folder is locked: whoever left a socket there is gone.
        self._path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=_LINE_BYTES)
        except OSError as error:
            raise FolderError(f"{self._path}: {error.strerror or error}") from None
        finally:
            os.umask(mask)

    async def stop(self) -> None:
        """Serve no more."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= _MOST_CONNECTIONS or not is_own_user(writer):
            writer.close()
            return
        self._connections.add(task)
        try:
            while line := await reader.readline():
                await self._answer(line, writer)
        except (ConnectionError, asyncio.CancelledError, ValueError):
            # ValueError: the line is too long.
            return
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        def say(**said: object) -> None:
            writer.write(json.dumps(said).encode() + b"\n")

        try:
            request = read_request(_parsed(line))
            say(result=await request.carry_out(self._device, lambda who, what: say(progress=[who, what])))
        except DsccError as error:
            say(error={"reason": error.reason.value, "message": error.message})
        await writer.drain()


class LocalClient:
    """A program's end of the socket, for commands. It blocks; use it from no event loop. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(str(folder / SOCKET))
        except OSError:
            self._socket.close()
            raise
        self._lines = self._socket.makefile("rb")

    def ask(self, request: dict[str, Any], tell: Tell) -> dict[str, Any]:
        """The result. Raises DsccError as the agent does, FolderError if it goes away."""
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        for line in self._lines:
            said = json.loads(line)
            if "progress" in said:
                tell(*said["progress"])
            elif "error" in said:
                raise FolderError(said["error"]["message"])
            else:
                result: dict[str, Any] = said["result"]
                return result
        raise FolderError("the agent has closed the connection")

    def close(self) -> None:
        """End it."""
        self._lines.close()
        self._socket.close()


def _parsed(line: bytes) -> object:
    try:
        document: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return document
