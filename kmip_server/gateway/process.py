"""The gateway's process: the device, the store, and what goes back and forth between them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from time import time
from typing import Any, Final, TypeVar

import structlog

from console.output import say_line
from dscc.device.device import Device
from dscc.enrolment import Address, read_address
from dscc.errors import DsccError, Reason
from kmip_server.config import Settings
from kmip_server.engine import Engine
from kmip_server.execution import Prepared
from kmip_server.gateway import lapsing, rotating, watching
from kmip_server.gateway.desk import SOCKET, Desk
from kmip_server.gateway.failures import failed
from kmip_server.gateway.grouping import Grouping
from kmip_server.gateway.places import Places
from kmip_server.gateway.rotating import Due
from kmip_server.gateway.seeds import Named, Seeds
from kmip_server.gateway.storing import Storing
from kmip_server.gateway.taking import Taking, Told, take
from kmip_server.gateway.telling import Telling
from kmip_server.gateway.words import Answer, Answers, dscc, read_words
from kmip_server.identity.certificate import IdentityError
from kmip_server.identity.directory import Directory, DirectorySource
from kmip_server.messages.headers import ResponseBatchItem
from kmip_server.operations.negotiation import Negotiated, NegotiationNeeded, Settled, Stored, Wanted
from kmip_server.storage.lease import put_lease
from kmip_server.storage.port import AuditEntry, StorageUnavailable, Unit
from kmip_server.storage.store import Store
from kmip_server.ttlv.enumerations import ResultStatus
from kmip_server.ttlv.tags import Tag

_log: Final = structlog.stdlib.get_logger("kmip.gateway")
_T = TypeVar("_T")
_ROTATION_SECONDS: Final = 1.0
_TIDY_SECONDS: Final = 30.0
_ALONE_SECONDS: Final = 0.5
"""How long a gateway goes on at most whose supervisor was killed."""
_READY_SECONDS: Final = 5.0
"""After so long a gateway is ready without a lease: what needs no nodes is done."""
_AGAIN_SECONDS: Final = 1.0
_LAPSE_SECONDS: Final = 2.0
_TRIED_SECONDS: Final = 60.0
"""How long a key is left as it is whose replacement was refused, here or by its peer: each one is on record."""
_TRIED_AGAIN_SECONDS: Final = 5.0
"""The same where a member of a group refuses it."""


class GatewayProcess:
    """A gateway that runs: what the desk asks of it, what peers tell it, and what nodes say."""

    def __init__(
        self, settings: Settings, store: Store, engine: Engine, directories: DirectorySource, device: Device
    ) -> None:
        self._settings, self._store, self._engine, self._device = settings, store, engine, device
        peers = {name: read_address(place) for name, place in settings.dscc.peers.items()}
        self._places = Places(device, peers, settings.dscc.groups)
        self._storing = Storing(store, directories)
        self._seeds = Seeds(device, self._places)
        self._grouping = Grouping(device, self._places)
        self._telling = Telling(
            self._storing, engine.services, device, self._places, _now, settings.dscc.answer_seconds
        )
        self._desk = Desk(settings.directory / SOCKET, self)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._lease_changed = asyncio.Event()
        self._leased_until = 0
        """By the store, as the workers see it."""
        self.has_lease = asyncio.Event()
        """Set when the workers may use shared keys for the first time."""
        self._tried: dict[str, float] = {}
        """Until when keys are left as they are that were to be replaced, by the event loop's clock."""
        self.on_broken: Callable[[], None] = lambda: None
        """Called when the device's folder cannot be written: this gateway is of no use any more, and another begins."""
        self.address: Address | None = None
        """Where it listens for peers."""

    async def start(self) -> None:
        """Listen, connect, and begin. Raises DsccError, OSError."""
        device, wanted = self._device, self._settings.dscc
        device.on_notice, device.on_revoked, device.on_lease = self._on_notice, self._on_revoked, self._on_lease
        device.on_policy = self._seeds.forget
        self._seeds.tidy(starting=True)
        await asyncio.to_thread(put_lease, self._store.database, 0)
        self.address = await device.listen(wanted.host, wanted.port)
        await self._desk.start()
        await device.connect()
        self._telling.start()
        for act in (
            device.keep_leased,
            self._keep_lease,
            self._look_after_folder,
            self._rotate,
            self._grouping.keep,
            self._lapse,
            self._tidy,
        ):
            self._later(self._forever(act))
        self._later(device.settle())

    async def close(self) -> None:
        """Stop; what is under way is taken up by the next one."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._desk.close()
        await self._telling.close()
        await self._seeds.close()
        await self._device.close()
        self._storing.close()

    # The desk. --------------------------------------------------------------------------------------------------------

    async def negotiate(self, wanted: Wanted) -> Negotiated:
        """See Gateway."""
        return await self._seeds.key(wanted, self._settings.dscc.answer_seconds)

    async def settle(self, unique_identifiers: list[str]) -> dict[str, Settled]:
        """See Gateway."""
        return await self._telling.settle(unique_identifiers)

    def look(self) -> None:
        """See Gateway."""
        self._telling.look()

    def stored(self, wanted: Wanted) -> Stored:
        """See Gateway."""
        return Stored(self._device.name, *self._seeds.stored(wanted))

    async def status(self) -> dict[str, Any]:
        """See Gateway."""
        device = self._device
        waiting, revoked = await self._storing.read(
            lambda unit, directory: (len(unit.shared_changes(100_000)), directory.ruling.revoked())
        )
        return {
            "device": device.name,
            "address": str(self.address),
            "nodes": {node: "open" if device.is_connected(node) else "not reached" for node in device.stages},
            "why_not_reached": {node: why for node in device.stages if (why := device.why_not_connected(node))},
            "stages": device.stages,
            "leased_until": self._leased_until,
            "peers": {name: str(place) for name, place in self._places.peers.items()},
            "troubles": {name: why for name in self._places.peers if (why := self._trouble(name, revoked))},
            "groups": {
                name: {"epoch": one.epoch, "roster": list(one.roster), "leader": one.leader}
                for name, one in self._grouping.standings().items()
            },
            "to_be_told": waiting,
        }

    def _trouble(self, peer: str, revoked: frozenset[str]) -> str:
        out = peer in revoked or peer in self._device.state.revoked
        return "revoked" if out else self._telling.why_not_told(peer)

    # Peers. -----------------------------------------------------------------------------------------------------------

    async def _on_notice(self, peer: str, body: bytes) -> bytes:
        """Take a peer's words in; the answer leaves after the commit. Raises DsccError."""
        try:
            return await self._take(peer, body)
        except DsccError as error:
            _log.warning("a notice was refused", peer=peer, reason=error.message)
            raise

    async def _take(self, peer: str, body: bytes) -> bytes:
        seeds = self._seeds
        told = []
        for word in read_words(body).words:
            attributes = word.told
            said = dscc(attributes)
            bits = attributes.first(Tag.CRYPTOGRAPHIC_LENGTH)
            named = seeds.named(peer, said.get("Group", ""), said.get("SessionId", ""), bits)
            told.append(Told(word, attributes, named))
        groups = seeds.groups_with(peer)

        def work(unit: Unit, directory: Directory) -> tuple[Answer, ...]:
            taking = Taking(unit, directory, self._engine.services, self._device.name, peer, groups, _now())
            return tuple([_taken(taking, each) for each in told])

        try:
            answers = await self._storing.write(work)
        except StorageUnavailable as error:
            raise DsccError(Reason.BUSY, "the other site's storage is unavailable") from error
        for each, answer in zip(told, answers, strict=True):
            if answer.final and isinstance(each.named, Named):
                seeds.answered(each.named)
        return Answers.model_construct(answers=answers).model_dump_json().encode()

    # Nodes. -----------------------------------------------------------------------------------------------------------

    def _on_lease(self, _: float) -> None:
        self._lease_changed.set()

    async def _keep_lease(self) -> None:
        """Have the lease in the store, one after another: the last one holds."""
        while True:
            await self._lease_changed.wait()
            self._lease_changed.clear()
            try:
                until = int(self._device.leased_until)
                await asyncio.to_thread(put_lease, self._store.database, until)
                self._leased_until = until
                if until:
                    self.has_lease.set()
            except StorageUnavailable as error:
                _log.warning("the lease waits for the storage", reason=str(error))
                self._lease_changed.set()
                await asyncio.sleep(_AGAIN_SECONDS)

    def _on_revoked(self, kind: str, subject: str) -> None:
        stop = watching.stop_peer if kind == "device" else watching.stop_key
        services = self._engine.services

        async def obey() -> None:
            await self._storing.write(lambda unit, directory: stop(unit, directory, services, subject, _now()))
            self._telling.look()

        self._later(self._until_stored(obey))

    async def _until_stored(self, act: Any) -> None:
        """Do something to the store, again and again while it is unavailable."""
        while True:
            try:
                await act()
            except StorageUnavailable as error:
                _log.warning("a revocation waits for the storage", reason=str(error))
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return

    # What is done without being asked for. ----------------------------------------------------------------------------

    async def _rotate(self) -> None:
        while True:
            try:
                await self._stop_revoked()
                in_vain: set[Wanted] = set()
                now = asyncio.get_running_loop().time()
                self._tried = {key: until for key, until in self._tried.items() if until > now}
                for one in await self._storing.read(self._due):
                    if one.unique_identifier not in self._tried:
                        await self._replace(one, in_vain)
            except StorageUnavailable as error:
                _log.warning("shared keys are not replaced", reason=str(error))
            await asyncio.sleep(_ROTATION_SECONDS)

    async def _stop_revoked(self) -> None:
        """Stop what is shared with sites that are revoked in this site's policy store."""
        peers = self._places.peers
        for peer in await self._storing.read(lambda unit, directory: watching.revoked_here(unit, directory, peers)):
            await self._storing.write(partial(self._stop_peer, peer))
            self._telling.look()

    def _stop_peer(self, peer: str, unit: Unit, directory: Directory) -> None:
        watching.stop_peer_here(unit, directory, self._engine.services, peer, _now())

    def _due(self, unit: Unit, directory: Directory) -> list[Due]:
        services, me = self._engine.services, self._device.name
        return rotating.due(unit, directory, services, me, self._grouping.standings(), _now())

    async def _replace(self, one: Due, in_vain: set[Wanted]) -> None:
        """Replace a key, unless one like it was asked for `in_vain` in this round: nobody waits for that once more."""
        prepared: Prepared | None = None
        while True:
            try:
                answer = await self._storing.write(partial(self._re_key, one, prepared))
            except NegotiationNeeded as needed:
                if needed.wanted in in_vain:
                    return
                try:
                    prepared = Prepared(await self.negotiate(needed.wanted))
                except DsccError as error:
                    in_vain.add(needed.wanted)
                    reason = failed(error).message
                    _log.warning("a shared key is not replaced yet", key=one.unique_identifier, reason=reason)
                    return
            except IdentityError as error:
                self._not_replaced(one, str(error))
                return
            else:
                self._replaced(one, answer)
                return

    def _re_key(self, one: Due, prepared: Prepared | None, unit: Unit, directory: Directory) -> ResponseBatchItem:
        return rotating.replace(unit, directory, self._engine, one, prepared, _now())

    def _replaced(self, one: Due, answer: ResponseBatchItem) -> None:
        if answer.result_status is not ResultStatus.SUCCESS:
            self._not_replaced(one, answer.result_message or "")
            return
        # In a group others may be in it by then, if somebody refuses it.
        self._leave(one, _TRIED_AGAIN_SECONDS if one.is_groups else _TRIED_SECONDS)
        _log.info("a shared key is replaced", key=one.unique_identifier, why=one.why)
        self._telling.look()

    def _not_replaced(self, one: Due, reason: str) -> None:
        self._leave(one, _TRIED_SECONDS)
        _log.warning("a shared key is not replaced", key=one.unique_identifier, reason=reason)

    def _leave(self, one: Due, seconds: float) -> None:
        self._tried[one.unique_identifier] = asyncio.get_running_loop().time() + seconds

    async def _look_after_folder(self) -> None:
        while not self._device.state.is_broken:
            await asyncio.sleep(_AGAIN_SECONDS)
        _log.error("the device's folder cannot be written: is the disk full? The gateway begins anew")
        self.on_broken()

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_TIDY_SECONDS)
            self._seeds.tidy()

    async def _forever(self, act: Callable[[], Awaitable[None]]) -> None:
        """What the gateway cannot be without begins again, whatever has ended it."""
        while True:
            try:
                await act()
            except Exception as error:
                _log.error("a fault of ours", exc_info=error)
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _lapse(self) -> None:
        while True:
            await asyncio.sleep(_LAPSE_SECONDS)
            try:
                if await self._storing.read(lambda unit, _: lapsing.over(unit, _now())):
                    await self._storing.write(self._end_those_over)
            except StorageUnavailable as error:
                _log.warning("keys that nobody has fetched are not erased yet", reason=str(error))

    def _end_those_over(self, unit: Unit, directory: Directory) -> None:
        lapsing.end(unit, directory, self._engine.services, _now())

    def _later(self, act: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.get_running_loop().create_task(act)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, DsccError):
            _log.error("a fault of ours", exc_info=error)


