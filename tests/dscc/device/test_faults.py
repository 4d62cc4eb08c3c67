"""Every message between two devices lost, and either or both of them crashed right then, on a real network.

Whatever happened, the next negotiation succeeds, both have the same keys and pair chains, and no key comes twice.
"""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest
from fleet import Fleet, Passing, Proxy, asynchronous

from dscc.agreement import KeyState
from dscc.device import Device
from dscc.direct_messages import D1, D2, D3, D4, Abort
from dscc.enrolment import Address
from dscc.errors import DsccError
from dscc.messages import Done

CRASHES = ("nobody", "who asks", "who is asked", "both")


class Two:
    """Two devices, the second of which listens behind a proxy, and all keys that they ever had."""

    def __init__(self, one: Device, other: Device, address: Address, proxy: Proxy, through: Address) -> None:
        self.one, self.other, self.address = one, other, address
        self.proxy, self.through = proxy, through
        self.seen: dict[str, bytes] = {}

    async def crash(self, who: str) -> None:
        """What is not stored is forgotten."""
        if who in ("who asks", "both"):
            await self.one.close()
            self.one = Device.open(self.one.folder)
        if who in ("who is asked", "both"):
            await self.other.close()
            self.other = Device.open(self.other.folder)
            await self.other.listen(*self.address)

    async def lose(self, kinds: tuple[type, ...], crash: str, *, for_long: bool) -> None:
        """Ask for a key; when a message of one of these types comes by, it is lost, and who crashes does.

        `for_long`: so are all later ones, until who asks has given up.
        """
        cut = asyncio.Event()

        def judge(passing: Passing) -> str:
            if isinstance(passing.said, kinds):
                cut.set()
            return "cut" if cut.is_set() else "pass"

        self.proxy.judge = judge
        asking = asyncio.ensure_future(self.one.negotiate(self.other.name, self.through))
        await cut.wait()
        if crash in ("who asks", "both"):
            asking.cancel()
        await self.crash(crash)
        if for_long:
            await asyncio.gather(asking, return_exceptions=True)
        self.proxy.judge = lambda _: "pass"
        end = (await asyncio.gather(asking, return_exceptions=True))[0]
        assert not isinstance(end, Exception) or isinstance(end, DsccError), end
        self.check()

    async def agree(self) -> None:
        """The next clean round."""
        key = await self.one.negotiate(self.other.name, self.through)
        theirs = {each.kid: each for each in self.other.all_keys()}
        assert theirs[key.kid].key == key.key and key.kid not in self.seen and key.key not in self.seen.values()
        self.check()
        one, other = self.one.state, self.other.state
        assert one.chains(self.other.name) == other.chains(self.one.name)
        assert not one.pre_active and not one.aborts
        states = [{each.kid: each.state for each in device.all_keys()} for device in (self.one, self.other)]
        # What one of the two never heard of, the other one has given up.
        for kid in states[0].keys() | states[1].keys():
            assert {each.get(kid, KeyState.DESTROYED) for each in states} in (
                {KeyState.ACTIVE},
                {KeyState.DESTROYED},
            )

    def check(self) -> None:
        """One identifier has one key, and a key that one encrypts with the other one can decrypt with."""
        for device in (self.one, self.other):
            for key in device.all_keys():
                assert bool(key.key) == (key.state is not KeyState.DESTROYED)
                assert not key.key or self.seen.setdefault(key.kid, key.key) == key.key
        protect = self.one.key_to_protect(self.other.name)
        assert protect is None or protect.kid in {key.kid for key in self.other.keys_to_process(self.one.name)}


async def two(fleet: Fleet) -> Two:
    one, other, address = await fleet.pair()
    proxy = Proxy(address)
    return Two(one, other, address, proxy, await proxy.start())


@asynchronous
async def test_a_fault_at_every_message_with_every_crash(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dscc.device.initiating._CONFIRM_WAITS", (0.0, 0.05, 0.1))
    both = await two(fleet)
    await both.one.connect(), await both.other.connect()
    await both.agree()
    for kind, crash, for_long in itertools.product((D1, D2, D3, D4), CRASHES, (False, True)):
        await both.lose((kind,), crash, for_long=for_long)
        await both.agree()
    await both.proxy.close()
    await both.one.close(), await both.other.close()


@pytest.mark.parametrize("seed", range(2))
@asynchronous
async def test_faults_one_upon_another(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr("dscc.device.initiating._CONFIRM_WAITS", (0.0, 0.05))
    chosen, both = random.Random(seed), await two(fleet)
    await both.one.connect(), await both.other.connect()
    for _ in range(12):
        for _ in range(chosen.randrange(1, 4)):
            kinds = chosen.choice(((D1,), (D2,), (D3,), (D4,), (D4, Abort), (D4, Done)))
            await both.lose(kinds, chosen.choice(CRASHES), for_long=chosen.random() < 0.5)
        await both.agree()
    await both.proxy.close()
    await both.one.close(), await both.other.close()


@asynchronous
async def test_both_ask_while_messages_are_lost(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dscc.device.initiating._CONFIRM_WAITS", (0.0, 0.05))
    both, chosen = await two(fleet), random.Random(7)
    back = Proxy(await both.one.listen())
    place = await back.start()
    await both.one.connect(), await both.other.connect()

    def judge(_: Passing) -> str:
        return "cut" if chosen.random() < 0.15 else "pass"

    for _ in range(8):
        both.proxy.judge = back.judge = judge
        ends = await asyncio.gather(
            both.one.negotiate(both.other.name, both.through),
            both.other.negotiate(both.one.name, place),
            return_exceptions=True,
        )
        assert all(not isinstance(end, BaseException) or isinstance(end, DsccError) for end in ends)
        both.proxy.judge = back.judge = lambda _: "pass"
        await both.other.settle()
        await both.agree()
    await both.proxy.close(), await back.close()
    await both.one.close(), await both.other.close()
