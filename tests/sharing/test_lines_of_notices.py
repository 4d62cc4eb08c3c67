"""The line of notices to a peer: what one key meets there keeps no other key waiting.

The store is real; the device is the test's, and says of each word what a test has it say.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest
from support.engine import EngineHarness, MakeEngine
from support.requests import create_aes

from dscc.device.framed import RefusedByPeer
from dscc.errors import DsccError, Reason
from kmip_server.gateway import pending
from kmip_server.gateway.storing import Storing, Work
from kmip_server.gateway.telling import Telling
from kmip_server.gateway.words import Answer, Answers
from kmip_server.identity.directory import Directory
from kmip_server.objects.dscc_attributes import dscc_values, with_dscc
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.storage.port import AWAITED, NODES, PEERS, SharedChange, StorageUnavailable

ME, PEER = "site-a", "site-b"
WITHIN_S = 30
T = TypeVar("T")


class Gateway:
    """site-a's telling, and what its peer and the nodes answer."""

    def __init__(self, harness: EngineHarness) -> None:
        self.harness = harness
        self.told: set[str] = set()
        """The keys whose words the peer has taken."""
        self.answers: Callable[[str], Answer] = lambda _: Answer()
        """What the peer says of the word about a key; it may raise, and then refuses the notice as a whole."""

    def share(self, count: int, **said: str) -> list[str]:
        """Make keys that are shared, by the attributes that a negotiation gives them."""
        client = self.harness.client()
        keys = [client.do(create_aes((2, 1))).unique_identifier for _ in range(count)]
        with self.harness.store.unit(writes=True) as unit:
            for key in keys:
                row = unit.get(key)
                assert row is not None
                found = ManagedObject.of(row)
                found.attributes = with_dscc(found.attributes, {"SessionId": "00/1", "PathsUsed": "n1", **said})
                unit.update(found.to_row())
        return keys

    def note(self, keys: Iterable[str], audience: str = PEERS, reason: str = "", seconds: int = 0) -> None:
        """Have others to hear of keys, noted so many seconds from now."""
        with self.harness.store.unit(writes=True) as unit:
            for key in keys:
                row = unit.get(key)
                assert row is not None
                unit.note_shared(SharedChange(key, audience, row.version, reason, self.harness.now + seconds))

    def untold(self) -> set[str]:
        """What others have still to hear of."""
        with self.harness.store.unit(writes=False) as unit:
            return {change.unique_identifier for change in unit.shared_changes(1000)}

    async def notify(self, peer: str, _: object, body: bytes, __: float) -> bytes:
        """See Device."""
        assert peer == PEER
        keys = [word["unique_identifier"] for word in json.loads(body)["words"]]
        answers = tuple([self.answers(key) for key in keys])
        self.told |= {key for key, answer in zip(keys, answers, strict=True) if answer == Answer()}
        return Answers(answers=answers).model_dump_json().encode()

    async def revoke_drawn(self, *_: object) -> None:
        """See Device: no node is reached."""
        raise DsccError(Reason.INSUFFICIENT_PATHS, "no node is reached")

    def tell(self, is_enough: Callable[[], bool], through: Callable[[Storing], Storing] = lambda each: each) -> None:
        """Tell others until it is enough, and not for ever."""
        asyncio.run(self._tell(is_enough, through))

    async def _tell(self, is_enough: Callable[[], bool], through: Callable[[Storing], Storing]) -> None:
        store, here = self.harness.store, cast(Any, self)
        with store.unit(writes=False) as unit:
            directory = Directory(unit.epoch(), self.harness.engine.services.ruling)
        device = SimpleNamespace(
            name=ME, state=SimpleNamespace(revoked=()), notify=here.notify, revoke_drawn=here.revoke_drawn
        )
        places = SimpleNamespace(peers={PEER: "its address"}, members=lambda _: (ME,))
        storing = Storing(store, cast(Any, SimpleNamespace(current=directory)))
        now = lambda: self.harness.now  # noqa: E731
        telling = Telling(through(storing), self.harness.engine.services, cast(Any, device), cast(Any, places), now, 5)
        telling.start()
        try:
            async with asyncio.timeout(WITHIN_S):
                while not is_enough():
                    await asyncio.sleep(0.02)
        finally:
            await telling.close()
            storing.close()


@pytest.fixture
def gateway(make_engine: MakeEngine) -> Gateway:
    return Gateway(make_engine())


@pytest.mark.parametrize("reason", [Reason.FAILED, Reason.MALFORMED])
def test_a_word_for_which_a_notice_is_refused_keeps_no_other_from_being_told(gateway: Gateway, reason: Reason) -> None:
    keys = gateway.share(7, Peer=PEER, ConfirmedAt="1")
    gateway.note(keys)
    worst = keys[3]

    def answer(key: str) -> Answer:
        if key == worst:
            raise RefusedByPeer(reason, "site-b says: this is no notice")
        return Answer()

    gateway.answers = answer
    gateway.tell(lambda: gateway.untold() == {worst})
    assert gateway.told == {*keys} - {worst}


def test_what_is_refused_for_now_keeps_nothing_behind_it_waiting(gateway: Gateway) -> None:
    keys = gateway.share(40, Peer=PEER, ConfirmedAt="1")
    first, last = keys[:35], keys[35:]
    gateway.note(first)
    gateway.note(last, seconds=1)
    gateway.answers = lambda key: Answer(refusal="not yet", final=False) if key in first else Answer()
    gateway.tell(lambda: gateway.untold() == {*first})
    assert gateway.told == {*last}


def test_what_no_node_hears_leaves_room_for_what_the_peer_hears(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "MOST", 4)
    revoked = gateway.share(6, Peer=PEER, ConfirmedAt="1")
    gateway.note(revoked, NODES, "key compromise")
    (one,) = gateway.share(1, Peer=PEER, ConfirmedAt="1")
    gateway.note([one], seconds=1)
    gateway.tell(lambda: gateway.untold() == {*revoked})
    assert gateway.told == {one}


def test_a_key_that_nobody_waits_for_is_withdrawn_also_when_the_clock_was_set_back(gateway: Gateway) -> None:
    (key,) = gateway.share(1, Peer=PEER)
    gateway.note([key], reason=AWAITED, seconds=86_400)

    def is_withdrawn() -> bool:
        row = gateway.harness.row(key)
        return row is not None and row.destroyed

    gateway.tell(is_withdrawn)


class _FailsOnce:
    """A store that is unavailable for the first piece of work that writes."""

    def __init__(self, storing: Storing) -> None:
        self._storing, self._failed = storing, False

    def read(self, work: Work[T]) -> Coroutine[Any, Any, T]:
        return self._storing.read(work)

    async def write(self, work: Work[T]) -> T:
        if not self._failed:
            self._failed = True
            raise StorageUnavailable("the disk is full")
        return await self._storing.write(work)


def test_a_key_of_a_group_of_one_is_confirmed_though_the_store_was_unavailable(gateway: Gateway) -> None:
    (key,) = gateway.share(1, Group="archive", Members=ME)
    gateway.note([key])
    gateway.tell(lambda: not gateway.untold(), lambda storing: cast(Storing, _FailsOnce(storing)))
    row = gateway.harness.row(key)
    assert row is not None
    assert "ConfirmedAt" in dscc_values(ManagedObject.of(row).attributes)
