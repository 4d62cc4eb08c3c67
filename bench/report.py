"""The table: what was reached, beside what was to be reached, as Markdown and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.decisions import CLIENTS, GOAL_US, RULES, Question
from bench.runs import FOREIGN_SHARE, Plan, Row, Run

MEMORY_MIB = 120
P99_RATIO = 10
GROWTH = 1.5


@dataclass(frozen=True)
class Check:
    """One goal: what was to be reached, what was, and whether that is enough."""

    goal: str
    target: str
    reached: str
    passed: bool | None

    @property
    def verdict(self) -> str:
        return {True: "PASS", False: "MISS", None: "not measured"}[self.passed]


@dataclass
class Report:
    """Everything one run of the benchmark found out."""

    plan: Plan
    date: str
    commit: str
    workers: int
    machine: dict[str, str]
    ours: str
    theirs: str
    ceiling: str
    rows: list[Row] = field(default_factory=list)
    memory: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    syncs: dict[str, float | None] = field(default_factory=dict)
    filled: dict[str, str] = field(default_factory=dict)
    decisions: list[Question] = field(default_factory=list)
    their_locate: float | None = None
    """Seconds that PyKMIP took for one Locate among the large number of objects; None: no answer in time."""

    def row(self, key: str, objects: int, connections: int) -> Row | None:
        wanted = (key, objects, connections)
        return next((row for row in self.rows if (row.workload.key, row.objects, row.connections) == wanted), None)

    def checks(self) -> list[Check]:
        """The goals, in the order of the table; ratios at the largest number of connections."""
        most = self.plan.connections[-1]
        checks = []
        for row in self.rows:
            if row.workload.target is not None and row.connections == most and row.objects < self.plan.large:
                ratio = self._ratio(row)
                goal = f"{row.workload.title}: rate, times PyKMIP's, {most} connections"
                checks.append(_at_least(goal, row.workload.target, ratio))
        get = next((row for row in self.rows if row.workload.key == "get" and row.connections == most), None)
        if get is not None and self.ours in get.runs:
            share = get.median_p99(self.theirs) / get.median_p99(self.ours)
            checks.append(_at_least(f"Get: p99, PyKMIP's divided by ours, {most} connections", P99_RATIO, share))
        for key, title in (("locate", "Locate by name"), ("get", "Get")):
            checks.append(self._growth(key, title, most))
        slowest = max((each.microseconds for each in self.decisions), default=None)
        checks.append(_at_most("Decision on a request, the slowest kind", GOAL_US, slowest, digits=1, unit=" us"))
        memory = max(
            (size for (title, _), sizes in self.memory.items() if title == self.ours for size in sizes), default=None
        )
        checks.append(_at_most("Memory of a worker", MEMORY_MIB, memory, digits=0, unit=" MiB"))
        return checks

    def _ratio(self, row: Row) -> float | None:
        ours, theirs = row.middle(self.ours), row.middle(self.theirs)
        return ours.rate / theirs.rate if ours and theirs and theirs.rate else None

    def _growth(self, key: str, title: str, connections: int) -> Check:
        goal = f"{title}: rate among few objects divided by rate among {self.plan.large:,}, {connections} connections"
        rates = [
            run.rate
            for row in self.rows
            if row.workload.key == key and row.connections == connections and (run := row.middle(self.ours))
        ]
        return _at_most(goal, GROWTH, rates[0] / rates[1] if len(rates) == 2 else None, digits=2)

    def markdown(self) -> str:
        runs = [run for row in self.rows for some in row.runs.values() for run in some]
        disturbed = sum(run.foreign > FOREIGN_SHARE for run in runs)
        lines = [
            f"# Benchmark of {self.date}, commit {self.commit}",
            "",
            f"One load generator process, mutual TLS, KMIP 1.4, {self.plan.repeats} alternating runs of"
            f" {self.plan.seconds:g} s each, the run with the median rate shown. The generator has one processor for"
            f" itself; every server runs on the others. {self.ours}: {self.workers} worker(s), SQLite in WAL mode with"
            " synchronous=FULL, authorisation, sealing and audit on.",
            "",
            f"{disturbed} of {len(runs)} runs stayed disturbed by other programs (more than {FOREIGN_SHARE:.0%} of"
            " the processors) after several attempts"
            + (f", at most {max(run.foreign for run in runs):.0%}." if runs else "."),
            "",
            "## Goals",
            "",
            "| Goal | Target | Reached | |",
            "|---|---|---|---|",
            *(f"| {check.goal} | {check.target} | {check.reached} | {check.verdict} |" for check in self.checks()),
            "",
            "## Figures",
            "",
            "Rates in operations a second, latencies p50 / p99 in milliseconds, processor time of the server in"
            " microseconds an operation. The ceiling is a Twisted TLS server that repeats recorded answers;"
            f" the generator itself needs {self._generator_us():.0f} us an operation in those runs.",
            "",
            f"| Operation | Objects | Connections | {self.ours} | p50 / p99 | us | {self.theirs} | p50 / p99 | us"
            " | Ratio | Ceiling |",
            "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
            *(self._line(row) for row in self.rows),
            "",
            f"One Locate by name among {self.plan.large:,} objects, {self.theirs}: "
            + (
                f"no answer within {self.plan.patience:g} s."
                if self.their_locate is None
                else f"{self.their_locate:.1f} s."
            ),
            "",
            "## Decisions",
            "",
            f"What the policy takes to decide, with {CLIENTS} clients, a template and {RULES} rules, in microseconds"
            " of processor time.",
            "",
            "| Request | us |",
            "|---|--:|",
            *(f"| {each.title} | {each.microseconds:.1f} |" for each in self.decisions),
            "",
            "## Memory and durability",
            "",
            "| Server | Objects at first | Resident size of each process, MiB | syncs a Create, 1 connection |",
            "|---|--:|---|--:|",
            *(
                f"| {title} | {objects:,} | {', '.join(f'{size:.0f}' for size in sizes)}"
                f" | {_number(self.syncs.get(title), '.2f')} |"
                for (title, objects), sizes in self.memory.items()
            ),
            "",
            "## Conditions",
            "",
            *(f"- {name}: {value}" for name, value in self.machine.items()),
            *(f"- objects of {title}: {how}" for title, how in self.filled.items()),
        ]
        return "\n".join(lines) + "\n"

    def _generator_us(self) -> float:
        runs = [run for row in self.rows for run in row.runs.get(self.ceiling, []) if row.workload.turns == 1]
        return min((run.generator_us for run in runs), default=float("nan"))

    def _line(self, row: Row) -> str:
        ceiling = row.middle(self.ceiling)
        cells = [
            row.workload.title,
            f"{row.objects:,}",
            str(row.connections),
            *_cells(row.middle(self.ours)),
            *_cells(row.middle(self.theirs)),
            _number(self._ratio(row), ".1f"),
            "" if ceiling is None else f"{ceiling.rate:,.0f}",
        ]
        return "| " + " | ".join(cells) + " |"

    def json(self) -> str:
        rows = [
            {
                "operation": row.workload.key,
                "objects": row.objects,
                "connections": row.connections,
                "runs": {title: [asdict(run) for run in runs] for title, runs in row.runs.items()},
            }
            for row in self.rows
        ]
        whole = {
            "date": self.date,
            "commit": self.commit,
            "workers": self.workers,
            "plan": asdict(self.plan),
            "machine": self.machine,
            "checks": [asdict(check) for check in self.checks()],
            "rows": rows,
            "decisions_us": {each.title: each.microseconds for each in self.decisions},
            "memory_mib": {f"{title}, {objects} objects": sizes for (title, objects), sizes in self.memory.items()},
            "syncs_a_create": self.syncs,
            "their_locate_s": self.their_locate,
            "filled": self.filled,
        }
        return json.dumps(whole, indent=1) + "\n"

    def write(self, folder: Path) -> Path:
        """Write both forms; answers the path of the table."""
        folder.mkdir(exist_ok=True)
        table = folder / f"{self.date}-{self.commit}.md"
        table.write_text(self.markdown())
        table.with_suffix(".json").write_text(self.json())
        return table


def _cells(run: Run | None) -> tuple[str, str, str]:
    if run is None:
        return "", "", ""
    return f"{run.rate:,.0f}", f"{run.p50:.2f} / {run.p99:.2f}", f"{run.server_us:,.0f}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _at_least(goal: str, target: float, reached: float | None) -> Check:
    if reached is None:
        return Check(goal, f">= {target:g}", "", None)
    return Check(goal, f">= {target:g}", f"{reached:.1f}", reached >= target)


def _at_most(goal: str, target: float, reached: float | None, *, digits: int, unit: str = "") -> Check:
    if reached is None:
        return Check(goal, f"<= {target}{unit}", "", None)
    return Check(goal, f"<= {target}{unit}", f"{reached:.{digits}f}{unit}", reached <= target)
