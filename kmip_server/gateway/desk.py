"""The gateway's desk: a Unix socket in the server's directory, mode 0600, where the server's workers ask for keys.

JSON, a line for each thing that is said; requests of one connection are answered in any order, by their number.

    {"number": 1, "do": "negotiate", "wanted": [...]}              -> {"number": 1, "negotiated": [...]}
    {"number": 2, "do": "settle", "unique_identifiers": [...]}     -> {"number": 2, "settled": {...}}
    {"number": 3, "do": "look"}                                    -> nothing
    {"number": 4, "do": "status"}                                  -> {"number": 4, "status": {...}}
    {"number": 5, "do": "stored", "wanted": [...]}                 -> {"number": 5, "stored": [...]}

A refusal is {"number": 1, "failed": [Result Reason, message, may come]}. Keys go over it in base64: it leaves neither
this machine nor this user.
"""

from __future__ import annotations

import asyncio
import json
import os
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from console.local import is_own_user
from dscc.errors import DsccError
from kmip_server.gateway.failures import failed
from kmip_server.operations.negotiation import Negotiated, NegotiationFailed, Settled, Stored, Wanted
from kmip_server.ttlv.enumerations import ResultReason

_log: Final = structlog.stdlib.get_logger("kmip.gateway")
SOCKET: Final = "gateway.sock"
LINE_BYTES: Final = 262_144
_MOST_CONNECTIONS: Final = 64


class Gateway(Protocol):
    """What is asked for at the desk."""

    async def negotiate(self, wanted: Wanted) -> Negotiated:
        """A key. Raises DsccError."""

    async def settle(self, unique_identifiers: list[str]) -> dict[str, Settled]:
        """What others answer."""

    def look(self) -> None:
        """Shared objects have changed."""

    def stored(self, wanted: Wanted) -> Stored:
        """How many such keys there are."""

    async def status(self) -> dict[str, Any]:
        """How the gateway stands, to be shown."""


class Desk:
    """Answers the server's workers."""

    def __init__(self, path: Path, gateway: Gateway) -> None:
        self._path, self._gateway = path, gateway
        self._tasks: set[asyncio.Task[Any]] = set()
        self._unsent: dict[asyncio.StreamWriter, list[bytes]] = {}
        self._server: asyncio.Server | None = None
        self._connections = 0
        self._acts: Mapping[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any] | None]]] = {
            "negotiate": self._negotiate,
            "settle": self._settle,
            "look": self._look,
            "status": self._status,
            "stored": self._stored,
        }

    async def start(self) -> None:
        """Listen. Raises OSError."""
        # The device's folder is locked: whoever left a socket there is gone.
        self._path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=LINE_BYTES)
        finally:
            os.umask(mask)

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connections >= _MOST_CONNECTIONS or not is_own_user(writer):
            writer.close()
            return
        self._connections += 1
        try:
            while line := await reader.readline():
                self._begin(line, writer)
        except (ConnectionError, ValueError, asyncio.CancelledError):
            # ValueError: the line is too long.
            return
        finally:
            self._connections -= 1
            writer.close()

    def _begin(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(json.loads(line), writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, asked: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._acts[asked["do"]](asked)
        except DsccError as error:
            answer = _failure(failed(error))
        except Exception:
            _log.exception("a fault of ours", asked=asked.get("do"))
            answer = _failure(NegotiationFailed(ResultReason.GENERAL_FAILURE, "the gateway failed; its log has more"))
        if answer is not None:
            self._say(writer, json.dumps({"number": asked["number"], **answer}).encode() + b"\n")

    def _say(self, writer: asyncio.StreamWriter, line: bytes) -> None:
        """Say something with all else that is said in this turn of the loop: the worker is woken once for it."""
        if writer not in self._unsent:
            self._unsent[writer] = []
            asyncio.get_running_loop().call_soon(self._send, writer)
        self._unsent[writer].append(line)

    def _send(self, writer: asyncio.StreamWriter) -> None:
        lines = self._unsent.pop(writer)
        if not writer.is_closing():
            writer.writelines(lines)

    async def _negotiate(self, asked: dict[str, Any]) -> dict[str, Any]:
        made = await self._gateway.negotiate(Wanted(*asked["wanted"]))
        key = b64encode(made.key).decode()
        return {"negotiated": [made.unique_identifier, key, dict(made.provenance), made.lifetime, made.uses]}

    async def _settle(self, asked: dict[str, Any]) -> dict[str, Any]:
        settled = await self._gateway.settle(asked["unique_identifiers"])
        return {
            "settled": {
                name: [each.refusal and each.refusal.message, each.nodes, each.needed] for name, each in settled.items()
            }
        }

    async def _look(self, _: dict[str, Any]) -> None:
        self._gateway.look()

    async def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"status": await self._gateway.status()}

    async def _stored(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"stored": list(self._gateway.stored(Wanted(*asked["wanted"])))}


def _failure(error: NegotiationFailed) -> dict[str, Any]:
    return {"failed": [int(error.reason), error.message, error.may_come]}
