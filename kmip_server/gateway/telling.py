"""Telling others of shared keys: the peers what they are, and the nodes that they are revoked.

What is to be told is in the store, in the transaction of what it tells of, and stays there until it was heard. Each
peer has a line of its own, in which one notice follows another; what one does not hear keeps nobody else waiting. A key
that a request waits for is withdrawn if its peers do not take it in time; one that nobody waits for, is told again
until they are reached.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

import structlog

from dscc.device.device import Device
from dscc.device.framed import RefusedByPeer
from dscc.errors import DsccError, Reason
from kmip_server.gateway.confirming import confirm, withdraw
from kmip_server.gateway.pending import Open, Revoked, forget, pending_in
from kmip_server.gateway.places import Places
from kmip_server.gateway.storing import Storing
from kmip_server.gateway.waiting import Waiting
from kmip_server.gateway.words import MOST_BYTES, MOST_WORDS, Answer, Words, read_answers
from kmip_server.identity.directory import Directory
from kmip_server.objects.dscc_attributes import with_dscc
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.negotiation import Settled
from kmip_server.operations.services import Services
from kmip_server.settled import NOT_IN_TIME, refused, settled_in
from kmip_server.storage.port import AWAITED, WITHDRAWN, SharedChange, StorageUnavailable, Unit

_log: Final = structlog.stdlib.get_logger("kmip.gateway")
LOOK_SECONDS: Final = 1.0
_ANSWER_SECONDS: Final = 5.0
_FIRST_WAIT: Final = 0.2
_LONGEST_WAIT: Final = 5.0
_WAITER_SECONDS: Final = 5
"""How long a new key waits for whoever waits for it: then that one, or its server, or this gateway, was ended."""


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
        self._open: dict[str, Open] = {}
        self._lines: dict[str, asyncio.Event] = {}
        self._revoking: set[str] = set()
        self._waiting = Waiting()
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

    def why_not_told(self, peer: str) -> str:
        """Why a peer has not heard of what it should; "" if it has, or nothing was to be told."""
        return self._unreached.get(peer, "")

    def look(self) -> None:
        """There is something to tell."""
        self._woken.set()

    async def settle(self, unique_identifiers: Iterable[str]) -> dict[str, Settled]:
        """What others answer to what was done to these keys, as far as they do in time."""
        waiters = self._waiting.enter(unique_identifiers, self._answer_seconds)
        self.look()
        try:
            await asyncio.wait([waiter.settled for waiter in waiters.values()], timeout=self._answer_seconds)
            late = [identifier for identifier, waiter in waiters.items() if not waiter.settled.done()]
            if late:
                await self._give_up(late)
        finally:
            self._waiting.leave(waiters)
        return {name: waiter.settled.result() for name, waiter in waiters.items() if waiter.settled.done()}

    async def _give_up(self, late: list[str]) -> None:
        """Withdraw new keys that were not taken in time; what was settled meanwhile is answered."""
        reasons = {each: self._why(each) for each in late if each in self._open and self._open[each].is_awaited}
        await self._withdraw(reasons)

        for identifier, settled in (await self._storing.read(lambda unit, _: settled_in(unit, late))).items():
            if identifier not in self._revoking:
                self._waiting.answer(identifier, settled)

    async def _withdraw(self, reasons: dict[str, str]) -> None:
        """Withdraw new keys, each for a reason, as far as they are not confirmed."""

        def work(unit: Unit, directory: Directory) -> list[str]:
            now = self._now()
            given = reasons.items()
            return [each for each, why in given if withdraw(unit, directory, self._services, each, now, why)]

        if reasons:
            for identifier in await self._storing.write(work):
                self._waiting.answer(identifier, refused(reasons[identifier]))
            self.look()

    def _why(self, identifier: str) -> str:
        missing = self._open[identifier].missing if identifier in self._open else set[str]()
        words = [self._unreached[peer] for peer in sorted(missing) if peer in self._unreached]
        return "; ".join(words) or NOT_IN_TIME

    # What there is to tell. -------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            try:
                await self._read()
            except StorageUnavailable as error:
                _log.warning("shared keys wait for the storage", reason=str(error))
            except Exception as error:
                _log.error("a fault of ours", exc_info=error)
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                continue
            self._woken.clear()

    async def _read(self) -> None:
        known = {identifier: each.change.version for identifier, each in self._open.items()}
        abandoned = {
            name for name, each in self._open.items() if each.is_awaited and not self._waiting.is_waited_for(name)
        }
        me, waited = self._device.name, self._waiting.waited_for()
        revoking, now = frozenset(self._revoking), self._now()

        def too_early(change: SharedChange) -> bool:
            """Nobody hears of a key before it is sure that whoever has asked for it hears what becomes of it."""
            # However the clock was set meanwhile.
            is_young = abs(now - change.at) < _WAITER_SECONDS
            return change.reason == AWAITED and is_young and change.unique_identifier not in waited

        found = await self._storing.read(lambda unit, _: pending_in(unit, known, revoking, too_early, me))
        opened, revoked, gone = found
        if gone:
            await self._storing.write(lambda unit, _: forget(unit, gone))
        for each in opened:
            identifier = each.change.unique_identifier
            if each.is_awaited and not self._waiting.is_waited_for(identifier):
                abandoned.add(identifier)
                continue
            if each.word.held and not each.offered:
                self._waiting.answer(identifier, refused(each.change.reason))
            self._open[identifier] = each
            for peer in each.missing:
                self._line(peer).set()
            if not each.missing:
                # Nobody else is in the group.
                self._later(self._finish_alone(each))
        for one in revoked:
            if one.change.unique_identifier not in self._revoking:
                self._revoking.add(one.change.unique_identifier)
                self._later(self._revoke(one))
        await self._withdraw(dict.fromkeys(abandoned, "whoever asked for it has not waited for the answer"))

    def _line(self, peer: str) -> asyncio.Event:
        line = self._lines.get(peer)
        if line is None:
            line = self._lines[peer] = asyncio.Event()
            self._later(self._tell(peer, line))
        return line

    # Peers. -----------------------------------------------------------------------------------------------------------

    async def _tell(self, peer: str, line: asyncio.Event) -> None:
        """One notice after another to a peer, as long as there is something to tell."""
        wait, alone = _FIRST_WAIT, set[str]()
        while True:
            batch = self._batch(peer, alone)
            names = {each.change.unique_identifier for each in batch}
            if not batch:
                line.clear()
                await line.wait()
                continue
            try:
                answers = self._given_up(peer, batch) or await self._ask(peer, batch)
                await self._finish(self._heard(peer, batch, answers))
            except Exception as error:
                # Whatever has happened, the line goes on: others are told of these keys, or of others, later.
                why = _words(error)
                for each in batch:
                    each.missing.add(peer)
                self._put_behind(batch)
                if _is_about_words(error):
                    # One of them is in the way of the others.
                    alone = alone & self._open.keys() | names
                self._unreached[peer] = f"{peer}: {why}"
                _log.warning(
                    "a peer was not told of shared keys", peer=peer, keys=len(batch), reason=why, again_in=wait
                )
                await asyncio.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
            else:
                alone -= names
                not_yet = [(each, answer) for each, answer in zip(batch, answers, strict=True) if not answer.final]
                if not_yet:
                    self._put_behind([each for each, _ in not_yet])
                    self._unreached[peer] = f"{peer}: {not_yet[0][1].refusal}"
                    await asyncio.sleep(wait)
                else:
                    self._unreached.pop(peer, None)
                    wait = _FIRST_WAIT

    def _batch(self, peer: str, alone: set[str]) -> list[Open]:
        """What a peer is told next: the words that wait for it, or one of those that are told `alone`."""
        found: list[Open] = []
        size = 0
        for name, each in self._open.items():
            if peer not in each.missing or (found and name in alone):
                continue
            if name in alone:
                return [each]
            size += 2 * len(each.word.attributes) + 256
            if found and (size > MOST_BYTES or len(found) == MOST_WORDS):
                break
            found.append(each)
        return found

    def _put_behind(self, batch: Iterable[Open]) -> None:
        """Have all others told before these."""
        for each in batch:
            name = each.change.unique_identifier
            if self._open.get(name) is each:
                self._open[name] = self._open.pop(name)

    async def _ask(self, peer: str, batch: list[Open]) -> tuple[Answer, ...]:
        address = self._places.peers.get(peer)
        if address is None:
            raise DsccError(Reason.UNSUPPORTED, f"it is not known where the gateway {peer} listens")
        said = [
            each.word.model_copy(update={"left": True}) if self._has_left(peer, each) else each.word for each in batch
        ]
        body = Words.model_construct(words=tuple(said)).model_dump_json().encode()
        return read_answers(await self._device.notify(peer, address, body, _ANSWER_SECONDS), len(said))

    def _has_left(self, peer: str, each: Open) -> bool:
        return bool(each.group) and peer not in self._places.members(each.group)

    def _given_up(self, peer: str, batch: list[Open]) -> tuple[Answer, ...]:
        """What stands for the answers of a peer that hears no more of some of these; () if it is told of all."""
        if peer in self._device.state.revoked:
            return (Answer(refusal=f"{peer} was revoked"),) * len(batch)
        lost = [self._has_left(peer, each) and (each.offered or peer not in self._places.peers) for each in batch]
        if not any(lost):
            return ()
        # It is told of the others with the next notice.
        gone = f"{peer} is not in the group any more"
        return tuple([Answer(refusal=gone, final=is_lost) for is_lost in lost])

    def _heard(self, peer: str, batch: list[Open], answers: tuple[Answer, ...]) -> list[tuple[Open, Answer]]:
        """What is settled by a peer's answers: taken by all, or a new key refused by one.

        Of a key that is in use every one hears whatever another one says.
        """
        settled = []
        for each, answer in zip(batch, answers, strict=True):
            if answer.refusal and answer.final and each.offered:
                settled.append((each, answer))
            elif answer.final:
                each.missing.discard(peer)
                if not each.missing:
                    settled.append((each, answer))
        return settled

    async def _finish(self, settled: list[tuple[Open, Answer]]) -> None:
        """Put on record what became of keys, and tell those who wait."""
        if not settled:
            return

        # Of an awaited key it has to be sure that its client is told.
        awaited = [each.change.unique_identifier for each, _ in settled if each.is_awaited]
        late = {identifier for identifier in awaited if not self._waiting.is_waited_for(identifier)}

        def work(unit: Unit, directory: Directory) -> list[str]:
            now, services, confirmed = self._now(), self._services, []
            # What is noted of them from here on nobody waits for: it is told at once.
            forget(unit, [each.change for each, _ in settled])
            for each, answer in settled:
                identifier = each.change.unique_identifier
                if each.offered and (answer.refusal or identifier in late):
                    withdraw(unit, directory, services, identifier, now, answer.refusal or NOT_IN_TIME)
                elif each.offered and confirm(unit, directory, services, identifier, now):
                    confirmed.append(identifier)
            return confirmed

        for identifier in await self._storing.write(work):
            self._waiting.answer(identifier, Settled())
        for each, answer in settled:
            identifier = each.change.unique_identifier
            if self._open.get(identifier) is each:
                del self._open[identifier]
            if answer.refusal:
                _log.warning("a shared key was refused", key=identifier, reason=answer.refusal)
        self.look()

    async def _finish_alone(self, one: Open) -> None:
        """The same for a key that nobody else has; the next look finds it again if it fails."""
        try:
            await self._finish([(one, Answer())])
        except Exception as error:
            _log.warning("a shared key waits", key=one.change.unique_identifier, reason=_words(error))
            if self._open.get(one.change.unique_identifier) is one:
                del self._open[one.change.unique_identifier]

    # Nodes. -----------------------------------------------------------------------------------------------------------

    async def _revoke(self, one: Revoked) -> None:
        """Have the nodes know of a revocation, again and again until a quorum does."""
        identifier, wait = one.change.unique_identifier, _FIRST_WAIT
        while True:
            try:
                known = await self._device.revoke_drawn(
                    one.seed.hex(), one.number, one.peer, one.nodes, one.change.reason
                )
                held = known.nodes >= known.needed
                await self._note_revocation(one.change, known.nodes, known.needed, settled=held)
            except Exception as error:
                _log.warning("a revocation is told again", key=identifier, reason=_words(error), again_in=wait)
            else:
                if one.change.reason != WITHDRAWN:
                    self._waiting.acknowledge(identifier, Settled(nodes=known.nodes, needed=known.needed))
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

    def _later(self, act: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(act)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a fault of ours", exc_info=error)


def _is_about_words(error: Exception) -> bool:
    """Whether a notice failed for what it says, and not since somebody is not reached."""
    if isinstance(error, DsccError):
        at_peer = isinstance(error, RefusedByPeer) and error.reason is Reason.FAILED
        return at_peer or error.reason is Reason.MALFORMED
    return not isinstance(error, StorageUnavailable)


def _words(error: Exception) -> str:
    """Why something was not done, in words; what nobody has reckoned with is in the log."""
    if isinstance(error, DsccError):
        return error.message
    if not isinstance(error, StorageUnavailable):
        _log.error("a fault of ours", exc_info=error)
    return str(error)
