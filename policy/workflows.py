"""How a device is provisioned: stage by stage, each of which takes approvals and checks. Pure: time is an argument.

1. A device begins at the first stage of its workflow, and takes the next stage only. None is skipped, none taken again.
2. Two acts stand beside the order: it is put into quarantine, from which it begins again behind the stage of this name,
   or at the first stage where the workflow has no such stage; and it is revoked, after which it takes no stage.
3. It stays with the version of the workflow by which it was enrolled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from policy.model import Member, Policy, Stage, Workflow

QUARANTINE: Final = "quarantine"
REVOKED: Final = "revoked"
DEFAULT_NAME: Final = "default"
DEFAULT: Final = Workflow(1, (Stage("bootstrap"), Stage(QUARANTINE), Stage("production")))
"""The workflow of every device to which the policy assigns no other."""


def workflow_name(policy: Policy, device: Member) -> str:
    """The workflow assigned to a device, or else to the first of its groups, by name, that has one."""
    of_groups = [policy.group_workflows[group] for group in sorted(device.groups) if group in policy.group_workflows]
    return device.workflow or next(iter(of_groups), DEFAULT_NAME)


def named(policy: Policy, name: str) -> Workflow | None:
    """A workflow of the policy; the default one is there without being written."""
    return policy.workflows.get(name, DEFAULT if name == DEFAULT_NAME else None)


def next_stage(workflow: Workflow, current: str) -> Stage | None:
    """The stage that may be taken from here; None at the end, and where nothing may be taken."""
    names = [stage.name for stage in workflow.stages]
    if current == REVOKED:
        return None
    if current in names:
        following = names.index(current) + 1
        return workflow.stages[following] if following < len(names) else None
    return workflow.stages[0] if current == QUARANTINE else None


def unmet(stage: Stage, attributes: Mapping[str, str], since: int, now: int) -> list[str]:
    """What a device that has been at its stage since then still lacks for this one, in words; empty if nothing."""
    lacking = [
        f"{name} is {attributes.get(name, 'not known')}, and has to be {wanted}"
        for name, wanted in stage.attributes
        if attributes.get(name) != wanted
    ]
    if stage.after is not None and now < since + stage.after:
        lacking.append(f"it has to wait for {since + stage.after - now} seconds more")
    return lacking
