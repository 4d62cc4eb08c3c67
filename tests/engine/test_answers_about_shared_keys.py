"""What a client is answered about a shared key is so, also if the gateway goes away before it has said what it knows.

Requests are carried out on a real store; the gateway is the test's.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.engine import EngineHarness, MakeEngine
from support.numbers import Tag as Number
from support.requests import Attribute, Request, activate, batch, create_aes
from support.wire import OPERATION_FAILED, OPERATION_PENDING, SUCCESS, Response, enumeration, read_response, structure
from support.wire import text as text_item
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from dscc.drawing import unique_identifier
from kmip_server.asynchrony import Asynchrony
from kmip_server.carrying import Carrying
from kmip_server.exchanges import Exchange
from kmip_server.execution import Prepared
from kmip_server.gateway.confirming import confirm, withdraw
from kmip_server.identity.caller import Caller
from kmip_server.identity.directory import Directory
from kmip_server.listeners.handler import Encoding, Reply
from kmip_server.objects.dscc_attributes import with_dscc
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.negotiation import Negotiated, NegotiationFailed, Settled, Wanted
from kmip_server.replies import Replies
from kmip_server.storage.port import Job, Unit
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import AsynchronousIndicator, ResultReason
from kmip_server.ttlv.item import Limits
from policy.compiling import Ruling
from policy.documents import read_document

OFFERED = """
[[sharing]]
name = "with site b"
subjects = ["anyone"]
peer = "site-b"
"""
WITHIN_S = 30
VERSION = (2, 1)


class Worker:
    """One that carries out requests, and all that it asks for: the gateway, and what it hands on to be done later."""

    def __init__(self, harness: EngineHarness) -> None:
        self._harness, self.engine, self._calls = harness, harness.engine, SimpleQueue[Callable[[], None]]()
        self.directory = Directory(self.epoch(), Ruling(read_document(OFFERED, "test")))
        self.directories = cast(Any, SimpleNamespace(current=self.directory))
        self.lanes = harness.store.lanes(on_group_done=self._calls.put, call_soon=self._calls.put)
        self.before_it_goes: Callable[[str], None] = lambda _: None
        """What the gateway does for a key before it goes away, and answers nothing."""
        self.begun: list[Job] = []
        self.looked = self.asked = 0
        here = cast(Any, self)
        self._carrying = Carrying(
            self.engine,
            self.lanes,
            self.directories,
            cast(Any, None),
            cast(Any, None),
            here,
            here,
            Replies(self.now, traces=False),
            self.now,
            heard=lambda _: None,
            answered=lambda _, __: None,
        )

    def epoch(self) -> int:
        with self._harness.store.unit(writes=False) as unit:
            return unit.epoch()

    def now(self) -> int:
        return self._harness.now

    def ask(self, *asked: Request, fields: tuple[bytes, ...] = ()) -> tuple[Response, bool]:
        """The response to a request, and whether its connection is closed."""
        message = batch(VERSION, *asked, fields=fields)
        replies: list[Reply] = []
        plan = self.engine.read(binary.decode(message, Limits()), self.now())
        self._carrying.begin(Exchange(Caller("alice"), message, plan, Encoding.TTLV, self.now(), replies.append))
        self.until(lambda: bool(replies))
        return read_response(replies[0].data), replies[0].close

    def until(self, is_so: Callable[[], bool]) -> None:
        """Do what there is to do in the event loop until something is so."""
        while not is_so():
            self._calls.get(timeout=WITHIN_S)()

    def in_store(self, work: Callable[[Unit], Any]) -> None:
        with self._harness.store.unit(writes=True) as unit:
            work(unit)

    # What the worker asks for. ----------------------------------------------------------------------------------------

    def negotiated(self, wanted: Wanted) -> Deferred[Prepared]:
        kid = secrets.token_bytes(16)
        said = {"KeyId": kid.hex(), "SessionId": f"{kid.hex()}/1", "Initiator": "site-a", "Trust": "3 paths, pure"}
        key = Negotiated(wanted, unique_identifier(kid), secrets.token_bytes(wanted.bits // 8), said, 0, 0)
        return succeed(Prepared(key))

    def negotiate(self, _: Wanted) -> Deferred[Negotiated]:
        self.asked += 1
        return fail(NegotiationFailed(ResultReason.GENERAL_FAILURE, "site-b is not reached", may_come=True))

    def settle(self, unique_identifiers: Iterable[str]) -> Deferred[dict[str, Settled]]:
        for identifier in unique_identifiers:
            self.before_it_goes(identifier)
        return succeed({})

    def look(self) -> None:
        self.looked += 1

    def begin(self, jobs: Sequence[Job]) -> None:
        self.begun += jobs


@pytest.fixture
def worker(make_engine: MakeEngine) -> Iterator[Worker]:
    made = Worker(make_engine())
    yield made
    made.lanes.close()


def with_site_b() -> Request:
    parts = (
        text_item(Number.VENDOR_IDENTIFICATION, "DSCC"),
        text_item(Number.ATTRIBUTE_NAME, "Peer"),
        text_item(Number.ATTRIBUTE_VALUE, "site-b"),
    )
    return create_aes(VERSION, Attribute("x-DSCC-Peer", structure(Number.ATTRIBUTE, *parts)))


def test_a_key_that_the_gateway_has_confirmed_before_it_goes_is_there(worker: Worker) -> None:
    services = worker.engine.services

    def confirmed(key: str) -> None:
        worker.in_store(lambda unit: confirm(unit, worker.directory, services, key, worker.now()))

    worker.before_it_goes = confirmed
    response, closed = worker.ask(with_site_b(), activate())
    assert [result.status for result in response.results] == [SUCCESS, SUCCESS] and not closed


def test_a_key_that_it_has_withdrawn_is_refused_as_that(worker: Worker) -> None:
    services = worker.engine.services

    def withdrawn(key: str) -> None:
        worker.in_store(lambda unit: withdraw(unit, worker.directory, services, key, worker.now(), "site-b is gone"))

    worker.before_it_goes = withdrawn
    response, _ = worker.ask(with_site_b())
    assert response.result.status == OPERATION_FAILED
    assert "does not take the key" in (response.result.message or "")


def test_a_key_of_which_it_has_said_nothing_is_not_promised(worker: Worker) -> None:
    """There will be none: nobody waits for it any more."""
    response, closed = worker.ask(with_site_b())
    assert response.result.status == OPERATION_FAILED and not closed
    assert "the key is withdrawn" in (response.result.message or "")


def test_if_the_store_does_not_say_it_either_the_client_is_to_look(worker: Worker) -> None:
    worker.before_it_goes = lambda _: worker.lanes.close()
    response, closed = worker.ask(with_site_b())
    assert response.result.status == OPERATION_FAILED and closed
    assert "not known" in (response.result.message or "")


def test_what_is_done_later_is_begun_also_beside_a_change_of_a_shared_key(worker: Worker) -> None:
    key = shared(worker)
    optional = (enumeration(Number.ASYNCHRONOUS_INDICATOR, int(AsynchronousIndicator.OPTIONAL)),)
    response, _ = worker.ask(activate(key), with_site_b(), fields=optional)
    assert [result.status for result in response.results] == [SUCCESS, OPERATION_PENDING]
    assert [job.correlation_value for job in worker.begun] == [response.results[1].correlation]
    assert worker.looked == 1


def test_what_waits_for_a_peer_is_begun_again_once_however_often_it_is_looked_for(worker: Worker) -> None:
    """Else each look adds another one that asks every few seconds for as long as the peer is away."""
    clock = Clock()
    asynchrony = Asynchrony(
        cast(Any, clock),
        worker.engine,
        worker.lanes,
        worker.directories,
        lambda: succeed(None),
        lambda function, *arguments: succeed(function(*arguments)),
        worker.now,
        cast(Any, worker),
    )
    mandatory = (enumeration(Number.ASYNCHRONOUS_INDICATOR, int(AsynchronousIndicator.MANDATORY)),)
    worker.ask(with_site_b(), fields=mandatory)
    asynchrony.begin(worker.begun)
    worker.until(lambda: worker.asked == 1)
    for times in (2, 3, 4):
        asynchrony.look_again()
        worker.until(lambda times=times: worker.asked == times)
    assert len(clock.getDelayedCalls()) == 1
    clock.advance(60)
    worker.until(lambda: worker.asked == 5)
    assert len(clock.getDelayedCalls()) == 1


def shared(worker: Worker) -> str:
    """A key that the other site has taken."""
    (made,) = worker.ask(create_aes(VERSION))[0].results

    def share(unit: Unit) -> None:
        row = unit.get(made.unique_identifier)
        assert row is not None
        found = ManagedObject.of(row)
        found.attributes = with_dscc(found.attributes, {"Peer": "site-b", "ConfirmedAt": str(worker.now())})
        unit.update(found.to_row())

    worker.in_store(share)
    return made.unique_identifier
