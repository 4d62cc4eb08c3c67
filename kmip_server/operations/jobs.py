"""Asynchronous operations as they are stored: the batch item to carry out, then the batch item that answers it.

Each batch item of a request is a job of its own, for Poll and Cancel. The jobs of one request are carried out together
and in their order; so their Correlation Values begin alike, and end with the job's place among them.

No answer that is kept has the value of an object in it: it would outlive the object. Of what has released one (Get,
Export) the request is kept instead, naming the object that it had found, and every Poll carries it out.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from kmip_server.errors import KmipError
from kmip_server.identity.caller import Caller
from kmip_server.messages.headers import (
    RequestBatchItem,
    RequestHeader,
    RequestMessage,
    ResponseBatchItem,
    decode_request,
)
from kmip_server.operations.registry import REGISTRY
from kmip_server.storage.port import Job
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import Operation, ProcessingStage, ResultStatus
from kmip_server.ttlv.item import Item, Limits, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import STORAGE_VERSION, ProtocolVersion

STORED_LIMITS = Limits(message_bytes=1 << 26, depth=64, nodes=1 << 20)

_PLACE_BYTES = 4


def new_job(caller: Caller, request: RequestMessage, item: RequestBatchItem, earlier: Sequence[Job], now: int) -> Job:
    """A batch item to be carried out later, under a Correlation Value that nobody can guess.

    `earlier` are the jobs that the same request has already.
    """
    header = RequestHeader(
        protocol_version=request.header.protocol_version,
        server_correlation_value=request.correlation,
        batch_error_continuation_option=request.header.batch_error_continuation_option,
        batch_count=1,
    )
    start = _start(earlier[0]) if earlier else secrets.token_bytes(16)
    return Job(
        correlation_value=start + len(earlier).to_bytes(_PLACE_BYTES, "big"),
        owner=caller.name,
        submitted_at=now,
        operation=int(item.operation),
        request=_encoded(request.version, header, item),
        stage=int(ProcessingStage.SUBMITTED),
    )


def _encoded(version: ProtocolVersion, header: RequestHeader, item: RequestBatchItem) -> bytes:
    parts = (
        Item(Tag.REQUEST_HEADER, Type.STRUCTURE, header.encode(version)),
        Item(Tag.BATCH_ITEM, Type.STRUCTURE, item.encode(version)),
    )
    return binary.encode(Item(Tag.REQUEST_MESSAGE, Type.STRUCTURE, parts))


def _start(job: Job) -> bytes:
    return job.correlation_value[:-_PLACE_BYTES]


def by_request(jobs: Iterable[Job]) -> list[tuple[Job, ...]]:
    """Jobs in the storage's order, those of one request together."""
    return [tuple(together) for _, together in groupby(jobs, _start)]


def request_of(jobs: Sequence[Job]) -> RequestMessage:
    """The request that jobs carry out together: the batch item of each."""
    messages = [decode_request(binary.decode(job.request, STORED_LIMITS)) for job in jobs]
    first = messages[0]
    items = tuple([message.items[0] for message in messages])
    return RequestMessage(first.version, first.header, items, first.header.server_correlation_value)


def completed(job: Job, answer: ResponseBatchItem) -> Job:
    """A job with its answer, as it is kept for Poll. The request, which may hold a key, is kept no longer.

    Only where the answer is an object it is the other way round: the request is kept, and the object is not.
    """
    request, released = b"", answer.response_payload
    succeeded = answer.result_status is ResultStatus.SUCCESS
    if released is not None and succeeded and REGISTRY[Operation(job.operation)].releases:
        request, answer = _about(job, released), replace(answer, response_payload=None)
    response = binary.encode(Item(Tag.BATCH_ITEM, Type.STRUCTURE, answer.encode(STORAGE_VERSION)))
    return replace(job, stage=int(ProcessingStage.COMPLETED), request=request, response=response)


def _about(job: Job, released: Item) -> bytes:
    """A job's request, about the object that it has found: what it may have referred to in its batch is gone."""
    message, item = kept_request(job)
    answered = binary.decode(binary.encode(released), STORED_LIMITS).value
    found = [field for field in answered if field.tag == Tag.UNIQUE_IDENTIFIER]
    others = [field for field in item.request_payload.value if field.tag != Tag.UNIQUE_IDENTIFIER]
    payload = item.request_payload._replace(value=(*found, *others))
    return _encoded(message.version, message.header, replace(item, request_payload=payload))


def kept_request(job: Job) -> tuple[RequestMessage, RequestBatchItem]:
    """The message that carries out one job, and its batch item."""
    message = request_of((job,))
    (item,) = message.items
    if isinstance(item, KmipError):
        raise item
    return message, item
