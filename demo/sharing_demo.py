"""`make demo`: three sites share keys with the help of three nodes, step by step, by the hand of PyKMIP.

Nodes and sites are processes of their own, on free ports; their clients are PyKMIP's own, which knows nothing of DSCC.
Each step says what it shows, and ends the demonstration with exit code 1 if that does not hold.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import structlog
from kmip.core.enums import State
from kmip.pie.exceptions import KmipOperationFailure
from rich.console import Console

from demo.memory import memory_of
from demo.network import Node, nodes
from demo.processes import end_on_signals, start_all
from demo.pykmip import Client, dscc, in_group, named
from demo.sites import Site, make_sites, nodes_policy, others_of, site_policy
from demo.telling import all_holds, holds, say, shown, step

SITES = ("site-a", "site-b", "site-c")
GROUPS = '{ backup = ["site-a", "site-b", "site-c"] }'
RULES = """
[[sharing]]
name = "keys of the whole group"
subjects = ["anyone"]
group = "backup"
"""
RULES_OF_A = """
[[sharing]]
name = "disks, whose clients cannot say with whom a key is shared"
subjects = ["anyone"]
resource = { names = ["disk-*"] }
peer = "site-b"
use = "required"

[[sharing]]
name = "tunnels have a new key every few seconds"
subjects = ["anyone"]
resource = { names = ["tunnel-*"] }
peer = "site-b"
use = "required"
rotate = "4s"
overlap = "2s"
"""
OFFSET = 2


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait until something is so; what it answered."""
    end = time.monotonic() + seconds
    while not (answer := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return answer


class Story:
    """The nodes and the sites, their clients, and what happens to them."""

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        self.folder, self._closing = folder, closing
        self.nodes: dict[str, Node] = {}
        self.sites: dict[str, Site] = {}
        self.clients: dict[str, Client] = {}
        self.seen: set[bytes] = set()
        """All keys that clients have had."""

    def tell(self) -> None:
        self.start()
        key = self.share()
        self.choose()
        self.replace(key)
        self.rotate()
        self.group()
        self.revoke(key)
        self.lose_a_node()
        self.lose_a_site()
        self.search()

    @property
    def a(self) -> Client:
        return self.clients["site-a"]

    @property
    def b(self) -> Client:
        return self.clients["site-b"]

    def key(self, client: Client, unique_identifier: str) -> bytes:
        """Get."""
        found = client.key(unique_identifier)
        self.seen.add(found)
        return found

    def both_have(self, unique_identifier: str) -> bool:
        """Whether the two sites have one key under a Unique Identifier."""
        return self.key(self.a, unique_identifier) == self.key(self.b, unique_identifier)

    def connect(self, name: str) -> None:
        self.clients[name] = self._closing.enter_context(Client(self.sites[name]))

    def start(self) -> None:
        step("1. Three nodes, and three sites: a KMIP server each, whose gateway is enrolled at every node")
        self.nodes = nodes(self.folder, nodes_policy(SITES), ("eu-north", "eu-north", "eu-south"))
        for one in self.nodes.values():
            self._closing.callback(one.kill)
        start_all(self.nodes.values())
        for node in self.nodes.values():
            say(f"{node.name} listens on 127.0.0.1:{node.port}")
        with Console(file=sys.stderr).status("certificates, enrolment, keys from stage to stage ..."):
            self.sites = make_sites(self.folder, SITES, self.nodes)
        for site in self.sites.values():
            others = others_of(site, self.sites)
            site.set(others, GROUPS)
            own = RULES_OF_A if site.name == "site-a" else ""
            # Of the rules that fit the first one holds.
            site.put_policy(own + site_policy(tuple(others), "demo", RULES))
            self._closing.callback(site.kill)
        start_all(self.sites.values())
        for site in self.sites.values():
            self.connect(site.name)
            say(f"{site.name} serves KMIP on 127.0.0.1:{site.kmip_port}, and other gateways on {site.address}")

    def share(self) -> str:
        step("2. A client of site-a asks for a key that is shared with site-b: Create with x-DSCC-Peer")
        key = self.a.create_with(dscc("Peer", "site-b"), named("vault"), in_group("from-a"))
        mine = self.key(self.a, key)
        say(f"site-a has {key}: {shown(mine)}")
        say(f"it rests on {self.a.has(key, 'x-DSCC-Trust')}: {self.a.has(key, 'x-DSCC-PathsUsed')}")
        holds("a client of site-b finds it by its Name", self.b.locate(named("vault")) == [key])
        holds("and among the fresh ones of its group", self.b.locate(in_group("from-a"), fresh=True) == [key])
        holds("and by x-DSCC-KeyId", self.b.locate(dscc("KeyId", self.a.has(key, "x-DSCC-KeyId"))) == [key])
        holds("it is the same key, under the same Unique Identifier", self.key(self.b, key) == mine)
        holds("at site-c there is no such key", self.clients["site-c"].locate(named("vault")) == [])
        self.a.activate(key)
        holds("site-a activates it: it is Active at site-b", until(lambda: self.is_at(self.b, key, State.ACTIVE)))
        sealed = self.a.encrypt(key, b"for site-b")
        holds("what site-a encrypts, site-b decrypts", self.b.decrypt(key, sealed) == b"for site-b")
        return key

    def is_at(self, client: Client, unique_identifier: str, state: State) -> bool:
        return client.has(unique_identifier, "State") is state

    def choose(self) -> None:
        step("3. A client that cannot set such attributes: the policy chooses the peer by the key's Name")
        key = self.a.create("disk-7")
        say(f"Create with the Name disk-7, and nothing else: {key}")
        holds("site-b has it", self.b.locate(named("disk-7")) == [key] and self.both_have(key))
        local = self.a.create("scratch")
        holds("a key with another Name is site-a's alone", self.b.locate(named("scratch")) == [])
        self.key(self.a, local)

    def replace(self, old: str) -> None:
        step("4. Re-key at site-a: both sites change over at one date")
        sealed = self.a.encrypt(old, b"of yesterday")
        new = self.a.rekey(old, OFFSET)
        holds(f"{new} takes the place of the old one at both", self.both_have(new))
        dates = [client.has(new, "Activation Date") for client in (self.a, self.b)]
        holds(f"with one Activation Date, {OFFSET} seconds ahead", dates[0] == dates[1])
        holds("and the Name", until(lambda: self._by_name("vault") == [[new], [new]]))
        ends = [self._end_of(client, old) for client in (self.a, self.b)]
        holds("from that date on the old one protects nothing, and 5 minutes later it ends", ends[0] == ends[1])
        holds("at the date both have the new one Active", until(lambda: self._both_active(new)))
        holds("what the old one has encrypted, site-b still decrypts", self.b.decrypt(old, sealed) == b"of yesterday")
        holds("and encrypts nothing with it any more", self.refused(lambda: self.b.encrypt(old, b"late")))

    def _by_name(self, name: str) -> list[list[str]]:
        """What a Name leads to at site-a, and at site-b."""
        return [client.locate(named(name)) for client in (self.a, self.b)]

    @staticmethod
    def _end_of(client: Client, key: str) -> tuple[int, int]:
        """From when on a key protects nothing, and when it ends, as soon as a site knows."""
        until(lambda: client.has(key, "Deactivation Date"))
        return client.has(key, "Protect Stop Date"), client.has(key, "Deactivation Date")

    def _both_active(self, key: str) -> bool:
        return all(self.is_at(client, key, State.ACTIVE) for client in (self.a, self.b))

    @staticmethod
    def refused(act: Callable[[], Any]) -> str:
        """Why something is refused; "" if it is not."""
        try:
            act()
        except KmipOperationFailure as error:
            return str(error.message)
        return ""

    def rotate(self) -> None:
        step("5. A rule renews a key every four seconds, and nobody asks for it")
        key = self.a.create("tunnel-1")
        self.a.activate(key)
        for _ in range(2):
            key = self._next("tunnel-1", key)
            holds(f"site-b locates {key} by the same Name, which both have", key and self.both_have(key))

    def _next(self, name: str, before: str) -> str:
        """The key that a Name leads to at site-b, as soon as it is another one; "" if it does not become another."""
        found: list[str] = until(lambda: [one for one in self.b.locate(named(name)) if one != before])
        return found[0] if found else ""

    def group(self) -> None:
        step("6. A key for a group of three sites: Create with x-DSCC-Group")
        key = until(self._group_key)
        holds("there is one as soon as the group is formed", key)
        keys = {self.key(client, key) for client in self.clients.values()}
        say(f"{key}: {shown(min(keys))}, {self.a.has(key, 'x-DSCC-Trust')}, epoch {self.a.has(key, 'x-DSCC-Epoch')}")
        holds("all three have it", len(keys) == 1)

    def _group_key(self) -> str | None:
        try:
            return self.a.create_with(dscc("Group", "backup"))
        except KmipOperationFailure:
            return None

    def revoke(self, old: str) -> None:
        step("7. Revoke at site-b: the key is stopped at both sites, and at the nodes")
        (key,) = self.b.locate(named("vault"))
        self.b.revoke(key)
        say(f"site-b is answered; x-DSCC-Revocation: {self.b.has(key, 'x-DSCC-Revocation')}")
        holds("a quorum of the nodes knew before that", self.b.has(key, "x-DSCC-Revocation").startswith("known to "))
        holds("at site-a it is Compromised", until(lambda: self.is_at(self.a, key, State.COMPROMISED)))
        say(f"site-a encrypts with it: {self.refused(lambda: self.a.encrypt(key, b'no more'))}")
        holds("site-a is refused", self.refused(lambda: self.a.encrypt(key, b"no more")))
        holds("the one before it is another key, and as it was", self.is_at(self.a, old, State.ACTIVE))

    def lose_a_node(self) -> None:
        step("8. A node is killed: two of three are enough")
        self.nodes["n2"].kill()
        say("n2 is gone")
        key = self.a.create_with(dscc("Peer", "site-b"))
        holds(f"the two agree all the same, over {self.a.has(key, 'x-DSCC-PathsUsed')}", self.both_have(key))
        self.nodes["n2"].start()
        say("n2 is back")

    def lose_a_site(self) -> None:
        step("9. site-b is stopped: whoever can wait for it, waits")
        self.sites["site-b"].stop()
        wanted = dscc("Peer", "site-b"), named("patient")
        reason = self.refused(lambda: self.a.create_with(*wanted))
        say(f"Create at site-a: {reason}")
        holds("it is refused, and says why", "no key was negotiated" in reason)
        holds("nothing of it is left at site-a", self.a.locate(named("patient")) == [])
        waiting = self.a.create_later(*wanted)
        holds("with an Asynchronous Indicator it is pending", self.a.poll(waiting) is None)
        self.sites["site-b"].start()
        self.connect("site-b")
        say("site-b is back")
        key = until(lambda: self.a.poll(waiting))
        holds("Poll answers with the key, which both have", key and self.both_have(key))

    def search(self) -> None:
        step("10. No node knows a key: their stores, logs and memory are searched for all that the clients had")
        files = [file for node in self.nodes.values() for file in node.folder.rglob("*") if file.is_file()]
        stored = b"".join(file.read_bytes() for file in files)
        say(f"{len(self.seen)} keys, {len(files)} files, {len(stored):,} bytes")
        holds("none of them is in a file", not self._found(stored))
        for node in self.nodes.values():
            memory = memory_of(node)
            if memory is None:
                say(f"{node.name}: this system does not let us read its memory")
            else:
                holds(f"nor in the memory of {node.name}, {len(memory):,} bytes", not self._found(memory))
        memory = memory_of(self.sites["site-a"])
        if memory is not None:
            holds("in that of site-a, searched in the same way, they are: it gave them out", self._found(memory))

    def _found(self, data: bytes) -> bool:
        return any(form in data for key in self.seen for form in (key, key.hex().encode(), b64encode(key)))


def main() -> None:
    # What engine and client log is not the story.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    logging.disable()
    end_on_signals()
    with tempfile.TemporaryDirectory(prefix="kmip-demo-") as folder, ExitStack() as closing:
        Story(Path(folder), closing).tell()
    all_holds()


if __name__ == "__main__":
    main()
