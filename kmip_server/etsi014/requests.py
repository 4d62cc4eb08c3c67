"""The KMIP requests by which keys are delivered, and what their answers say. Pure.

Each request is one batch that is carried out as a whole or not at all (KMIP 2.1 s9.6), in one transaction. A key is
delivered by Get and Destroy in the same batch: it leaves once, whoever asks at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from kmip_server.messages.fields import Payload
from kmip_server.messages.headers import (
    ProtocolVersionStructure,
    RequestBatchItem,
    RequestHeader,
    ResponseBatchItem,
)
from kmip_server.objects.attribute_fields import write_tagged
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.dscc_attributes import with_dscc
from kmip_server.objects.sharing import ETSI014
from kmip_server.operations.create import CreateRequest
from kmip_server.operations.creation import LAST_DATE
from kmip_server.operations.destroy import DestroyRequest
from kmip_server.operations.get import GetRequest
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import (
    BatchErrorContinuationOption,
    CryptographicAlgorithm,
    CryptographicUsageMask,
    ObjectType,
    Operation,
    ResultStatus,
    State,
)
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V2_1

_AES_BITS: Final = frozenset({128, 192, 256})
_AES: Final = (
    CryptographicAlgorithm.AES,
    CryptographicUsageMask.ENCRYPT | CryptographicUsageMask.DECRYPT,
)
_OTHER: Final = (
    CryptographicAlgorithm.HMAC_SHA512,
    CryptographicUsageMask.MAC_GENERATE | CryptographicUsageMask.MAC_VERIFY,
)
"""What a key is called that has no length of AES: what it is for only its SAEs know."""


class Pair(NamedTuple):
    """Two SAEs, the master's first, and the site at which the other one is, as seen from this one."""

    master: str
    slave: str
    site: str


def group_of(slave: str) -> str:
    """The Object Group of the keys for a slave: by it the other site knows whose they are."""
    return f"{ETSI014}:{slave}"


def algorithm_of(bits: int) -> CryptographicAlgorithm:
    """The Cryptographic Algorithm of a key of this size."""
    return (_AES if bits in _AES_BITS else _OTHER)[0]


def wanted(pair: Pair, bits: int, end: int) -> AttributeSet:
    """The attributes of a new key that is erased at this time, if nobody has fetched it (POSIX seconds).

    It has no Activation Date: a Pre-Active key can be destroyed as soon as it has left (s4.57).
    """
    algorithm, usage = _AES if bits in _AES_BITS else _OTHER
    attributes = AttributeSet.single(
        {
            Tag.CRYPTOGRAPHIC_ALGORITHM: algorithm,
            Tag.CRYPTOGRAPHIC_LENGTH: bits,
            Tag.CRYPTOGRAPHIC_USAGE_MASK: usage,
            Tag.OBJECT_GROUP: group_of(pair.slave),
            Tag.DEACTIVATION_DATE: end,
        }
    )
    return with_dscc(attributes, {"Peer": pair.site, "Purpose": ETSI014})


# What is asked. -------------------------------------------------------------------------------------------------------


def create(attributes: AttributeSet, number: int) -> bytes:
    """As many new keys with these attributes."""
    payload = CreateRequest(object_type=ObjectType.SYMMETRIC_KEY, attributes=tuple(attributes))
    return _batch([(Operation.CREATE, _encoded(payload))] * number)


def take(key_ids: Iterable[str]) -> bytes:
    """These keys, which are erased."""
    return _batch([item for key_id in key_ids for item in _taken(key_id)])


def fetch(pair: Pair, key_ids: Iterable[str], now: int) -> bytes:
    """As `take`, for the slave: keys that this master has asked for at its site, and that nobody has had here."""
    said = {"Purpose": ETSI014, "Requester": pair.master, "Peer": pair.site, "Initiator": pair.site}
    common = [
        *with_dscc(AttributeSet.of(()), said),
        AttributeValue(Tag.OBJECT_GROUP, group_of(pair.slave)),
        AttributeValue(Tag.STATE, State.PRE_ACTIVE),
        AttributeValue(Tag.FRESH, True),
        # Two dates are a range (s6.1.28).
        AttributeValue(Tag.DEACTIVATION_DATE, now + 1),
        AttributeValue(Tag.DEACTIVATION_DATE, LAST_DATE),
    ]
    # What Locate finds is the ID Placeholder; if it finds nothing, that is empty, and the next item fails.
    return _batch([item for key_id in key_ids for item in (_located(key_id, common), *_taken(None))])


