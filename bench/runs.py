"""Runs: one workload on one server with one number of connections, repeated in alternation, disturbed ones rejected."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from statistics import median

from support import requests

from bench import machine
from bench.generator import Measurement, measure, measure_handshakes
from bench.servers import Server
from bench.workloads import VERSION, Stock, Workload, discover_message

FOREIGN_SHARE = 0.06
"""A run in which other programs used more of the processors than this is repeated."""
ATTEMPTS = 4
HANDSHAKES = Workload(
    "handshakes", "New connection, full handshake, Discover Versions", lambda _: lambda _: bytes, target=2
)


@dataclass(frozen=True)
class Run:
    """What one run showed; times in milliseconds, processor time in microseconds an operation."""

    rate: float
    p50: float
    p99: float
    server_us: float
    generator_us: float
    foreign: float


@dataclass
class Row:
    """One line of the table: the runs of each server, by its title."""

    workload: Workload
    objects: int
    connections: int
    runs: dict[str, list[Run]] = field(default_factory=dict)

    def middle(self, title: str) -> Run | None:
        """The run with the median rate, or None if there was none."""
        runs = sorted(self.runs.get(title, []), key=lambda run: run.rate)
        return runs[len(runs) // 2] if runs else None

    def median_p99(self, title: str) -> float:
        return median(run.p99 for run in self.runs[title])


@dataclass(frozen=True)
class Plan:
    """How long and how often."""

    seconds: float
    warm_up: float
    repeats: int
    connections: tuple[int, ...]
    large: int
    patience: float
    """How long one Locate among the large number of objects may take before it counts as no answer, in seconds."""


FULL = Plan(seconds=1.5, warm_up=0.3, repeats=3, connections=(1, 8, 32), large=100_000, patience=30)
QUICK = Plan(seconds=0.7, warm_up=0.3, repeats=1, connections=(1, 32), large=10_000, patience=10)

SMALL = 1000


def run_rows(plan: Plan, rows: list[Row], servers: dict[str, Server]) -> None:
    """Fill the rows with runs on these servers, one server after the other, as often as the plan says."""
    for row in rows:
        for _ in range(plan.repeats):
            for title, server in servers.items():
                row.runs.setdefault(title, []).append(_undisturbed(plan, row, server))
        print(_progress(row), flush=True)


def _undisturbed(plan: Plan, row: Row, server: Server) -> Run:
    attempts = []
    for _ in range(ATTEMPTS):
        attempts.append(_run(plan, row, server))
        if attempts[-1].foreign <= FOREIGN_SHARE:
            break
    return min(attempts, key=lambda run: run.foreign)


def _run(plan: Plan, row: Row, server: Server) -> Run:
    served, generated = server.processes(), [os.getpid()]
    began, busy = time.monotonic(), machine.busy_seconds()
    server_before, generator_before = machine.processor_seconds(served), machine.processor_seconds(generated)
    done = _measure(plan, row, server)
    elapsed = time.monotonic() - began
    server_s = machine.processor_seconds(served) - server_before
    generator_s = machine.processor_seconds(generated) - generator_before
    foreign = machine.busy_seconds() - busy - server_s - generator_s
    _settle(server)
    # The warm-up is paid for too, but its operations are not counted.
    counted = 1e6 / max(done.operations, 1) * plan.seconds / (plan.seconds + plan.warm_up)
    return Run(
        rate=done.rate,
        p50=done.percentile(0.50),
        p99=done.percentile(0.99),
        server_us=server_s * counted,
        generator_us=generator_s * counted,
        foreign=max(foreign, 0) / elapsed / (os.cpu_count() or 1),
    )


def _measure(plan: Plan, row: Row, server: Server) -> Measurement:
    context = server.context()
    if row.workload.key == HANDSHAKES.key:
        return measure_handshakes(
            server.address,
            context,
            discover_message(),
            row.connections,
            seconds=plan.seconds,
            warm_up=plan.warm_up,
        )
    script = row.workload.scripts(server.stock)
    return measure(
        server.address,
        context,
        [script(number) for number in range(row.connections)],
        turns=row.workload.turns,
        seconds=plan.seconds,
        warm_up=plan.warm_up,
    )


def _settle(server: Server) -> None:
    """Wait until the server has finished what the last run left behind, so that it does not disturb the next."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        before = machine.processor_seconds(server.processes())
        time.sleep(0.2)
        if machine.processor_seconds(server.processes()) - before <= 0.02:
            return


def _progress(row: Row) -> str:
    figures = ", ".join(f"{title} {run.rate:,.0f}/s" for title in row.runs if (run := row.middle(title)) is not None)
    return f"{row.workload.title}, {row.objects:,} objects, {row.connections} connections: {figures}"


def answers_in_time(server: Server, patience: float) -> float | None:
    """How many seconds one Locate by name takes, or None if more than `patience`."""
    began = time.monotonic()
    with server.connect() as connection:
        connection.socket.settimeout(patience)
        asked = requests.locate(VERSION, requests.name(server.stock.names[len(server.stock.names) // 2]))
        try:
            connection.exchange(requests.one(VERSION, asked)).result.expect_success()
        except TimeoutError:
            return None
    return time.monotonic() - began


def record_answers(server: Server, workloads: tuple[Workload, ...], stock: Stock) -> dict[int, str]:
    """One real answer for each operation, for the ceiling to repeat: operation number -> hexadecimal."""
    answers: dict[int, str] = {}
    with server.connect() as connection:
        for workload in workloads:
            script, answer = workload.scripts(stock)(0), None
            for _ in range(workload.turns):
                message = script(answer)
                connection.send(message)
                answer = connection.receive()
                operation = message.index(bytes.fromhex("42005c0500000004")) + 8
                answers[int.from_bytes(message[operation : operation + 4], "big")] = answer.hex()
    return answers


def syncs_a_create(server: Server, creates: int = 100) -> float | None:
    """How often the server makes its files durable for each Create of a single connection; None without strace."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    counts = server.folder / "syncs"
    watched = [word for pid in server.processes() for word in ("-p", str(pid))]
    tracer = subprocess.Popen(
        [strace, "-f", "-e", "trace=fsync,fdatasync", "-o", str(counts), *watched],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert tracer.stderr is not None
    if "attached" not in tracer.stderr.readline():
        tracer.wait()
        return None
    with server.connect() as connection:
        session = requests.Session(connection, VERSION)
        for _ in range(creates):
            session.create_aes()
    tracer.send_signal(signal.SIGINT)
    tracer.wait()
    tracer.stderr.close()
    lines = counts.read_text().splitlines()
    return sum("sync(" in line for line in lines) / creates
