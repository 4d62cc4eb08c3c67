"""Removes one authorization check of the server at a time, and shows that the matrix finds out: `make mutants`.

The checks are found by rule, so that a new one is among them: a condition whose consequence is a refusal with one of
the reasons below, a call of a function that refuses, a decision that is asked for, a condition of a policy's rule. Each
is removed in a copy of the tree; the working tree is never touched. Exit code 1: a mutant survived.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

ROOT: Final = Path(__file__).parents[2]
MODULES: Final = ("kmip_server/operations/*.py", "kmip_server/objects/managed_object.py",
                  "kmip_server/objects/changes.py", "kmip_server/identity/directory.py",
                  "policy/decision.py", "policy/conditions.py", "kmip_server/execution.py")  # fmt: skip
REASONS: Final = frozenset({
    "PERMISSION_DENIED", "OBJECT_NOT_FOUND", "OBJECT_ARCHIVED", "OBJECT_DESTROYED", "WRONG_KEY_LIFECYCLE_STATE",
    "INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK", "SENSITIVE", "NOT_EXTRACTABLE", "USAGE_LIMIT_EXCEEDED",
    "WRAPPING_OBJECT_DESTROYED", "WRAPPING_OBJECT_ARCHIVED", "INVALID_ASYNCHRONOUS_CORRELATION_VALUE",
})  # fmt: skip
REFUSES: Final = frozenset({
    "permit", "need_approval", "require_approval", "check_time", "check_within", "check_new_value", "check_replaceable",
    "use", "used", "_use", "spend",
})  # fmt: skip
"""Functions that refuse and answer nothing: to call them is the check."""
DECISIONS: Final = frozenset({"decide", "restrict"})
ANSWERS: Final = frozenset({"allows_any", "who"})
"""Functions whose answer, yes or no, is the check."""
_TEST: Final = 3
"""How many arguments a test of a rule has (policy/conditions.py): the subject, the resource, the context."""
_PER_STEP_S: Final = 900
"""A mutant that makes the tests wait for longer is found, too; the whole of them take a third of that."""

EQUIVALENT: Final[dict[str, str]] = {}
"""Mutants that change nothing that anybody could observe, by file and code, and why."""


_SURVIVED: Final = "SURVIVED"


class Mutant(NamedTuple):
    """A check, where it stands, and the file without it."""

    path: str
    line: int
    code: str
    source: str

    @property
    def key(self) -> str:
        return f"{self.path}: {self.code}"


def mutants_of(path: str, source: str) -> Iterator[Mutant]:
    """Every mutant of a file."""
    tree = ast.parse(source)
    refusing = _refusing(tree, source)
    for node in ast.walk(tree):
        found: tuple[ast.AST, str] | None = None
        if isinstance(node, ast.If) and (_refuses(node.body[-1], source, refusing) or _denies(node.body[-1])):
            found = (node.test, "False")
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _name(node.value) in REFUSES:
            found = (node, "pass")
        elif _is_answer(node):
            found = (node, "True")
        elif path == "policy/conditions.py" and isinstance(node, ast.Lambda) and len(node.args.args) == _TEST:
            found = (node.body, "True")
        if found is not None:
            yield _without(path, source, *found)


def _refusing(tree: ast.Module, source: str) -> frozenset[str]:
    """The functions of a module that make a refusal for others to raise."""
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and isinstance(node.body[-1], ast.Return)
        and _has_reason(ast.get_source_segment(source, node.body[-1]) or "")
    )


def _refuses(node: ast.stmt, source: str, refusing: frozenset[str]) -> bool:
    if not isinstance(node, ast.Raise) or node.exc is None:
        return False
    text = ast.get_source_segment(source, node) or ""
    called = _name(node.exc) if isinstance(node.exc, ast.Call) else ""
    return called in refusing or called in ("not_found", "_wrong_time", "IdentityError") or _has_reason(text)


def _denies(node: ast.stmt) -> bool:
    """Whether it answers Decision(False, ...)."""
    if not (isinstance(node, ast.Return) and isinstance(node.value, ast.Call) and _name(node.value) == "Decision"):
        return False
    first = node.value.args[0]
    return isinstance(first, ast.Constant) and first.value is False


def _has_reason(text: str) -> bool:
    return any(f"ResultReason.{reason}" in text for reason in REASONS)


def _name(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def _is_answer(node: ast.AST) -> bool:
    """Whether it is the yes or no of a decision, or of a function that checks."""
    if isinstance(node, ast.Attribute) and node.attr == "allowed":
        return isinstance(node.value, ast.Call) and _name(node.value) in DECISIONS
    return isinstance(node, ast.Call) and _name(node) in ANSWERS


def _without(path: str, source: str, node: ast.AST, instead: str) -> Mutant:
    segment = ast.get_source_segment(source, node) or ""
    lines = source.encode().splitlines(keepends=True)
    first, last = node.lineno - 1, node.end_lineno - 1  # type: ignore[attr-defined]
    start = sum(map(len, lines[:first])) + node.col_offset  # type: ignore[attr-defined]
    end = sum(map(len, lines[:last])) + node.end_col_offset  # type: ignore[attr-defined]
    data = source.encode()
    changed = (data[:start] + instead.encode() + data[end:]).decode()
    compile(changed, path, "exec")
    return Mutant(path, node.lineno, " ".join(segment.split()), changed)  # type: ignore[attr-defined]


def all_mutants() -> list[Mutant]:
    """Every mutant of the modules that decide."""
    files = sorted(file for pattern in MODULES for file in ROOT.glob(pattern))
    return [each for file in files for each in mutants_of(str(file.relative_to(ROOT)), file.read_text())]


class Trial(NamedTuple):
    """What became of a mutant: what found it ("" if nothing), after how many seconds, and what failed first."""

    mutant: Mutant | None
    killer: str
    seconds: float
    failure: str = ""


def copied(folder: Path) -> Path:
    """A copy of what is tested."""
    for part in ("kmip_server", "dscc", "notifying", "policy", "console", "tests", "setup.cfg", "config"):
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    return folder


def trial(tree: Path, mutant: Mutant | None, *, matrix_only: bool = False) -> Trial:
    """Run the tests on a tree with one check removed, or none, until some find it: the quick ones first.

    What the matrix does not reach (dates that pass, limits of policies, approvals) is left to the tests of the module.
    """
    file = None if mutant is None else tree / mutant.path
    before = "" if file is None else file.read_text()
    started = time.monotonic()
    try:
        if file is not None and mutant is not None:
            file.write_text(mutant.source)
        for step, command in _MATRIX if matrix_only else _steps(mutant):
            if found := _failure(tree, command):
                return Trial(mutant, step, time.monotonic() - started, found)
        return Trial(mutant, "", time.monotonic() - started)
    finally:
        if file is not None:
            file.write_text(before)


_NOTHING_RUN: Final = (4, 5)
"""What pytest answers if it is called wrongly or finds no test."""
_PYTEST: Final = ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider")
_OWN_TESTS: Final = (
    "tests/identity/test_directory.py",
    "tests/engine/test_engine_references.py",
    "tests/operations",
    "tests/objects",
    "tests/policy/test_decision.py",
    "tests/policy/test_operation_policy_rules.py",
)
_BESIDE: Final[dict[str, tuple[str, ...]]] = {
    "kmip_server/execution.py": ("tests/operations/test_approval.py", "tests/operations/test_query.py"),
    "kmip_server/identity/directory.py": ("tests/identity/test_directory.py",),
    "kmip_server/objects/changes.py": ("tests/objects/test_changes.py",),
    "kmip_server/objects/managed_object.py": ("tests/operations/test_activate.py", "tests/operations/test_revoke.py"),
    "kmip_server/operations/attribute_changes.py": (
        "tests/operations/test_add_attribute_rules.py",
        "tests/operations/test_policy_obligations.py",
    ),
    "kmip_server/operations/batch.py": ("tests/engine/test_engine_references.py",),
    "kmip_server/operations/call.py": ("tests/operations/test_approval.py", "tests/operations/test_archive.py"),
    "kmip_server/operations/cryptographic.py": ("tests/operations/test_usage.py",),
    "kmip_server/operations/decrypt.py": ("tests/operations/test_encrypt.py",),
    "kmip_server/operations/get_usage_allocation.py": ("tests/operations/test_usage.py",),
    "kmip_server/operations/mac.py": ("tests/operations/test_usage.py",),
    "kmip_server/operations/mac_verify.py": ("tests/operations/test_usage.py",),
    "kmip_server/operations/obligations.py": ("tests/operations/test_policy_obligations.py",),
    "kmip_server/operations/obtain_lease.py": ("tests/operations/test_dates.py", "tests/operations/test_revoke.py"),
    "kmip_server/operations/poll.py": ("tests/engine/test_engine_asynchrony.py",),
    "kmip_server/operations/release.py": (
        "tests/operations/test_get.py",
        "tests/operations/test_export_import.py",
        "tests/operations/test_policy_obligations.py",
    ),
    "kmip_server/operations/re_key_key_pair.py": ("tests/operations/test_re_key.py",),
    "kmip_server/operations/replacement.py": ("tests/operations/test_re_key.py",),
    "kmip_server/operations/import_.py": ("tests/operations/test_export_import.py",),
    "kmip_server/operations/sharing.py": ("tests/operations/test_negotiated_keys.py",),
    "kmip_server/operations/sign.py": ("tests/operations/test_usage.py",),
    "kmip_server/operations/signature_verify.py": ("tests/operations/test_usage.py",),
    "kmip_server/operations/usage.py": ("tests/operations/test_usage.py", "tests/operations/test_dates.py"),
    "kmip_server/operations/wrapping.py": ("tests/operations/test_get_wrapped.py",),
    "policy/conditions.py": ("tests/policy/test_decision.py",),
    "policy/decision.py": ("tests/policy/test_decision.py", "tests/policy/test_operation_policy_rules.py"),
}
"""The tests beside a module, if they are not tests/operations/test_<its name>.py."""


def beside(path: str) -> tuple[str, ...]:
    """The tests that are most likely to find what is missing in a module: a few seconds, and not minutes."""
    return _BESIDE.get(path) or (f"tests/operations/test_{Path(path).stem}.py",)


_MATRIX: Final = (
    ("in process, quick", ("-m", "authorization.in_process", "--quick")),
    ("over the wire", (*_PYTEST, "tests/authorization/test_matrix.py")),
)


def _steps(mutant: Mutant | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    in_process, over_the_wire = _MATRIX
    yield in_process
    if mutant is None:
        yield "beside", (*_PYTEST, *sorted({file for tests in _BESIDE.values() for file in tests}))
    else:
        yield "beside it", (*_PYTEST, *beside(mutant.path))
    yield over_the_wire
    yield "all tests of operations", (*_PYTEST, *_OWN_TESTS)


def _failure(tree: Path, command: tuple[str, ...]) -> str:
    """What failed first, or nothing."""
    environment = os.environ | {"PYTHONPATH": f"{tree}:{tree / 'tests'}", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [sys.executable, *command], cwd=tree, env=environment, capture_output=True, text=True, timeout=_PER_STEP_S
        )
    except subprocess.TimeoutExpired:
        return f"no end within {_PER_STEP_S} s"
    if done.returncode in _NOTHING_RUN:
        raise RuntimeError(f"no test has run: {done.stdout}{done.stderr}")
    return _first_failure(done.stdout, done.stderr) if done.returncode else ""


def _first_failure(output: str, errors: str) -> str:
    """The line that names it: of pytest's summary, or before that of the matrix, or the error that ended it."""
    lines = output.splitlines() or errors.splitlines()
    return next((line for line in lines if line.startswith(("FAILED", "ERROR"))), lines[-2:][0])


