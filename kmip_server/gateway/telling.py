"""Telling others of shared keys: the peers what they are, and the nodes that they are revoked.

What is to be told is in the store, in the transaction of what it tells of, and stays there until it was heard. Each
peer has a line of its own, in which one notice follows another; what one does not hear keeps nobody else waiting. A key
that a request waits for is withdrawn if its peers do not take it in time; one that nobody waits for, is told again
until they are reached.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, NamedTuple

import structlog

from dscc.device.device import Device
from dscc.errors import DsccError, Reason
from kmip_server.gateway.confirming import confirm, withdraw
from kmip_server.gateway.places import Places
from kmip_server.gateway.storing import Storing
from kmip_server.gateway.words import MOST_BYTES, MOST_WORDS, Answer, Word, Words, read_answers, word_of
from kmip_server.identity.directory import Directory
from kmip_server.objects.dscc_attributes import dscc_value, with_dscc
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.objects.sharing import group_of, peer_of
from kmip_server.operations.negotiation import NegotiationFailed, Settled, Unsettled
from kmip_server.operations.services import Services
from kmip_server.storage.port import PEERS, SharedChange, StorageUnavailable, Unit
from kmip_server.ttlv.enumerations import ResultReason

_log: Final = structlog.stdlib.get_logger("kmip.gateway")
LOOK_SECONDS: Final = 1.0
_MOST: Final = 1024
_ANSWER_SECONDS: Final = 5.0
_FIRST_WAIT: Final = 0.2
_LONGEST_WAIT: Final = 15.0
_NODES_WAIT: Final = 5.0


class _Open(NamedTuple):
    """A change that is being told, and who has still to hear of it."""

    change: SharedChange
    word: Word
    missing: set[str]


class _Revoked(NamedTuple):
    """A revocation for the nodes: of the key of this number, drawn from this seed."""

    change: SharedChange
    seed: bytes
    number: int
    peer: str
    nodes: tuple[str, ...]


class _Awaited(NamedTuple):
    """What is waited for: that the peers take a key that is `held`, or else that nodes know of its revocation."""

    identifier: str
    held: bool


class Telling:
    """Tells what the store has to be told. Runs in the gateway's event loop."""

    def __init__(
        self,
        storing: Storing,
        services: Services,
        device: Device,
        places: Places,
        now: Callable[[], int],
        answer_seconds: float,
    ) -> None:
        self._storing, self._services, self._device, self._places = storing, services, device, places
        self._now, self._answer_seconds = now, answer_seconds
        self._open: dict[str, _Open] = {}
        self._lines: dict[str, asyncio.Event] = {}
        self._revoking: set[str] = set()
        self._waiting: dict[_Awaited, list[asyncio.Future[Settled]]] = {}
        self._early: dict[_Awaited, Settled] = {}
        """What was answered before it was waited for: who has committed a change is not the first to see it here."""
        self._unreached: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()

    def start(self) -> None:
        """Begin, with what was left behind."""
        self._later(self._watch())

    async def close(self) -> None:
        """Tell nothing more; what was not heard is in the store."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def look(self) -> None:
        """There is something to tell."""
        self._woken.set()

    async def settle(self, unsettled: Iterable[Unsettled]) -> dict[str, Settled]:
        """What others answer to what was done to these keys, as far as they do in time."""
        futures = {
            awaited: self._awaited(awaited)
            for awaited in [_Awaited(each.unique_identifier, each.held) for each in unsettled]
        }
        self.look()
        await asyncio.wait(futures.values(), timeout=self._answer_seconds)
        late = [awaited.identifier for awaited, future in futures.items() if not future.done()]
        if late:
            await self._give_up(late)
        for awaited, future in futures.items():
            self._waiting[awaited].remove(future)
            if not self._waiting[awaited]:
                del self._waiting[awaited]
        return {awaited.identifier: future.result() for awaited, future in futures.items() if future.done()}

    def _awaited(self, awaited: _Awaited) -> asyncio.Future[Settled]:
        future: asyncio.Future[Settled] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(awaited, []).append(future)
        if awaited in self._early:
            future.set_result(self._early.pop(awaited))
        return future

    async def _give_up(self, late: list[str]) -> None:
        """Withdraw keys that were not taken in time."""
        reasons = {each: self._why(each) for each in late}

        def work(unit: Unit, directory: Directory) -> list[str]:
            now = self._now()
            return [each for each in late if withdraw(unit, directory, self._services, each, now, reasons[each])]

        for identifier in await self._storing.write(work):
            self._answer(_Awaited(identifier, True), _refused(reasons[identifier]))
        self.look()

    def _why(self, identifier: str) -> str:
        missing = self._open[identifier].missing if identifier in self._open else set[str]()
        words = [self._unreached[peer] for peer in sorted(missing) if peer in self._unreached]
        return "; ".join(words) or "the other site has not answered in time"

    # What there is to tell. -------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            try:
                await self._read()
            except StorageUnavailable as error:
                _log.warning("shared keys wait for the storage", reason=str(error))
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                continue
            self._woken.clear()

    async def _read(self) -> None:
        known = {identifier: each.change.version for identifier, each in self._open.items()}
        members = self._places.members
        found = await self._storing.read(lambda unit, _: _pending(unit, known, members, self._device.name))
        opened, revoked, gone = found
        if gone:
            await self._storing.write(lambda unit, _: _forget(unit, gone))
        for each in opened:
            identifier = each.change.unique_identifier
            self._open[identifier] = each
            for peer in each.missing:
                self._line(peer).set()
            if not each.missing:
                # Nobody else is in the group.
                self._later(self._finish([(each, Answer())]))
        for one in revoked:
            if one.change.unique_identifier not in self._revoking:
                self._revoking.add(one.change.unique_identifier)
                self._later(self._revoke(one))

    def _line(self, peer: str) -> asyncio.Event:
        line = self._lines.get(peer)
        if line is None:
            line = self._lines[peer] = asyncio.Event()
            self._later(self._tell(peer, line))
        return line

    # Peers. -----------------------------------------------------------------------------------------------------------

    async def _tell(self, peer: str, line: asyncio.Event) -> None:
        """One notice after another to a peer, as long as there is something to tell."""
        wait = _FIRST_WAIT
        while True:
            batch = self._batch(peer)
            if not batch:
                line.clear()
                await line.wait()
                continue
            try:
                answers = await self._ask(peer, [each.word for each in batch])
                await self._finish(self._heard(peer, batch, answers))
            except (DsccError, StorageUnavailable) as error:
                why = error.message if isinstance(error, DsccError) else str(error)
                for each in batch:
                    each.missing.add(peer)
                self._unreached[peer] = f"{peer}: {why}"
                _log.warning(
                    "a peer was not told of shared keys", peer=peer, keys=len(batch), reason=why, again_in=wait
                )
                await asyncio.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
            else:
                self._unreached.pop(peer, None)
                if any(not answer.final for answer in answers):
                    await asyncio.sleep(wait)
                else:
                    wait = _FIRST_WAIT

    def _batch(self, peer: str) -> list[_Open]:
        found: list[_Open] = []
        size = 0
        for each in self._open.values():
            if peer not in each.missing:
                continue
            size += 2 * len(each.word.attributes) + 256
            if found and (size > MOST_BYTES or len(found) == MOST_WORDS):
                break
            found.append(each)
        return found

    async def _ask(self, peer: str, said: list[Word]) -> tuple[Answer, ...]:
        address = self._places.peers.get(peer)
        if address is None:
            raise DsccError(Reason.UNSUPPORTED, f"it is not known where the gateway {peer} listens")
        body = Words.model_construct(words=tuple(said)).model_dump_json().encode()
        return read_answers(await self._device.notify(peer, address, body, _ANSWER_SECONDS), len(said))

    def _heard(self, peer: str, batch: list[_Open], answers: tuple[Answer, ...]) -> list[tuple[_Open, Answer]]:
        """What is settled by a peer's answers: taken by all, or refused by one."""
        settled = []
        for each, answer in zip(batch, answers, strict=True):
            if answer.refusal and answer.final:
                settled.append((each, answer))
            elif not answer.refusal:
                each.missing.discard(peer)
                if not each.missing:
                    settled.append((each, answer))
        return settled

    async def _finish(self, settled: list[tuple[_Open, Answer]]) -> None:
        """Put on record what became of keys, and tell those who wait."""
        if not settled:
            return

        def work(unit: Unit, directory: Directory) -> None:
            now = self._now()
            for each, answer in settled:
                identifier = each.change.unique_identifier
                if answer.refusal:
                    withdraw(unit, directory, self._services, identifier, now, answer.refusal)
                else:
                    confirm(unit, directory, self._services, identifier, now)
            _forget(unit, [each.change for each, _ in settled])

        await self._storing.write(work)
        for each, answer in settled:
            identifier = each.change.unique_identifier
            if self._open.get(identifier) is each:
                del self._open[identifier]
            if answer.refusal:
                _log.warning("a shared key was refused", key=identifier, reason=answer.refusal)
            if each.word.held:
                self._answer(_Awaited(identifier, True), _refused(answer.refusal) if answer.refusal else Settled())
        self.look()

    # Nodes. -----------------------------------------------------------------------------------------------------------

    async def _revoke(self, one: _Revoked) -> None:
        """Have the nodes know of a revocation, again and again until a quorum does."""
        identifier, wait = one.change.unique_identifier, _FIRST_WAIT
        while True:
            try:
                known = await self._device.revoke_drawn(
                    one.seed.hex(), one.number, one.peer, one.nodes, one.change.reason
                )
            except DsccError as error:
                _log.warning("no node was told of a revocation", key=identifier, reason=error.message, again_in=wait)
            else:
                held = known.nodes >= known.needed
                await self._note_revocation(one.change, known.nodes, known.needed, settled=held)
                self._answer(_Awaited(identifier, False), Settled(nodes=known.nodes, needed=known.needed))
                if held:
                    self._revoking.discard(identifier)
                    return
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _note_revocation(self, change: SharedChange, nodes: int, needed: int, *, settled: bool) -> None:
        total, now = len(self._device.stages), self._now()

        def work(unit: Unit, _: Directory) -> None:
            row = unit.get(change.unique_identifier)
            if row is not None:
                found = ManagedObject.of(row)
                said = f"known to {nodes} of {total} nodes, {needed} are needed; {change.reason}, {now}"
                found.attributes = with_dscc(found.attributes, {"Revocation": said})
                unit.update(found.to_row())
            if settled:
                unit.settle_shared(change)

        await self._storing.write(work)

    def _answer(self, awaited: _Awaited, settled: Settled) -> None:
        if awaited not in self._waiting:
            while len(self._early) >= _MOST:
                del self._early[next(iter(self._early))]
            self._early[awaited] = settled
        for future in self._waiting.get(awaited, ()):
            if not future.done():
                future.set_result(settled)

    def _later(self, act: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(act)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a fault of ours", exc_info=error)


def _refused(reason: str) -> Settled:
    return Settled(NegotiationFailed(ResultReason.GENERAL_FAILURE, f"the other site does not take the key: {reason}"))


class _Pending(NamedTuple):
    """What there is to tell; of what is `gone` nobody hears any more."""

    opened: list[_Open]
    revoked: list[_Revoked]
    gone: list[SharedChange]


def _pending(unit: Unit, known: dict[str, int], members: Callable[[str], tuple[str, ...]], me: str) -> _Pending:
    """The changes of which others have to hear, those left out that are known in this version."""
    pending = _Pending([], [], [])
    for change in unit.shared_changes(_MOST):
        if change.audience == PEERS and known.get(change.unique_identifier) == change.version:
            continue
        row = unit.get(change.unique_identifier)
        found = None if row is None else ManagedObject.of(row)
        if found is None:
            pending.gone.append(change)
        elif change.audience == PEERS:
            group = group_of(found.attributes)
            others = set(members(group)) - {me} if group else {peer_of(found.attributes)}
            pending.opened.append(_Open(change, word_of(found), others))
        elif (revoked := _revocation(change, found)) is not None:
            pending.revoked.append(revoked)
        else:
            pending.gone.append(change)
    return pending


def _forget(unit: Unit, gone: Iterable[SharedChange]) -> None:
    for change in gone:
        unit.settle_shared(change)


def _revocation(change: SharedChange, found: ManagedObject) -> _Revoked | None:
    """What to tell the nodes of; None for a key that they know nothing of."""
    attributes = found.attributes
    session, peer = dscc_value(attributes, "SessionId") or "", peer_of(attributes)
    if not peer or "/" not in session:
        return None
    seed, number = session.split("/")
    nodes = tuple((dscc_value(attributes, "PathsUsed") or "").split(", "))
    return _Revoked(change, bytes.fromhex(seed), int(number), peer, nodes)
