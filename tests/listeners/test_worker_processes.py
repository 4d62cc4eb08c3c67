"""Processes that serve: alone or under a supervisor, from their ready line to their exit code."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from edge_support import TIMEOUT, client_context, eventually, exchange, is_closed, message, receive, rest_of
from support.certificates import Authority

PROGRAM = Path(__file__).with_name("serving_program.py")
TESTS = Path(__file__).parents[1]


class Program:
    """The program, running."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.authority.server()
        self.client = self.authority.issue("alice")
        self.log = folder / "log"
        self.workers = workers
        self.descriptors: int | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(PROGRAM), str(self.folder), str(self.workers)],
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                preexec_fn=self._limit,
                env=os.environ | {"PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"},
            )
        assert self.process.stdout is not None
        try:
            line = self.process.stdout.readline().decode().split()
            assert line[:1] == ["ready"], self.log.read_text()
            self.ports = [int(where.rpartition(":")[2]) for where in line[1:]]
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process.stdout.close()

    def _limit(self) -> None:
        if self.descriptors is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, self.descriptors))

    def context(self, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        return client_context(self.authority, self.client, version)

    def connect(self, context: ssl.SSLContext | None = None, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
        tcp = socket.create_connection(("127.0.0.1", self.ports[0]), TIMEOUT)
        try:
            return (context or self.context()).wrap_socket(tcp, session=session)
        except BaseException:
            tcp.close()
            raise

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(TIMEOUT)

    def children(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def worker_of(connection: ssl.SSLSocket) -> int:
    return int.from_bytes(exchange(connection), "big")


@pytest.fixture(params=[1, 2], ids=["alone", "two workers"])
def program(tmp_path: Path, request: pytest.FixtureRequest) -> Program:
    return Program(tmp_path, request.param)


@pytest.fixture
def two(tmp_path: Path) -> Program:
    return Program(tmp_path, 2)


def test_it_serves_and_a_sigterm_ends_it_with_0(program: Program) -> None:
    with program.running():
        with program.connect() as connection:
            exchange(connection)
        assert program.stop() == 0


def test_a_stop_answers_what_was_taken_and_closes_idle_connections(program: Program) -> None:
    with program.running(), program.connect() as busy, program.connect() as idle:
        worker_of(idle)
        busy.sendall(message(b"slow....") + message(b"question"))
        assert eventually(lambda: bool(worker_of(idle)))
        program.process.send_signal(signal.SIGTERM)
        assert is_closed(idle)
        receive(busy)
        receive(busy)
        assert rest_of(busy) == b""
        assert program.process.wait(TIMEOUT) == 0


def test_a_sigint_is_a_stop_too(program: Program) -> None:
    with program.running():
        os.killpg(program.process.pid, signal.SIGINT)
        assert program.process.wait(TIMEOUT) == 0


def test_a_server_that_cannot_be_opened_ends_the_program_with_its_reason(program: Program) -> None:
    (program.folder / "refuse").touch()
    with pytest.raises(AssertionError, match="the database is on fire"), program.running():
        pass
    assert program.process.returncode == 1


def test_a_sighup_reloads_the_tls_files_and_keeps_connections(program: Program) -> None:
    def presented() -> x509.Certificate:
        with program.connect() as connection:
            worker_of(connection)
            return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")

    with program.running(), program.connect() as before:
        worker_of(before)
        renewed = program.authority.server().certificate
        program.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: all(presented() == renewed for _ in range(4)))
        worker_of(before)


def test_a_failed_reload_keeps_the_old_files(program: Program) -> None:
    with program.running():
        (program.folder / "server.key").write_bytes(b"nonsense")
        program.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: "not reloaded" in program.log.read_text())
        with program.connect() as connection:
            worker_of(connection)


# Several workers. -----------------------------------------------------------------------------------------------------


def test_long_connections_are_spread_evenly(two: Program) -> None:
    with two.running():
        connections = [two.connect() for _ in range(32)]
        assert sorted(Counter(map(worker_of, connections)).values()) == [16, 16]
        served = set(map(worker_of, connections))
        assert served == set(two.children()), "and the supervisor serves none itself"
        for connection in connections:
            connection.close()


def test_short_connections_are_spread_too(two: Program) -> None:
    with two.running():
        served = Counter()
        for _ in range(20):
            with two.connect() as connection:
                served[worker_of(connection)] += 1
        assert min(served.values()) >= 5
        assert len(served) == 2


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_of_one_worker_resumes_on_the_other(two: Program, version: ssl.TLSVersion) -> None:
    context = two.context(version)
    with two.running(), two.connect(context) as first:
        began = worker_of(first)
        with two.connect(context, session=first.session) as second:
            assert worker_of(second) != began
            assert second.session_reused


def test_a_worker_that_dies_is_replaced_and_the_others_serve_on(two: Program) -> None:
    with two.running():
        before = set(two.children())
        with two.connect() as first, two.connect() as second:
            assert {worker_of(first), worker_of(second)} == before
            first.sendall(message(b"crash..."))
            assert is_closed(first)
            assert worker_of(second) in before
            assert eventually(lambda: len(two.children()) == 2 and set(two.children()) != before)

            def newcomer_serves() -> bool:
                with two.connect() as one, two.connect() as other:
                    return bool({worker_of(one), worker_of(other)} - before)

            assert eventually(newcomer_serves)
        assert two.log.read_text().count("is replaced") == 1
        assert two.stop() == 0


def test_when_all_workers_died_connections_wait_for_new_ones(two: Program) -> None:
    with two.running():
        for pid in two.children():
            os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: two.log.read_text().count("is replaced") == 2)
        with two.connect() as connection:
            worker_of(connection)


