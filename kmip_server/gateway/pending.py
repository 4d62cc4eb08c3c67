"""What there is to tell of shared keys, as the store has it: to the peers, and to the nodes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

from kmip_server.gateway.words import Word, word_of
from kmip_server.objects.dscc_attributes import dscc_value
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.objects.sharing import group_of, members_of, peer_of
from kmip_server.operations.replacement import replaced_by
from kmip_server.storage.port import AWAITED, PEERS, SharedChange, Unit

MOST: Final = 1024
"""How many changes are told at once."""


class Open(NamedTuple):
    """A change that is being told, and who has still to hear of it. `offered`: a key that is there if all take it.

    `group` is the key's, "" for a pair's.
    """

    change: SharedChange
    word: Word
    group: str
    offered: bool
    missing: set[str]

    @property
    def is_awaited(self) -> bool:
        """Whether there is to be this key only if a client is told so."""
        return self.offered and self.change.reason == AWAITED


class Revoked(NamedTuple):
    """A revocation for the nodes: of the key of this number, drawn from this seed."""

    change: SharedChange
    seed: bytes
    number: int
    peer: str
    nodes: tuple[str, ...]


class Pending(NamedTuple):
    """What there is to tell; of what is `gone` nobody hears any more."""

    opened: list[Open]
    revoked: list[Revoked]
    gone: list[SharedChange]


def pending_in(
    unit: Unit,
    known: Mapping[str, int],
    revoking: Collection[str],
    too_early: Callable[[SharedChange], bool],
    me: str,
) -> Pending:
    """The changes of which others have to hear; not those that are known in this version, or come too early.

    Of keys that are `revoking` the nodes are being told already.
    """
    pending = Pending([], [], [])
    # What is known already leaves room for what is not: others may be told of that.
    for change in unit.shared_changes(MOST + len(known) + len(revoking)):
        if change.audience == PEERS and (known.get(change.unique_identifier) == change.version or too_early(change)):
            continue
        row = unit.get(change.unique_identifier)
        found = None if row is None else ManagedObject.of(row)
        if found is None:
            pending.gone.append(change)
        elif change.audience == PEERS:
            group, members = group_of(found.attributes), members_of(found.attributes)
            others = set(members - {me}) if group else {peer_of(found.attributes)}
            existing = replaced_by(unit, found)
            word = word_of(found, "" if existing is None else existing.unique_identifier)
            pending.opened.append(Open(change, word, group, word.held and not found.destroyed, others))
        elif (revoked := _revocation(change, found)) is not None:
            pending.revoked.append(revoked)
        else:
            pending.gone.append(change)
    return pending


def forget(unit: Unit, gone: list[SharedChange]) -> None:
    """Others have heard of these changes, or there is nobody who could."""
    for change in gone:
        unit.settle_shared(change)


def _revocation(change: SharedChange, found: ManagedObject) -> Revoked | None:
    """What to tell the nodes of; None for a key that they know nothing of."""
    attributes = found.attributes
    session, peer = dscc_value(attributes, "SessionId") or "", peer_of(attributes)
    if not peer or "/" not in session:
        return None
    seed, number = session.split("/")
    nodes = tuple((dscc_value(attributes, "PathsUsed") or "").split(", "))
    return Revoked(change, bytes.fromhex(seed), int(number), peer, nodes)
