"""What devices and nodes, and nodes among themselves, say to each other: every message as a table of fields.

Where there is a MAC, it is the last field, and covers the others. R: registration. M: mutual authentication of a device
and a node. T: keyfill, stage by stage. R and M travel in the clear, all others in a session. What devices say to each
other directly is in `direct_messages.py`.
"""

from __future__ import annotations

from typing import NamedTuple

from dscc.wire import (
    Blob,
    Count,
    Digest,
    Identifier,
    Mac,
    Name,
    Names,
    Nonce,
    Octets,
    Pairs,
    Sentence,
    Share,
    message,
)


@message(1)
class Refused(NamedTuple):
    """Instead of an answer: a reason from the closed list, and words."""

    reason: Name
    words: Sentence


@message(2)
class Done(NamedTuple):
    """The answer to what has none of its own."""


# Registration.


@message(10)
class R1(NamedTuple):
    """Device to node: who it is, which token it has, and its key for encapsulation (empty: none)."""

    suites: Names
    mode: Name
    token_id: Identifier
    device: Name
    node: Name
    attributes: Pairs
    nonce: Nonce
    ek: Octets
    mac: Mac


@message(11)
class R2(NamedTuple):
    """Node to device: the chosen suite, and the encapsulated secret (empty: none)."""

    suite: Name
    nonce: Nonce
    ct: Octets
    mac: Mac


@message(12)
class R3(NamedTuple):
    """Device to node: it has the bootstrap key."""

    mac: Mac


@message(13)
class R4(NamedTuple):
    """Node to device: it has it, too; the device is at this stage."""

    stage: Name
    mac: Mac


# Mutual authentication with evolving keys.


@message(20)
class M1(NamedTuple):
    """Device to node: its stage, how often it has been ratcheted, and its epoch."""

    device: Name
    node: Name
    stage: Name
    ratchet: Count
    epoch: Count
    nonce: Nonce
    mac: Mac


@message(21)
class M2(NamedTuple):
    """Node to device: the epoch of this session."""

    epoch: Count
    nonce: Nonce
    mac: Mac


@message(22)
class M3(NamedTuple):
    """Device to node: it has gone on to the next epoch."""

    mac: Mac


@message(23)
class M4(NamedTuple):
    """Node to device: it has, too; the session is open."""

    mac: Mac


# Keyfill.


@message(30)
class T1(NamedTuple):
    """Device to node: the stage that it wants, with half of the fresh secret and the evidence that is asked for."""

    stage: Name
    ratchet: Count
    nonce: Nonce
    ek: Octets
    evidence: Pairs


@message(31)
class T2(NamedTuple):
    """Node to device: approved, in this mode. `pieces` names the nodes that hold pieces of a secret, `multipath`."""

    stage: Name
    ratchet: Count
    mode: Name
    workflow: Name
    approval: Digest
    nonce: Nonce
    ct: Octets
    pieces: Names


@message(32)
class T3(NamedTuple):
    """Device to node: it has the next root."""

    ratchet: Count
    mac: Mac


@message(33)
class T4(NamedTuple):
    """Node to device: it has it, too, and no longer the one before."""

    ratchet: Count
    mac: Mac


@message(34)
class PieceRequest(NamedTuple):
    """Device to another node: its piece of the secret that comes over several paths."""

    of: Name
    ratchet: Count


@message(35)
class Piece(NamedTuple):
    """The piece."""

    piece: Nonce


# Shares.


@message(50)
class ShareRequest(NamedTuple):
    """Device to node: its share for a session of these two. `lifetime` in seconds is asked for, 0 for the longest."""

    sid: Digest
    initiator: Name
    responder: Name
    role: Name
    purpose: Name
    algorithm: Name
    bits: Count
    lifetime: Count


@message(51)
class ShareResponse(NamedTuple):
    """Node to device: the share, and what the policy grants: seconds, and uses (0: without a limit).

    `kem` is 1 if it grants no key without ML-KEM.
    """

    sid: Digest
    initiator: Name
    responder: Name
    share: Share
    policy_version: Count
    policy_digest: Digest
    lifetime: Count
    uses: Count
    kem: Count


