"""What a device may do with its keys: one agreement a turn of the pair chain, and no way back from a later state."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from dscc.agreement import Agreement, KeyState, PairChain, Wanted, check_abort
from dscc.device.records import Held
from dscc.device.state import State
from dscc.device.vault import create_folder, create_key, open_key
from dscc.direct_messages import D3, D4
from dscc.errors import DsccError, Reason

SID = bytes(48)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    create_folder(tmp_path / "device")
    opened = State(tmp_path / "device", create_key(tmp_path / "device"))
    yield opened
    opened.close()


def held(number: int, base: int, state: KeyState = KeyState.PRE_ACTIVE, peer: str = "bob") -> Held:
    chain = PairChain(number, secrets.token_bytes(48))
    sid, kid, key = secrets.token_bytes(48), secrets.token_bytes(16), secrets.token_bytes(32)
    agreement = Agreement(
        sid, kid, "alice", peer, Wanted("tunnel"), key, chain, ("n1", "n2"), 3600, 5, (SID, SID), False, number > 1
    )
    return Held(agreement, peer, state, 1000, base, D3(sid, ("n1", "n2"), SID, SID), D4(sid, SID))


def reopened(state: State, folder: Path) -> State:
    state.close()
    return State(folder, open_key(folder))


def test_of_two_that_began_in_one_turn_the_first_holds(state: State) -> None:
    first, second = held(1, 0), held(1, 0)
    state.put_active(first)
    with pytest.raises(DsccError) as error:
        state.put_active(second)
    assert error.value.reason is Reason.OUT_OF_ORDER
    assert state.chains("bob")[1] == first.agreement.chain and list(state.held) == [first.agreement.kid]
    state.put_active(held(2, 1))
    state.put_active(held(1, 0, peer="carol"))
    assert state.turn("bob") == 2 and set(state.chains("bob")) == {1, 2}


def test_forgetting_a_pair_chain_ends_what_was_under_way(state: State) -> None:
    state.put_active(held(1, 0))
    state.forget_chains("bob")
    assert state.chains("bob") == {}
    with pytest.raises(DsccError):
        state.put_active(held(2, 1))
    state.put_active(held(1, 2))


def test_no_way_leads_back(state: State) -> None:
    every = list(KeyState)
    allowed = set()
    for before in every:
        for after in every:
            each = held(1, state.turn("bob"), before)
            state.put_pre_active(each, None)
            if state.move([each.agreement.kid], after):
                allowed.add((before, after))
                assert state.held[each.agreement.kid].state is after
    ends = {KeyState.COMPROMISED, KeyState.DESTROYED}
    assert not [pair for pair in allowed if pair[0] in ends or pair[0] is pair[1]]
    assert {before for before, after in allowed if after is KeyState.ACTIVE} == {KeyState.PRE_ACTIVE}
    erased = [each for each in state.held.values() if each.state in ends and each.agreement.kid in state.held]
    moved = [each for each in erased if not each.agreement.key]
    assert len(moved) == len([pair for pair in allowed if pair[1] in ends])


def test_everything_is_read_back_as_it_was(state: State, tmp_path: Path) -> None:
    pre, active = held(1, 0), held(1, 0)
    state.name_device("alice")
    state.put_pre_active(pre, None)
    state.put_active(active)
    given_up = held(2, 1)
    state.put_pre_active(given_up, None)
    state.give_up(given_up, Reason.FAILED)
    state.put_revoked("eve", 7)
    before = (dict(state.held), state.chains("bob"), state.turn("bob"), dict(state.aborts), set(state.pre_active))
    again = reopened(state, tmp_path / "device")
    assert (dict(again.held), again.chains("bob"), again.turn("bob"), again.aborts, again.pre_active) == before
    assert again.name == "alice" and again.revoked == {"eve": 7}
    assert again.held[active.agreement.kid] == active._replace(state=KeyState.ACTIVE)
    assert again.held[given_up.agreement.kid].agreement.key == b""
    peer, said = again.aborts[given_up.agreement.sid]
    check_abort(given_up.agreement, said)
    assert peer == "bob"
    again.told(given_up.agreement.sid)
    again.forget_keys([active.agreement.kid])
    assert not again.aborts and active.agreement.kid not in again.held
    again.close()


def test_an_agreement_that_the_peer_gave_up_is_undone_with_its_pair_chain(state: State) -> None:
    first, second = held(1, 0), held(2, 1)
    state.put_active(first)
    state.put_active(second)
    state.undo(state.held[second.agreement.kid].agreement, "bob")
    assert state.chains("bob") == {1: first.agreement.chain}
    assert state.held[second.agreement.kid].state is KeyState.DESTROYED
    state.put_active(held(2, 3))


def test_nothing_shows_a_key(state: State) -> None:
    each = held(1, 0)
    for shown in (repr(each), str(each), repr(state), repr(each.agreement)):
        assert each.agreement.key.hex() not in shown and str(each.agreement.key) not in shown
        assert str(each.agreement.chain.secret) not in shown
