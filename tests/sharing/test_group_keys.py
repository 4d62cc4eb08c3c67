"""Groups of three and four sites: one key under one Unique Identifier, whoever makes, changes or replaces it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from sharing_network import (
    Sites,
    attributes_of,
    dscc,
    grouped,
    network,
    roster_of,
    standing_of,
    state_of,
    until,
)
from support.numbers import Reason
from support.requests import (
    ACTIVE,
    COMPROMISED,
    DEACTIVATED,
    DESTROYED,
    KEY_COMPROMISE,
    PRE_ACTIVE,
    Session,
    activate,
    create_aes,
    destroy,
    get,
    name,
    rekey,
    revoke,
)

from demo.sites import as_toml

A, B, C, D = NAMES = ("site-a", "site-b", "site-c", "site-d")
TRIO = NAMES[:3]
GROUPS = {"trio": TRIO, "all": NAMES, "guests": NAMES}
SOON = {"KMIP_DSCC__ANSWER_SECONDS": "2"}


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """Four sites, of which three are a group, and all four are two."""
    with network(tmp_path_factory.mktemp("four"), *NAMES, groups=GROUPS, environment=SOON) as made:
        for group, members in GROUPS.items():
            until(lambda: all(roster_of(made[one], group) == list(members) for one in members))  # noqa: B023
        yield made


@contextmanager
def sessions(sites: Sites, *names: str) -> Iterator[list[Session]]:
    """A session with each site."""
    with ExitStack() as stack:
        yield [stack.enter_context(sites.session(each)) for each in names]


@pytest.mark.parametrize("maker", NAMES)
def test_any_member_makes_a_key_and_all_have_it_when_it_is_answered(four: Sites, maker: str) -> None:
    with sessions(four, maker, *NAMES) as (here, *everywhere):
        key = grouped(here, "all")
        values = {each.key_material(key) for each in everywhere}
        assert [len(value) for value in values] == [32]
        said = [attributes_of(each, key) for each in everywhere]
    for each in said:
        assert (each["Group"], each["Initiator"]) == ("all", maker)
        assert each["Members"] == ", ".join(NAMES)
        assert each["KeyId"][:8] == key[:8]
        assert "Peer" not in each


def test_who_is_not_in_a_group_makes_no_key_for_it_and_gets_none(four: Sites) -> None:
    with sessions(four, A, D) as (here, outside):
        key = grouped(here, "trio")
        assert state_of(outside, key) is None
        answer = outside.do(create_aes(outside.version, dscc("Group", "trio")))
    assert not answer.ok
    assert "there is no group trio here" in (answer.message or "")


@pytest.mark.parametrize("actor", TRIO)
def test_any_member_activates_revokes_and_destroys(four: Sites, actor: str) -> None:
    with sessions(four, B, actor, *TRIO) as (maker, acting, *everywhere):
        key = grouped(maker, "trio")
        assert [state_of(each, key) for each in everywhere] == [PRE_ACTIVE] * 3
        acting.do(activate(key)).expect_success()
        until(lambda: [state_of(each, key) for each in everywhere] == [ACTIVE] * 3)
        acting.do(revoke(key)).expect_success()
        until(lambda: [state_of(each, key) for each in everywhere] == [DEACTIVATED] * 3)
        acting.do(destroy(key)).expect_success()
        until(lambda: [state_of(each, key) for each in everywhere] == [DESTROYED] * 3)
        assert [each.do(get(key)).reason for each in everywhere] == [Reason.OBJECT_DESTROYED] * 3


def test_a_compromise_is_one_at_all_members(four: Sites) -> None:
    with sessions(four, C, *NAMES) as (acting, *everywhere):
        key = grouped(acting, "all")
        everywhere[3].do(revoke(key, KEY_COMPROMISE)).expect_success()
        until(lambda: [state_of(each, key) for each in everywhere] == [COMPROMISED] * 4)


@pytest.mark.parametrize("actor", TRIO)
def test_any_member_re_keys_for_all(four: Sites, actor: str) -> None:
    with sessions(four, A, actor, *TRIO) as (maker, acting, *everywhere):
        old = grouped(maker, "trio", name(f"vault of {actor}"))
        new = acting.do(rekey(old)).unique_identifier
        assert len({each.key_material(new) for each in everywhere} - {maker.key_material(old)}) == 1
        assert [each.located(name(f"vault of {actor}")) for each in everywhere] == [[new]] * 3
        assert [each.do(rekey(old)).reason for each in everywhere] == [Reason.PERMISSION_DENIED] * 3


def test_a_member_that_is_down_fails_a_create_in_clear_words_and_nobody_keeps_the_key(four: Sites) -> None:
    four[C].kill()
    try:
        with sessions(four, A, B) as everywhere:
            answer = everywhere[0].do(create_aes((2, 1), dscc("Group", "trio"), name("without c")))
            assert not answer.ok
            assert "site-c" in (answer.message or "")
            key = everywhere[0].located(name("without c"))
            key += [other for other in everywhere[1].located(name("without c")) if other not in key]
            until(lambda: {state_of(each, one) for each in everywhere for one in key} <= {DESTROYED, None})
    finally:
        four[C].start(SOON)
    with sessions(four, A, C) as (here, there):
        until(lambda: standing_of(four[A])["to_be_told"] == 0)
        key = grouped(here, "trio")
        assert here.key_material(key) == there.key_material(key)


# Who is in a group changes: these come last. --------------------------------------------------------------------------


def _configure(four: Sites, site: str, **groups: tuple[str, ...]) -> None:
    """Change groups in a site's server.toml, and start it again."""
    four[site].stop()
    others = {name: other.address for name, other in four.sites.items() if name != site}
    four[site].set(others, as_toml(GROUPS | groups))
    four[site].start(SOON)


