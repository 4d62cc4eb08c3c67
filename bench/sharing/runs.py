"""Runs: what clients of one site do, with keys of that site alone and with keys that are negotiated, in alternation."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from support import requests

from bench import machine
from bench.generator import Script, measure
from bench.runs import ATTEMPTS, FOREIGN_SHARE
from bench.sharing.network import POOLED, SINGLE, Network, asked_of_peer
from bench.workloads import VERSION, looped, unique_identifier

LOCAL = "local"
KINDS = {LOCAL: (), "negotiated": asked_of_peer(SINGLE), "pooled": asked_of_peer(POOLED)}
"""What a client adds to Create for each kind of key."""
TITLES = {LOCAL: "of this site alone", "negotiated": "negotiated, each by itself", "pooled": "negotiated, from a pool"}


@dataclass(frozen=True)
class Plan:
    """How long, how often, by how many clients, and among how many keys of each kind Gets choose."""

    seconds: float
    warm_up: float
    repeats: int
    clients: tuple[int, ...]
    keys: int


FULL = Plan(seconds=5, warm_up=1, repeats=3, clients=(1, 32), keys=1000)
QUICK = Plan(seconds=1, warm_up=0.3, repeats=1, clients=(1, 32), keys=64)


@dataclass(frozen=True)
class Run:
    """What one run showed: latencies in milliseconds, processor time of each part in microseconds an operation."""

    rate: float
    p50: float
    p99: float
    used_us: dict[str, float]
    foreign: float

    @property
    def all_us(self) -> float:
        """Of all processes, the clients' with them."""
        return sum(self.used_us.values())

    @property
    def network_us(self) -> float:
        """Of all but the clients."""
        return self.all_us - self.used_us["clients"]


@dataclass
class Row:
    """One line of the table."""

    operation: str
    kind: str
    clients: int
    runs: list[Run] = field(default_factory=list)

    @property
    def title(self) -> str:
        return f"{self.operation}, {TITLES[self.kind]}"

    @property
    def middle(self) -> Run:
        """The run with the median rate."""
        return sorted(self.runs, key=lambda run: run.rate)[len(self.runs) // 2]


def measured(network: Network, plan: Plan) -> list[Row]:
    """Every row, those that are compared one after the other, as often as the plan says."""
    stock = {kind: _keys(network, kind, plan.keys) for kind in (LOCAL, "pooled")}
    rows = []
    for operation, kinds in _COMPARED.items():
        for clients in plan.clients:
            alike = [Row(operation, kind, clients) for kind in kinds]
            for _ in range(plan.repeats):
                for row in alike:
                    row.runs.append(_undisturbed(network, plan, row, stock.get(row.kind, [])))
            rows += alike
            for row in alike:
                print(f"{row.title}, {clients} clients: {row.middle.rate:,.0f}/s", flush=True)
    return rows


def _undisturbed(network: Network, plan: Plan, row: Row, stock: list[str]) -> Run:
    attempts = []
    for _ in range(ATTEMPTS if plan.repeats > 1 else 1):
        attempts.append(_run(network, plan, row, stock))
        if attempts[-1].foreign <= FOREIGN_SHARE:
            break
    return min(attempts, key=lambda run: run.foreign)


def _run(network: Network, plan: Plan, row: Row, stock: list[str]) -> Run:
    scripts = _SCRIPTS[row.operation](network, row, stock)
    network.settle()
    before, busy, began = network.used(), machine.busy_seconds(), time.monotonic()
    done = measure(network.address, network.context(), scripts, seconds=plan.seconds, warm_up=plan.warm_up)
    # What is begun is carried out, whether or not its answer is still waited for, and so are the pool's refills.
    network.settle()
    used = {part: seconds - before[part] for part, seconds in network.used().items()}
    foreign = machine.busy_seconds() - busy - sum(used.values())
    return Run(
        rate=done.rate,
        p50=done.percentile(0.50),
        p99=done.percentile(0.99),
        used_us={part: seconds * 1e6 / done.begun for part, seconds in used.items()},
        foreign=max(foreign, 0) / (time.monotonic() - began) / (os.cpu_count() or 1),
    )


def _keys(network: Network, kind: str, count: int) -> list[str]:
    with network.session() as session:
        return [session.create_aes(*KINDS[kind]) for _ in range(count)]


def _create(_network: Network, row: Row, _stock: list[str]) -> list[Script]:
    script = looped([requests.one(VERSION, requests.create_aes(VERSION, *KINDS[row.kind]))])
    return [script(number) for number in range(row.clients)]


def _re_key(network: Network, row: Row, _stock: list[str]) -> list[Script]:
    """Each client replaces a key of its own, and then the replacement."""
    return [_replacing(key) for key in _keys(network, row.kind, row.clients)]


def _replacing(key: str) -> Script:
    def script(answer: bytes | None) -> bytes:
        newest = key if answer is None else unique_identifier(answer).decode()
        return requests.one(VERSION, requests.rekey(newest))

    return script


def _get(_network: Network, row: Row, stock: list[str]) -> list[Script]:
    script = looped([requests.one(VERSION, requests.get(key)) for key in stock])
    return [script(number) for number in range(row.clients)]


_SCRIPTS: dict[str, Callable[[Network, Row, list[str]], list[Script]]] = {
    "Create": _create,
    "Re-key": _re_key,
    "Get": _get,
}
_COMPARED = {"Create": tuple(KINDS), "Re-key": tuple(KINDS), "Get": (LOCAL, "pooled")}
"""The kinds of keys that are compared for each operation."""
