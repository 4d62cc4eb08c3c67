"""Seeds of a gateway on real nodes: each key is another one, and nothing is left of a seed that is used up."""

from __future__ import annotations

from fleet import Fleet, asynchronous, until

from kmip_server.gateway.places import Places
from kmip_server.gateway.seeds import PURPOSE, Named, Seeds
from kmip_server.gateway.words import Answer
from kmip_server.operations.negotiation import Negotiated, Wanted


def wanted(peer: str, pool: int = 0) -> Wanted:
    return Wanted(peer, "", "tunnel", "", "", "", 256, pool, 0)


@asynchronous
async def test_a_seed_that_is_used_up_is_erased_within_seconds_and_that_of_a_pool_is_not(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    seeds = Seeds(one, Places(one, {other.name: address}, {}))
    made = [await seeds.key(wanted(other.name)) for _ in range(2)]
    made += [await seeds.key(wanted(other.name, pool=8)._replace(purpose="tls13")) for _ in range(2)]
    assert len({each.key for each in made}) == len({each.unique_identifier for each in made}) == 4
    assert len(other.held(purpose=f"{PURPOSE}tunnel")) == 2
    await until(lambda: not one.held(purpose=f"{PURPOSE}tunnel"))
    (pool,) = one.held(purpose=f"{PURPOSE}tls13")
    assert pool.agreement.key
    await seeds.close()
    await one.close()
    await other.close()


def named(seeds: Seeds, sender: str, made: Negotiated) -> Named | Answer:
    return seeds.named(sender, "", made.provenance["SessionId"], 256)


@asynchronous
async def test_who_was_asked_erases_a_seed_when_it_has_answered_for_the_only_key_of_it(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    here, there = Seeds(one, Places(one, {other.name: address}, {})), Seeds(other, Places(other, {}, {}))
    alone, pooled = [
        await here.key(asked) for asked in (wanted(other.name), wanted(other.name, pool=8)._replace(purpose="tls13"))
    ]
    for made in (pooled, alone):
        found = named(there, one.name, made)
        assert isinstance(found, Named)
        assert found.drawn.key == made.key
        there.answered(found)
    await until(lambda: not other.held(purpose=f"{PURPOSE}tunnel"))
    assert named(there, one.name, alone) == Answer(refusal="the two sites have agreed on no such seed, or it is erased")
    assert isinstance(named(there, one.name, pooled), Named)
    await here.close()
    await there.close()
    await one.close()
    await other.close()


@asynchronous
async def test_who_stops_erases_what_is_used_up_at_once(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    seeds = Seeds(one, Places(one, {other.name: address}, {}))
    await seeds.key(wanted(other.name))
    await seeds.close()
    assert not one.held(purpose=f"{PURPOSE}tunnel")
    await one.close()
    await other.close()


@asynchronous
async def test_what_clients_have_asked_for_is_not_remembered(fleet: Fleet) -> None:
    one, other, address = await fleet.pair()
    seeds = Seeds(one, Places(one, {other.name: address}, {}))
    for purpose in ("tunnel", "tls13"):
        await seeds.key(wanted(other.name)._replace(purpose=purpose))
    assert not seeds._locks
    await seeds.close()
    await one.close()
    await other.close()
