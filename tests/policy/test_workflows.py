"""Workflows: the next stage and no other, whatever is tried, and in which order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.compiling import Ruling
from policy.decision import Thing, decide
from policy.documents import read_document, write_document
from policy.model import Member, PolicyError, Stage, Who, Workflow
from policy.workflows import DEFAULT, QUARANTINE, REVOKED, named, next_stage, unmet, workflow_name

NAMES = st.sampled_from(["bootstrap", "quarantine", "tested", "production", "retired"])
WORKFLOWS = (
    st.lists(NAMES, min_size=1, unique=True)
    .filter(lambda names: "quarantine" not in names[2:])
    .map(lambda names: Workflow(1, tuple(map(Stage, names))))
)
DOCUMENT = """
group_workflows = { meters = "meters" }

[devices]
a = { groups = ["meters"] }
b = { groups = ["meters"], workflow = "default" }

[channels]
ops = { kind = "syslog", url = "udp://127.0.0.1:9" }

[workflows.meters]
version = 3
stages = [
    { name = "bootstrap" },
    { name = "production", after = "1h", attributes = { firmware = "2.1" }, notify = ["ops"], approvals = [
        { needed = 1, roles = ["security officer"], within = "1d" },
    ] },
]
"""


@given(WORKFLOWS, st.lists(st.sampled_from(["advance", "quarantine", "revoke"]), max_size=30))
def test_no_order_of_acts_skips_a_stage(workflow: Workflow, acts: list[str]) -> None:
    names = [stage.name for stage in workflow.stages]
    stage, reached = names[0], {names[0]}
    for act in acts:
        if act == "advance" and (following := next_stage(workflow, stage)) is not None:
            stage = following.name
        elif act == "quarantine" and stage != REVOKED:
            stage = QUARANTINE
        elif act == "revoke":
            stage = REVOKED
        if stage in names and stage != names[0] and act == "advance":
            before = names[names.index(stage) - 1]
            assert before in reached
        reached.add(stage)
    if REVOKED in reached:
        assert next_stage(workflow, stage) is None


@given(WORKFLOWS, st.text(max_size=9))
def test_a_stage_that_the_workflow_does_not_have_leads_nowhere(workflow: Workflow, stage: str) -> None:
    if stage not in {QUARANTINE, *[each.name for each in workflow.stages]}:
        assert next_stage(workflow, stage) is None


def test_the_default_workflow_ends_in_production() -> None:
    assert [next_stage(DEFAULT, each) for each in ("bootstrap", "quarantine", "production")] == [
        Stage("quarantine"),
        Stage("production"),
        None,
    ]


def test_a_document_assigns_workflows_to_groups_and_the_device_comes_first() -> None:
    policy = read_document(DOCUMENT, "here")
    assert read_document(write_document(policy), "again") == policy
    assert [workflow_name(policy, policy.devices.get(name, Member())) for name in "abc"] == [
        "meters",
        "default",
        "default",
    ]
    meters = named(policy, "meters")
    assert meters is not None and meters.version == 3


@pytest.mark.parametrize(
    ("attributes", "now", "lacking"),
    [({"firmware": "2.1"}, 3600, 0), ({"firmware": "2.1"}, 3599, 1), ({"firmware": "2.0"}, 3600, 1), ({}, 0, 2)],
)
def test_checks_of_attributes_and_time(attributes: dict[str, str], now: int, lacking: int) -> None:
    stage = read_document(DOCUMENT, "here").workflows["meters"].stages[1]
    assert len(unmet(stage, attributes, 0, now)) == lacking


@pytest.mark.parametrize(
    "document",
    [
        'group_workflows = { meters = "none" }',
        'devices.a.workflow = "none"',
        "workflows.x = { version = 1, stages = [] }",
        'workflows.x = { version = 1, stages = [{ name = "a" }, { name = "a" }] }',
        'workflows.x = { version = 1, stages = [{ name = "revoked" }] }',
        'workflows.x = { stages = [{ name = "a" }] }',
    ],
)
def test_a_workflow_that_cannot_be_followed_is_refused(document: str) -> None:
    with pytest.raises(PolicyError):
        read_document(document, "here")


@pytest.mark.parametrize(
    ("stages", "other", "allowed"),
    [
        ("", "production", True),
        ("", "quarantine", False),
        ("", "revoked", False),
        ('when = { stages = ["production"] }', "production", True),
        ('when = { stages = ["production"] }', "bootstrap", False),
        ('when = { stages = ["production", "quarantine"] }', "quarantine", True),
    ],
)
def test_both_devices_of_a_pair_have_to_be_at_the_stage(stages: str, other: str, allowed: bool) -> None:
    rule = f"""
[[rules]]
name = "pairs"
effect = "allow"
subjects = ["anyone"]
actions = ["DSCC_NEGOTIATE"]
{stages}
"""
    ruling = Ruling(read_document(rule, "here"), {"a": "production", "b": other})
    one, two = (ruling.subject(Who.DEVICE, name) for name in "ab")
    for who, pair in ((one, (one, two)), (two, (two, one))):
        thing = Thing("SYMMETRIC_KEY", pair=pair)
        assert decide(ruling.rules, who, "DSCC_NEGOTIATE", thing, ruling.context(who, 0)).allowed is allowed


def test_a_quarantine_behind_the_second_stage_is_no_workflow() -> None:
    stages = ", ".join(f'{{ name = "{name}" }}' for name in ("bootstrap", "tested", "quarantine"))
    with pytest.raises(PolicyError, match="'quarantine' first or second"):
        read_document(f"[workflows.meters]\nversion = 1\nstages = [{stages}]\n", "here")
