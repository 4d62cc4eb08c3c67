"""What a decision is asked: who asks, for what, and in which circumstances."""

# ruff: noqa: D102 - what the properties of a Resource are is what the fields of a Match ask about.

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple, Protocol

from policy.model import Who
from policy.parameters import NO_PARAMETERS, Parameters


class Subject(NamedTuple):
    """Who asks: a client, a user or a device (`kind`), with all that the policy and the accounts say about it."""

    name: str
    groups: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    tenant: str = "default"
    kind: Who = Who.CLIENT
    stage: str | None = None
    """The provisioning stage of a device."""


class Resource(Protocol):
    """What is asked for. A rule reads no more of it than the rule names, so that what is dear may be found out late."""

    @property
    def object_type(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def tenants(self) -> frozenset[str]: ...
    @property
    def operation_policy(self) -> str: ...
    @property
    def groups(self) -> frozenset[str]: ...
    @property
    def names(self) -> frozenset[str]: ...
    @property
    def attributes(self) -> Mapping[str, frozenset[str]]: ...
    @property
    def algorithm(self) -> str | None: ...
    @property
    def length(self) -> int | None: ...
    @property
    def uses(self) -> frozenset[str]: ...
    @property
    def state(self) -> str | None: ...
    @property
    def pair(self) -> tuple[Subject, Subject] | None: ...
    @property
    def parameters(self) -> Parameters: ...


class Thing(NamedTuple):
    """A resource of which everything is known at once: the server itself, a pair of devices, an example."""

    object_type: str
    owner: str = ""
    tenants: frozenset[str] = frozenset({"default"})
    operation_policy: str = ""
    groups: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    attributes: Mapping[str, frozenset[str]] = {}
    algorithm: str | None = None
    length: int | None = None
    uses: frozenset[str] = frozenset()
    state: str | None = None
    pair: tuple[Subject, Subject] | None = None
    parameters: Parameters = NO_PARAMETERS


class Context(NamedTuple):
    """The circumstances: POSIX seconds, where the request comes from, and the provisioning stage of the device."""

    now: int = 0
    address: IPv4Address | IPv6Address | None = None
    stage: str | None = None
