"""Every reachable state of the real code, within bounds; and each safeguard taken out once, which has to be found.

The longer search: DSCC_LONGER=1 python -m pytest -s tests/dscc/models -k longer
"""

from __future__ import annotations

import os
from functools import partial

import keyfill_states
import pytest
import session_states
from keyfill_states import Keyfill
from search import search
from session_states import Sessions

longer = pytest.mark.skipif(not os.environ.get("DSCC_LONGER"), reason="takes minutes; DSCC_LONGER=1 runs it")


def sessions(most: int = 60_000, **rules: object) -> tuple[int, str, tuple[str, ...]]:
    held = session_states.Rules(**rules)  # type: ignore[arg-type]
    found = search(Sessions(), partial(session_states.steps, held), session_states.Wrong(), most)
    return found.states, found.wrong, found.way


def keyfill(most: int = 60_000, **rules: object) -> tuple[int, str, tuple[str, ...]]:
    held = keyfill_states.Rules(**rules)  # type: ignore[arg-type]
    found = search(Keyfill(), partial(keyfill_states.steps, held), keyfill_states.Wrong(), most)
    return found.states, found.wrong, found.way


def test_sessions_agree_and_use_no_key_twice_whatever_is_lost_repeated_held_up_or_crashes() -> None:
    """The gap is 0 or 1, who has a session has it with the other, and once; the next clean handshake succeeds."""
    states, wrong, way = sessions()
    assert (wrong, way) == ("", ())
    assert states > 4000


@pytest.mark.parametrize(
    ("safeguard", "wrong"),
    [
        ("stored_first", "the gap is -1"),
        ("stored_chain_is_checked", "the node goes back"),
        ("once", "a session key is used twice"),
        ("node_catches_up", "a clean handshake fails"),
    ],
)
def test_without_a_safeguard_a_session_goes_wrong(safeguard: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if safeguard == "node_catches_up":
        monkeypatch.setattr("dscc.session.WINDOW", 0)
    _, found, way = sessions(**{safeguard: False})
    assert wrong in found and way


def test_a_next_chain_is_never_out_of_reach_whatever_is_lost_held_up_forged_or_crashes() -> None:
    """One of the device's two chains is the node's, always; a forged refusal drops nothing; nothing goes back."""
    states, wrong, way = keyfill()
    assert (wrong, way) == ("", ())
    assert states > 4000


@pytest.mark.parametrize(
    "safeguard",
    ["stored_chain_is_checked", "refusals_drop_nothing", "old_chain_is_kept_until_t4", "node_waits_for_t3"],
)
def test_without_a_safeguard_a_keyfill_goes_wrong(safeguard: str) -> None:
    _, found, way = keyfill(**{safeguard: False})
    assert found and way


@longer
def test_longer_sessions() -> None:
    states, wrong, way = sessions(5_000_000, attempts=4, answers=5)
    assert (wrong, way) == ("", ())
    print(f"{states:,} states of sessions")


@longer
def test_longer_keyfills() -> None:
    states, wrong, way = keyfill(5_000_000, sessions=6, steps=3)
    assert (wrong, way) == ("", ())
    print(f"{states:,} states of keyfill")
