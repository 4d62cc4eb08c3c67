"""Doing something to a shared key on behalf of its owner, by the code that clients' requests go through."""

from __future__ import annotations

from kmip_server.identity.caller import Caller
from kmip_server.identity.directory import Directory
from kmip_server.operations.batch import Batch
from kmip_server.operations.call import Call
from kmip_server.operations.registry import REGISTRY
from kmip_server.operations.services import Services
from kmip_server.storage.port import Unit
from kmip_server.ttlv.enumerations import Operation
from kmip_server.ttlv.versions import V2_1
from policy.model import Who


def call_of(
    unit: Unit, directory: Directory, services: Services, owner: str, now: int, operation: Operation = Operation.CREATE
) -> Call:
    """A call of an owner, who need not be known any more. Other sites are not told of what it does."""
    caller = Caller(owner, directory.clients.get(owner, frozenset()))
    ruling = directory.ruling
    subject = ruling.subject(Who.CLIENT, caller.name, caller.groups)
    return Call(REGISTRY[operation], V2_1, caller, now, unit, services, Batch(), ruling, subject, tells=False)
