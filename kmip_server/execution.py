"""One batch being carried out, item by item: decode, decide, handle, record; each item is all or nothing."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

import structlog

from kmip_server.errors import KmipError
from kmip_server.identity.caller import Caller
from kmip_server.messages.fields import Payload
from kmip_server.messages.headers import BatchItemError, RequestBatchItem, RequestMessage, ResponseBatchItem
from kmip_server.operations.approval import ApprovalNeeded
from kmip_server.operations.batch import Batch, Produced
from kmip_server.operations.call import Call
from kmip_server.operations.jobs import new_job
from kmip_server.operations.negotiation import NegotiationNeeded, Unsettled
from kmip_server.operations.registry import REGISTRY
from kmip_server.operations.services import Services
from kmip_server.responses import failure
from kmip_server.storage.port import AuditEntry, Job, StorageConflict, StorageUnavailable, Unit, WritesNeeded
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import (
    AsynchronousIndicator,
    BatchErrorContinuationOption,
    Operation,
    ResultReason,
    ResultStatus,
)
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import ProtocolVersion
from policy.approvals import ApprovalRequest
from policy.compiling import Ruling
from policy.model import Who
from policy.notifications import Event

_log: Final = structlog.get_logger("kmip.engine")
_PAIR_FIELDS: Final = ("private_key_unique_identifier", "public_key_unique_identifier")
_DATA_FIELDS: Final = ("data", "mac_data", "signature_data")
_FAILURE_BYTES: Final = 192
"""Room that is kept for an item that fails: it has to be answered, too."""


class Prepared(NamedTuple):
    """What `prepare` did for one batch item: the result, or the error that its handler would have met."""

    result: Any
    error: KmipError | None = None

    def get(self) -> Any:
        """The result. Raises the error instead, now that the operation has been found to be allowed."""
        if self.error is not None:
            raise self.error
        return self.result


class Execution:
    """Carries out the items of one batch, or of an asynchronous `job`. It `waits` if others have to approve an item.

    `unsettled` is what others hear of, by the place of the item that did it.

    `because` says for the record what it is done for, if nobody asked for it. `room` is how many bytes the batch items
    of the response may have; None is any. `sayable` raises KmipError for a payload that the response's encoding cannot
    express; None if it can express all.
    """

    def __init__(
        self,
        unit: Unit,
        caller: Caller,
        request: RequestMessage,
        now: int,
        services: Services,
        *,
        ruling: Ruling | None = None,
        room: int | None = None,
        sayable: Callable[[Item], None] | None = None,
        job: bool = False,
        because: str = "",
    ) -> None:
        self.unit = unit
        self.caller = caller
        self.request = request
        self.version = request.version
        self.now = now
        self.services = services
        self.ruling = services.ruling if ruling is None else ruling
        self.subject = self.ruling.subject(Who.CLIENT, caller.name, caller.groups)
        self.room = room
        self.sayable = sayable
        self.batch = Batch()
        self.jobs: list[Job] = []
        self.asked: list[ApprovalRequest] = []
        self.unsettled: dict[int, tuple[Unsettled, ...]] = {}
        self.job = job
        self.because = because
        self.failed = self.waits = False
        self._left = len(request.items)
        self._recorded: list[tuple[Call, str]] = []

    def carry_out(
        self, item: RequestBatchItem | BatchItemError, prepared: Prepared | None, *, asynchronous: bool = False
    ) -> ResponseBatchItem:
        """The answer to one item. What it did is accepted in the unit, or nothing is. Raises NegotiationNeeded."""
        self._left -= 1
        if isinstance(item, BatchItemError):
            return self._failure(item, item)
        spec = REGISTRY.get(item.operation)
        if spec is None or not spec.known_in(self.version):
            unknown = f"{item.operation.title} is not an operation of this server"
            return self._failure(KmipError(ResultReason.OPERATION_NOT_SUPPORTED, unknown), item)
        call = Call(
            spec,
            self.version,
            self.caller,
            self.now,
            self.unit,
            self.services,
            self.batch,
            self.ruling,
            self.subject,
            item,
            waits=not self.job and not self.because,
        )
        later = asynchronous and spec.asynchronous
        try:
            answer = self._later(call, item) if later else self._now(call, item, prepared)
        except ApprovalNeeded as error:
            if not self._can_wait(call):
                return self._refused(call, item, error, _detail(error))
            self.unit.discard()
            self._ask(error)
            answer, later = self._later(call, item), True
        except NegotiationNeeded:
            if not self._can_wait(call):
                raise
            self.unit.discard()
            answer, later = self._later(call, item), True
        except KmipError as error:
            return self._refused(call, item, error, _detail(error))
        except (StorageConflict, StorageUnavailable, WritesNeeded):
            raise
        except Exception:
            fault = secrets.token_hex(8)
            _log.exception("a fault of ours", operation=spec.operation.title, correlation=fault)
            hidden = KmipError(ResultReason.GENERAL_FAILURE, f"the server failed; its log has more under {fault}")
            return self._refused(call, item, hidden, f"internal fault {fault}")
        # The call's, not the item's: a Poll may have become a Get.
        if call.spec.audited or later:
            self._record(call, "submitted" if later else "succeeded", "")
            self._recorded.append((call, "withdrawn" if later else "undone"))
        self.unit.accept()
        if call.unsettled:
            self.unsettled[len(self.request.items) - self._left - 1] = call.unsettled
        return answer

    def undo(self) -> None:
        """Take back what all items did since the unit's begin_undoable(), and put that on record (s9.6)."""
        self.unit.undo()
        self.services.streams.end(self.request.items)
        self.ask_again()
        for call, outcome in self._recorded:
            self._record(call, outcome, "a later item of the batch failed")
        self.jobs.clear()
        self.unsettled.clear()

    def _now(self, call: Call, item: RequestBatchItem, prepared: Prepared | None) -> ResponseBatchItem:
        spec = call.spec
        payload = call.request = spec.decode(item.request_payload, self.version)
        if not spec.names_object:
            call.permit()
            call.need_approval("")
        call.prepared = prepared.get() if prepared is not None else None
        response = spec.handler(call, payload)
        if isinstance(response, ResponseBatchItem):
            answer = replace(response, unique_batch_item_id=item.unique_batch_item_id)
            self._check(answer)
            return answer
        produced = _produced(spec.operation, response)
        if item.ephemeral:
            response = _without_data(response)
        encode = _encoded_once if spec.stateless else _encoded
        answer = ResponseBatchItem(
            operation=item.operation,
            unique_batch_item_id=item.unique_batch_item_id,
            result_status=ResultStatus.SUCCESS,
            response_payload=encode(response, self.version),
        )
        self._check(answer)
        self.batch.produced.append(produced)
        if spec.sets_placeholder:
            self.batch.id_placeholder = produced.identifiers[0] if len(produced.identifiers) == 1 else None
        return answer

    def _check(self, answer: ResponseBatchItem) -> None:
        """Refuse an answer that cannot be sent, before the item's effect is accepted (s9.12)."""
        if self.sayable is not None and answer.response_payload is not None:
            self.sayable(answer.response_payload)
        if self.room is None:
            return
        goes_on = self.request.header.batch_error_continuation_option is BatchErrorContinuationOption.CONTINUE
        failures = self._left if goes_on else min(self._left, 1)
        size = self._size(answer)
        if size + failures * _FAILURE_BYTES > self.room:
            raise KmipError(
                ResultReason.RESPONSE_TOO_LARGE, "the response is larger than Maximum Response Size (420050) allows"
            )
        self.room -= size

    def _later(self, call: Call, item: RequestBatchItem) -> ResponseBatchItem:
        """Keep the item as a job, and answer that it is pending (s9.2)."""
        if not call.spec.names_object:
            call.request = call.spec.decode(item.request_payload, self.version)
            call.permit()
        job = new_job(self.caller, self.request, item, self.jobs, self.now)
        answer = ResponseBatchItem(
            operation=item.operation,
            unique_batch_item_id=item.unique_batch_item_id,
            result_status=ResultStatus.OPERATION_PENDING,
            asynchronous_correlation_value=job.correlation_value,
        )
        self._check(answer)
        self.unit.add_job(job)
        self.jobs.append(job)
        return answer

    def _can_wait(self, call: Call) -> bool:
        """Whether the client takes Operation Pending for an answer, and polls (s9.2)."""
        indicator = self.request.header.asynchronous_indicator
        return call.spec.asynchronous and not self.job and indicator is AsynchronousIndicator.OPTIONAL

    def _ask(self, error: ApprovalNeeded) -> None:
        """Ask others to approve, unless they were asked before."""
        self.waits = True
        if error.request is not None:
            self.asked.append(error.request)
            self._request(error.request)

    def ask_again(self) -> None:
        """Ask for the approvals that were asked for, after an undo that took the questions back."""
        for request in self.asked:
            self._request(request)

    def _request(self, request: ApprovalRequest) -> None:
        self.unit.request_approval(request)
        asked = ("approval-requested", self.now, self.subject, request.resource, request.action, request.approval_id)
        self.unit.notify(self.ruling.messages(Event(*asked)))

    def _refused(self, call: Call, item: RequestBatchItem, error: KmipError, detail: str) -> ResponseBatchItem:
        self.unit.discard()
        self.services.streams.end((item,))
        if isinstance(error, ApprovalNeeded):
            self._ask(error)
            self.unit.accept()
        if not (self.job and self.waits):
            self._record(call, "failed", detail)
        return self._failure(error, replace(item, operation=call.spec.operation))

    def _failure(self, error: KmipError, item: RequestBatchItem | BatchItemError) -> ResponseBatchItem:
        self.failed = True
        answer = failure(error, self.version, item)
        if self.room is not None:
            self.room -= self._size(answer)
        return answer

    def _size(self, answer: ResponseBatchItem) -> int:
        return len(binary.encode(Item(Tag.BATCH_ITEM, Type.STRUCTURE, answer.encode(self.version))))

    def _record(self, call: Call, outcome: str, detail: str) -> None:
        operation, correlation = call.spec.operation.title, self.request.correlation or ""
        detail = "; ".join([part for part in (self.because, detail) if part])
        for identifier in call.made or (call.touched,):
            self.unit.audit(AuditEntry(self.now, self.caller.name, operation, identifier, outcome, detail, correlation))


