"""What programs and commands ask a device for: one model for each, with what it does. JSON goes in, JSON comes out.

The agent takes them from its socket, and `dscc` carries them out itself where no agent runs.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dscc.device.device import Device
from dscc.device.groups import GroupKey
from dscc.device.keys import Key
from dscc.enrolment import read_address, read_step
from dscc.errors import DsccError, Reason
from dscc.keyfill import KeyfillMode

Tell = Callable[[str, str], None]
Name = Annotated[str, Field(min_length=1, max_length=64)]
Kid = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Request(BaseModel):
    """A request: immutable, and without unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    word: ClassVar[str]

    async def carry_out(self, device: Device, tell: Tell) -> dict[str, Any]:
        """Do it. Raises DsccError."""
        return await self._do(device, tell)

    async def _do(self, device: Device, tell: Tell) -> dict[str, Any]:
        raise NotImplementedError


class StatusOf(Request):
    """How the device stands: its stages, its nodes, how many keys, its groups, who was revoked."""

    word = "status"

    async def _do(self, device: Device, tell: Tell) -> dict[str, Any]:
        answers = await asyncio.gather(*[device.node_status(node) for node in device.stages], return_exceptions=True)
        nodes = {}
        for (node, stage), answer in zip(device.stages.items(), answers, strict=True):
            if isinstance(answer, BaseException):
                nodes[node] = {"stage": stage, "connected": False, "error": str(answer)}
            else:
                nodes[node] = {
                    "stage": answer.stage,
                    "connected": True,
                    "next_stage": answer.next_stage,
                    "workflow": answer.workflow,
                    "policy": answer.policy_version,
                }
        states = [held.state.value for held in device.held()]
        return {
            "device": device.name,
            "nodes": nodes,
            "keys": {state: states.count(state) for state in sorted(set(states))},
            "groups": sorted(device.state.groups),
            "revoked": sorted(device.state.revoked),
        }


class Advancing(Request):
    """Take the next stage, and wait for who has to approve it."""

    word = "advance"
    mode: KeyfillMode | None = None
    code: str | None = None
    again: bool = False
    evidence: dict[str, str] = {}

    async def _do(self, device: Device, tell: Tell) -> dict[str, Any]:
        code = read_step(self.code) if self.code else None
        evidence = tuple(sorted(self.evidence.items()))
        stage = await device.advance(mode=self.mode, code=code, evidence=evidence, again=self.again, tell=tell)
        return {"stage": stage, "stages": device.stages}


class Negotiating(Request):
    """Agree on a key with a peer."""

    word = "negotiate"
    peer: Name
    address: str | None = None
    purpose: Name = "tunnel"
    bits: Annotated[int, Field(ge=128, le=4096)] = 256
    algorithm: Name = "AES"
    lifetime: Annotated[int, Field(ge=0)] = 0
    activation: Annotated[int, Field(ge=0)] = 0
    kem: bool = False

    async def _do(self, device: Device, tell: Tell) -> dict[str, Any]:
        known = device.state.peers.get(self.peer)
        address = read_address(self.address) if self.address else known
        if address is None:
            raise DsccError(Reason.MALFORMED, f"it is not known where {self.peer} listens: give its address")
        key = await device.negotiate(
            self.peer,
            address,
            self.purpose,
            self.bits,
            algorithm=self.algorithm,
            lifetime=self.lifetime,
            activation=self.activation,
            kem=self.kem,
        )
        return key.shown()


class ListKeys(Request):
    """The keys that there are or were, without the keys themselves."""

    word = "keys"
    peer: Name | None = None
    purpose: Name | None = None

    async def _do(self, device: Device, tell: Tell) -> dict[str, Any]:
        return {"keys": [key.shown() for key in device.all_keys(self.peer, self.purpose)]}


class UseKey(Request):
    """The key to encrypt with now, and those to decrypt with, in base64; and whose they are."""

    word = "key"
    peer: Name
    purpose: Name = "tunnel"

    async def _do(self, device: Device, tell: Tell) -> dict[str, Any]:
        protect = device.key_to_protect(self.peer, self.purpose)
        process = device.keys_to_process(self.peer, self.purpose)
        return {
            "device": device.name,
            "protect": None if protect is None else _with_key(protect),
            "process": [_with_key(key) for key in process],
        }