def main() -> int:
    """Try all mutants, or those of the files whose path has one of the given words in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only checks of files whose path contains one of these words")
    parser.add_argument("--matrix", action="store_true", help="only by the matrix, and not by tests beside the checks")
    parser.add_argument("--list", action="store_true", help="only list the checks that are found")
    parser.add_argument("--workers", type=int, default=2, help="how many to try at once (default: 2)")
    given = parser.parse_args()
    mutants = [each for each in all_mutants() if not given.words or any(word in each.path for word in given.words)]
    console = Console(width=None if sys.stdout.isatty() else 160)
    if given.list:
        for each in mutants:
            console.print(f"{each.path}:{each.line}  {each.code}", markup=False, highlight=False)
        return 0
    started = time.monotonic()
    with TemporaryDirectory() as folder:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(given.workers):
            trees.put(copied(Path(folder) / str(number)))

        def attempt(mutant: Mutant | None) -> Trial:
            tree = trees.get()
            try:
                return trial(tree, mutant, matrix_only=given.matrix)
            finally:
                trees.put(tree)

        console.print("the tree as it is ...")
        unchanged = attempt(None)
        if unchanged.killer:
            console.print(f"the tree fails as it is ({unchanged.killer}): {unchanged.failure}", markup=False)
            return 2
        with ThreadPoolExecutor(given.workers) as pool:
            trials = []
            for each in pool.map(attempt, mutants):
                trials.append(each)
                said = f"{len(trials)} of {len(mutants)}  {_place(each)}  {_result(each)}  {each.failure}"
                console.print(said, markup=False, highlight=False, soft_wrap=True)
    return _report(console, trials, time.monotonic() - started)


def _place(trial_: Trial) -> str:
    return "" if trial_.mutant is None else f"{trial_.mutant.path}:{trial_.mutant.line}"


def _result(trial_: Trial) -> str:
    if trial_.killer or trial_.mutant is None:
        return trial_.killer
    why = EQUIVALENT.get(trial_.mutant.key)
    return _SURVIVED if why is None else f"equivalent: {why}"


def _report(console: Console, trials: list[Trial], seconds: float) -> int:
    table = Table("Check", "Without", "Found", "Seconds")
    survived = 0
    for each in trials:
        mutant, result = each.mutant, _result(each)
        assert mutant is not None
        survived += result == _SURVIVED
        table.add_row(_place(each), mutant.code[:70], result, f"{each.seconds:.1f}")
    console.print(table)
    killed = sum(bool(each.killer) for each in trials)
    console.print(f"{len(trials)} checks removed one at a time: {killed} found, {survived} survived, {seconds:.0f} s")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
