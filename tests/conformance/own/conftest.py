"""A session in KMIP 1.4 and one in 2.1 for the project's own conformance cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from support.requests import Session
from support.server import Client
from support.wire import Version


@pytest.fixture(scope="session")
def own_client(make_client: Callable[..., Client]) -> Client:
    """The client of the project's own cases."""
    return make_client("own-cases")


@pytest.fixture(params=[(1, 4), (2, 1)], ids=["1.4", "2.1"])
def both(request: pytest.FixtureRequest, own_client: Client) -> Iterator[Session]:
    """A session in the last version of either generation."""
    version: Version = request.param
    with own_client.session(version) as session:
        yield session


@pytest.fixture
def newest(own_client: Client) -> Iterator[Session]:
    """A session in KMIP 2.1."""
    with own_client.session((2, 1)) as session:
        yield session
