"""A server with two tenants, whose policy lets some of their clients do a little with what others own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.databases import Databases
from support.defences import VERSION
from support.requests import Session
from support.server import Client, RunningServer

POLICY = """
[tenants]
north = "whose keys they are"
south = "who has nothing to do with them"

[clients]
owner = { tenant = "north" }
colleague = { tenant = "north" }
encrypter = { tenant = "north" }
editor = { tenant = "north" }
stranger = { tenant = "south" }

[[rules]]
name = "the encrypter encrypts with the owner's keys"
effect = "allow"
subjects = ["client:encrypter"]
actions = ["ENCRYPT"]
resource = { owners = ["owner"] }

[[rules]]
name = "the editor changes the owner's keys"
effect = "allow"
subjects = ["client:editor"]
actions = ["GET_ATTRIBUTES", "MODIFY_ATTRIBUTE", "ADD_ATTRIBUTE", "SET_ATTRIBUTE", "ADJUST_ATTRIBUTE"]
resource = { owners = ["owner"] }
"""


@pytest.fixture(scope="session")
def tenants(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Client]]:
    """The clients of a server with this policy, by their names: make objects of your own."""
    folder = tmp_path_factory.mktemp("tenants")
    running = RunningServer(databases, folder)
    (folder / "policy.toml").write_text(POLICY)
    running.command("policy", "import", str(running.data), str(folder / "policy.toml"))
    running.start()
    yield {name: running.add_client(name) for name in ("owner", "colleague", "encrypter", "editor", "stranger")}
    running.stop()


def _session(client: Client) -> Iterator[Session]:
    with client.session(VERSION) as opened:
        yield opened


@pytest.fixture
def owner(tenants: dict[str, Client]) -> Iterator[Session]:
    """The client whose objects the others are after."""
    yield from _session(tenants["owner"])


@pytest.fixture
def encrypter(tenants: dict[str, Client]) -> Iterator[Session]:
    """A client of the owner's tenant that may encrypt with the owner's keys, and do nothing else with them."""
    yield from _session(tenants["encrypter"])


@pytest.fixture
def editor(tenants: dict[str, Client]) -> Iterator[Session]:
    """A client of the owner's tenant that may see and change the attributes of the owner's objects."""
    yield from _session(tenants["editor"])


@pytest.fixture
def stranger(tenants: dict[str, Client]) -> Iterator[Session]:
    """A client of another tenant."""
    yield from _session(tenants["stranger"])


@pytest.fixture(params=["colleague", "stranger"])
def other(request: pytest.FixtureRequest, tenants: dict[str, Client]) -> Iterator[Session]:
    """A client of the owner's tenant, and one of another, to whom the owner's objects are nothing."""
    yield from _session(tenants[request.param])


@pytest.fixture
def mine(client: Client) -> Iterator[Session]:
    """A session of the shared client of the shared server."""
    yield from _session(client)
