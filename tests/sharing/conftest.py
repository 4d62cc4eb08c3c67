"""Networks of sites that share keys: three nodes, and sites with a gateway each, all of them processes of their own.

`sites` is one network for all tests of a process, which leave it as they found it: everything runs, and the policies
are those of `demo.sites`. Who kills something, or changes a policy, makes a network of its own with `make_sites`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from meddling import Meddled, meddled
from sharing_network import PutPolicy, Sites, network

from demo.sites import site_policy

MakeSites = Callable[..., Sites]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gateways and nodes have files of their own; what they do to a KMIP store is tested on both databases below."""
    for item in items:
        asks = {"databases", "postgres"} & set(getattr(item, "fixturenames", ()))
        if Path(__file__).parent in item.path.parents and not asks:
            item.add_marker(pytest.mark.sqlite_file("gateways and nodes of DSCC have files of their own"))


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """Two sites, site-a and site-b, each of which may ask the other for keys."""
    with network(tmp_path_factory.mktemp("sites")) as made:
        yield made


@pytest.fixture
def put_policy(sites: Sites) -> Iterator[PutPolicy]:
    """Have rules before those of `demo.sites` at a site, or in their place, until the test is over."""
    changed: set[str] = set()

    def own(name: str) -> str:
        return site_policy(tuple(other for other in sites.sites if other != name), "demo")

    def put(name: str, rules: str, *, alone: bool = False) -> None:
        changed.add(name)
        sites[name].put_policy(rules if alone else rules + own(name))

    yield put
    for name in changed:
        sites[name].put_policy(own(name))


@pytest.fixture
def make_sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeSites]:
    """Make a network of one's own: `make_sites("site-a", "site-b", "site-c")`."""
    with ExitStack() as stack:

        def make(
            *names: str,
            groups: Mapping[str, tuple[str, ...]] | None = None,
            environment: dict[str, str] | None = None,
        ) -> Sites:
            made = network(tmp_path_factory.mktemp("own"), *names, groups=groups, environment=environment)
            return stack.enter_context(made)

        yield make


@pytest.fixture(scope="session")
def meddled_sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meddled]:
    """site-a and site-b, which reach each other through somebody who meddles; for all tests of failures."""
    with meddled(tmp_path_factory.mktemp("meddled")) as made:
        yield made
