"""The network that is measured: three nodes, two sites with a gateway each, and what their processes have used."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from support import requests
from support.numbers import Tag
from support.requests import Attribute
from support.wire import Connection, Credentials, text

from bench import machine
from bench.workloads import VERSION
from demo.network import Node, nodes
from demo.sites import Site, make_sites, nodes_policy, site_policy

POOL = 1024
POOLED, SINGLE = "at-rest", "tunnel"
"""The purposes by which a client asks for a key from the pool, and for one with a negotiation of its own."""
_RULES = f"""
[[sharing]]
name = "keys from the pool"
subjects = ["anyone"]
peer = "site-b"
purpose = "{POOLED}"
pool = {POOL}
"""
_SETTLES_WITHIN_S = 60
_QUIET_SHARE = 0.15


class Network:
    """A network that runs. Clients are those of site-a."""

    def __init__(self, sites: dict[str, Site]) -> None:
        self._sites = sites
        site = sites["site-a"]
        self.address = ("127.0.0.1", site.kmip_port)
        self._credentials = Credentials.of(site.folder / "clients" / "demo")

    def context(self) -> ssl.SSLContext:
        context = self._credentials.context()
        context.check_hostname = False
        return context

    @contextmanager
    def session(self) -> Iterator[requests.Session]:
        with Connection(self.address, self.context(), timeout=60, check_name=False) as connection:
            yield requests.Session(connection, VERSION)

    def used(self) -> dict[str, float]:
        """Processor seconds so far of the nodes, of each site's server with its gateway, and of the clients."""
        sites = {name: machine.tree(site.process.pid) for name, site in self._sites.items() if site.process}
        of_sites = {pid for pids in sites.values() for pid in pids}
        me = os.getpid()
        others = [pid for pid in machine.tree(me) if pid != me and pid not in of_sites]
        parts = {"nodes": others, **sites, "clients": [me]}
        return {name: machine.processor_seconds(pids) for name, pids in parts.items()}

    def settle(self) -> None:
        """Wait until what was begun is done: the last answers, and keys that are negotiated beforehand."""
        deadline = time.monotonic() + _SETTLES_WITHIN_S
        while time.monotonic() < deadline:
            before = sum(self.used().values())
            time.sleep(0.2)
            if sum(self.used().values()) - before <= 0.2 * _QUIET_SHARE:
                return


def asked_of_peer(purpose: str) -> tuple[Attribute, Attribute]:
    """What a client adds to a Create for a key that is shared with site-b."""
    said = {"Peer": "site-b", "Purpose": purpose}
    peer, use = [Attribute(f"x-DSCC-{name}", text(Tag.ATTRIBUTE_VALUE, value)) for name, value in said.items()]
    return peer, use


@contextmanager
def network(folder: Path) -> Iterator[Network]:
    """Three nodes and two sites, all running."""
    with ExitStack() as stack:
        made: dict[str, Node] = nodes(folder, nodes_policy(("site-a", "site-b")), ("eu", "eu", "eu"))
        for node in made.values():
            stack.callback(node.kill)
            node.start()
        sites = make_sites(folder, ("site-a", "site-b"), made)
        sites["site-a"].put_policy(_RULES + site_policy(("site-b",), "demo"))
        for site in sites.values():
            stack.callback(_killed, site)
            site.start()
        yield Network(sites)


def _killed(site: Site) -> None:
    with suppress(ProcessLookupError):
        site.kill()
