"""Registration at the nodes of an enrolment code, each on its own: R1 to R4 over a connection that is closed then.

What R1 is made of, and the answer R2, are stored before R1 and R3 leave: a device that did not hear R4 says the same R3
again, and the node answers the same. The token is gone with the root.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Final, TypeVar

from dscc.device.framed import RefusedByPeer, Unreachable, connect
from dscc.device.records import NodeRecord, Registering
from dscc.device.state import State
from dscc.device.vault import FolderError
from dscc.enrolment import EnrolmentCode, EnrolmentNode
from dscc.errors import DsccError, Reason
from dscc.hardening import KemKey
from dscc.messages import R2, R4
from dscc.primitives import NONCE_BYTES
from dscc.registration import REGISTRATION_KEM, DeviceRegistration, Mode, Token
from dscc.session import begin_chain
from dscc.wire import Message, decode_as, encode

_M = TypeVar("_M")
_ANSWER_SECONDS: Final = 10.0
_TRIES: Final = 3
_WAIT_SECONDS: Final = 0.3


def begin(state: State, code: EnrolmentCode, attributes: tuple[tuple[str, str], ...] = ()) -> None:
    """Store what the registrations need. The same code again goes on where it was. Raises FolderError for another."""
    if state.name not in ("", code.device):
        raise FolderError(f"this is the folder of the device {state.name}, and the code is for {code.device}")
    if not state.name:
        state.name_device(code.device)
    for entry in code.nodes:
        known = state.nodes.get(entry.node)
        if known is None or (known.registering and known.registering.token_id != entry.token.token_id):
            state.put_node(
                entry.node, NodeRecord(entry.address, registering=_registering(code.mode, entry, attributes))
            )


def _registering(mode: Mode, entry: EnrolmentNode, attributes: tuple[tuple[str, str], ...]) -> Registering:
    seed = b"" if mode is Mode.QKEY else KemKey(REGISTRATION_KEM).seed
    nonce = secrets.token_bytes(NONCE_BYTES)
    return Registering(mode.value, entry.token.token_id, entry.token.secret, nonce, seed, attributes)


async def register_all(state: State) -> dict[str, str]:
    """Register where that is still to be done; answers the short strings, by node.

    Raises DsccError with what every node said that did not register the device; the others did, and it can be repeated.
    """
    waiting = [name for name, record in state.nodes.items() if record.registering]
    ends = await asyncio.gather(*[_register(state, name) for name in waiting], return_exceptions=True)
    failed = {name: end for name, end in zip(waiting, ends, strict=True) if isinstance(end, BaseException)}
    for error in failed.values():
        if not isinstance(error, DsccError):
            raise error
    if failed:
        words = "; ".join(f"{error.message}" for error in failed.values() if isinstance(error, DsccError))
        reasons = {error.reason for error in failed.values() if isinstance(error, DsccError)}
        raise DsccError(reasons.pop() if len(reasons) == 1 else Reason.FAILED, words)
    return {name: end for name, end in zip(waiting, ends, strict=True) if isinstance(end, str)}


async def _register(state: State, node: str) -> str:
    for left in reversed(range(_TRIES)):
        try:
            return await _register_once(state, node)
        except Unreachable:
            if not left:
                raise
            await asyncio.sleep(_WAIT_SECONDS)
    raise AssertionError("the last try raises or answers")


async def _register_once(state: State, node: str) -> str:
    begun = state.nodes[node].registering
    if begun is None:
        raise DsccError(Reason.OUT_OF_ORDER, f"the device is registered at {node} already")
    device = _machine(state.name, node, begun)
    if begun.r2:
        r3 = device.on_r2(decode_as(R2, begun.r2))
        try:
            return _done(state, node, device, await _ask(state, node, R4, r3))
        except RefusedByPeer:
            # R3 has never come there: the token is good still.
            device = _machine(state.name, node, begun)
    connection = await connect(state.nodes[node].address, node, _ANSWER_SECONDS)
    try:
        r2 = await connection.ask(R2, device.r1, _ANSWER_SECONDS)
        r3 = device.on_r2(r2)
        record = state.nodes[node]
        state.put_node(node, record._replace(registering=begun._replace(r2=encode(r2))))
        return _done(state, node, device, await connection.ask(R4, r3, _ANSWER_SECONDS))
    finally:
        connection.abort()


def _machine(name: str, node: str, begun: Registering) -> DeviceRegistration:
    kem = KemKey(REGISTRATION_KEM, begun.kem_seed) if begun.kem_seed else None
    token = Token(begun.token_id, begun.token)
    return DeviceRegistration(name, node, Mode(begun.mode), token, begun.nonce, kem, begun.attributes)


async def _ask(state: State, node: str, wanted: type[_M], said: Message) -> _M:
    connection = await connect(state.nodes[node].address, node, _ANSWER_SECONDS)
    try:
        return await connection.ask(wanted, said, _ANSWER_SECONDS)
    finally:
        connection.abort()


def _done(state: State, node: str, device: DeviceRegistration, r4: R4) -> str:
    """Store the stage's chain; the token is gone, in every file. Answers the short string."""
    root = device.on_r4(r4)
    state.put_node(node, state.nodes[node]._replace(registering=None, present=begin_chain(root)))
    state.forget_replaced()
    return device.short_string
