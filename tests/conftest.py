"""Fixtures that every test may ask for. A server is shared by the tests of a process, unless a test needs its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog

pytest.register_assert_rewrite("support")

# After the line above, so that their asserts explain themselves.
from support.choosing import KINDS, Watch, asks_for, choose  # noqa: E402
from support.databases import Databases, PostgresqlDatabases, SqliteDatabases  # noqa: E402
from support.engine import EngineHarness, MakeEngine  # noqa: E402
from support.postgres import PostgresServer  # noqa: E402
from support.requests import Session  # noqa: E402
from support.server import Client, MakeServer, RunningServer  # noqa: E402
from support.wire import Version  # noqa: E402

if TYPE_CHECKING:
    from kmip.pie.client import ProxyKmipClient

MakeClient = Callable[..., Client]
_numbers = count(1)
_watch = Watch()
_left_out: Counter[str] = Counter()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Choose the database: tests/support/choosing.py."""
    parser.addoption("--database", choices=KINDS, default="sqlite", help="what servers and stores keep their data in")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long tests first, so that no process is left with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    items[:], left_out, reasons = choose(items, config.getoption("database"))
    config.hook.pytest_deselected(items=left_out)
    _left_out.update(reasons)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process of several tells the one that reports what it left out; each has collected all tests."""
    if (told := getattr(session.config, "workeroutput", None)) is not None:
        told["left out"] = dict(_left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear it."""
    _left_out.update({} if _left_out else getattr(node, "workeroutput", {}).get("left out", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what did not run, and why."""
    for reason, number in _left_out.most_common():
        terminalreporter.write_line(f"LEFT OUT on {config.getoption('database')} [{number}] tests that {reason}")


@pytest.fixture(autouse=True)
def _only_who_asks_has_a_database(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that forgot to ask for `databases` would be left out on PostgreSQL."""
    _watch.seen.clear()
    yield
    item = request.node
    asked = asks_for(item, "databases") or asks_for(item, "postgres") or item.get_closest_marker("sqlite_file")
    if _watch.seen and not asked:
        pytest.fail(f"this test {_watch.seen[0]}: it has to ask for the fixture 'databases', or be marked sqlite_file")


@pytest.fixture(scope="session", autouse=True)
def _loggers_are_not_for_good() -> Iterator[None]:
    """A command that a test runs in this process would have its modules log to its own standard error for ever."""
    with pytest.MonkeyPatch.context() as patched:
        configure = structlog.configure
        patched.setattr(
            structlog, "configure", lambda **settings: configure(**settings | {"cache_logger_on_first_use": False})
        )
        yield


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    """What a command says of the log holds until its test ends."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL of this test process."""
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Databases:
    """Gives databases of the kind that `--database` names."""
    if request.config.getoption("database") == "sqlite":
        return SqliteDatabases()
    return PostgresqlDatabases(request.getfixturevalue("postgres"))


@pytest.fixture
def make_server(databases: Databases, tmp_path: Path) -> Iterator[MakeServer]:
    """Make a server for one test: make_server("--workers", "2", environment={...}). It is not started."""
    made: list[RunningServer] = []

    def make(*arguments: str, environment: dict[str, str] | None = None) -> RunningServer:
        folder = tmp_path / f"server-{len(made)}"
        folder.mkdir()
        made.append(RunningServer(databases, folder, *arguments, environment=environment))
        return made[-1]

    yield make
    for server in made:
        server.discard()


@pytest.fixture
def make_engine(databases: Databases, tmp_path: Path) -> Iterator[MakeEngine]:
    """Make an engine on an empty store of its own: make_engine(policies=..., legacy_algorithms=True, ...)."""
    made: list[EngineHarness] = []

    def make(**options: Any) -> EngineHarness:
        made.append(EngineHarness(databases.store(tmp_path), **options))
        return made[-1]

    yield make
    for harness in made:
        harness.store.close()
        databases.take_back(harness.url)


@pytest.fixture(scope="session")
def server(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A running server that other tests use too: make clients and objects of your own, never stop it."""
    running = RunningServer(databases, tmp_path_factory.mktemp("server"))
    running.start()
    yield running
    if running.is_running():
        running.stop()


@pytest.fixture
def fresh_server(make_server: MakeServer) -> RunningServer:
    """A running server for one test, to be stopped, killed, filled or broken."""
    running = make_server()
    running.start()
    return running


@pytest.fixture(scope="session")
def client(server: RunningServer) -> Client:
    """A client of the shared server; its objects are seen by every test of this process that uses it."""
    return server.add_client("shared-client")


@pytest.fixture(scope="session")
def other(server: RunningServer) -> Client:
    """Another client of the shared server, to whom the objects of `client` are nothing."""
    return server.add_client("another-client")


@pytest.fixture(scope="session")
def make_client(server: RunningServer) -> MakeClient:
    """Make a client of the shared server: make_client("name", "group", ...). The name gets a number, to be unique."""

    def make(name: str = "client", *groups: str) -> Client:
        return server.add_client(f"{name}-{next(_numbers)}", *groups)

    return make


@pytest.fixture(scope="session")
def impatient(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a shared server with short deadlines, and a policy about Time Stamps."""
    running = RunningServer(
        databases,
        tmp_path_factory.mktemp("impatient"),
        environment={
            "KMIP_LIMITS__HANDSHAKE_SECONDS": "1.5",
            "KMIP_LIMITS__MESSAGE_SECONDS": "1.5",
            "KMIP_LIMITS__IDLE_SECONDS": "3",
            "KMIP_POLICY__TIME_STAMP_SKEW_SECONDS": "60",
        },
    )
    running.start()
    yield running.add_client("impatient")
    running.stop()


@pytest.fixture
def session(client: Client) -> Iterator[Callable[[Version], Session]]:
    """Open sessions of the shared client: session((1, 4)). They are closed when the test ends."""
    opened = []

    def open_one(version: Version = (2, 1)) -> Session:
        opened.append(client.connect())
        return Session(opened[-1], version)

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture
def pykmip_client(client: Client) -> Iterator[Callable[[Version], ProxyKmipClient]]:
    """Open PyKMIP clients on the shared server: pykmip_client((1, 2)). They are closed when the test ends."""
    opened = []

    def open_one(version: Version = (1, 2)) -> ProxyKmipClient:
        opened.append(client.pykmip(version))
        opened[-1].open()
        return opened[-1]

    yield open_one
    for proxy in opened:
        proxy.close()
