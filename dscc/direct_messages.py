"""What devices say to each other directly: every message as a table of fields.

Where there is a MAC, it is the last field, and covers the others. D: agreeing on a key, in the clear. What is said in
groups is in the box of a `Sealed`.
"""

from __future__ import annotations

from typing import NamedTuple

from dscc.wire import (
    Blob,
    Count,
    Digest,
    Identifier,
    Mac,
    Macs,
    Name,
    Names,
    Nonce,
    Octets,
    Roster,
    Share,
    message,
)

# Two.


@message(40)
class D1(NamedTuple):
    """Initiator to responder: what for, over which nodes; `chain` is how long their pair chain is.

    `lifetime`: seconds that the key is wanted for, 0 for as long as the nodes grant.
    `activation` is when both begin to use the key, in POSIX seconds; 0: at once.
    """

    suites: Names
    initiator: Name
    responder: Name
    purpose: Name
    algorithm: Name
    bits: Count
    lifetime: Count
    policy: Name
    activation: Count
    nodes: Names
    nonce: Nonce
    ek: Octets
    chain: Count
    mac: Mac


@message(41)
class D2(NamedTuple):
    """Responder to initiator: what it chose."""

    suite: Name
    nodes: Names
    nonce: Nonce
    ct: Octets
    chain: Count
    mac: Mac


@message(42)
class D3(NamedTuple):
    """Initiator to responder: the nodes whose shares it used, the digest of what they granted, and its confirmation."""

    sid: Digest
    nodes: Names
    granted: Digest
    mac: Mac


@message(43)
class D4(NamedTuple):
    """Responder to initiator: its confirmation."""

    sid: Digest
    mac: Mac


@message(44)
class Subset(NamedTuple):
    """Responder to initiator, instead of D4: it has the shares of these nodes only."""

    sid: Digest
    nodes: Names


@message(45)
class Abort(NamedTuple):
    """Either to the other: there will be no key, for this reason; `mac` is empty before there is one."""

    sid: Digest
    reason: Name
    mac: Mac


@message(46)
class Notice(NamedTuple):
    """Either of two to the other: something under the key that `kid` names; `question` is what the answer names."""

    kid: Identifier
    question: Identifier
    body: Blob


@message(47)
class Noticed(NamedTuple):
    """The answer; `what` says whether it is a refusal."""

    question: Identifier
    what: Name
    body: Blob


# Groups.


@message(60)
class Contribution(NamedTuple):
    """Member to leader, sealed under their pair key: its part of the seed."""

    group: Name
    epoch: Count
    part: Nonce


@message(61)
class Seed(NamedTuple):
    """Leader to member, sealed under their pair key, or to all under the rekeying key: the seed of an epoch."""

    group: Name
    epoch: Count
    roster: Roster
    policy: Digest
    seed: Share


@message(62)
class Confirm(NamedTuple):
    """Member to leader: it has the key of the epoch."""

    group: Name
    epoch: Count
    member: Name
    mac: Mac


@message(63)
class Confirmed(NamedTuple):
    """Leader to all: everybody has it; the MACs stand in the order of the roster."""

    group: Name
    epoch: Count
    macs: Macs


@message(64)
class Sealed(NamedTuple):
    """Between a leader and members, directly: one of the messages above in its box. `what` names the box."""

    group: Name
    epoch: Count
    what: Name
    body: Blob
