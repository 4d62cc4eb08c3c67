"""The engine: a caller and a request message in, a response message out. It knows no socket and no clock.

A request goes through three steps. `read` decodes it and checks what concerns the message as a whole; `prepare` does
the slow work that needs no transaction; `process` carries out the batch items in one storage unit. The answer may leave
only after the unit's commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from types import MappingProxyType
from typing import Final, NamedTuple

from kmip_server.errors import KmipError
from kmip_server.execution import Execution, Prepared
from kmip_server.identity.caller import Caller
from kmip_server.messages.headers import (
    RequestBatchItem,
    RequestHeader,
    RequestMessage,
    ResponseBatchItem,
    ResponseMessage,
    decode_request,
)
from kmip_server.operations import load_all
from kmip_server.operations.jobs import completed
from kmip_server.operations.negotiation import NegotiationNeeded, Unsettled
from kmip_server.operations.registry import REGISTRY, OperationSpec
from kmip_server.operations.services import Services
from kmip_server.responses import failure, respond, undone
from kmip_server.storage.port import AuditEntry, Job, Unit
from kmip_server.ttlv.enumerations import (
    AsynchronousIndicator,
    BatchErrorContinuationOption,
    Operation,
    ResultReason,
)
from kmip_server.ttlv.item import Item
from policy.compiling import Ruling

load_all()

_HEADER_BYTES: Final = 88
_CORRELATION_BYTES: Final = 40
"""What a response message takes beside its batch items, and its Server Correlation Value if it has one."""


_NOT_BEGUN: Final = KmipError(
    ResultReason.GENERAL_FAILURE, "an earlier item of the batch failed; this one was not begun"
)


class Plan(NamedTuple):
    """A request that may be carried out, and what it will need.

    `stateless`: nothing that is stored. `writes`: a transaction that writes, because something changes or goes on
    record. `slow`: `prepare` has work to do first. `repeats`: the same bytes may come again, and
    have the same plan.
    """

    request: RequestMessage
    stateless: bool
    writes: bool
    slow: bool
    repeats: bool


class Answer(NamedTuple):
    """A response, and the asynchronous jobs that begin once it is committed.

    `unsettled` is what others hear of then, by the place of the batch item that did it.
    """

    message: ResponseMessage
    jobs: tuple[Job, ...] = ()
    unsettled: Mapping[int, tuple[Unsettled, ...]] = MappingProxyType({})


class Engine:
    """Carries out request messages. One engine serves all connections of a worker."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def read(self, message: Item, now: int, *, limited: bool = True) -> Plan:
        """Decode a request, and check what concerns it as a whole. Raises KmipError (KMIP 1.4 s11.1, 2.1 s8).

        Only a request that no client has sent is not `limited` in its batch items.
        """
        request = decode_request(message)
        self._check_header(request, now)
        if limited and len(request.items) > self.services.limits.batch_items:
            raise KmipError(
                ResultReason.SERVER_LIMIT_EXCEEDED,
                f"a batch has at most {self.services.limits.batch_items} items here",
            )
        _check_items(request.items)
        asynchronous = request.header.asynchronous_indicator is AsynchronousIndicator.MANDATORY
        stateless, writes, slow = not asynchronous, asynchronous, False
        repeats = _has_same_meaning_later(request.header)
        for item in request.items:
            spec = _spec(item)
            if spec is None:
                stateless = repeats = False
                continue
            stateless = stateless and spec.stateless
            repeats = repeats and spec.repeats
            writes = writes or spec.changes or spec.audited
            slow = slow or (spec.prepare is not None and not asynchronous)
        return Plan(request, stateless, writes, slow, repeats)

    def _check_header(self, request: RequestMessage, now: int) -> None:
        header = request.header
        count, size, skew = header.batch_count, header.maximum_response_size, self.services.time_stamp_skew_seconds
        if count != len(request.items) or count < 1:
            raise KmipError(
                ResultReason.INVALID_MESSAGE,
                f"Batch Count (42000D) says {count}; there are {len(request.items)} Batch Items",
            )
        if size is not None and size <= _HEADER_BYTES:
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
        ruling: Ruling | None = None,
        sayable: Callable[[Item], None] | None = None,
    ) -> Answer:
        """Carry out a batch (s9.5 to s9.8). What it did is true once the unit is committed.

        `sayable` raises KmipError for a response payload that the encoding of the response cannot express. Raises
        NegotiationNeeded: nothing was done, and it is asked again with what was negotiated among the `prepared`.
        """
        room = request.header.maximum_response_size
        if room is not None:
            room -= _HEADER_BYTES + (_CORRELATION_BYTES if request.correlation is not None else 0)
        execution = Execution(
            unit,
            caller,
            request,
            now,
            self.services,
            ruling=ruling,
            room=room,
            sayable=sayable,
        )
        asynchronous = request.header.asynchronous_indicator is AsynchronousIndicator.MANDATORY
        if _undoes(request):
            unit.begin_undoable()
        outcomes = _in_order(execution, range(len(request.items)), prepared or {}, asynchronous=asynchronous)
        if _undoes(request):
            unit.end_undoable()
        message = respond(request.version, tuple(outcomes), now, request.correlation)
        return Answer(message, tuple(execution.jobs), execution.unsettled)

    def run_jobs(
        self,
        unit: Unit,
        caller: Caller,
        jobs: Sequence[Job],
        request: RequestMessage,
        now: int,
        prepared: Mapping[int, Prepared],
        ruling: Ruling | None = None,
    ) -> None:
        """Carry out the asynchronous operations of one request, except canceled ones, and keep the answers for Poll.

        It is done once, whoever tries it too: the storage takes one answer to a job (s6.1.38). Raises
        NegotiationNeeded: nothing was done.
        """
        # What is done without being answered would be done again: it is all or nothing.
        unit.begin_undoable()
        places = [place for place, job in enumerate(jobs) if _outstanding(unit, job)]
        execution = Execution(unit, caller, request, now, self.services, ruling=ruling, job=True)
        outcomes = _in_order(execution, places, prepared)
        if execution.waits:
            self._leave_waiting(unit, execution)
            return
        for place, answer in zip_longest(places, outcomes):
            unit.update_job(
                completed(jobs[place], answer or failure(_NOT_BEGUN, request.version, request.items[place]))
            )
        unit.end_undoable()

    @staticmethod
    def _leave_waiting(unit: Unit, execution: Execution) -> None:
        """Do nothing yet: others have to approve it first. It is tried again when they may have."""
        unit.undo()
        execution.ask_again()
        unit.accept()

    def refuse_jobs(self, unit: Unit, jobs: Sequence[Job], request: RequestMessage, now: int, error: KmipError) -> None:
        """Answer the asynchronous operations of one request, none of which is carried out, all for the same reason."""
        detail = f"{error.reason.title}: {error.message}"
        for job, item in zip(jobs, request.items, strict=True):
            if _outstanding(unit, job):
                unit.audit(AuditEntry(now, job.owner, Operation(job.operation).title, None, "failed", detail))
                unit.update_job(completed(job, failure(error, request.version, item)))
        unit.accept()


