"""Poll: the answer of an operation that was carried out asynchronously (KMIP 2.1 s6.1.38)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kmip_server.errors import KmipError
from kmip_server.messages.citations import cited
from kmip_server.messages.fields import Payload, byte_string, payload
from kmip_server.messages.headers import ResponseBatchItem
from kmip_server.messages.reasons import reason_in
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.objects.sharing import is_held, is_shared
from kmip_server.operations.call import Call
from kmip_server.operations.jobs import STORED_LIMITS, kept_request
from kmip_server.operations.registry import REGISTRY, operation
from kmip_server.storage.port import Job
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import Operation, ResultReason, ResultStatus
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import STORAGE_VERSION

_SHARING: Final = frozenset({Operation.CREATE, Operation.RE_KEY})
"""Operations that may make a shared key, which is not there before the other site has it."""


@payload
class PollRequest(Payload):
    """Which operation is asked about."""

    asynchronous_correlation_value: bytes = byte_string(Tag.ASYNCHRONOUS_CORRELATION_VALUE, required=True)


@payload
class PollResponse(Payload):
    """Nothing of its own: the answer is the operation's (s6.1.38)."""


@operation(
    Operation.POLL,
    request=PollRequest,
    response=PollResponse,
    names_object=False,
    asynchronous=False,
)
def poll(call: Call, request: PollRequest) -> ResponseBatchItem:
    """The operation's own answer, as if it had been carried out at once; or that it is still pending."""
    job = own_job(call, request.asynchronous_correlation_value)
    if job.response is None:
        return _pending(job)
    answer = kept_answer(job.response)
    made = shared_object(call, answer)
    if made is not None and is_held(made.attributes):
        return _not_taken(job, call, answer) if made.destroyed else _pending(job)
    return _released(call, job, answer) if job.request else answer


def kept_answer(response: bytes) -> ResponseBatchItem:
    """The answer of an operation that was carried out, as it is kept."""
    return ResponseBatchItem.decode(binary.decode(response, STORED_LIMITS).value, STORAGE_VERSION)


def _pending(job: Job) -> ResponseBatchItem:
    return ResponseBatchItem(
        operation=Operation.POLL,
        result_status=ResultStatus.OPERATION_PENDING,
        asynchronous_correlation_value=job.correlation_value,
    )


def _not_taken(job: Job, call: Call, answer: ResponseBatchItem) -> ResponseBatchItem:
    """The answer of an operation whose shared key the other site has refused."""
    operation = Operation(job.operation)
    return ResponseBatchItem(
        operation=answer.operation,
        result_status=ResultStatus.OPERATION_FAILED,
        result_reason=reason_in(call.version, operation, ResultReason.GENERAL_FAILURE),
        result_message=cited("the other site has not taken the key, which is withdrawn", call.version, operation),
    )


def shared_object(call: Call, answer: ResponseBatchItem) -> ManagedObject | None:
    """The shared key that an operation has made, if it is one."""
    if answer.operation not in _SHARING or answer.response_payload is None:
        return None
    fields = binary.decode(binary.encode(answer.response_payload), STORED_LIMITS).value
    (identifier,) = [field.value for field in fields if field.tag == Tag.UNIQUE_IDENTIFIER]
    row = call.unit.get(identifier)
    found = None if row is None else ManagedObject.of(row)
    return found if found is not None and is_shared(found.attributes) else None


def _released(call: Call, job: Job, answer: ResponseBatchItem) -> ResponseBatchItem:
    """The answer of an operation that releases an object, with the object as it is now.

    The call becomes that operation once more: decided by the policies of now, refused and recorded as such.
    """
    message, item = kept_request(job)
    spec = call.spec = REGISTRY[item.operation]
    version = call.version = message.version
    payload = spec.handler(call, spec.decode(item.request_payload, version)).encode(version)
    return replace(answer, response_payload=Item(Tag.RESPONSE_PAYLOAD, Type.STRUCTURE, payload))


def own_job(call: Call, correlation_value: bytes) -> Job:
    """The caller's job. A foreign one and one that does not exist look the same."""
    job = call.unit.job(correlation_value) if len(correlation_value) <= 64 else None
    if job is None or job.owner != call.caller.name:
        raise KmipError(
            ResultReason.INVALID_ASYNCHRONOUS_CORRELATION_VALUE,
            "no operation is outstanding under this Asynchronous Correlation Value (420006)",
        )
    return job
