"""The engine: a caller and a request message in, a response message out. It knows no socket and no clock.

A request goes through three steps. `read` decodes it and checks what concerns the message as a whole; `prepare` does
the slow work that needs no transaction; `process` carries out the batch items in one storage unit. The answer may leave
only after the unit's commit.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import structlog

from kmip_server.errors import KmipError
from kmip_server.identity.caller import Caller
from kmip_server.messages.fields import Payload
from kmip_server.messages.headers import (
    RequestBatchItem,
    RequestMessage,
    ResponseBatchItem,
    ResponseMessage,
    decode_request,
)
from kmip_server.operations import load_all
from kmip_server.operations.batch import Batch, Produced
from kmip_server.operations.call import Call
from kmip_server.operations.registry import REGISTRY, OperationSpec
from kmip_server.operations.services import Services
from kmip_server.responses import failure, respond, undone
from kmip_server.storage.port import AuditEntry, StorageConflict, StorageUnavailable, Unit, WritesNeeded
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import BatchErrorContinuationOption, Operation, ResultReason, ResultStatus
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import ProtocolVersion

load_all()

_log: Final = structlog.get_logger("kmip.engine")
_UNDO: Final = BatchErrorContinuationOption.UNDO
_CONTINUE: Final = BatchErrorContinuationOption.CONTINUE


class Prepared(NamedTuple):
    """What `prepare` did for one batch item: the result, or the error that its handler would have met."""

    result: Any
    error: KmipError | None = None

    def get(self) -> Any:
        """The result. Raises the error instead, now that the operation has been found to be allowed."""
        if self.error is not None:
            raise self.error
        return self.result


@dataclass(slots=True)
class Outcome:
    """One batch item carried out."""

    item: ResponseBatchItem
    failed: bool


class Engine:
    """Carries out request messages. One engine serves all connections of a worker."""

    def __init__(self, services: Services) -> None:
        self.services = services

    # Reading. ---------------------------------------------------------------------------------------------------------

    def read(self, message: Item, now: int) -> RequestMessage:
        """Decode a request, and check what concerns it as a whole. Raises KmipError (KMIP 1.4 s11.1, 2.1 s8)."""
        request = decode_request(message)
        header, items = request.header, request.items
        count = header.batch_count
        if count != len(items) or count < 1:
            raise KmipError(
                ResultReason.INVALID_MESSAGE, f"Batch Count (42000D) says {count}; there are {len(items)} Batch Items"
            )
        if count > self.services.limits.batch_items:
            raise KmipError(
                ResultReason.SERVER_LIMIT_EXCEEDED,
                f"a batch has at most {self.services.limits.batch_items} items here",
            )
        if header.maximum_response_size is not None and header.maximum_response_size <= _SMALLEST_RESPONSE:
            raise KmipError(
                ResultReason.RESPONSE_TOO_LARGE,
                f"no response fits in a Maximum Response Size (420050) of {header.maximum_response_size} bytes",
            )
        skew = self.services.time_stamp_skew_seconds
        if skew and header.time_stamp is not None and abs(header.time_stamp - now) > skew:
            raise KmipError(
                ResultReason.INVALID_FIELD, f"Time Stamp (420092) is more than {skew} seconds off the server's clock"
            )
        _check_items(items)
        return request

    def needs_transaction(self, request: RequestMessage) -> bool:
        """Whether any item of the request writes or goes on record when it succeeds."""
        return any(
            isinstance(item, RequestBatchItem)
            and (spec := REGISTRY.get(item.operation)) is not None
            and (spec.changes or spec.audited)
            for item in request.items
        )

    def is_stateless(self, request: RequestMessage) -> bool:
        """Whether no item of the request looks at anything that is stored."""
        return all(
            isinstance(item, RequestBatchItem) and (spec := REGISTRY.get(item.operation)) is not None and spec.stateless
            for item in request.items
        )

    # Preparing. -------------------------------------------------------------------------------------------------------

    def is_slow(self, request: RequestMessage) -> bool:
        """Whether any item has work for `prepare`."""
        return any(
            isinstance(item, RequestBatchItem)
            and (spec := REGISTRY.get(item.operation)) is not None
            and spec.prepare is not None
            for item in request.items
        )

    def prepare(self, request: RequestMessage) -> dict[int, Prepared]:
        """Do the slow work of the batch items that have some. Runs in any thread; touches no storage."""
        prepared = {}
        for place, item in enumerate(request.items):
            spec = REGISTRY.get(item.operation) if isinstance(item, RequestBatchItem) else None
            if spec is None or spec.prepare is None or isinstance(item, KmipError):
                continue
            try:
                payload = _decode_payload(spec, item, request.version)
                prepared[place] = Prepared(spec.prepare(self.services, payload))
            except KmipError as error:
                prepared[place] = Prepared(None, error)
        return prepared

    # Processing. ------------------------------------------------------------------------------------------------------

    def process(
        self,
        unit: Unit,
        caller: Caller,
        request: RequestMessage,
        now: int,
        prepared: Mapping[int, Prepared] | None = None,
    ) -> ResponseMessage:
        """Carry out a batch (s9.5 to s9.8). What it did is true once the unit is committed."""
        header = request.header
        option = header.batch_error_continuation_option
        undoable = option is _UNDO and len(request.items) > 1
        if undoable:
            unit.begin_undoable()
        batch = Batch()
        outcomes: list[ResponseBatchItem] = []
        room = _Room(header.maximum_response_size, self.services.limits.response_bytes)
        failed = False
        for place, item in enumerate(request.items):
            outcome = self._item(unit, caller, request, item, batch, now, room, (prepared or {}).get(place))
            outcomes.append(outcome.item)
            if outcome.failed:
                failed = True
                if option is not _CONTINUE:
                    break
        if undoable:
            if failed:
                unit.undo()
                outcomes = [undone(done) for done in outcomes]
            else:
                unit.end_undoable()
        return respond(request.version, tuple(outcomes), now)

    def _item(
        self,
        unit: Unit,
        caller: Caller,
        request: RequestMessage,
        item: RequestBatchItem | KmipError,
        batch: Batch,
        now: int,
        room: _Room,
        prepared: Prepared | None,
    ) -> Outcome:
        version = request.version
        if isinstance(item, KmipError):
            return Outcome(failure(item, version, None), True)
        spec = REGISTRY.get(item.operation)
        if spec is None or not spec.known_in(version):
            error = KmipError(
                ResultReason.OPERATION_NOT_SUPPORTED, f"{item.operation.title} is not an operation of this server"
            )
            return Outcome(failure(error, version, item), True)
        call = Call(spec, version, caller, now, unit, self.services, batch, ephemeral=bool(item.ephemeral))
        try:
            payload = _decode_payload(spec, item, version)
            if not spec.names_object:
                call.permit()
            call.prepared = prepared.get() if prepared is not None else None
            response = spec.handler(call, payload)
            produced = _produced(spec.operation, response)
            if call.ephemeral:
                response = _without_data(response)
            answer = Item(Tag.RESPONSE_PAYLOAD, Type.STRUCTURE, response.encode(version))
            room.take(answer)
        except KmipError as error:
            unit.discard()
            _record(call, unit, "failed", f"{error.reason.title}: {error.message}")
            return Outcome(failure(error, version, item), True)
        except (StorageConflict, StorageUnavailable, WritesNeeded):
            raise
        except Exception:
            unit.discard()
            fault = secrets.token_hex(8)
            _log.exception("a fault of ours", operation=spec.operation.title, correlation=fault)
            _record(call, unit, "failed", f"internal fault {fault}")
            hidden = KmipError(
                ResultReason.GENERAL_FAILURE, f"the server failed; its log has the details under {fault}"
            )
            return Outcome(failure(hidden, version, item), True)
        if spec.audited:
            _record(call, unit, "succeeded", "")
        unit.accept()
        batch.produced.append(produced)
        if spec.sets_placeholder:
            batch.id_placeholder = produced.identifiers[0] if len(produced.identifiers) == 1 else None
        return Outcome(
            ResponseBatchItem(
                operation=item.operation,
                unique_batch_item_id=item.unique_batch_item_id,
                result_status=ResultStatus.SUCCESS,
                response_payload=answer,
            ),
            False,
        )


_SMALLEST_RESPONSE: Final = 64


class _Room:
    """How much of the response is left to fill: Maximum Response Size (s9.12) and the server's own limit."""

    def __init__(self, wanted: int | None, limit: int) -> None:
        self._left = limit if wanted is None else min(wanted, limit) - _SMALLEST_RESPONSE
        self._measured = wanted is not None

    def take(self, payload: Item) -> None:
        """Use room for one answer. Raises Response Too Large, before the item's effect is accepted."""
        if self._measured:
            self._left -= len(binary.encode(payload))
            if self._left < 0:
                raise KmipError(
                    ResultReason.RESPONSE_TOO_LARGE, "the response is larger than Maximum Response Size (420050) allows"
                )


