"""Where shared keys come from: seeds that are negotiated with a peer, or a group's epoch, and the keys drawn from them.

A negotiation gives one key, or as many as the policy has in its pool, each of which is used once. Numbers of a seed
count up in memory: a gateway that starts again draws from new seeds only. Number 1 is that of a key which is the only
one of its seed, those of a pool begin with 2: so it is seen from the number that nothing else will be drawn.

Seeds are erased within a second after they are used up, those of that second together, at the latest an hour after they
were agreed on. Who was asked for one erases it when it has answered for its only key; that of a pool it keeps an hour
longer than who has asked, for what is under way.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final, NamedTuple
from weakref import WeakValueDictionary

import structlog

from dscc.agreement import Agreement, KeyState
from dscc.device.device import Device
from dscc.device.records import Held
from dscc.drawing import NUMBER_BYTES, Drawn, draw, draw_of_group, unique_identifier
from dscc.errors import DsccError, Reason
from dscc.group import Epoch
from dscc.pairwise import PAIR_KEM
from kmip_server.gateway.places import Places
from kmip_server.gateway.words import Answer
from kmip_server.operations.negotiation import Negotiated, Wanted
from policy.sharing import paths_of

_log: Final = structlog.stdlib.get_logger("kmip.gateway")
PURPOSE: Final = "kmip:"
_SEED_BITS: Final = 256
_SEED_SECONDS: Final = 3600
_ATTEMPTS: Final = 5
_LONGEST_SECONDS: Final = 60.0
_KEPT_SECONDS: Final = 2 * _SEED_SECONDS
_ERASED_AFTER_SECONDS: Final = 1.0
_ONLY_NUMBER: Final = 1


class _Seed:
    """A negotiated key to draw from, and which of its keys are drawn."""

    def __init__(self, held: Held, wanted: Wanted, until: float) -> None:
        self.held, self.until, self.most, self.drawn = held, until, max(1, wanted.pool), 0

    @property
    def left(self) -> int:
        return self.most - self.drawn

    def next_number(self) -> int:
        self.drawn += 1
        return _ONLY_NUMBER if self.most == 1 else _ONLY_NUMBER + self.drawn


class Named(NamedTuple):
    """A key that a peer has named, as this site knows it: for what it was agreed on, for how long, and how.

    `spent` is its seed if it is the only key of that, b"" otherwise.
    """

    drawn: Drawn
    purpose: str
    lifetime: int
    provenance: Mapping[str, str]
    spent: bytes = b""


class _Kind(NamedTuple):
    """What keys have to have in common to be drawn from one seed."""

    peer: str
    purpose: str
    policy: str
    paths: str
    hybrid: str
    bits: int
    lifetime: int


def _kind(wanted: Wanted) -> _Kind:
    bits = max(wanted.bits, _SEED_BITS)
    return _Kind(wanted.peer, wanted.purpose, wanted.policy, wanted.paths, wanted.hybrid, bits, wanted.lifetime)


class Seeds:
    """The seeds of a device."""

    def __init__(self, device: Device, places: Places) -> None:
        self._device, self._places = device, places
        self._seeds: dict[_Kind, _Seed] = {}
        self._locks: WeakValueDictionary[_Kind, asyncio.Lock] = WeakValueDictionary()
        """Of the kinds that somebody asks for now: there are as many as clients can think of."""
        self._refilling: dict[_Kind, asyncio.Task[_Seed]] = {}
        self._used_up: set[bytes] = set()
        self._erasing: asyncio.TimerHandle | None = None
        self._making: set[asyncio.Task[Negotiated]] = set()

    # Drawing here. ----------------------------------------------------------------------------------------------------

    async def key(self, wanted: Wanted, seconds: float = _LONGEST_SECONDS) -> Negotiated:
        """A key that nobody has had, for whoever waits so long for it. Raises DsccError.

        A negotiation that takes longer is finished all the same: who asks next draws from what came of it.
        """
        until = asyncio.get_running_loop().time() + seconds
        making = asyncio.create_task(self._group_key(wanted) if wanted.group else self._pair_key(wanted, until))
        self._making.add(making)
        making.add_done_callback(self._made)
        await asyncio.wait([making], timeout=seconds)
        if not making.done():
            raise _late(wanted)
        return making.result()

    def _made(self, making: asyncio.Task[Negotiated]) -> None:
        self._making.discard(making)
        if not making.cancelled():
            # Whoever has waited for it was told.
            making.exception()

    def stored(self, wanted: Wanted) -> tuple[int, int]:
        """How many such keys can be drawn without a negotiation, now and at most.

        At most a seed is half used, and the next one is there already.
        """
        kind = _kind(wanted)
        seed, next_seed = self._usable(kind), self._refilling.get(kind)
        is_there = next_seed is not None and next_seed.done() and not (next_seed.cancelled() or next_seed.exception())
        left = (seed.left if seed is not None else 0) + (wanted.pool if is_there else 0)
        # The only key of a seed is drawn as soon as it is there.
        return left, wanted.pool + wanted.pool // 2 if wanted.pool > 1 else 0

    async def _pair_key(self, wanted: Wanted, until: float) -> Negotiated:
        kind, loop = _kind(wanted), asyncio.get_running_loop()
        # Of those who wait, each draws from what the one before has left; who does not wait any more leaves it there.
        async with self._locks.setdefault(kind, asyncio.Lock()):
            seed = self._usable(kind)
            if seed is None and loop.time() < until:
                seed = await self._next_seed(kind, wanted)
            if seed is None or loop.time() >= until:
                raise _late(wanted)
            number = seed.next_number()
            agreement = seed.held.agreement
            drawn = draw(agreement.kid, agreement.key, number, wanted.bits)
            if not seed.left:
                self._give_up(kind)
            elif 2 * seed.left <= seed.most and kind not in self._refilling:
                self._refilling[kind] = asyncio.create_task(self._negotiate(kind, wanted))
        provenance = _provenance(agreement, drawn, number) | {"Gateway": self._device.name}
        return Negotiated(
            wanted, unique_identifier(drawn.kid), drawn.key, provenance, agreement.lifetime, agreement.uses
        )

    def _usable(self, kind: _Kind) -> _Seed | None:
        seed = self._seeds.get(kind)
        if seed is None:
            return None
        held = self._device.state.held.get(seed.held.agreement.kid)
        if held is None or held.state is not KeyState.ACTIVE or self._device.clock.now() >= seed.until:
            self._give_up(kind)
            return None
        return seed

    def _give_up(self, kind: _Kind) -> None:
        self._use_up(self._seeds.pop(kind).held.agreement.kid)

    def _use_up(self, kid: bytes) -> None:
        self._used_up.add(kid)
        if self._erasing is None:
            self._erasing = asyncio.get_running_loop().call_later(_ERASED_AFTER_SECONDS, self._erase_used_up)

    def _erase_used_up(self) -> None:
        """Erase what nothing is drawn from any more. It costs the device's file to be written anew."""
        self._erasing = None
        used_up, self._used_up = self._used_up, set()
        self._device.erase(*[kid.hex() for kid in used_up if kid in self._device.state.held])

    async def _next_seed(self, kind: _Kind, wanted: Wanted) -> _Seed:
        waiting, seed = self._refilling.pop(kind, None), None
        if waiting is not None:
            # What was negotiated beforehand, and failed, is asked for once more: now somebody waits for it.
            with suppress(DsccError):
                seed = await waiting
        if seed is not None:
            self._seeds[kind] = seed
        # It may have been revoked, or have grown old, since.
        usable = self._usable(kind) or await self._negotiate(kind, wanted)
        self._seeds[kind] = usable
        return usable

    async def _negotiate(self, kind: _Kind, wanted: Wanted) -> _Seed:
        device = self._device
        if kind.hybrid not in ("", "none", PAIR_KEM):
            raise DsccError(Reason.UNSUPPORTED, f"keys of two sites are hardened by {PAIR_KEM}, not {kind.hybrid}")
        address = self._places.peers.get(kind.peer)
        if address is None:
            raise DsccError(Reason.UNSUPPORTED, f"it is not known where the gateway {kind.peer} listens")
        for _ in range(_ATTEMPTS):
            key = await device.negotiate(
                kind.peer,
                address,
                PURPOSE + kind.purpose,
                kind.bits,
                policy=kind.policy,
                lifetime=kind.lifetime,
                kem=kind.hybrid == PAIR_KEM,
                paths=paths_of(kind.paths),
            )
            held = device.state.held[bytes.fromhex(key.kid)]
            if held.agreement.initiator == device.name:
                return _Seed(held, wanted, device.clock.now() + _SEED_SECONDS)
            # Both have asked at once, and this is the peer's seed: only one of the two counts its numbers.
        raise DsccError(Reason.GLARE, f"{kind.peer} is asking for keys at the same time, again and again")

    async def _group_key(self, wanted: Wanted) -> Negotiated:
        device, name = self._device, wanted.group
        if name not in device.state.groups:
            why = self._places.why_not.get(name) or "it is not formed yet, or this gateway is not in it"
            raise DsccError(Reason.OUT_OF_ORDER, f"there is no group {name} here: {why}")
        # It refuses while somebody in it is revoked.
        device.groups.key(name)
        epoch = device.state.groups[name].epoch
        number = secrets.token_bytes(NUMBER_BYTES)
        drawn = draw_of_group(epoch, number, wanted.bits)
        provenance = _group_provenance(epoch, drawn, number, device.name) | {"Gateway": device.name}
        return Negotiated(wanted, unique_identifier(drawn.kid), drawn.key, provenance, 0, 0)

    # Drawing what a peer names. ---------------------------------------------------------------------------------------

    def named(self, sender: str, group: str, session: str, bits: int) -> Named | Answer:
        """The key that a peer names, or why there is none."""
        try:
            return self._named_in_group(sender, group, session, bits) if group else self._named(sender, session, bits)
        except DsccError as error:
            return Answer(refusal=error.message)
        except ValueError:
            return Answer(refusal="this names no seed and no number")

    def _named(self, sender: str, session: str, bits: int) -> Named | Answer:
        seed, number = session.split("/")
        held = self._device.state.held.get(bytes.fromhex(seed))
        if held is None or held.peer != sender or not held.purpose.startswith(PURPOSE):
            return Answer(refusal="the two sites have agreed on no such seed, or it is erased")
        if held.agreement.initiator != sender:
            return Answer(refusal="keys are drawn by who has asked for their seed")
        agreement = held.agreement
        drawn = draw(agreement.kid, agreement.key, int(number), bits)
        provenance = _provenance(agreement, drawn, int(number))
        spent = agreement.kid if int(number) == _ONLY_NUMBER else b""
        return Named(drawn, held.purpose.removeprefix(PURPOSE), agreement.lifetime, provenance, spent)

    def _named_in_group(self, sender: str, group: str, session: str, bits: int) -> Named | Answer:
        record = self._device.state.groups.get(group)
        number, drawn = session.split("/")
        if record is None or sender not in record.epoch.roster or sender in self._device.state.revoked:
            return Answer(refusal="the two sites share no such group")
        if record.epoch.number != int(number):
            # A later epoch will come here, too; an earlier one may be known to who is not in the group any more.
            is_later = int(number) > record.epoch.number
            return Answer(refusal=f"the group {group} is at another epoch here", final=not is_later)
        random = bytes.fromhex(drawn)
        key = draw_of_group(record.epoch, random, bits)
        return Named(key, "", 0, _group_provenance(record.epoch, key, random, sender))

    def answered(self, named: Named) -> None:
        """What is said of this key is answered for good: it is here, or will not be."""
        if named.spent:
            self._use_up(named.spent)

    def groups_with(self, sender: str) -> frozenset[str]:
        """The groups that a peer is in, too."""
        found = self._device.state.groups.items()
        return frozenset([name for name, record in found if sender in record.epoch.roster])

    # Erasing. ---------------------------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Draw no more from what was granted so far: the nodes may not grant it any more."""
        refilling = list(self._refilling.values())
        self._refilling.clear()
        for task in refilling:
            task.cancel()
        for kind in list(self._seeds):
            self._give_up(kind)

    def tidy(self, *, starting: bool = False) -> None:
        """Erase what nothing is drawn from any more; who starts has lost count of its own seeds."""
        device, now = self._device, self._device.clock.now()
        in_use = {seed.held.agreement.kid for seed in self._seeds.values()}
        gone = []
        for held in device.held():
            kid, age = held.agreement.kid, now - held.agreed_at
            if not held.purpose.startswith(PURPOSE) or kid in in_use:
                continue
            mine = held.agreement.initiator == device.name
            if age > _KEPT_SECONDS or (mine and (starting or age > _SEED_SECONDS)):
                gone.append(kid.hex())
        device.erase(*gone)

    async def close(self) -> None:
        """Negotiate no more, and leave nothing behind that is used up."""
        tasks: list[asyncio.Task[Any]] = [*self._refilling.values(), *self._making]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._erasing is not None:
            self._erasing.cancel()
            self._erase_used_up()


