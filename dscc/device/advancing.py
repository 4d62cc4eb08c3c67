"""Autonomous Trustless Keyfill, as a device does it: one step, at one node (T1 to T4).

T1 is stored before it leaves, and is the same one as long as the node says that somebody has to approve.
The next chain is stored beside the present one before T3 leaves (two slots); T4 drops the present one.
If T4 does not come, the next session tells which of the two the node has.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from dscc.device.clock import Clock
from dscc.device.framed import Unreachable
from dscc.device.link import NodeLink
from dscc.device.records import Step
from dscc.device.resources import Resources
from dscc.device.state import State
from dscc.enrolment import StepCode
from dscc.errors import DsccError, Reason
from dscc.hardening import KemKey
from dscc.keyfill import STEP_KEM, DeviceKeyfill, KeyfillMode
from dscc.messages import T2, T4, Piece, PieceRequest, Status
from dscc.primitives import NONCE_BYTES, NOTHING
from dscc.session import Chain

_RECOVERIES: Final = 5
"""How often a step is taken up again after the connection was lost."""


class Advance(NamedTuple):
    """What a step is to be: the stage, the mode that the device insists on, the codes that went another way."""

    stage: str
    mode: KeyfillMode
    codes: Mapping[str, bytes]
    evidence: tuple[tuple[str, str], ...]
    poll_seconds: float
    tell: Callable[[str, str], None]
    """Told of a node, and what it is waiting for."""


class Asked(NamedTuple):
    """What a program asks for: the mode that it insists on (None: as in device.toml), the code of a step, and so on.

    `again` makes the keys of the present stage anew.
    """

    mode: KeyfillMode | None
    code: StepCode | None
    evidence: tuple[tuple[str, str], ...]
    again: bool
    poll_seconds: float
    tell: Callable[[str, str], None]


async def advance(resources: Resources, status: Callable[[str], Awaitable[Status]], asked: Asked) -> str:
    """Take the next stage at the nodes where the fewest steps were taken: the stage, "" if there is no next one.

    `status` asks a node. Raises DsccError when every node was tried.
    """
    ratchets = {name: record.present.ratchet for name, record in resources.state.nodes.items() if record.present}
    nodes = [name for name, ratchet in ratchets.items() if ratchet == min(ratchets.values())]
    steps = await asyncio.gather(
        *[_advance_at(resources, node, status, asked) for node in nodes],
        return_exceptions=True,
    )
    failed = [step for step in steps if isinstance(step, BaseException)]
    for error in failed:
        if not isinstance(error, DsccError) or len(failed) == 1:
            raise error
    if failed:
        raise DsccError(Reason.FAILED, "; ".join(str(error) for error in failed))
    stages = {step for step in steps if isinstance(step, str)}
    return ", ".join(sorted(stages))


async def _advance_at(resources: Resources, node: str, status: Callable[[str], Awaitable[Status]], asked: Asked) -> str:
    said = await status(node)
    stage = said.stage if asked.again else said.next_stage
    if not stage:
        return ""
    codes = asked.code.codes if asked.code is not None and asked.code.stage == stage else {}
    mode = asked.mode or resources.config.stages.mode_of(stage)
    wanted = Advance(stage, mode, codes, asked.evidence, asked.poll_seconds, asked.tell)
    await take_step(resources.state, resources.links, node, wanted, resources.clock)
    asked.tell(node, f"at {stage}")
    return stage


async def take_step(state: State, links: Mapping[str, NodeLink], node: str, wanted: Advance, clock: Clock) -> None:
    """Take the step at one node, and wait for those who have to approve it. Raises DsccError."""
    link, ratchet, recoveries = links[node], _present(state, node).ratchet + 1, _RECOVERIES
    while True:
        try:
            # A session tells which chain the node has, if a step was cut off.
            await link.ready()
            if _present(state, node).ratchet >= ratchet:
                return
            await _try_step(state, links, node, wanted)
            link.end_session()
        except Unreachable as error:
            recoveries -= 1
            if not recoveries:
                raise
            # If T3 was under way, a new session tells whether it came.
            link.end_session()
            wanted.tell(node, error.message)
            await clock.sleep(wanted.poll_seconds)
        except DsccError as error:
            if error.reason is not Reason.WAITING:
                raise
            wanted.tell(node, error.message)
            await clock.sleep(wanted.poll_seconds)


async def _try_step(state: State, links: Mapping[str, NodeLink], node: str, wanted: Advance) -> None:
    link, chain, step = links[node], _present(state, node), _step(state, node, wanted)
    kem = KemKey(STEP_KEM, step.kem_seed) if step.kem_seed else None
    keyfill = DeviceKeyfill(chain, step.stage, step.nonce, kem, step.evidence)
    t2 = await link.request(T2, keyfill.t1)
    if wanted.mode.takes_code and node not in wanted.codes:
        raise DsccError(Reason.POLICY_DENIED, f"{node} is ready: this step takes the code that went another way")
    pieces = tuple([await _piece(links, each, node, t2.ratchet) for each in t2.pieces])
    following, t3 = keyfill.on_t2(t2, wanted.mode, wanted.codes.get(node, NOTHING), pieces)
    state.put_chain(node, True, following)
    keyfill.on_t4(await link.request(T4, t3, again=False))
    state.settle_chain(node, True)


async def _piece(links: Mapping[str, NodeLink], holder: str, node: str, ratchet: int) -> bytes:
    if holder not in links:
        raise DsccError(Reason.INSUFFICIENT_PATHS, f"the device is not registered at {holder}, which holds a piece")
    return (await links[holder].request(Piece, PieceRequest(node, ratchet))).piece


def _step(state: State, node: str, wanted: Advance) -> Step:
    """The step that has begun, if it is this one; a new one otherwise, stored."""
    record = state.nodes[node]
    begun = record.step
    if begun is not None and begun.stage == wanted.stage and bool(begun.kem_seed) == wanted.mode.takes_kem:
        return begun
    seed = KemKey(STEP_KEM).seed if wanted.mode.takes_kem else b""
    step = Step(wanted.stage, secrets.token_bytes(NONCE_BYTES), seed, wanted.evidence)
    state.put_node(node, record._replace(step=step))
    return step


def _present(state: State, node: str) -> Chain:
    present = state.nodes[node].present
    if present is None:
        raise DsccError(Reason.OUT_OF_ORDER, f"the device is not registered at {node}")
    return present