@message(52)
class Receipt(NamedTuple):
    """Device to node: what became of it. `agreed` is 1 if there is a key, with this identifier."""

    sid: Digest
    kid: Identifier
    agreed: Count


@message(53)
class LocatedRequest(NamedTuple):
    """Device to its node: the same, where the other device asks another node. `asked` is a ShareRequest."""

    other: Name
    asked: Octets


# What else a device asks a node in its session, and what a node says unasked (as request number 0).


@message(70)
class StatusRequest(NamedTuple):
    """Device to node: how do I stand with you?"""


@message(71)
class Status(NamedTuple):
    """Node to device: its stage and the next one ("" at the end), the policy in force, and the nodes that there are.

    `nodes` maps names to "host:port", `regions` names to regions.
    """

    stage: Name
    ratchet: Count
    workflow: Name
    next_stage: Name
    policy_version: Count
    policy_digest: Digest
    nodes: Pairs
    regions: Pairs


@message(72)
class Event(NamedTuple):
    """Node to device, unasked: a device or a key was revoked, or the policy is another one. `at`: POSIX seconds."""

    kind: Name
    subject: Name
    at: Count


@message(73)
class RevokeKey(NamedTuple):
    """Device to node: a key of its own with this peer is not to be used any more.

    `number` is that of the key that is drawn from the one that `kid` names; 0: that one itself.
    """

    kid: Identifier
    number: Count
    peer: Name
    reason: Name


@message(74)
class Acknowledged(NamedTuple):
    """Node to device: so many nodes know of the revocation, of so many that make it take hold."""

    nodes: Count
    needed: Count


@message(75)
class Route(NamedTuple):
    """Device to node: pass this on to a service behind the node."""

    service: Name
    body: Blob


@message(76)
class Routed(NamedTuple):
    """The service's answer."""

    body: Blob


@message(77)
class Keep(NamedTuple):
    """Device to node: keep this for me, sealed at rest (a signature, a wrapped key)."""

    name: Name
    kind: Name
    body: Blob


@message(78)
class Fetch(NamedTuple):
    """Device to node: give me back what you keep under this name."""

    name: Name


@message(79)
class Kept(NamedTuple):
    """What was kept."""

    kind: Name
    body: Blob


@message(85)
class MissedRequest(NamedTuple):
    """Device to node, before anything else in a session: what was revoked since? `heard` is from the last `Missed`."""

    heard: Octets


@message(86)
class Missed(NamedTuple):
    """The answer, behind what it is about, which are events; `more` is 1 if that is not all: ask again.

    `heard` says up to where: the node's own, and good for this device only. Before there is one, it is empty.
    """

    heard: Octets
    more: Count


# Nodes among themselves, in the session of their link.


@message(80)
class Revocation(NamedTuple):
    """A device or a key was revoked at the node `origin`, as its revocation of this number. `at`: POSIX seconds."""

    origin: Name
    number: Count
    kind: Name
    subject: Sentence
    reason: Sentence
    author: Name
    at: Count


@message(81)
class Deposit(NamedTuple):
    """A piece of a secret for a device, which fetches it itself: a step that comes over several paths."""

    device: Name
    of: Name
    ratchet: Count
    piece: Nonce


@message(82)
class LinkKeyRequest(NamedTuple):
    """The node with the higher name to the other one: begin a step of the link, which gives both a key."""


@message(83)
class LinkKeyMade(NamedTuple):
    """The answer: the step that gave it."""

    step: Count


@message(84)
class Located(NamedTuple):
    """The first device's node to the second one's: both give this share, made of the link's key of this step."""

    sid: Digest
    initiator: Name
    responder: Name
    purpose: Name
    algorithm: Name
    bits: Count
    step: Count
    policy_version: Count
    policy_digest: Digest
    lifetime: Count
    uses: Count
    kem: Count
