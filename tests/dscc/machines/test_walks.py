"""Long walks over sessions and keyfill: the steps of the exhaustive search, far beyond the depth that it can reach.

Each step is chosen by hypothesis among all that can happen: any message of before arrives, either side crashes, ...
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import keyfill_states
import pytest
import session_states
from hypothesis import given, settings
from hypothesis import strategies as st

EXAMPLES = 5000 if os.environ.get("DSCC_LONGER") else 50
CHOICES = st.lists(st.integers(0, 1000), min_size=20, max_size=200)


Steps = Callable[[Any], Iterator[tuple[str, Any]]]


def walk(state: Any, steps: Steps, wrong: Callable[[Any], str], choices: list[int]) -> None:
    for choice in choices:
        possible = list(steps(state))
        if not possible:
            break
        _, state = possible[choice % len(possible)]
        assert wrong(state) == ""


@settings(max_examples=EXAMPLES, deadline=None)
@given(CHOICES)
def test_sessions(choices: list[int]) -> None:
    rules = session_states.Rules(attempts=50, answers=100, held=4)
    walk(session_states.Sessions(), lambda state: session_states.steps(rules, state), session_states.Wrong(), choices)


@settings(max_examples=EXAMPLES, deadline=None)
@given(CHOICES)
def test_keyfill(choices: list[int]) -> None:
    rules = keyfill_states.Rules(sessions=100, steps=20)
    walk(keyfill_states.Keyfill(), lambda state: keyfill_states.steps(rules, state), keyfill_states.Wrong(), choices)


def test_walks_come_far_enough_to_find_what_is_wrong() -> None:
    """The negative control: without the check of what is stored, some of a few hundred walks go wrong."""
    rules = keyfill_states.Rules(sessions=100, steps=20, stored_chain_is_checked=False)
    chance = random.Random(1)
    with pytest.raises(AssertionError):
        for _ in range(2000):
            choices = [chance.randrange(1000) for _ in range(200)]
            walk(
                keyfill_states.Keyfill(),
                lambda state: keyfill_states.steps(rules, state),
                keyfill_states.Wrong(),
                choices,
            )
