"""The values that a device keeps, and how each is written: plain lists for CBOR, and back."""

from __future__ import annotations

from typing import Any, NamedTuple

from dscc.enrolment import Address
from dscc.group import Epoch
from dscc.messages import D3, D4, Abort
from dscc.pairwise import NO_CHAIN, Agreement, KeyState, PairChain, Role, Wanted
from dscc.primitives import suite_named
from dscc.session import Chain


class Registering(NamedTuple):
    """A registration that has begun: with these, R1 is the same one again after a crash."""

    mode: str
    token_id: bytes
    token: bytes
    nonce: bytes
    kem_seed: bytes
    attributes: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        return f"Registering({self.mode!r})"


class Step(NamedTuple):
    """A step of keyfill that has begun: with these, T1 is the same one again."""

    stage: str
    nonce: bytes
    kem_seed: bytes
    evidence: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        return f"Step({self.stage!r})"


class NodeRecord(NamedTuple):
    """A node, and what the device shares with it. `following` is the second slot, while a step is between T3 and T4."""

    address: Address
    region: str = ""
    registering: Registering | None = None
    present: Chain | None = None
    following: Chain | None = None
    step: Step | None = None

    @property
    def stage(self) -> str:
        """The device's stage there; "" before it is registered."""
        return self.present.stage if self.present else ""


class Held(NamedTuple):
    """An agreement as a device keeps it. `base` is how long the pair chain was that it began with.

    D3 and D4 stay with it, so that either side says the same again after a crash.
    """

    agreement: Agreement
    peer: str
    state: KeyState
    agreed_at: int
    base: int
    d3: D3
    d4: D4

    @property
    def purpose(self) -> str:
        """What the key is for."""
        return self.agreement.wanted.purpose

    @property
    def activates_at(self) -> int:
        """Its Activation Date, in POSIX seconds."""
        return self.agreement.wanted.activation or self.agreed_at

    @property
    def expires_at(self) -> int:
        """When the granted lifetime is over, in POSIX seconds; 0: never. It counts from the Activation Date."""
        return self.activates_at + self.agreement.lifetime if self.agreement.lifetime else 0

    def erased(self, state: KeyState) -> Held:
        """The same without its key: what is left is that there was one."""
        return self._replace(agreement=self.agreement._replace(key=b"", chain=NO_CHAIN), state=state)


class GroupRecord(NamedTuple):
    """A group as a member has it; `behind` are those of whom the leader has no confirmation of the epoch."""

    leader: str
    epoch: Epoch
    behind: tuple[str, ...]
    confirmed: bool


def write(value: Any) -> Any:
    """A record as plain lists and values."""
    if isinstance(value, tuple):
        return [write(each) for each in value]
    return str(value) if isinstance(value, str) else value


def read_node(row: list[Any]) -> NodeRecord:
    """A node."""
    address, region, registering, present, following, step = row
    return NodeRecord(
        Address(*address),
        region,
        Registering(*registering[:5], _pairs(registering[5])) if registering else None,
        Chain(*present) if present else None,
        Chain(*following) if following else None,
        Step(*step[:3], _pairs(step[3])) if step else None,
    )


def _pairs(rows: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in rows)


def read_held(row: list[Any]) -> Held:
    """An agreement."""
    agreement, peer, state, agreed_at, base, d3, d4 = row
    sid, kid, initiator, responder, wanted, key, chain, nodes, lifetime, uses, digests, hardened, chained = agreement
    return Held(
        Agreement(
            sid,
            kid,
            initiator,
            responder,
            Wanted(*wanted),
            key,
            PairChain(*chain),
            tuple(nodes),
            lifetime,
            uses,
            tuple(digests),
            hardened,
            chained,
        ),
        peer,
        KeyState(state),
        agreed_at,
        base,
        D3(d3[0], tuple(d3[1]), d3[2], d3[3]),
        D4(*d4),
    )


def write_group(group: GroupRecord) -> list[Any]:
    """A group: the suite by its name."""
    epoch = group.epoch
    seed = [epoch.suite.name, epoch.group, epoch.number, list(epoch.roster), epoch.policy, epoch.seed]
    return [group.leader, seed, list(group.behind), group.confirmed]


def read_group(row: list[Any]) -> GroupRecord:
    """A group."""
    leader, (suite, group, number, roster, policy, seed), behind, confirmed = row
    return GroupRecord(
        leader, Epoch(suite_named(suite), group, number, tuple(roster), policy, seed), tuple(behind), confirmed
    )


def read_abort(row: list[Any]) -> tuple[str, Abort]:
    """Whom to tell that a key will not be used, and how."""
    peer, said = row
    return peer, Abort(*said)


def role_of(agreement: Agreement, device: str) -> Role:
    """Which of the two a device was."""
    return Role.INITIATOR if agreement.initiator == device else Role.RESPONDER
