"""The mutation run itself: it finds the checks; the matrix passes on the tree as it is, and fails without one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from authorization.mutants import ROOT, all_mutants, beside, copied

pytestmark = pytest.mark.slow


@pytest.mark.sqlite_file("the run plays on one, in a process of its own")
def test_a_check_that_is_removed_is_missed(tmp_path: Path) -> None:
    tree = copied(tmp_path)
    environment = {"PYTHONPATH": f"{tree}:{tree / 'tests'}"}
    command = [sys.executable, "-m", "authorization.in_process", "--quick"]
    assert subprocess.run(command, cwd=tree, env=environment, capture_output=True).returncode == 0
    (archived,) = (one for one in all_mutants() if one.code == "found.archived and not self.spec.archived")
    (tree / archived.path).write_text(archived.source)
    failed = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    assert failed.returncode == 1
    assert "expected OBJECT_ARCHIVED" in failed.stdout


def test_each_module_has_tests_beside_it() -> None:
    for mutant in all_mutants():
        assert [file for file in beside(mutant.path) if not (ROOT / file).is_file()] == [], mutant.path


def test_the_checks_are_found_by_rule() -> None:
    found = {(one.path, one.code) for one in all_mutants()}
    for check in (
        ("kmip_server/operations/call.py", "not decision.allowed"),
        ("kmip_server/operations/call.py", "self.need_approval(unique_identifier)"),
        ("kmip_server/operations/usage.py", "not allows(target, purpose.bit)"),
        ("kmip_server/identity/directory.py", "caller.fingerprint in self.revoked"),
        ("policy/decision.py", "deny.applies(subject, resource, context)"),
        ("policy/conditions.py", "resource.tenants == {subject.tenant}"),
        ("policy/decision.py", "one.who(subject)"),
        (
            "kmip_server/operations/call.py",
            "allows_any(self.ruling.rules, self.subject, _ANYTHING, resource, self._context())",
        ),
    ):
        assert check in found