class Revoking(Request):
    """Use a key no more, here and at the peer."""

    word = "revoke"
    kid: Kid
    reason: Name = "key compromise"

    async def _do(self, device: Device, tell: Tell) -> dict[str, Any]:
        known = await device.revoke_key(self.kid, self.reason)
        return {"nodes": known.nodes, "needed": known.needed, "holds": known.nodes >= known.needed}


class ForgettingPair(Request):
    """Begin a new pair chain with a peer, after either of the two lost or restored its state."""

    word = "forget-pair"
    peer: Name

    async def _do(self, device: Device, tell: Tell) -> dict[str, Any]:
        device.forget_pair(self.peer)
        return {"peer": self.peer}


class ListGroups(Request):
    """The groups that the device is in."""

    word = "groups"

    async def _do(self, device: Device, tell: Tell) -> dict[str, Any]:
        return {
            "groups": [
                {
                    "group": name,
                    "epoch": record.epoch.number,
                    "leader": record.leader,
                    "roster": list(record.epoch.roster),
                    "confirmed": record.confirmed,
                    "behind": list(record.behind),
                }
                for name, record in sorted(device.state.groups.items())
            ]
        }


class UseGroupKey(Request):
    """A group's key, in base64."""

    word = "group-key"
    group: Name

    async def _do(self, device: Device, tell: Tell) -> dict[str, Any]:
        found = device.groups.key(self.group)
        return _shown(found) | {"key": b64encode(found.key).decode()}


class FormGroup(Request):
    """Form a group with members at these addresses."""

    word = "group-form"
    group: Name
    members: dict[Name, str]

    async def _do(self, device: Device, tell: Tell) -> dict[str, Any]:
        members = {name: read_address(address) for name, address in self.members.items()}
        return _shown(await device.groups.form(self.group, members, tell))


class AddToGroup(Request):
    """Have one more member."""

    word = "group-add"
    group: Name
    member: Name
    address: str

    async def _do(self, device: Device, tell: Tell) -> dict[str, Any]:
        return _shown(await device.groups.add(self.group, self.member, read_address(self.address), tell))


class RemoveFromGroup(Request):
    """Go on without these members."""

    word = "group-remove"
    group: Name
    members: frozenset[Name]

    async def _do(self, device: Device, tell: Tell) -> dict[str, Any]:
        return _shown(await device.groups.remove(self.group, self.members, tell))


class TakeOverGroup(Request):
    """Lead a group whose leader is lost."""

    word = "group-take-over"
    group: Name
    lost: frozenset[Name] = frozenset()

    async def _do(self, device: Device, tell: Tell) -> dict[str, Any]:
        return _shown(await device.groups.take_over(self.group, tell, self.lost))


class SynchroniseGroup(Request):
    """Tell the members that are behind."""

    word = "group-sync"
    group: Name

    async def _do(self, device: Device, tell: Tell) -> dict[str, Any]:
        return _shown(await device.groups.sync(self.group, tell))


class LeaveGroup(Request):
    """Leave a group."""

    word = "group-leave"
    group: Name
    leader: str | None = None

    async def _do(self, device: Device, tell: Tell) -> dict[str, Any]:
        await device.groups.leave(self.group, read_address(self.leader) if self.leader else None)
        return {"group": self.group}


REQUESTS: Final[dict[str, type[Request]]] = {kind.word: kind for kind in Request.__subclasses__()}
"""Every request, by the word that asks for it."""


def read_request(document: object) -> Request:
    """A request from JSON: `do` says which. Raises DsccError (MALFORMED) that names the fields."""
    if not isinstance(document, dict) or document.get("do") not in REQUESTS:
        raise DsccError(Reason.MALFORMED, f"a request is an object whose `do` is one of {', '.join(sorted(REQUESTS))}")
    fields = {name: value for name, value in document.items() if name != "do"}
    try:
        return REQUESTS[document["do"]].model_validate(fields)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise DsccError(Reason.MALFORMED, wrong) from None


def _with_key(key: Key) -> dict[str, Any]:
    return key.shown() | {"key": b64encode(key.key).decode()}


def _shown(found: GroupKey) -> dict[str, Any]:
    rest = found._asdict()
    del rest["key"]
    return rest | {"roster": list(found.roster)}