def take_back(key_ids: Iterable[str]) -> bytes:
    """No such keys, neither here nor at the other site."""
    items = [(Operation.DESTROY, _encoded(DestroyRequest(unique_identifier=key_id))) for key_id in key_ids]
    return _batch(items, BatchErrorContinuationOption.CONTINUE)


_Asked = tuple[Operation, Item]


def _taken(key_id: str | None) -> tuple[_Asked, _Asked]:
    return (
        (Operation.GET, _encoded(GetRequest(unique_identifier=key_id))),
        (Operation.DESTROY, _encoded(DestroyRequest(unique_identifier=key_id))),
    )


def _located(key_id: str, common: Sequence[AttributeValue]) -> _Asked:
    attributes = (AttributeValue(Tag.UNIQUE_IDENTIFIER, key_id), *common)
    written = b"".join([write_tagged(attribute, V2_1) or b"" for attribute in attributes])
    return Operation.LOCATE, Item(Tag.REQUEST_PAYLOAD, Type.STRUCTURE, binary.structure(Tag.ATTRIBUTES, written))


def _encoded(payload: Payload) -> Item:
    return Item(Tag.REQUEST_PAYLOAD, Type.STRUCTURE, payload.encode(V2_1))


def _batch(asked: Sequence[_Asked], option: BatchErrorContinuationOption = BatchErrorContinuationOption.UNDO) -> bytes:
    version = ProtocolVersionStructure(protocol_version_major=V2_1.major, protocol_version_minor=V2_1.minor)
    header = RequestHeader(
        protocol_version=version,
        batch_error_continuation_option=option,
        batch_order_option=True,
        batch_count=len(asked),
    )
    items = [
        RequestBatchItem(operation=operation, unique_batch_item_id=place.to_bytes(2, "big"), request_payload=payload)
        for place, (operation, payload) in enumerate(asked)
    ]
    parts = [binary.structure(Tag.BATCH_ITEM, item.encode(V2_1)) for item in items]
    head = binary.structure(Tag.REQUEST_HEADER, header.encode(V2_1))
    return binary.structure(Tag.REQUEST_MESSAGE, head + b"".join(parts))


# What is answered. ----------------------------------------------------------------------------------------------------


class Answered(NamedTuple):
    """The answer to a batch: the first item that failed, if one did, and what those gave that did not."""

    failed: ResponseBatchItem | None
    created: tuple[str, ...]
    secrets: tuple[tuple[str, bytes], ...]

    def __repr__(self) -> str:
        return f"Answered({self.failed!r}, {self.created!r})"


def read(data: bytes) -> Answered:
    """What a Response Message says: the Unique Identifiers of new keys, and keys with theirs."""
    _, *parts = binary.decode(data).value
    items = [ResponseBatchItem.decode(part.value, V2_1) for part in parts]
    done = [item for item in items if item.result_status is ResultStatus.SUCCESS]
    return Answered(
        next((item for item in items if item.result_status is ResultStatus.OPERATION_FAILED), None),
        tuple([_identifier(item) for item in done if item.operation is Operation.CREATE]),
        tuple([(_identifier(item), _secret(item)) for item in done if item.operation is Operation.GET]),
    )


def _identifier(item: ResponseBatchItem) -> str:
    return str(_within(item.response_payload, Tag.UNIQUE_IDENTIFIER))


def _secret(item: ResponseBatchItem) -> bytes:
    return bytes(_within(item.response_payload, Tag.SYMMETRIC_KEY, Tag.KEY_BLOCK, Tag.KEY_VALUE, Tag.KEY_MATERIAL))


def _within(item: Item | None, *path: Tag) -> Any:
    """The value at a path of tags; ValueError if there is none, which is a fault of ours."""
    for tag in path:
        found = [] if item is None else [child for child in item.value if child.tag == tag]
        if len(found) != 1:
            raise ValueError(f"there is no {tag.title} in this answer")
        (item,) = found
    return None if item is None else item.value
