"""Asynchronous operations as they are stored: the batch item to carry out, then the batch item that answers it."""

from __future__ import annotations

import secrets

from kmip_server.identity.caller import Caller
from kmip_server.messages.headers import (
    ProtocolVersionStructure,
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
from kmip_server.ttlv.versions import STORAGE_VERSION, ProtocolVersion

STORED_LIMITS = Limits(message_bytes=1 << 26, depth=64, nodes=1 << 20)


def new_job(caller: Caller, version: ProtocolVersion, item: RequestBatchItem, now: int) -> Job:
    """A batch item to be carried out later, under a Correlation Value that nobody can guess."""
    header = RequestHeader(
        protocol_version=ProtocolVersionStructure(
            protocol_version_major=version.major, protocol_version_minor=version.minor
        ),
        batch_count=1,
    )
    message = Item(
        Tag.REQUEST_MESSAGE,
        Type.STRUCTURE,
        (
            Item(Tag.REQUEST_HEADER, Type.STRUCTURE, header.encode(version)),
            Item(Tag.BATCH_ITEM, Type.STRUCTURE, item.encode(version)),
        ),
    )
    return Job(
        correlation_value=secrets.token_bytes(16),
        owner=caller.name,
        submitted_at=now,
        operation=int(item.operation),
        request=binary.encode(message),
        stage=int(ProcessingStage.SUBMITTED),
    )


def request_of(job: Job) -> RequestMessage:
    """The request that a job carries out: one batch item."""
    return decode_request(binary.decode(job.request, STORED_LIMITS))


def encode_answer(answer: ResponseBatchItem) -> bytes:
    """A response batch item as a job keeps it."""
    return binary.encode(Item(Tag.BATCH_ITEM, Type.STRUCTURE, answer.encode(STORAGE_VERSION)))
