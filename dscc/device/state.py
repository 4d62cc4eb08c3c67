"""The state of a device: its nodes with their chains, its peers with their pair chains, its keys and its groups.

What is read is in memory; what is changed is durable when the method returns, and leaves as a message only then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from dscc.agreement import Agreement, KeyState, PairChain, abort, next_chains
from dscc.device import records
from dscc.device.journal import Change, Journal, Tables
from dscc.device.records import GroupRecord, Held, NodeRecord
from dscc.device.vault import FolderLock, Vault
from dscc.direct_messages import Abort
from dscc.enrolment import Address
from dscc.errors import DsccError, Reason
from dscc.session import Chain

_Row = TypeVar("_Row")

_NEXT_STATES: Final = {
    KeyState.PRE_ACTIVE: {KeyState.ACTIVE, KeyState.COMPROMISED, KeyState.DESTROYED},
    KeyState.ACTIVE: {KeyState.EXPIRED, KeyState.DEACTIVATED, KeyState.COMPROMISED, KeyState.DESTROYED},
    KeyState.EXPIRED: {KeyState.COMPROMISED, KeyState.DESTROYED},
    KeyState.DEACTIVATED: {KeyState.COMPROMISED, KeyState.DESTROYED},
    KeyState.COMPROMISED: set(),
    KeyState.DESTROYED: set(),
}
"""The life of a key. No way leads back."""
_USELESS: Final = frozenset({KeyState.COMPROMISED, KeyState.DESTROYED})
"""Where the key's bytes are erased."""


class _Pair(NamedTuple):
    """The pair chains with a peer, by their numbers, and how often they have changed."""

    turn: int
    chains: dict[int, PairChain]


_NO_PAIR: Final = _Pair(0, {})


