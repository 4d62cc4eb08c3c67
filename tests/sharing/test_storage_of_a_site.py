"""The other site's storage takes nothing, since it is full, or locked: a key is there at both sites, or at none."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager

import pytest
from meddling import Meddled, check, children_of, known
from sharing_network import create_with, created_with, dscc, until
from support.numbers import Operation, Reason, Tag
from support.requests import Request, create_aes, name
from support.wire import OPERATION_PENDING, enumeration, octets

from demo.sites import Site

OPTIONAL = 2


@contextmanager
def locked(site: Site) -> Iterator[None]:
    """Another program has begun to write, and does not come to an end."""
    with closing(
        sqlite3.connect(site.folder / "kmip.db", timeout=10, isolation_level=None, check_same_thread=False)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def full(site: Site) -> Iterator[None]:
    """Writes that make a file longer fail (EFBIG), as they do at a quota."""
    longest = max(path.stat().st_size for path in site.folder.glob("kmip.db*"))
    gateway = children_of(site)["gateway"]
    before = resource.prlimit(gateway, resource.RLIMIT_FSIZE)
    resource.prlimit(gateway, resource.RLIMIT_FSIZE, (min(4096, longest), before[1]))
    yield
    resource.prlimit(gateway, resource.RLIMIT_FSIZE, before)


WAYS: dict[str, Callable[[Site], AbstractContextManager[None]]] = {"locked": locked, "full": full}


@pytest.mark.parametrize("way", WAYS)
def test_a_key_that_the_other_site_cannot_store_is_not_there(meddled_sites: Meddled, way: str) -> None:
    made = meddled_sites
    made.heal()
    with made.network.session("site-a") as here:
        until(lambda: create_with(here, "site-b").ok)
        made.settle()
        before = known(made.network)
        with WAYS[way](made.network["site-b"]):
            answer = create_with(here, "site-b", name(f"while {way}"))
            assert answer.reason == Reason.GENERAL_FAILURE
            assert "site-b" in (answer.message or "") or "in time" in (answer.message or "")
            pending = here.do(
                create_aes(here.version, dscc("Peer", "site-b")),
                fields=(enumeration(Tag.ASYNCHRONOUS_INDICATOR, OPTIONAL),),
            )
            assert pending.status == OPERATION_PENDING
        # What waited is there now, and its client finds it.
        correlation = octets(Tag.ASYNCHRONOUS_CORRELATION_VALUE, pending.correlation or b"")
        until(lambda: here.do(Request(Operation.POLL, correlation)).ok)
        found, _ = check(made, before)
        assert [key.names for key in found.values()] == [()]
        created_with(here, "site-b", name(f"while {way}"))


def test_a_site_that_cannot_store_what_others_answered_goes_on_later(meddled_sites: Meddled) -> None:
    made = meddled_sites
    made.heal()
    before = known(made.network)
    lock = locked(made.network["site-a"])

    def hold(moment: object) -> None:
        lock.__enter__()
        moment.hand_on()  # type: ignore[attr-defined]

    with made.network.session("site-a") as here:
        until(lambda: create_with(here, "site-b").ok)
        made.settle()
        before = known(made.network)
        made.before["site-b"].at("Noticed", hold)
        answer = create_with(here, "site-b")
        lock.__exit__(None, None, None)
        found, _ = check(made, before)
        assert list(found) == ([answer.unique_identifier] if answer.ok else [])