def _taken(taking: Taking, told: Told) -> Answer:
    """The answer to one word: all that it did is accepted, or nothing is, and a refusal is on record."""
    answer = take(taking, told)
    if not answer.refusal:
        taking.unit.accept()
        return answer
    taking.unit.discard()
    if answer.final:
        who = f"site {taking.sender}"
        entry = AuditEntry(taking.now, who, "Arrival", told.word.unique_identifier, "failed", answer.refusal)
        taking.unit.audit(entry)
    return answer


def _now() -> int:
    return int(time())


def run(settings: Settings, store: Store, engine: Engine, directories: DirectorySource) -> None:
    """Run the gateway until SIGTERM or SIGINT, or until its supervisor is gone: the next one has its own.

    Raises FolderError, DsccError, OSError if it cannot begin.
    """
    asyncio.run(_run(settings, store, engine, directories))


async def _run(settings: Settings, store: Store, engine: Engine, directories: DirectorySource) -> None:
    stopping, supervisor = asyncio.Event(), os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    gateway = GatewayProcess(settings, store, engine, directories, Device.open(settings.dscc.folder))
    gateway.on_broken = stopping.set
    try:
        await gateway.start()
        saying = asyncio.create_task(_say_ready(gateway))
        while not stopping.is_set() and os.getppid() == supervisor:
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _ALONE_SECONDS)
        saying.cancel()
    finally:
        await gateway.close()


async def _say_ready(gateway: GatewayProcess) -> None:
    """Say that keys can be shared; without enough nodes, that the rest can be done."""
    with suppress(TimeoutError):
        await asyncio.wait_for(gateway.has_lease.wait(), _READY_SECONDS)
    say_line(f"kmip-server gateway ready {gateway.address}")
