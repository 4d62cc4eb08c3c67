"""Paths: who asks which node, and that no node knows two shares."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parties import TUNNEL, nonce

from dscc import paths
from dscc.agreement import Limits
from dscc.errors import DsccError, Reason
from dscc.pairwise import Initiator, Responder

NAMES = st.sampled_from(["n1", "n2", "n3", "n4", "n1+n2", "n2+n1", "n3+n4", "n4+n1", "n1+n1", "+", "n1+", "n1+n2+n3"])


def test_each_device_asks_its_own_node() -> None:
    assert paths.near("n1", initiator=True) == paths.near("n1", initiator=False) == "n1"
    assert paths.near("n1+n2", initiator=True) == paths.far("n1+n2", initiator=False) == "n1"
    assert paths.near("n1+n2", initiator=False) == paths.far("n1+n2", initiator=True) == "n2"
    assert paths.far("n1", initiator=True) == ""


@given(st.lists(NAMES, max_size=8), st.sets(st.sampled_from(["n1", "n2", "n3", "n4"])))
def test_what_is_chosen_has_no_node_twice_and_is_what_the_responder_can_ask(
    offered: list[str], registered: set[str]
) -> None:
    taken = paths.chosen(offered, registered)
    nodes = [node for path in taken for node in path.split("+")]
    assert len(nodes) == len(set(nodes)) and all(nodes)
    assert all(path in offered and path.split("+")[-1] in registered for path in taken)
    assert all(len(path.split("+")) <= 2 for path in taken)


@pytest.mark.parametrize("nodes", [("n1", "n1+n2"), ("n1+n2", "n2+n3"), ("n1", "n1"), ("n1+n1", "n2")])
def test_an_initiator_takes_no_choice_in_which_a_node_stands_twice(nodes: tuple[str, ...]) -> None:
    offered = ("n1", "n2", *nodes)
    first = Initiator("alice", "bob", TUNNEL, offered, nonce(), limits=Limits(), chains={})
    second = Responder("bob", first.d1, nonce(), limits=Limits(), chains={}, nodes=("n1", "n2"))
    with pytest.raises(DsccError) as error:
        first.on_d2(second.d2._replace(nodes=nodes))
    assert error.value.reason is Reason.MALFORMED