def _check_items(items: tuple[RequestBatchItem | KmipError, ...]) -> None:
    """Unique Batch Item IDs are there and differ (s8.3); no critical extension is unknown (s9.13)."""
    identifiers = set()
    for item in items:
        if isinstance(item, KmipError):
            continue
        for extension in item.message_extension:
            if extension.criticality_indicator:
                raise KmipError(
                    ResultReason.UNKNOWN_MESSAGE_EXTENSION,
                    "a Message Extension (420051) is critical, and this server knows no extensions",
                )
        if len(items) > 1:
            if item.unique_batch_item_id is None:
                raise KmipError(
                    ResultReason.INVALID_MESSAGE, "with several Batch Items each has a Unique Batch Item ID (420093)"
                )
            identifiers.add(item.unique_batch_item_id)
    if len(items) > 1 and len(identifiers) < sum(1 for item in items if not isinstance(item, KmipError)):
        raise KmipError(ResultReason.INVALID_MESSAGE, "two Batch Items have the same Unique Batch Item ID (420093)")


def _decode_payload(spec: OperationSpec, item: RequestBatchItem, version: ProtocolVersion) -> Payload:
    payload = item.request_payload
    if payload.type != Type.STRUCTURE:
        raise KmipError(ResultReason.INVALID_MESSAGE, "a Request Payload (420079) is a Structure")
    return spec.request.decode(payload.value, version)


def _produced(operation: Operation, response: Payload) -> Produced:
    """What later batch items may refer to (s4.58, s7.9)."""
    fields = vars(response)
    identifiers = fields.get("unique_identifier") or tuple(
        fields[name]
        for name in ("private_key_unique_identifier", "public_key_unique_identifier")
        if fields.get(name) is not None
    )
    if isinstance(identifiers, str):
        identifiers = (identifiers,)
    data = next((fields[name] for name in _DATA_FIELDS if fields.get(name) is not None), None)
    return Produced(operation, identifiers, data)


_DATA_FIELDS: Final = ("data", "mac_data", "signature_data")


def _without_data(response: Payload) -> Payload:
    """The response of an Ephemeral batch item: its data is for later items only (s8.3)."""
    hidden = {name: None for name in _DATA_FIELDS if name in vars(response)}
    return replace(response, **hidden) if hidden else response  # type: ignore[type-var]


def _record(call: Call, unit: Unit, outcome: str, detail: str) -> None:
    unit.audit(AuditEntry(call.now, call.caller.name, call.spec.operation.title, call.touched, outcome, detail))