class State:
    """The state in an open folder."""

    def __init__(self, folder: Path, vault: Vault) -> None:
        self._lock = FolderLock(folder)
        try:
            self._journal = Journal(folder, vault)
        except BaseException:
            self._lock.release()
            raise
        tables = self._journal.tables
        self.name: str = tables.get("about", {}).get("device", "")
        self.nodes: dict[str, NodeRecord] = _read("node", tables, records.read_node)
        self.held: dict[bytes, Held] = _read("agreement", tables, records.read_held)
        self.pre_active = {kid for kid, held in self.held.items() if held.state is KeyState.PRE_ACTIVE}
        """The keys that a peer has still to confirm."""
        self.peers: dict[str, Address] = _read("peer", tables, lambda row: Address(*row))
        self.groups: dict[str, GroupRecord] = _read("group", tables, records.read_group)
        self.aborts: dict[bytes, tuple[str, Abort]] = _read("abort", tables, records.read_abort)
        self.revoked: dict[str, int] = dict(tables.get("revoked", {}))
        """Devices that were revoked, and when."""
        self._pairs: dict[str, _Pair] = _read("pair", tables, _read_pair)

    @property
    def is_broken(self) -> bool:
        """Whether the folder could not be written: the device is of no use before it is opened again."""
        return self._journal.is_broken

    def close(self) -> None:
        """Compact and close; the folder is free."""
        self._journal.close()
        self._lock.release()

    def forget_replaced(self) -> None:
        """See to it that what was replaced is in no file any more: a session's key, when the chain has gone on."""
        self._journal.compact()

    # The device and its nodes.

    def name_device(self, name: str) -> None:
        """Whose folder it is."""
        self._journal.write(("about", "device", name))
        self.name = name

    def put_node(self, name: str, record: NodeRecord) -> None:
        """Keep what is known of a node."""
        self._journal.write(_node(name, record))
        self.nodes[name] = record

    def put_chain(self, name: str, following: bool, chain: Chain) -> None:
        """Keep the chain of one of the two slots: before M3 leaves."""
        record = self.nodes[name]
        self.put_node(name, record._replace(following=chain) if following else record._replace(present=chain))

    def settle_chain(self, name: str, following: bool) -> None:
        """One of the two slots has proved to be the node's: the other one is dropped, in every file."""
        record = self.nodes[name]
        if record.following is not None:
            present = record.following if following else record.present
            step = None if following else record.step
            self.put_node(name, record._replace(present=present, following=None, step=step))
        self.forget_replaced()

    # Peers and keys.

    def put_peer(self, name: str, address: Address) -> None:
        """Remember where a peer listens."""
        if self.peers.get(name) != address:
            self._journal.write(("peer", name, list(address)))
            self.peers[name] = address

    def chains(self, peer: str) -> Mapping[int, PairChain]:
        """The pair chains with a peer: the two newest."""
        return self._pairs.get(peer, _NO_PAIR).chains

    def turn(self, peer: str) -> int:
        """How often the pair chains have changed: what began in an earlier turn is not confirmed any more."""
        return self._pairs.get(peer, _NO_PAIR).turn

    def forget_chains(self, peer: str) -> None:
        """The next agreement begins a new pair chain."""
        pair = _Pair(self.turn(peer) + 1, {})
        self._journal.write(_pair(peer, pair))
        self._pairs[peer] = pair
        self.forget_replaced()

    def put_pre_active(self, held: Held, instead: Held | None) -> None:
        """Keep a derived key, instead of an earlier one of the same session: before D3 leaves."""
        gone = () if instead is None else (instead.agreement.kid,)
        self._journal.write(*[("agreement", kid, None) for kid in gone], _agreement(held))
        for kid in gone:
            self._drop(kid)
        self._hold(held)

    def put_active(self, held: Held) -> None:
        """Keep a confirmed key, and its pair chain: before D4 leaves, or once it came.

        Raises DsccError (OUT_OF_ORDER) if another agreement has lengthened the chain meanwhile: only one may.
        """
        if self.turn(held.peer) != held.base:
            raise DsccError(Reason.OUT_OF_ORDER, "another agreement of the two has come first")
        held = held._replace(state=KeyState.ACTIVE)
        pair = _Pair(held.base + 1, next_chains(self.chains(held.peer), held.agreement.chain))
        self._journal.write(_agreement(held), _pair(held.peer, pair))
        self._hold(held)
        self._pairs[held.peer] = pair

    def move(self, kids: Iterable[bytes], to: KeyState) -> list[bytes]:
        """Have keys take a state, those that can; answers which did. What is of no use any more is erased."""
        moved = [kid for kid in kids if to in _NEXT_STATES[self.held[kid].state]]
        changed = {kid: _moved(self.held[kid], to) for kid in moved}
        if changed:
            self._journal.write(*map(_agreement, changed.values()))
        for held in changed.values():
            self._hold(held)
        if to in _USELESS and changed:
            self.forget_replaced()
        return moved

    def erase_keys(self, kids: Iterable[bytes]) -> None:
        """Drop keys with their records, in every file: nobody asks for them any more."""
        gone = list(kids)
        self.forget_keys(gone)
        if gone:
            self.forget_replaced()

    def forget_keys(self, kids: Iterable[bytes]) -> None:
        """Drop the records of keys that were destroyed long ago."""
        gone = list(kids)
        if gone:
            self._journal.write(*[("agreement", kid, None) for kid in gone])
        for kid in gone:
            self._drop(kid)

    def give_up(self, held: Held, reason: Reason) -> None:
        """A derived key that will not be used: it is destroyed, and the peer is told so when it is next met."""
        said = abort(held.agreement, reason)
        erased = held.erased(KeyState.DESTROYED)
        self._journal.write(_agreement(erased), ("abort", said.sid, [held.peer, list(said)]))
        self._hold(erased)
        self.aborts[said.sid] = held.peer, said
        self.forget_replaced()

    def undo(self, agreement: Agreement, peer: str) -> None:
        """The peer gave an agreement up: the key is destroyed, and the pair chain is as it was before."""
        chains = {number: each for number, each in self.chains(peer).items() if each != agreement.chain}
        held, pair = self.held[agreement.kid].erased(KeyState.DESTROYED), _Pair(self.turn(peer) + 1, chains)
        self._journal.write(_agreement(held), _pair(peer, pair))
        self._hold(held)
        self._pairs[peer] = pair
        self.forget_replaced()

    def told(self, sid: bytes) -> None:
        """The peer knows that an agreement was given up."""
        self._journal.write(("abort", sid, None))
        del self.aborts[sid]

    def put_revoked(self, device: str, at: int) -> None:
        """A device was revoked: its keys are not to be used any more, and there will be no others."""
        self._journal.write(("revoked", device, at))
        self.revoked[device] = at

    def _hold(self, held: Held) -> None:
        kid = held.agreement.kid
        self.held[kid] = held
        (self.pre_active.add if held.state is KeyState.PRE_ACTIVE else self.pre_active.discard)(kid)

    def _drop(self, kid: bytes) -> None:
        del self.held[kid]
        self.pre_active.discard(kid)

    # Groups.

    def put_group(self, name: str, group: GroupRecord) -> None:
        """Keep a group's epoch: before the seed, or its confirmation, leaves."""
        self._journal.write(("group", name, records.write_group(group)))
        self.groups[name] = group

    def drop_group(self, name: str) -> None:
        """The device is not in it any more."""
        self._journal.write(("group", name, None))
        del self.groups[name]
        self.forget_replaced()


def _read(name: str, tables: Tables, reader: Callable[[Any], _Row]) -> dict[Any, _Row]:
    return {key: reader(row) for key, row in tables.get(name, {}).items()}


def _node(name: str, record: NodeRecord) -> Change:
    return "node", name, record


def _pair(peer: str, pair: _Pair) -> Change:
    return "pair", peer, [pair.turn, [[chain.number, chain.secret] for chain in pair.chains.values()]]


def _read_pair(row: list[Any]) -> _Pair:
    turn, chains = row
    return _Pair(turn, {number: PairChain(number, secret) for number, secret in chains})


def _agreement(held: Held) -> Change:
    return "agreement", held.agreement.kid, held


def _moved(held: Held, to: KeyState) -> Held:
    return held.erased(to) if to in _USELESS else held._replace(state=to)