def test_who_joins_has_keys_from_then_on(four: Sites) -> None:
    with sessions(four, A, D) as (here, joining):
        old = grouped(here, "trio", name("shared vault"))
        here.do(activate(old)).expect_success()
        assert state_of(joining, old) is None
    _configure(four, A, trio=NAMES)
    until(lambda: roster_of(four[D], "trio") == list(NAMES))
    with sessions(four, *NAMES) as everywhere:
        new = until(lambda: everywhere[3].located(name("shared vault")))[0]
        assert new != old
        until(lambda: [state_of(each, new) for each in everywhere] == [ACTIVE] * 4)
        assert len({each.key_material(new) for each in everywhere}) == 1
        assert state_of(everywhere[3], old) is None
        key = grouped(everywhere[3], "trio")
        assert len({each.key_material(key) for each in everywhere}) == 1


def test_who_is_taken_out_gets_no_new_key_and_uses_no_old_one(four: Sites) -> None:
    with sessions(four, *NAMES) as everywhere:
        old = grouped(everywhere[3], "guests", name("vault without d"))
        idle = grouped(everywhere[1], "guests", name("idle vault"))
        everywhere[0].do(activate(old)).expect_success()
        until(lambda: [state_of(each, old) for each in everywhere] == [ACTIVE] * 4)
    _configure(four, A, guests=TRIO)
    with sessions(four, *NAMES) as everywhere:
        stay, gone = everywhere[:3], everywhere[3]
        until(lambda: state_of(gone, old) == DEACTIVATED)
        until(lambda: state_of(gone, idle) == DEACTIVATED)
        new = until(lambda: [key for key in stay[0].located(name("vault without d")) if key != old])[0]
        until(lambda: [state_of(each, new) for each in stay] == [ACTIVE] * 3)
        assert state_of(gone, new) is None
        assert len({each.key_material(new) for each in stay}) == 1
        waiting = until(lambda: [key for key in stay[2].located(name("idle vault")) if key != idle])[0]
        assert [state_of(each, waiting) for each in stay] == [PRE_ACTIVE] * 3
        # It still believes to be in it, and nobody believes it.
        answer = gone.do(create_aes((2, 1), dscc("Group", "guests")))
        assert not answer.ok
        assert "share" in (answer.message or "")
        gone.do(destroy(old)).expect_success()
        key = grouped(stay[1], "guests")
        assert state_of(gone, key) is None
        assert [state_of(each, old) for each in stay] == [ACTIVE] * 3


def test_when_the_leader_is_lost_the_next_one_takes_over(four: Sites) -> None:
    with sessions(four, A, B, C) as (leading, *_):
        old = grouped(leading, "guests", name("vault of who is lost"))
    four[A].kill()
    _configure(four, B, guests=(B, C))
    until(lambda: roster_of(four[C], "guests") == [B, C])
    with sessions(four, B, C) as everywhere:
        new = until(lambda: [key for key in everywhere[1].located(name("vault of who is lost")) if key != old])[0]
        assert len({each.key_material(new) for each in everywhere}) == 1
        grouped(everywhere[0], "guests")
