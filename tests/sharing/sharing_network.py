"""Nodes and sites as processes, and what tests ask of them as KMIP clients do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.numbers import Tag
from support.requests import Attribute, Session, create_aes, get_attributes
from support.wire import Connection, Credentials, Node, Result, Version, structure, text

from demo.network import Node as DsccNode
from demo.network import nodes
from demo.sites import Site, does, make_sites, nodes_policy

PutPolicy = Callable[..., None]
"""What the fixture `put_policy` is: `put_policy("site-a", rules)`."""
WITHIN_S = 20
V21: Version = (2, 1)


@dataclass
class Sites:
    """A network that runs."""

    folder: Path
    nodes: dict[str, DsccNode]
    sites: dict[str, Site]

    def __getitem__(self, name: str) -> Site:
        return self.sites[name]

    @contextmanager
    def session(self, name: str, client: str = "demo", version: Version = V21) -> Iterator[Session]:
        """A client's connection to a site."""
        site = self.sites[name]
        credentials = Credentials.of(site.folder / "clients" / client)
        with Connection(("127.0.0.1", site.kmip_port), credentials.context(), timeout=60) as connection:
            yield Session(connection, version)


def _nothing(_: Sites) -> None:
    pass


@contextmanager
def network(
    folder: Path,
    *names: str,
    groups: Mapping[str, tuple[str, ...]] | None = None,
    environment: dict[str, str] | None = None,
    prepare: Callable[[Sites], None] = _nothing,
    lease_seconds: int = 30,
) -> Iterator[Sites]:
    """Three nodes and these sites, site-a and site-b unless others are named, all running.

    `environment` has settings of all sites (docs/configuration.md), `lease_seconds` is how long their leases are.
    `prepare` changes the sites before they run.
    """
    names = names or ("site-a", "site-b")
    made = nodes(folder, nodes_policy(names), ("eu", "eu", "eu"))
    sites: dict[str, Site] = {}
    try:
        for node in made.values():
            node.start()
        sites = make_sites(folder, names, made, groups)
        prepare(Sites(folder, made, sites))
        for site in sites.values():
            settings = site.folder / "gateway" / "device.toml"
            settings.write_text(
                settings.read_text().replace("# lease_seconds = 30", f"lease_seconds = {lease_seconds}")
            )
        with ThreadPoolExecutor(len(names)) as together:
            for started in [together.submit(site.start, environment) for site in sites.values()]:
                started.result()
        yield Sites(folder, made, sites)
    finally:
        for site in sites.values():
            with suppress(ProcessLookupError):
                site.kill()
        for node in made.values():
            node.kill()


def standing_of(site: Site) -> dict[str, Any]:
    """How its gateway stands: `kmip-server gateway status --json`."""
    found: dict[str, Any] = json.loads(does("gateway", "status", site.folder, "--json"))
    return found


def roster_of(site: Site, group: str) -> list[str]:
    """Who is in a group, as a member's gateway knows it; empty while it knows of no such group."""
    found = standing_of(site)["groups"].get(group)
    return [] if found is None else list(found["roster"])


def until(condition: Callable[[], Any], seconds: float = WITHIN_S) -> Any:
    """What a condition answers as soon as it is true; fails if it is not within so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    found = condition()
    assert found, "it has not happened in time"
    return found


def dscc(name: str, value: str, version: Version = V21) -> Attribute:
    """A DSCC attribute: text in 1.x, a vendor attribute in 2.x."""
    if version < (2, 0):
        return Attribute(f"x-DSCC-{name}", text(Tag.ATTRIBUTE_VALUE, value))
    parts = (text(Tag.VENDOR_IDENTIFICATION, "DSCC"), text(Tag.ATTRIBUTE_NAME, name), text(Tag.ATTRIBUTE_VALUE, value))
    return Attribute(f"x-DSCC-{name}", structure(Tag.ATTRIBUTE, *parts))


def create_with(session: Session, peer: str, *more: Attribute) -> Result:
    """Ask for a key that is shared with another site."""
    return session.do(create_aes(session.version, dscc("Peer", peer, session.version), *more))


def created_with(session: Session, peer: str, *more: Attribute) -> str:
    """The Unique Identifier of a new key that is shared with another site."""
    return create_with(session, peer, *more).unique_identifier


def grouped(session: Session, group: str, *more: Attribute) -> str:
    """The Unique Identifier of a new key that a group shares."""
    return session.do(create_aes(session.version, dscc("Group", group, session.version), *more)).unique_identifier


def state_of(session: Session, unique_identifier: str) -> int | None:
    """Its State; None if there is no such object."""
    answer = session.do(get_attributes(session.version, unique_identifier, ("State", int(Tag.STATE))))
    return int(answer.get(Tag.ATTRIBUTES, Tag.STATE)) if answer.ok else None


_DATES = {
    "Activation Date": Tag.ACTIVATION_DATE,
    "Protect Stop Date": Tag.PROTECT_STOP_DATE,
    "Deactivation Date": Tag.DEACTIVATION_DATE,
}


def dates_of(session: Session, unique_identifier: str) -> dict[str, int]:
    """Its dates that say when it is used, those that it has, in POSIX seconds."""
    found = _all_of(session, unique_identifier)
    return {name: int(found.get(tag)) for name, tag in _DATES.items() if found.find(tag) is not None}


def links_of(session: Session, unique_identifier: str) -> dict[int, str]:
    """What it is linked to, by the type of the link."""
    links = _all_of(session, unique_identifier).all(Tag.LINK)
    return {int(link.get(Tag.LINK_TYPE)): str(link.get(Tag.LINKED_OBJECT_IDENTIFIER)) for link in links}


def _all_of(session: Session, unique_identifier: str) -> Node:
    answer = session.do(get_attributes(session.version, unique_identifier)).expect_success()
    found = answer.payload and answer.payload.find(Tag.ATTRIBUTES)
    assert found
    return found


def is_there(session: Session, unique_identifier: str) -> bool:
    """Whether there is such an object for this client."""
    return state_of(session, unique_identifier) is not None


def attributes_of(session: Session, unique_identifier: str) -> dict[str, str]:
    """Its DSCC attributes, by name; none if there is no such object."""
    answer = session.do(get_attributes(session.version, unique_identifier))
    found = answer.payload.find(Tag.ATTRIBUTES) if answer.ok and answer.payload is not None else None
    vendor = [] if found is None else found.all(Tag.ATTRIBUTE)
    return {
        node.get(Tag.ATTRIBUTE_NAME): node.get(Tag.ATTRIBUTE_VALUE)
        for node in vendor
        if node.get(Tag.VENDOR_IDENTIFICATION) == "DSCC"
    }
