"""The engine: a caller and a request message in, a response message out. It knows no socket and no clock.

A request goes through three steps. `read` decodes it and checks what concerns the message as a whole; `prepare` does
the slow work that needs no transaction; `process` carries out the batch items in one storage unit. The answer may leave
only after the unit's commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from kmip_server.errors import KmipError
from kmip_server.execution import Execution, Prepared
from kmip_server.identity.caller import Caller
from kmip_server.messages.headers import RequestBatchItem, RequestMessage, ResponseMessage, decode_request
from kmip_server.operations import load_all
from kmip_server.operations.jobs import encode_answer, request_of
from kmip_server.operations.registry import REGISTRY, OperationSpec
from kmip_server.operations.services import Services
from kmip_server.responses import respond, undone
from kmip_server.storage.port import Job, Unit
from kmip_server.ttlv.enumerations import (
    AsynchronousIndicator,
    BatchErrorContinuationOption,
    ProcessingStage,
    ResultReason,
)
from kmip_server.ttlv.item import Item
from policy.decision import OperationPolicy

load_all()

_UNDO: Final = BatchErrorContinuationOption.UNDO
_CONTINUE: Final = BatchErrorContinuationOption.CONTINUE
_SMALLEST_RESPONSE: Final = 64
"""Bytes; what a response with an empty payload takes, at the least."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A request that may be carried out, and what it will need.

    `stateless`: nothing that is stored. `writes`: a transaction that writes, because something changes or goes on
    record. `slow`: `prepare` has work to do first.
    """

    request: RequestMessage
    stateless: bool
    writes: bool
    slow: bool


class Answer(NamedTuple):
    """A response, and the asynchronous jobs that begin once it is committed."""

    message: ResponseMessage
    jobs: tuple[Job, ...] = ()


class Engine:
    """Carries out request messages. One engine serves all connections of a worker."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def read(self, message: Item, now: int) -> Plan:
        """Decode a request, and check what concerns it as a whole. Raises KmipError (KMIP 1.4 s11.1, 2.1 s8)."""
        request = decode_request(message)
        self._check_header(request, now)
        _check_items(request.items)
        specs = [spec for item in request.items if (spec := _spec(item)) is not None]
        asynchronous = request.header.asynchronous_indicator is AsynchronousIndicator.MANDATORY
        return Plan(
            request,
            stateless=len(specs) == len(request.items) and all(spec.stateless for spec in specs) and not asynchronous,
            writes=asynchronous or any(spec.changes or spec.audited for spec in specs),
            slow=not asynchronous and any(spec.prepare is not None for spec in specs),
        )

    def _check_header(self, request: RequestMessage, now: int) -> None:
        header, limits = request.header, self.services.limits
        count, size, skew = header.batch_count, header.maximum_response_size, self.services.time_stamp_skew_seconds
        if count != len(request.items) or count < 1:
            raise KmipError(
                ResultReason.INVALID_MESSAGE,
                f"Batch Count (42000D) says {count}; there are {len(request.items)} Batch Items",
            )
        if count > limits.batch_items:
            raise KmipError(ResultReason.SERVER_LIMIT_EXCEEDED, f"a batch has at most {limits.batch_items} items here")
        if size is not None and size <= _SMALLEST_RESPONSE:
            raise KmipError(
                ResultReason.RESPONSE_TOO_LARGE,
                f"no response fits in a Maximum Response Size (420050) of {size} bytes",
            )
        if skew and header.time_stamp is not None and abs(header.time_stamp - now) > skew:
            raise KmipError(
                ResultReason.INVALID_FIELD, f"Time Stamp (420092) is more than {skew} seconds off the server's clock"
            )

    def prepare(self, request: RequestMessage) -> dict[int, Prepared]:
        """Do the slow work of the batch items that have some. Runs in any thread; touches no storage."""
        prepared = {}
        for place, item in enumerate(request.items):
            spec = _spec(item)
            if spec is None or spec.prepare is None or isinstance(item, KmipError):
                continue
            try:
                payload = spec.decode(item.request_payload, request.version)
                prepared[place] = Prepared(spec.prepare(self.services, payload))
            except KmipError as error:
                prepared[place] = Prepared(None, error)
        return prepared

    def process(
        self,
        unit: Unit,
        caller: Caller,
        request: RequestMessage,
        now: int,
        prepared: Mapping[int, Prepared] | None = None,
        policies: Mapping[str, OperationPolicy] | None = None,
    ) -> Answer:
        """Carry out a batch (s9.5 to s9.8). What it did is true once the unit is committed."""
        header = request.header
        option = header.batch_error_continuation_option
        undoable = option is _UNDO and len(request.items) > 1
        if undoable:
            unit.begin_undoable()
        wanted = header.maximum_response_size
        execution = Execution(
            unit,
            caller,
            request.version,
            now,
            self.services,
            policies=policies,
            room=None if wanted is None else wanted - _SMALLEST_RESPONSE,
        )
        asynchronous = header.asynchronous_indicator is AsynchronousIndicator.MANDATORY
        outcomes = []
        for place, item in enumerate(request.items):
            ready = prepared.get(place) if prepared else None
            outcomes.append(execution.carry_out(item, ready, asynchronous=asynchronous))
            if execution.failed and option is not _CONTINUE:
                break
        if undoable:
            if execution.failed:
                unit.undo()
                return Answer(respond(request.version, tuple([undone(done) for done in outcomes]), now))
            unit.end_undoable()
        return Answer(respond(request.version, tuple(outcomes), now), tuple(execution.jobs))

    def run_job(
        self,
        unit: Unit,
        caller: Caller,
        correlation_value: bytes,
        now: int,
        prepared: Mapping[int, Prepared],
        policies: Mapping[str, OperationPolicy] | None = None,
    ) -> None:
        """Carry out an asynchronous operation, unless it was canceled, and keep its answer for Poll (s6.1.38)."""
        job = unit.job(correlation_value)
        if job is None or job.response is not None:
            return
        request = request_of(job)
        (item,) = request.items
        execution = Execution(unit, caller, request.version, now, self.services, policies=policies)
        answer = execution.carry_out(item, prepared.get(0))
        unit.update_job(replace(job, stage=int(ProcessingStage.COMPLETED), response=encode_answer(answer)))
        unit.accept()


def _spec(item: RequestBatchItem | KmipError) -> OperationSpec | None:
    return REGISTRY.get(item.operation) if isinstance(item, RequestBatchItem) else None


def _check_items(items: tuple[RequestBatchItem | KmipError, ...]) -> None:
    """Unique Batch Item IDs are there and differ (s8.3); no critical extension is unknown (s9.13)."""
    known = [item for item in items if isinstance(item, RequestBatchItem)]
    if any(extension.criticality_indicator for item in known for extension in item.message_extension):
        raise KmipError(
            ResultReason.UNKNOWN_MESSAGE_EXTENSION,
            "a Message Extension (420051) is critical, and this server knows no extensions",
        )
    if len(items) > 1:
        identifiers = {item.unique_batch_item_id for item in known}
        if None in identifiers:
            raise KmipError(
                ResultReason.INVALID_MESSAGE, "with several Batch Items each has a Unique Batch Item ID (420093)"
            )
        if len(identifiers) < len(known):
            raise KmipError(ResultReason.INVALID_MESSAGE, "two Batch Items have the same Unique Batch Item ID (420093)")
