"""A policy as data: who there is, what they may do, and what is required of them. Nothing here decides anything.

A policy is one immutable value. It is written as a document (`documents.py`), kept in versions (`store.py`), and
compiled before it decides (`decision.py`). An empty field of a `Match` or a `When` asks for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from enum import Enum, StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Final, NamedTuple

DEFAULT_TENANT: Final = "default"
"""The tenant of everyone whom the policy puts in no other."""

ROLES: Final = ("administrator", "security officer", "auditor", "operator")
"""The access levels that every policy has; it may add others."""


class Who(StrEnum):
    """What a selector names."""

    ANYONE = "anyone"
    CLIENT = "client"
    USER = "user"
    DEVICE = "device"
    ROLE = "role"
    GROUP = "group"
    TENANT = "tenant"


class Selector(NamedTuple):
    """Some subjects: "group:arrays", "device:meter-7", "role:auditor", "anyone"."""

    who: Who
    name: str = ""

    def __str__(self) -> str:
        return f"{self.who.value}:{self.name}" if self.name else self.who.value


class Effect(Enum):
    """What a rule does where it applies. A denial wins over everything; what no rule allows is denied.

    A rule that requires neither allows nor denies: it adds obligations to what others allow.
    """

    ALLOW = "allow"
    DENY = "deny"
    REQUIRE = "require"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a resource is like, each field for itself.

    `own`: it belongs to the subject. `names` are patterns, one of which one of the object's Names fits. `attributes`
    are all there, with these values. `algorithms` maps Cryptographic Algorithms to the Cryptographic Lengths in bits
    that they may have, none for any. `uses` hold every use that the key has in its Cryptographic Usage Mask, or its
    DSCC purpose. `pair` is met by two devices in either order. `tenants` are those whose resources may be meant;
    without it, the subject's own. The last five name the Cryptographic Parameters in effect (`parameters.py`).
    """

    object_types: frozenset[str] = frozenset()
    operation_policies: frozenset[str] = frozenset()
    own: bool = False
    owners: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    names: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    algorithms: tuple[tuple[str, frozenset[int]], ...] = ()
    uses: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    pair: tuple[Selector, Selector] | None = None
    block_modes: frozenset[str] = frozenset()
    paddings: frozenset[str] = frozenset()
    hashes: frozenset[str] = frozenset()
    mask_hashes: frozenset[str] = frozenset()
    signatures: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The circumstances of a request. `days` are 0 (Monday) to 6; `hours` are in UTC, the end not included."""

    days: frozenset[int] = frozenset()
    hours: tuple[time, time] | None = None
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    stages: frozenset[str] = frozenset()


class Approval(NamedTuple):
    """So many others, of one of these roles, agree within so many seconds; never the one who asks."""

    needed: int
    roles: frozenset[str]
    within: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligations:
    """What is required of something that is allowed.

    `wrap`: key material leaves wrapped only. `cryptoperiod`: seconds after which a key is renewed, counted from its
    activation. `usage_limit`: how many operations a key is made for. `kem`: a key of two devices is hardened by ML-KEM.
    """

    wrap: bool = False
    kem: bool = False
    approvals: frozenset[Approval] = frozenset()
    cryptoperiod: int | None = None
    usage_limit: int | None = None


NOTHING: Final = Obligations()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: these subjects, but not those; these actions; on resources like this, but not like one of those."""

    name: str
    effect: Effect
    subjects: tuple[Selector, ...]
    actions: frozenset[str]
    exempt: tuple[Selector, ...] = ()
    resource: Match = field(default_factory=Match)
    unless: tuple[Match, ...] = ()
    when: When = field(default_factory=When)
    require: Obligations = NOTHING


class Permission(Enum):
    """What one row of an operation policy allows (the words of PyKMIP's policy files)."""

    ALLOW_ALL = "ALLOW_ALL"
    ALLOW_OWNER = "ALLOW_OWNER"
    DISALLOW_ALL = "DISALLOW_ALL"


Rows = Mapping[tuple[str, str], Permission]
"""(object type, operation) -> permission; names are the standard's constants, e.g. ("SYMMETRIC_KEY", "GET")."""


@dataclass(frozen=True, slots=True)
class OperationPolicy:
    """A named operation policy (KMIP 1.4 s3.18): rows that hold for everyone, and rows for the members of a group."""

    name: str
    preset: Rows | None
    groups: Mapping[str, Rows]


class Member(NamedTuple):
    """A user, a client or a device as the policy knows it."""

    tenant: str = DEFAULT_TENANT
    groups: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    workflow: str = ""