def _in_order(
    execution: Execution, places: Iterable[int], prepared: Mapping[int, Prepared], *, asynchronous: bool = False
) -> list[ResponseBatchItem]:
    """Carry out the batch items at these places, as far as the Batch Error Continuation Option lets it (s9.6)."""
    request = execution.request
    goes_on = request.header.batch_error_continuation_option is BatchErrorContinuationOption.CONTINUE
    outcomes = []
    for place in places:
        try:
            outcome = execution.carry_out(request.items[place], prepared.get(place), asynchronous=asynchronous)
        except NegotiationNeeded as needed:
            raise NegotiationNeeded(needed.wanted, place) from None
        outcomes.append(outcome)
        if execution.failed and not goes_on:
            break
    if execution.failed and _undoes(request) and not (execution.job and execution.waits):
        execution.undo()
        return [undone(outcome) for outcome in outcomes]
    return outcomes


def _undoes(request: RequestMessage) -> bool:
    option = request.header.batch_error_continuation_option
    return option is BatchErrorContinuationOption.UNDO and len(request.items) > 1


def _outstanding(unit: Unit, job: Job) -> bool:
    stored = unit.job(job.correlation_value)
    return stored is not None and stored.response is None


def _spec(item: RequestBatchItem | KmipError) -> OperationSpec | None:
    return REGISTRY.get(item.operation) if isinstance(item, RequestBatchItem) else None


def _has_same_meaning_later(header: RequestHeader) -> bool:
    """Whether a header with the same bytes says the same at any time, and holds nothing secret."""
    return (
        header.authentication is None
        and header.time_stamp is None
        and header.client_correlation_value is None
        and header.server_correlation_value is None
    )


def _check_items(items: tuple[RequestBatchItem | KmipError, ...]) -> None:
    """Unique Batch Item IDs are there and differ (s8.3); no critical extension is unknown (s9.13)."""
    known = [item for item in items if isinstance(item, RequestBatchItem)]
    for item in known:
        if item.message_extension and any(extension.criticality_indicator for extension in item.message_extension):
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
