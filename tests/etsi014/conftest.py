"""Gateways and SAEs. The fixtures `key_delivery`, `alice` and `bob` say what delivers keys, and who shares some."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from qkd014_delivery import InMemoryDelivery
from qkd014_gateway import Gateway, MakeGateway, Sae
from qkd014_sites import TwoSites, two_sites
from support.databases import Databases
from support.server import RunningServer


@pytest.fixture(scope="session")
def made(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The directory of a server with clients; it is served by the gateways of this process."""
    server = RunningServer(databases, tmp_path_factory.mktemp("gateway"))
    for name in ("alice", "bob", "carol", "stranger"):
        server.add_client(name)
    yield server
    server.discard()


@pytest.fixture(scope="module")
def key_delivery() -> InMemoryDelivery:
    """Alice shares keys with bob, and so does carol; nobody does with the stranger."""
    return InMemoryDelivery(("alice", "bob"), ("bob", "carol"))


@pytest.fixture(scope="module")
def gateway(made: RunningServer, key_delivery: InMemoryDelivery) -> Iterator[Gateway]:
    """It looks at its database all the time, so it must be gone when tests run that have none."""
    running = Gateway(made, key_delivery)
    yield running
    running.stop()


@pytest.fixture
def make_gateway(made: RunningServer) -> Iterator[MakeGateway]:
    """A gateway for one test: make_gateway(delivery, idle_seconds=1)."""
    running: list[Gateway] = []

    def make(delivery: InMemoryDelivery, **deadlines: float) -> Gateway:
        running.append(Gateway(made, delivery, **deadlines))
        return running[-1]

    yield make
    for one in running:
        one.stop()


@pytest.fixture
def sae(made: RunningServer) -> Callable[[Gateway, str], Sae]:
    """An SAE at a gateway."""
    return lambda gateway, name: Sae(name, gateway.port, made.data / "clients" / name)


@pytest.fixture
def alice(gateway: Gateway, sae: Callable[[Gateway, str], Sae]) -> Sae:
    return sae(gateway, "alice")


@pytest.fixture
def bob(gateway: Gateway, sae: Callable[[Gateway, str], Sae]) -> Sae:
    return sae(gateway, "bob")


@pytest.fixture
def carol(gateway: Gateway, sae: Callable[[Gateway, str], Sae]) -> Sae:
    return sae(gateway, "carol")


@pytest.fixture
def stranger(gateway: Gateway, sae: Callable[[Gateway, str], Sae]) -> Sae:
    return sae(gateway, "stranger")


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoSites]:
    """Two sites with gateways and nodes; who stops something starts it again."""
    with two_sites(tmp_path_factory.mktemp("two-sites")) as running:
        yield running


@pytest.fixture
def master(sites: TwoSites) -> Sae:
    return sites.sae("firewall-a")


@pytest.fixture
def slave(sites: TwoSites) -> Sae:
    return sites.sae("firewall-b")
