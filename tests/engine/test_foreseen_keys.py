"""What a repeated request needs negotiated is remembered: for the same client and bytes, by the same directory."""

from __future__ import annotations

from dataclasses import replace

from kmip_server.engine import Plan
from kmip_server.identity.directory import Directory
from kmip_server.operations.negotiation import NegotiationNeeded, Wanted
from kmip_server.operations.registry import SMALL_REQUEST
from kmip_server.repeated import ForeseenKeys
from policy.compiling import Ruling
from policy.model import Policy

NEEDED = NegotiationNeeded(Wanted("site-b", "", "tunnel", "", "", "", 256, 64, 0))
DIRECTORY = Directory(1, Ruling(Policy()))


def plan(*, repeats: bool = True) -> Plan:
    return Plan(request=None, stateless=False, writes=True, slow=False, repeats=repeats)  # type: ignore[arg-type]


def test_it_is_remembered_for_that_client_and_those_bytes() -> None:
    foreseen = ForeseenKeys()
    foreseen.keep(DIRECTORY, "alice", b"create", plan(), NEEDED)
    assert foreseen.needed(DIRECTORY, "alice", b"create") is NEEDED
    assert foreseen.needed(DIRECTORY, "bob", b"create") is None
    assert foreseen.needed(DIRECTORY, "alice", b"other") is None
    foreseen.forget("alice", b"create")
    assert foreseen.needed(DIRECTORY, "alice", b"create") is None


def test_who_may_do_what_may_have_changed_with_another_directory() -> None:
    foreseen = ForeseenKeys()
    foreseen.keep(DIRECTORY, "alice", b"create", plan(), NEEDED)
    assert foreseen.needed(replace(DIRECTORY, epoch=2), "alice", b"create") is None


def test_what_may_be_secret_or_is_large_is_not_kept() -> None:
    foreseen = ForeseenKeys()
    foreseen.keep(DIRECTORY, "alice", b"create", plan(repeats=False), NEEDED)
    foreseen.keep(DIRECTORY, "alice", bytes(SMALL_REQUEST + 1), plan(), NEEDED)
    assert foreseen.needed(DIRECTORY, "alice", b"create") is None
    assert foreseen.needed(DIRECTORY, "alice", bytes(SMALL_REQUEST + 1)) is None
