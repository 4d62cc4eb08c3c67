"""A device's next step at this node: whether it may take it, and what is mixed into its next root."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from dscc.errors import DsccError, Reason
from dscc.hardening import encapsulate
from dscc.keyfill import STEP_KEM, KeyfillMode, NodeKeyfill
from dscc.messages import T1, T3, T4
from dscc.node import approvals, registry
from dscc.node.registry import Device
from dscc.node.sealing import NodeKey
from dscc.primitives import NOTHING
from dscc.session import Chain
from policy import store as policy_store
from policy import workflows
from policy.approvals import ApprovalRequest
from policy.model import Stage

_RE_RATCHET = "the keys of the stage are made anew"


class Step(NamedTuple):
    """A step that is allowed: for which device as it was, to which stage, asked how, approved by whom."""

    device: Device
    stage: Stage
    wanted: ApprovalRequest
    approved_by: tuple[str, ...]
    code: bytes

    @property
    def mode(self) -> KeyfillMode:
        """What is mixed in, by the workflow."""
        return KeyfillMode(self.stage.keyfill or KeyfillMode.KEM)

    @property
    def same_stage(self) -> bool:
        """Whether the device stays where it is, and has its keys made anew."""
        return self.stage.name == self.device.stage


class Waiting(NamedTuple):
    """A step that waits for others, who are asked; that has to be committed."""

    words: str


def allowed(connection: Connection, key: NodeKey, name: str, t1: T1, now: int) -> Step | Waiting:
    """The step that a device asks for. Raises DsccError: it is not the next one, a check is not met, or was refused."""
    device = registry.served(connection, name)
    workflow = policy_store.workflow_in_version(connection, device.workflow, device.workflow_version)
    stage = _wanted_stage(workflow.stages, workflows.next_stage(workflow, device.stage), device, t1)
    wanted = approvals.question(device, stage, now)
    approved_by: tuple[str, ...] = ()
    if stage.name != device.stage:
        lacking = workflows.unmet(stage, _with_evidence(device, t1), device.since, now)
        if lacking:
            raise DsccError(Reason.POLICY_DENIED, f"the stage {stage.name!r} is not taken yet: {'; '.join(lacking)}")
        if stage.approvals:
            found = approvals.granted(connection, wanted)
            if found is None:
                approvals.ask(connection, wanted)
                return Waiting("others have to approve this step; ask again when they have")
            approved_by = found
    step = Step(device, stage, wanted, approved_by, registry.code_of(connection, key, name, stage.name))
    if step.mode.takes_code and step.code == NOTHING:
        return Waiting("an administrator has to give out the code for this step")
    return step


def _wanted_stage(stages: tuple[Stage, ...], following: Stage | None, device: Device, t1: T1) -> Stage:
    if following is not None and t1.stage == following.name:
        return following
    for stage in stages:
        if stage.name == t1.stage == device.stage:
            return stage
    raise DsccError(Reason.OUT_OF_ORDER, f"the next stage is {following.name if following else 'none'}")


def _with_evidence(device: Device, t1: T1) -> Mapping[str, str]:
    """What is known of a device by its registration, which evidence does not contradict but only adds to."""
    return {**dict(t1.evidence), **device.attributes}


def begin(step: Step, chain: Chain, t1: T1, nonce: bytes, pieces: tuple[tuple[str, bytes], ...] = ()) -> NodeKeyfill:
    """The node's side of the step. Raises DsccError."""
    mode = step.mode
    if mode.takes_kem and not t1.ek:
        raise DsccError(Reason.UNSUPPORTED, f"this step is {mode}: it takes an encapsulation key")
    return NodeKeyfill(
        chain,
        t1,
        stage=step.stage.name,
        mode=mode,
        workflow=f"{step.device.workflow}/{step.device.workflow_version}",
        approval=step.wanted.digest,
        nonce=nonce,
        encapsulated=encapsulate(STEP_KEM, t1.ek) if mode.takes_kem else None,
        code=step.code,
        pieces=pieces,
    )


def finish(
    connection: Connection, key: NodeKey, step: Step, keyfill: NodeKeyfill, t3: T3, now: int
) -> tuple[Chain, T4]:
    """The next chain in place of the present one, and the device at its stage, with all that goes on record.

    Raises DsccError if T3 is not authentic, or the device has been moved or revoked since it asked.
    """
    device = registry.served(connection, step.device.name)
    if device.transitions != step.device.transitions:
        raise DsccError(Reason.OUT_OF_ORDER, "the device has been put at another stage meanwhile")
    asked = step.wanted._replace(requested_at=now)
    if step.stage.approvals and not step.same_stage and approvals.granted(connection, asked) is None:
        raise DsccError(Reason.WAITING, "the approval of this step does not hold any more")
    chain, t4 = keyfill.on_t3(t3, registry.load_chain(connection, key, device.name))
    registry.save_chain(connection, key, device.name, chain)
    registry.drop_code(connection, device.name, step.stage.name)
    approvals.use_up(connection, asked)
    detail = f"keyfill: {step.mode}" + (f"; {_RE_RATCHET}" if step.same_stage else "")
    registry.move(connection, device, step.stage.name, now, device.name, step.approved_by, detail, step.stage.notify)
    return chain, t4