class ChannelKind(Enum):
    """How a notification travels."""

    EMAIL = "email"
    WEBHOOK = "webhook"
    SYSLOG = "syslog"
    KMIP = "kmip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Where notifications go. Passwords and keys are not here: the policy is no secret.

    `url` says where and how: `smtp://user@host:587` (STARTTLS), `smtps://`, `https://`, `udp://`, `tcp://`, `tls://`,
    `unix:///dev/log` or `kmip://host:5696?mode=put`. `sender` and `to` are the addresses of an e-mail; over KMIP, `to`
    is the one client who listens.
    """

    kind: ChannelKind
    url: str
    sender: str = ""
    to: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationRule:
    """Which events are told over which channels; of these tenants, actions and subjects only, where it names some."""

    events: frozenset[str]
    channels: frozenset[str]
    tenants: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    subjects: tuple[Selector, ...] = ()


KEYFILL_MODES: Final = ("plain", "oob", "kem", "kem+oob", "multipath")
"""How a device may come by the keys of its next stage (dscc.keyfill)."""


class Stage(NamedTuple):
    """A stage of a workflow, and what it takes to reach it from the one before.

    `notify` are the channels that are told. `attributes` are what the device's own have to be; `after` is how
    many seconds it has to have been at the stage before. `keyfill` is what is mixed into the device's next keys on the
    nodes, one of KEYFILL_MODES; "" is "kem".
    """

    name: str
    approvals: frozenset[Approval] = frozenset()
    notify: frozenset[str] = frozenset()
    attributes: tuple[tuple[str, str], ...] = ()
    after: int | None = None
    keyfill: str = ""


class Workflow(NamedTuple):
    """The stages through which a device is provisioned, in their order. Who changes it gives it another version."""

    version: int
    stages: tuple[Stage, ...]


class Condition(Enum):
    """What an automatic rule waits for."""

    INACTIVE = "inactive"
    KEY_OLDER = "key-older"
    FAILED_AUTHENTICATIONS = "failed-authentications"
    APPROVALS_OUTSTANDING = "approvals-outstanding"


class Act(Enum):
    """What an automatic rule does."""

    QUARANTINE = "quarantine"
    REVOKE = "revoke"
    ROTATE = "rotate"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomaticRule:
    """What is done without being asked for, as soon as a condition is met.

    `subjects`, but not `exempt`, are the clients and devices that it is about; `resource` is what the keys are like.
    `days` is how long somebody was not seen, or how old a key is; `count` how many failures within `within` seconds, or
    how many approvals; `channels` are told when it escalates.
    """

    name: str
    condition: Condition
    act: Act
    subjects: tuple[Selector, ...] = ()
    exempt: tuple[Selector, ...] = ()
    resource: Match = field(default_factory=Match)
    days: int | None = None
    count: int | None = None
    within: int | None = None
    channels: frozenset[str] = frozenset()


PURPOSES: Final = ("tunnel", "tls13", "ikev2-ppk", "wireguard", "wrap", "at-rest", "sign", "etsi014")
"""What a negotiated key may be for."""
HYBRIDS: Final = ("none", "mlkem768", "mlkem1024")
"""The key encapsulation that may be mixed into a negotiated key."""
MOST_PATHS: Final = 16
"""Of so many nodes at most a negotiated key is made."""
ANY_PEER: Final = "*"
"""In the place of a peer: every one."""


class Use(Enum):
    """When a key is negotiated: if a client asks for it, also if it says nothing, or always and only so."""

    OFFERED = "offered"
    CHOSEN = "chosen"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """Keys that are negotiated with a peer or with a group, one of which is named: whose, and what they are like.

    `subjects`, but not `exempt`, make the keys; `resource` is what the keys are like. `purpose`, `policy` (of the
    nodes), `paths` and `hybrid` hold for the key; "" leaves them to who asks. `pool` keys are made beforehand by one
    negotiation. Every `rotate` seconds the key is renewed, 0 never; the old one may be used for `overlap` seconds more;
    `lifetime` seconds after its activation a key ends, 0 never.
    """

    name: str
    subjects: tuple[Selector, ...]
    exempt: tuple[Selector, ...] = ()
    resource: Match = field(default_factory=Match)
    peer: str = ""
    group: str = ""
    use: Use = Use.OFFERED
    purpose: str = "tunnel"
    policy: str = ""
    paths: str = ""
    hybrid: str = ""
    pool: int = 0
    rotate: int = 3600
    overlap: int = 300
    lifetime: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Who owns the keys that arrive from these peers, and which channels are told.

    `peers` are names of devices, or ANY_PEER; `purposes` and `groups` (of devices) ask for nothing where they are
    empty; `resource` is what the keys are like. `owner` is the name of a client.
    """

    name: str
    peers: frozenset[str]
    owner: str
    purposes: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    resource: Match = field(default_factory=Match)
    tell: frozenset[str] = frozenset()


class PolicyError(Exception):
    """A policy cannot be used; the message names where it comes from, the part of it, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A whole policy. `tenants` and `roles` map names to descriptions; `templates` are named ones that it includes.

    `group_workflows` maps groups of devices to the names of their workflows.
    """

    templates: tuple[str, ...] = ()
    tenants: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, Member] = field(default_factory=dict)
    clients: Mapping[str, Member] = field(default_factory=dict)
    devices: Mapping[str, Member] = field(default_factory=dict)
    workflows: Mapping[str, Workflow] = field(default_factory=dict)
    group_workflows: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    operation_policies: Mapping[str, OperationPolicy] = field(default_factory=dict)
    channels: Mapping[str, Channel] = field(default_factory=dict)
    notifications: tuple[NotificationRule, ...] = ()
    automatic: tuple[AutomaticRule, ...] = ()
    sharing: tuple[Sharing, ...] = ()
    arrivals: tuple[Arrival, ...] = ()

    @property
    def roles_of_users(self) -> dict[str, frozenset[str]]:
        """The roles of each user that it names."""
        return {name: member.roles for name, member in self.users.items()}
