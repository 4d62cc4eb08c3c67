"""Keys by ETSI GS QKD 014 when something fails: nothing is delivered twice, nothing is lost that was not delivered."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time

import pytest
from qkd014_gateway import Answer, Sae, refused
from qkd014_sites import TwoSites
from sharing_network import until
from support.requests import PRE_ACTIVE, object_group, state

from kmip_server.config import Settings
from kmip_server.storage.database import Database
from kmip_server.storage.lease import put_lease

pytestmark = pytest.mark.sqlite_file("gateways and nodes of DSCC have files of their own")


def drawn(master: Sae, slave: Sae) -> str:
    (key,) = master.ours().get_key(slave.name, 32)
    return key.key_id


def fetched(slave: Sae, master: Sae, key_id: str) -> Answer:
    return slave.ask("GET", f"{master.name}/dec_keys?key_ID={key_id}")


def unavailable(answer: Answer) -> str:
    status, document = answer
    assert status == 503, answer
    return str(document["message"])


def waiting(sites: TwoSites, slave: Sae) -> set[str]:
    """The keys that wait for a slave at its site."""
    with sites.network.session("site-b", slave.name) as there:
        return set(there.located(object_group(f"etsi014:{slave.name}"), state(PRE_ACTIVE)))


@contextmanager
def without_lease(sites: TwoSites, name: str) -> Iterator[None]:
    """A site that has not heard from enough nodes, as its gateway process is stopped, and its lease has ended."""
    site = sites.network[name]
    assert site.process is not None
    children = Path(f"/proc/{site.process.pid}/task/{site.process.pid}/children").read_text().split()
    (gateway,) = [int(child) for child in children if listens(int(child), site.gateway_port)]
    database = Database(Settings.load(site.folder).storage.url)
    os.kill(gateway, signal.SIGSTOP)
    try:
        put_lease(database, 0)
        yield
        put_lease(database, int(time()) + 20)
    finally:
        os.kill(gateway, signal.SIGCONT)
        database.close()


def listens(process: int, port: int) -> bool:
    """Whether a process listens at this port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port}
    return any(str(one.readlink()) in sockets for one in Path(f"/proc/{process}/fd").iterdir())


def test_without_a_lease_a_site_delivers_nothing_and_loses_nothing(sites: TwoSites, master: Sae, slave: Sae) -> None:
    key_id = drawn(master, slave)
    with without_lease(sites, "site-b"):
        assert "has not heard from enough nodes" in unavailable(fetched(slave, master, key_id))
        assert key_id in waiting(sites, slave)
    assert fetched(slave, master, key_id)[0] == 200


def test_new_keys_that_may_not_leave_are_taken_back(sites: TwoSites, master: Sae, slave: Sae) -> None:
    before = waiting(sites, slave)
    database = Database(Settings.load(sites.network["site-a"].folder).storage.url)

    def refusal_without_lease() -> str:
        put_lease(database, 0)
        return refusal_of(master, slave)

    # The gateway may have heard of a new lease in between.
    assert "has not heard from enough nodes" in until(refusal_without_lease)
    put_lease(database, int(time()) + 20)
    database.close()
    until(lambda: waiting(sites, slave) <= before)


def test_keys_that_the_other_site_does_not_take_are_taken_back(sites: TwoSites, master: Sae, slave: Sae) -> None:
    key_id = drawn(master, slave)
    before = waiting(sites, slave)
    site = sites.network["site-b"]
    policy = (site.folder / "policy.toml").read_text()
    site.put_policy(re.sub(r'peers = \[".*"\]', 'peers = ["site-z"]', policy))
    try:
        message = until(lambda: refusal_of(master, slave))
        assert "[[arrivals]]" in message
    finally:
        site.put_policy(policy)
    assert fetched(slave, master, key_id)[0] == 200
    until(lambda: waiting(sites, slave) <= before)


def refusal_of(master: Sae, slave: Sae) -> str:
    """Why there are no keys; "" as long as there are some, since a gateway reads a new policy when it needs it."""
    status, document = master.ask("POST", f"{slave.name}/enc_keys", {"number": 3})
    if status != 200:
        return unavailable((status, document))
    for key in document["keys"]:
        assert fetched(slave, master, key["key_ID"])[0] == 200
    return ""


def test_without_the_other_gateway_there_are_no_keys_and_those_that_wait_there_stay(
    sites: TwoSites, master: Sae, slave: Sae
) -> None:
    key_id = drawn(master, slave)
    before = waiting(sites, slave)
    site = sites.network["site-b"]
    site.kill()
    try:
        assert master.independent().get_key(slave.name, number=2)[0] == 503
        # Without a pool nothing is made at all.
        assert unavailable(sites.sae("other-a").ask("POST", "other-b/enc_keys", {}))
    finally:
        site.start()
    # Its lease comes a moment after it is ready.
    assert until(lambda: fetched(slave, master, key_id)[0] == 200)
    assert refused(fetched(slave, master, key_id))
    # The next words come after those that take keys back.
    assert until(lambda: master.ask("GET", f"{slave.name}/enc_keys")[0] == 200)
    assert len(waiting(sites, slave) - before) == 1
