"""What becomes of new keys when one of them fails, or nobody waits for them any more: they are destroyed."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from kmip_server.etsi014.delivery import GatewayDelivery
from kmip_server.etsi014.requests import Answered as Given
from kmip_server.etsi014.service import DeliveredKey, KeyDeliveryError, Kind
from kmip_server.gateway.client import NoGateway
from kmip_server.identity.caller import Caller
from kmip_server.identity.directory import Directory
from kmip_server.listeners.handler import Answered, Reply
from kmip_server.messages.headers import RequestBatchItem, RequestMessage, ResponseBatchItem, decode_request
from kmip_server.objects.key_block import raw_symmetric_material
from kmip_server.operations.create import CreateResponse
from kmip_server.operations.destroy import DestroyResponse
from kmip_server.responses import respond
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import CryptographicAlgorithm, ObjectType, Operation, ResultReason, ResultStatus
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V2_1
from policy.compiling import Ruling
from policy.documents import read_document

POLICY = """
[[sharing]]
name = "keys"
subjects = ["client:alice"]
peer = "site-b"
purpose = "etsi014"
"""
ALICE = Caller("alice")
"""Its keys are key-0, key-1 and so on."""


class Server:
    """Keeps requests, and answers them when a test says so: items succeed, but for those at the places of `fails`."""

    def __init__(self) -> None:
        self.asked: list[tuple[RequestMessage, Answered]] = []
        directory = Directory(1, Ruling(read_document(POLICY, "policy")))
        self.delivery = GatewayDelivery(
            self._carry_out, lambda: directory, NoGateway(), {"bob": "site-b"}, 60, lambda: 1_000_000
        )

    def _carry_out(self, caller: Caller, data: bytes, answer: Answered) -> None:
        assert caller == ALICE
        self.asked.append((decode_request(binary.decode(data)), answer))

    @property
    def operations(self) -> list[list[Operation]]:
        """The operations of each request."""
        return [[item.operation for item in items_of(request)] for request, _ in self.asked]

    def answer(self, place: int, *fails: int) -> None:
        request, answer = self.asked[place]
        items = [_answered(item, at, at in fails) for at, item in enumerate(items_of(request))]
        answer(Reply(binary.encode(respond(V2_1, tuple(items), 0).encode())))


def items_of(request: RequestMessage) -> list[RequestBatchItem]:
    assert all(isinstance(item, RequestBatchItem) for item in request.items)
    return [item for item in request.items if isinstance(item, RequestBatchItem)]


def _answered(item: RequestBatchItem, at: int, fails: bool) -> ResponseBatchItem:
    if fails:
        return ResponseBatchItem(
            operation=item.operation,
            result_status=ResultStatus.OPERATION_FAILED,
            result_reason=ResultReason.GENERAL_FAILURE,
            result_message="the other site does not take the key",
        )
    return ResponseBatchItem(
        operation=item.operation, result_status=ResultStatus.SUCCESS, response_payload=_payload(item, at)
    )


def _payload(item: RequestBatchItem, at: int) -> Item:
    if item.operation is Operation.CREATE:
        made = CreateResponse(object_type=ObjectType.SYMMETRIC_KEY, unique_identifier=f"key-{at}").encode(V2_1)
    else:
        (child, *_) = item.request_payload.value
        made = DestroyResponse(unique_identifier=child.value).encode(V2_1)
        if item.operation is Operation.GET:
            made += raw_symmetric_material(CryptographicAlgorithm.AES, 256, child.value.encode().ljust(32))
    return Item(Tag.RESPONSE_PAYLOAD, Type.STRUCTURE, made)


def identifiers_of(request: RequestMessage) -> list[str]:
    return [item.request_payload.value[0].value for item in items_of(request)]


@pytest.fixture
def server() -> Server:
    return Server()


def failed(answer: Deferred[Any]) -> Exception:
    found: list[Any] = []
    answer.addErrback(found.append)
    (failure,) = found
    assert isinstance(failure.value, Exception)
    return failure.value


def test_keys_leave_and_are_destroyed_in_one_batch(server: Server) -> None:
    answer = server.delivery.enc_keys(ALICE, "bob", 2, 256)
    server.answer(0)
    server.answer(1)
    got: list[Any] = []
    answer.addCallback(got.append)
    assert got == [[DeliveredKey(f"key-{at}", f"key-{at}".encode().ljust(32)) for at in range(2)]]
    create, get, destroy = Operation.CREATE, Operation.GET, Operation.DESTROY
    assert server.operations == [[create, create], [get, destroy, get, destroy]]


def test_if_one_new_key_fails_the_others_are_destroyed(server: Server) -> None:
    answer = server.delivery.enc_keys(ALICE, "bob", 3, 256)
    server.answer(0, 1)
    error = failed(answer)
    assert isinstance(error, KeyDeliveryError)
    assert error.kind is Kind.UNAVAILABLE
    assert server.operations[1:] == [[Operation.DESTROY] * 2]
    assert identifiers_of(server.asked[1][0]) == ["key-0", "key-2"]


def test_if_one_key_cannot_leave_all_are_destroyed(server: Server) -> None:
    answer = server.delivery.enc_keys(ALICE, "bob", 2, 256)
    server.answer(0)
    server.answer(1, 2)
    assert isinstance(failed(answer), KeyDeliveryError)
    assert server.operations[2:] == [[Operation.DESTROY] * 2]
    server.answer(2, 0)


def test_new_keys_for_which_nobody_waits_any_more_are_destroyed(server: Server) -> None:
    answer = server.delivery.enc_keys(ALICE, "bob", 2, 256)
    answer.cancel()
    assert isinstance(failed(answer), CancelledError)
    assert len(server.asked) == 1
    server.answer(0)
    assert server.operations[1:] == [[Operation.DESTROY] * 2]


def test_keys_that_leave_too_late_are_only_lost(server: Server) -> None:
    answer = server.delivery.enc_keys(ALICE, "bob", 1, 256)
    server.answer(0)
    answer.cancel()
    assert isinstance(failed(answer), CancelledError)
    server.answer(1)
    assert len(server.asked) == 2


def test_a_master_of_which_nobody_knows_where_it_is_has_no_keys_here(server: Server) -> None:
    error = failed(server.delivery.dec_keys(ALICE, "mallory", ["3bb7f4b6-35c6-4f53-a44f-ba0a36a4ea29"]))
    assert isinstance(error, KeyDeliveryError)
    assert "not found" in error.message
    assert server.asked == []


def test_no_key_is_shown(server: Server) -> None:
    assert "secret" not in repr(Given(None, (), (("key-0", b"secret"),)))