@pytest.mark.parametrize("busy", [0, 1])
def test_a_stop_reaches_all_workers_at_once(two: Program, busy: int) -> None:
    with two.running(), two.connect() as first, two.connect() as second:
        by_pid = {worker_of(connection): connection for connection in (first, second)}
        ordered = [by_pid[pid] for pid in sorted(by_pid)]
        ordered[busy].sendall(message(b"slow...."))
        time.sleep(0.1)
        two.process.send_signal(signal.SIGTERM)
        assert is_closed(ordered[1 - busy])
        assert select.select([ordered[busy]], [], [], 0)[0] == [], "the other is still at work"
        receive(ordered[busy])


def test_workers_that_keep_dying_are_replaced_more_and_more_slowly(two: Program) -> None:
    with two.running():
        for deaths in range(1, 4):
            os.kill(two.children()[0], signal.SIGKILL)
            assert eventually(lambda: two.log.read_text().count("is replaced") == deaths)  # noqa: B023
            assert eventually(lambda: len(two.children()) == 2)
        delays = [json.loads(line).get("after_seconds") for line in two.log.read_text().splitlines()]
        assert [delay for delay in delays if delay] == [0.1, 0.2, 0.4]


def test_connections_are_counted_over_all_workers_and_given_back(two: Program) -> None:
    def forty_fit_and_no_more() -> bool:
        with ExitStack() as opened:
            try:
                for _ in range(40):
                    opened.enter_context(two.connect())
            except (ConnectionError, ssl.SSLError):
                return False
            with pytest.raises((ConnectionError, ssl.SSLError)):
                two.connect()
            return True

    with two.running():
        assert forty_fit_and_no_more()
        assert eventually(forty_fit_and_no_more)


def test_workers_do_not_outlive_their_supervisor(two: Program) -> None:
    with two.running():
        workers = two.children()
        two.process.kill()
        two.process.wait()
        assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def test_a_process_without_free_descriptors_recovers_when_connections_close(program: Program) -> None:
    program.descriptors = 22

    def served() -> bool:
        try:
            with program.connect() as connection:
                return worker_of(connection) != 0
        except (ConnectionError, ssl.SSLError, EOFError):
            return False

    lost = []
    with program.running():
        for _ in range(3):
            with ExitStack() as opened:
                for _ in range(60):
                    opened.enter_context(socket.create_connection(("127.0.0.1", program.ports[0]), TIMEOUT))
                time.sleep(0.1)
            assert eventually(served)
            lost.append(program.log.read_text().count("no free descriptors"))
        assert program.stop() == 0
    assert program.workers == 1 or lost[0] < lost[1] < lost[2], "what was lost is not counted as open"
