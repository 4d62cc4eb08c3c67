"""Cancel: an asynchronous operation that has not begun shall not be carried out (KMIP 2.1 s6.1.5)."""

from __future__ import annotations

from kmip_server.messages.citations import cited
from kmip_server.messages.fields import Payload, byte_string, enumeration, payload
from kmip_server.messages.headers import ResponseBatchItem
from kmip_server.operations.call import Call
from kmip_server.operations.jobs import completed
from kmip_server.operations.poll import kept_answer, own_job, shared_object
from kmip_server.operations.registry import operation
from kmip_server.operations.sharing import withdraw
from kmip_server.storage.port import Job
from kmip_server.ttlv.enumerations import CancellationResult, Operation, ResultReason, ResultStatus
from kmip_server.ttlv.tags import Tag


@payload
class CancelRequest(Payload):
    """Which operation to cancel."""

    asynchronous_correlation_value: bytes = byte_string(Tag.ASYNCHRONOUS_CORRELATION_VALUE, required=True)


@payload
class CancelResponse(Payload):
    """What became of it."""

    asynchronous_correlation_value: bytes = byte_string(Tag.ASYNCHRONOUS_CORRELATION_VALUE, required=True)
    cancellation_result: CancellationResult = enumeration(Tag.CANCELLATION_RESULT, CancellationResult, required=True)


@operation(
    Operation.CANCEL,
    request=CancelRequest,
    response=CancelResponse,
    changes=True,
    names_object=False,
    asynchronous=False,
)
def cancel(call: Call, request: CancelRequest) -> CancelResponse:
    """A job is carried out in one transaction: either it is completed, or it has not begun and is canceled.

    A shared key that the other site has not taken yet is not there yet for its requester: it is withdrawn.
    """
    job = own_job(call, request.asynchronous_correlation_value)
    result = CancellationResult.COMPLETED
    if _withdraws(call, job):
        result = CancellationResult.CANCELED
    elif job.response is None:
        result = CancellationResult.CANCELED
        canceled = Operation(job.operation)
        answer = ResponseBatchItem(
            operation=canceled,
            result_status=ResultStatus.OPERATION_FAILED,
            result_reason=ResultReason.OPERATION_CANCELED_BY_REQUESTER,
            result_message=cited("canceled by its requester", call.version, canceled),
        )
        call.unit.update_job(completed(job, answer))
    return CancelResponse(
        asynchronous_correlation_value=job.correlation_value,
        cancellation_result=result,
    )


def _withdraws(call: Call, job: Job) -> bool:
    """Withdraw the key that a job has made, if the other site has not taken it yet."""
    made = None if job.response is None else shared_object(call, kept_answer(job.response))
    return made is not None and withdraw(call, made, "canceled by its requester")
