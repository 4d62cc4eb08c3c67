"""A key that replaces another is told of once more when it is in use: at once, since nobody waits for that."""

from __future__ import annotations

from meddling import rows
from sharing_network import Sites, created_with
from support.keys import re_key

from kmip_server.storage.port import AWAITED

REPLACED = 5


def test_of_a_replacement_that_is_answered_nothing_is_awaited(sites: Sites) -> None:
    with sites.session("site-a") as here:
        key = created_with(here, "site-b")
        for _ in range(REPLACED):
            key = here.do(re_key(here.version, key)).unique_identifier
            # What is awaited is not told before somebody waits for it, or has not for some seconds.
            assert (key, AWAITED) not in rows(sites["site-a"], "SELECT unique_identifier, reason FROM shared_changes")
