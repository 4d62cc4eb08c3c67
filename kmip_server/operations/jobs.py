"""Asynchronous operations as they are stored: the batch item to carry out, then the batch item that answers it.

Each batch item of a request is a job of its own, for Poll and Cancel. The jobs of one request are carried out together
and in their order; so their Correlation Values begin alike, and end with the job's place among them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from kmip_server.identity.caller import Caller
from kmip_server.messages.headers import (
    RequestBatchItem,
    RequestHeader,
    RequestMessage,
    ResponseBatchItem,
    decode_request,
)
from kmip_server.storage.port import Job
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import ProcessingStage
from kmip_server.ttlv.item import Item, Limits, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import STORAGE_VERSION

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
    message = Item(
        Tag.REQUEST_MESSAGE,
        Type.STRUCTURE,
        (
            Item(Tag.REQUEST_HEADER, Type.STRUCTURE, header.encode(request.version)),
            Item(Tag.BATCH_ITEM, Type.STRUCTURE, item.encode(request.version)),
        ),
    )
    start = _start(earlier[0]) if earlier else secrets.token_bytes(16)
    return Job(
        correlation_value=start + len(earlier).to_bytes(_PLACE_BYTES, "big"),
        owner=caller.name,
        submitted_at=now,
        operation=int(item.operation),
        request=binary.encode(message),
        stage=int(ProcessingStage.SUBMITTED),
    )


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
    """A job with its answer, as it is kept for Poll. The request, which may hold a key, is kept no longer."""
    response = binary.encode(Item(Tag.BATCH_ITEM, Type.STRUCTURE, answer.encode(STORAGE_VERSION)))
    return replace(job, stage=int(ProcessingStage.COMPLETED), request=b"", response=response)
