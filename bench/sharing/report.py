"""The table of shared keys: what was reached, beside what was to be reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from bench import machine
from bench.report import Check
from bench.runs import FOREIGN_SHARE
from bench.sharing.network import POOL
from bench.sharing.runs import LOCAL, Plan, Row

CREATE_RATIO = 8
GET_RATIO = 1.1
POOLED_RATE = 100
_PARTS = ("nodes", "site-a", "site-b", "clients")


def checks(rows: Sequence[Row]) -> list[Check]:
    """The goals: what a Create costs at each number of clients, the others at the largest."""
    most = max(row.clients for row in rows)
    found = {(row.operation, row.kind, row.clients): row.middle for row in rows}

    def times_local(operation: str, kind: str, clients: int) -> float:
        return found[operation, kind, clients].all_us / found[operation, LOCAL, clients].all_us

    def create(clients: int) -> Check:
        pooled, single = times_local("Create", "pooled", clients), times_local("Create", "negotiated", clients)
        bare = found["Create", "pooled", clients].network_us / found["Create", LOCAL, clients].network_us
        return Check(
            "Processor time of a negotiated Create over all processes, times a local one's,"
            f" from a pool of {POOL}, its refills counted in, clients: {clients}",
            f"<= {CREATE_RATIO}",
            f"{pooled:.1f} (without the clients' {bare:.1f}; each negotiated by itself {single:.1f})",
            pooled <= CREATE_RATIO,
        )

    get, rate = times_local("Get", "pooled", most), found["Create", "pooled", most].rate
    return [
        *map(create, sorted({row.clients for row in rows})),
        Check(
            f"Processor time of Get of a negotiated key, times Get of a local one, {most} clients",
            f"<= {GET_RATIO}",
            f"{get:.2f}",
            get <= GET_RATIO,
        ),
        Check(
            f"Negotiated keys a second, from a pool of {POOL}, {most} clients, everything on two processors",
            f">= {POOLED_RATE}",
            f"{rate:,.0f}",
            rate >= POOLED_RATE,
        ),
    ]


def markdown(rows: Sequence[Row], plan: Plan) -> str:
    return "\n".join(_lines(rows, plan)) + "\n"


def _lines(rows: Sequence[Row], plan: Plan) -> Iterator[str]:
    runs = [run for row in rows for run in row.runs]
    disturbed = sum(run.foreign > FOREIGN_SHARE for run in runs)
    yield f"""# Shared keys, {datetime.now(UTC):%Y-%m-%d}, commit {machine.commit()}

Three nodes, two sites with a gateway and one worker each, and the clients, all of them on the same two processors, over
loopback; SQLite in WAL mode with synchronous=FULL. {plan.repeats} of each run in turns, {plan.seconds:g} s each, the
one with the median rate shown. {disturbed} of {len(runs)} runs were disturbed by other programs (more than
{FOREIGN_SHARE:.0%} of the processors).

| Goal | Target | Reached | |
|---|---|---|---|"""
    for check in checks(rows):
        yield f"| {check.goal} | {check.target} | {check.reached} | {check.verdict} |"
    yield f"""
Rates in operations a second, latencies in milliseconds, processor time in microseconds an operation: of the three
nodes, of the site that asks, of the other one, of all these together, and of the clients.

| Operation | Clients | Rate | p50 / p99 | {" | ".join(_PARTS[:-1])} | Together | Clients' |
|---|--:|--:|--:|{"--:|" * len(_PARTS)}--:|"""
    for row in rows:
        run = row.middle
        nodes, here, there, clients = (f"{run.used_us[part]:,.0f}" for part in _PARTS)
        yield (
            f"| {row.title} | {row.clients} | {run.rate:,.0f} | {run.p50:.1f} / {run.p99:.1f}"
            f" | {nodes} | {here} | {there} | {run.network_us:,.0f} | {clients} |"
        )
    yield ""
    yield from (f"- {name}: {value}" for name, value in machine.description().items())