def _late(wanted: Wanted) -> DsccError:
    return DsccError(Reason.FAILED, f"{wanted.peer or wanted.group} and the nodes have not answered in time")


def _provenance(agreement: Agreement, drawn: Drawn, number: int) -> dict[str, str]:
    """How a key of a pair came to be: the same at both sites, each of which knows it by itself."""
    return {
        "KeyId": drawn.kid.hex(),
        "SessionId": f"{agreement.kid.hex()}/{number}",
        "ChainIndex": str(agreement.chain.number),
        "PolicyDigest": sha256(b"".join(sorted(set(agreement.policy_digests)))).hexdigest(),
        "PathsUsed": ", ".join(agreement.nodes),
        "Trust": agreement.trust,
        "Initiator": agreement.initiator,
    }


def _group_provenance(epoch: Epoch, drawn: Drawn, number: bytes, initiator: str) -> dict[str, str]:
    """How a key of a group came to be, which a member has asked for."""
    return {
        "KeyId": drawn.kid.hex(),
        "SessionId": f"{epoch.number}/{number.hex()}",
        "Epoch": str(epoch.number),
        "PolicyDigest": epoch.policy.hex(),
        "Trust": f"group of {len(epoch.roster)}",
        "Initiator": initiator,
        "Members": ", ".join(epoch.roster),
    }
