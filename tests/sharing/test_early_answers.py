"""What the gateway hears of a key before the worker asks about it is answered at once: the two race after a commit."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from sharing_network import Sites, attributes_of, dscc, until
from support.numbers import Tag
from support.requests import create_aes, name, revoke
from support.wire import enumeration

from kmip_server.gateway.desk import SOCKET

SOON_S = 5
"""Half of the time after which the gateway gives up waiting."""


def asked_of_the_desk(folder: Path, unique_identifier: str, *, revoked: bool) -> dict[str, Any]:
    """What the gateway answers to a worker that waits for the peers, or for the nodes."""
    with socket.socket(socket.AF_UNIX) as desk:
        desk.settimeout(SOON_S)
        desk.connect(str(folder / SOCKET))
        asked = {"number": 1, "do": "settle", "unsettled": [[unique_identifier, revoked, not revoked]]}
        desk.sendall(json.dumps(asked).encode() + b"\n")
        with desk.makefile() as lines:
            answer: dict[str, Any] = json.loads(lines.readline())["settled"]
    return answer


def test_an_answer_that_came_before_it_was_waited_for_is_not_lost(sites: Sites) -> None:
    with sites.session("site-a") as here:
        # Nobody waits for the peers of a key that is made asynchronously.
        mandatory = enumeration(Tag.ASYNCHRONOUS_INDICATOR, 1)
        here.do(create_aes(here.version, dscc("Peer", "site-b"), name("early")), fields=(mandatory,))
        (key,) = until(lambda: here.located(name("early")))
        until(lambda: "ConfirmedAt" in attributes_of(here, key))
        folder = sites["site-a"].folder
        assert asked_of_the_desk(folder, key, revoked=False) == {key: [None, 0, 0]}


def test_that_the_peers_have_a_key_says_nothing_of_its_revocation(sites: Sites) -> None:
    with sites.session("site-a") as here:
        mandatory = enumeration(Tag.ASYNCHRONOUS_INDICATOR, 1)
        here.do(create_aes(here.version, dscc("Peer", "site-b"), name("early too")), fields=(mandatory,))
        (key,) = until(lambda: here.located(name("early too")))
        until(lambda: "ConfirmedAt" in attributes_of(here, key))
        here.do(revoke(key, code=2)).expect_success()
        assert attributes_of(here, key)["Revocation"].startswith(("known to 2 of 3 nodes", "known to 3 of 3 nodes"))
