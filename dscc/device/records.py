"""The values that a device keeps. A tuple is written as it is, as an array of CBOR; here it is read back."""

from __future__ import annotations

from typing import Any, NamedTuple

from dscc.agreement import NO_CHAIN, Agreement, KeyState, PairChain, Wanted
from dscc.direct_messages import D3, D4, Abort
from dscc.enrolment import Address
from dscc.group import Epoch, leader_of
from dscc.primitives import suite_named
from dscc.session import Chain


class Registering(NamedTuple):
    """A registration that has begun: with these, R1 and R3 are the same ones again after a crash.

    `r2` is the node's answer, encoded, once it came: from then on R3 may have burnt the token.
    """

    mode: str
    token_id: bytes
    token: bytes
    nonce: bytes
    kem_seed: bytes
    attributes: tuple[tuple[str, str], ...]
    r2: bytes = b""

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
    """An agreement as a device keeps it. `base` is the turn of the pair chain that it began with.

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
    """A group as a member has it. `behind` are those whom this member told of the epoch, and who did not confirm it."""

    epoch: Epoch
    behind: tuple[str, ...]
    confirmed: bool

    @property
    def leader(self) -> str:
        """Who leads it from here on."""
        return leader_of(self.epoch.roster)


def read_node(row: list[Any]) -> NodeRecord:
    """A node."""
    address, region, registering, present, following, step = row
    return NodeRecord(
        Address(*address),
        region,
        _read_registering(*registering) if registering else None,
        Chain(*present) if present else None,
        Chain(*following) if following else None,
        _read_step(*step) if step else None,
    )


def _read_registering(
    mode: str, token_id: bytes, token: bytes, nonce: bytes, seed: bytes, attributes: list[list[str]], r2: bytes
) -> Registering:
    return Registering(mode, token_id, token, nonce, seed, _pairs(attributes), r2)


def _read_step(stage: str, nonce: bytes, seed: bytes, evidence: list[list[str]]) -> Step:
    return Step(stage, nonce, seed, _pairs(evidence))


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
    """A group, for CBOR: the suite by its name."""
    epoch = group.epoch
    seed = [epoch.suite.name, epoch.group, epoch.number, list(epoch.roster), epoch.policy, epoch.seed]
    return [seed, list(group.behind), group.confirmed]


def read_group(row: list[Any]) -> GroupRecord:
    """A group."""
    (suite, group, number, roster, policy, seed), behind, confirmed = row
    return GroupRecord(Epoch(suite_named(suite), group, number, tuple(roster), policy, seed), tuple(behind), confirmed)


def read_abort(row: list[Any]) -> tuple[str, Abort]:
    """Whom to tell that a key will not be used, and how."""
    peer, said = row
    return peer, Abort(*said)
