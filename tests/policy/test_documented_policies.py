from __future__ import annotations

import re
from pathlib import Path

import pytest
from tables import decide_by

from policy.compiling import Ruling
from policy.decision import Subject
from policy.documents import read_document
from policy.operation_policies import BUILT_IN, parse_policies

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "access.md").read_text()
POLICIES = {
    name: policy
    for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    for name, policy in parse_policies(block, "docs/access.md").items()
}


def _allowed(who: Subject, action: str, kind: str, policy: str) -> bool:
    return decide_by(BUILT_IN | POLICIES, who, action, kind, "owner", policy).allowed


def test_the_documented_team_shares_its_keys_and_lets_the_owner_alone_destroy_them() -> None:
    member, owner = Subject("member", frozenset({"arrays"})), Subject("owner", frozenset({"arrays"}))
    assert _allowed(member, "GET", "SYMMETRIC_KEY", "team")
    assert not _allowed(member, "DESTROY", "SYMMETRIC_KEY", "team")
    assert _allowed(owner, "DESTROY", "SYMMETRIC_KEY", "team")
    assert not _allowed(Subject("outsider", frozenset()), "GET", "SYMMETRIC_KEY", "team")


@pytest.mark.parametrize("kind", ["CERTIFICATE", "PUBLIC_KEY"])
def test_the_documented_table_of_the_standard_lets_everyone_read(kind: str) -> None:
    other = Subject("other", frozenset())
    assert _allowed(other, "GET", kind, "readable")
    assert not _allowed(other, "DESTROY", kind, "readable")
    assert not _allowed(other, "GET", kind, "default")


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", (DOCS / "policy.md").read_text(), re.DOTALL))
def test_the_documented_rules_can_be_put_in_force(block: str) -> None:
    assert Ruling(read_document(block, "docs/policy.md")).rules.rules