def _detail(error: KmipError) -> str:
    """A refusal in the audit record."""
    return f"{error.reason.title}: {error.message}" + (f" ({error.why})" if error.why else "")


def _encoded(response: Payload, version: ProtocolVersion) -> Item:
    return Item(Tag.RESPONSE_PAYLOAD, Type.STRUCTURE, response.encode(version))


@lru_cache(maxsize=256)
def _encoded_once(response: Payload, version: ProtocolVersion) -> Item:
    """The answer of an operation that looks at nothing that is stored: the same question has the same answer."""
    return _encoded(response, version)


def _produced(operation: Operation, response: Payload) -> Produced:
    """What later batch items may refer to (s4.58, s7.9)."""
    fields = vars(response)
    identifiers = fields.get("unique_identifier")
    if isinstance(identifiers, str):
        identifiers = (identifiers,)
    elif identifiers is None:
        identifiers = _present(fields, _PAIR_FIELDS)
    return Produced(operation, identifiers, next(iter(_present(fields, _DATA_FIELDS)), None))


def _present(fields: dict[str, Any], names: tuple[str, ...]) -> tuple[Any, ...]:
    """The values of those fields of a response that it has."""
    return tuple([fields[name] for name in names if fields.get(name) is not None])


def _without_data(response: Payload) -> Payload:
    """The response of an Ephemeral batch item: its data is for later items only (s8.3)."""
    hidden = {name: None for name in _DATA_FIELDS if name in vars(response)}
    return replace(response, **hidden) if hidden else response  # type: ignore[type-var]
