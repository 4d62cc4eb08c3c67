"""The engine without a network: requests in bytes, a real engine on a real store, a clock held by the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from kmip_server.engine import Engine
from kmip_server.errors import KmipError
from kmip_server.execution import Prepared
from kmip_server.identity.caller import Caller
from kmip_server.messages.headers import RequestMessage, ResponseMessage
from kmip_server.operations.services import Services
from kmip_server.responses import refusal
from kmip_server.storage import schema
from kmip_server.storage.master_key import LocalMasterKey
from kmip_server.storage.port import ObjectRow, WritesNeeded
from kmip_server.storage.store import Store
from kmip_server.ttlv import binary
from kmip_server.ttlv.item import Limits
from policy.compiling import Ruling
from policy.model import OperationPolicy, Policy
from support.databases import MASTER_KEY
from support.requests import Request, batch, one
from support.wire import Response, Result, Version, read_response

_NOON = 1_700_000_000


def ruling_of(policies: Mapping[str, OperationPolicy]) -> Ruling:
    """What decides by these operation policies, and the ones that are built in."""
    return Ruling(Policy(operation_policies=policies))


class EngineHarness:
    """An engine, its store at `url`, and a clock that stands still until a test moves `now` (POSIX seconds)."""

    def __init__(self, url: str, policies: Mapping[str, OperationPolicy] | None = None, **services: Any) -> None:
        self.url = url
        self.store = Store.open(url, LocalMasterKey(MASTER_KEY))
        self.engine = Engine(Services(ruling=ruling_of(policies or {}), **services))
        self.now = _NOON

    def client(self, version: Version = (2, 1), name: str = "alice", *groups: str) -> EngineClient:
        """Someone who speaks one version to this engine."""
        return EngineClient(self, version, Caller(name, frozenset(groups)))

    def exchange(self, caller: Caller, message: bytes) -> Response:
        """Carry out one request message, as the service does, and commit what it did."""
        item = binary.decode(message, Limits())
        try:
            plan = self.engine.read(item, self.now)
        except KmipError as error:
            return _response(refusal(error, item, self.now))
        prepared = self.engine.prepare(plan.request)
        try:
            return self._process(caller, plan.request, prepared, writes=plan.writes)
        except WritesNeeded:
            return self._process(caller, plan.request, prepared, writes=True)

    def _process(
        self, caller: Caller, request: RequestMessage, prepared: dict[int, Prepared], *, writes: bool
    ) -> Response:
        with self.store.unit(writes=writes) as unit:
            return _response(self.engine.process(unit, caller, request, self.now, prepared).message)

    def row(self, unique_identifier: str) -> ObjectRow | None:
        """An object's row as it is stored."""
        with self.store.unit(writes=False) as unit:
            return unit.get(unique_identifier)

    def material(self, unique_identifier: str) -> bytes | None:
        """An object's unsealed material, or None if there is none."""
        with self.store.unit(writes=False) as unit:
            row = unit.get(unique_identifier)
            return None if row is None else unit.material(row)

    def audit(self) -> list[Row[Any]]:
        """The audit records, in their order."""
        table = schema.audit
        with self.store.database.reading() as connection:
            return list(connection.execute(select(table).order_by(table.c.sequence)))


MakeEngine = Callable[..., EngineHarness]
"""What the fixture `make_engine` is: its keywords are those of EngineHarness."""


@dataclass(frozen=True)
class EngineClient:
    """One caller of an engine, speaking one version."""

    harness: EngineHarness
    version: Version
    caller: Caller

    def do(self, asked: Request, *, fields: tuple[bytes, ...] = ()) -> Result:
        """Carry out one operation and answer its result, whatever it is."""
        return self.harness.exchange(self.caller, one(self.version, asked, fields=fields)).result

    def batch(self, *asked: Request, fields: tuple[bytes, ...] = ()) -> Response:
        """Carry out several operations in one message."""
        return self.harness.exchange(self.caller, batch(self.version, *asked, fields=fields))


def _response(response: ResponseMessage) -> Response:
    return read_response(binary.encode(response.encode()))
