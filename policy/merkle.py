"""The Merkle tree over the audit log (RFC 9162 s2.1): roots, inclusion and consistency proofs, and their verification.

A leaf hashes as SHA-256(0x00 || leaf), a node as SHA-256(0x01 || left || right); a tree of n > 1 leaves is cut at the
largest power of two below n. Proofs are made from a function that answers the hash of a range of leaves: each range
asked for is a whole subtree, so that its owner can answer from the subtrees it has stored and reads no more of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

EMPTY = sha256().digest()
"""The root of a tree without leaves."""

RangeHash = Callable[[int, int], bytes]
"""The root over the leaves from `start` (counted from 0) to before `end`, of which there is one at least."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of one leaf."""
    return sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node above two others."""
    return sha256(b"\1" + left + right).digest()


def split(size: int) -> int:
    """How many of two leaves or more are to the left of the root: the largest power of two that is less."""
    return 1 << (size - 1).bit_length() - 1


class Frontier:
    """A tree that only grows, as the hashes of its whole subtrees from the left: one for each bit of its size."""

    def __init__(self) -> None:
        self.size = 0
        self._whole: list[bytes] = []
        self._ended: list[bytes] = []

    def append(self, hashed: bytes) -> None:
        """Add the hash of the next leaf."""
        self._whole.append(hashed)
        self._ended = [hashed]
        self.size += 1
        # Each bit that the counting carried is a subtree that has become whole.
        for _ in range((self.size & -self.size).bit_length() - 1):
            right, left = self._whole.pop(), self._whole.pop()
            self._whole.append(node_hash(left, right))
            self._ended.append(self._whole[-1])

    def whole(self, level: int) -> bytes:
        """The hash of the whole subtree of 2 ** level leaves that ends with the last one."""
        return self._ended[level]

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._whole:
            return EMPTY
        root = self._whole[-1]
        for left in reversed(self._whole[:-1]):
            root = node_hash(left, root)
        return root


def root_of(hashes: Iterable[bytes]) -> bytes:
    """The root over leaves whose hashes these are, or over whole subtrees of one size."""
    frontier = Frontier()
    for hashed in hashes:
        frontier.append(hashed)
    return frontier.root()


def inclusion_proof(index: int, size: int, range_hash: RangeHash) -> list[bytes]:
    """The path from a leaf (counted from 0) to the root over `size` leaves (s2.1.3.1), the lowest hash first."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    path, start, end = [], 0, size
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            path.append(range_hash(middle, end))
            end = middle
        else:
            path.append(range_hash(start, middle))
            start = middle
    return path[::-1]


def consistency_proof(first: int, second: int, range_hash: RangeHash) -> list[bytes]:
    """That the tree of `first` leaves is the beginning of that of `second` (s2.1.4.1); empty if they are one."""
    if not 0 < first <= second:
        raise ValueError(f"a tree of {first} leaves is not the beginning of one of {second}")
    path, start, end = [], 0, second
    while first != end:
        middle = start + split(end - start)
        if first <= middle:
            path.append(range_hash(middle, end))
            end = middle
        else:
            path.append(range_hash(start, middle))
            start = middle
    # The root of the older tree is known to who verifies, if that tree is whole from the first leaf.
    return ([range_hash(start, end)] if start else []) + path[::-1]


def includes(index: int, size: int, hashed: bytes, path: Sequence[bytes], root: bytes) -> bool:
    """Whether a path proves that the leaf of this hash is in the tree of this root (s2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last = index, size - 1
    for step in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            hashed = node_hash(step, hashed)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            hashed = node_hash(hashed, step)
        place, last = place >> 1, last >> 1
    return last == 0 and hashed == root


def consistent(first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether a path proves that one tree is the beginning of another (s2.1.4.2)."""
    if first == second:
        return not path and first_root == second_root
    if first == 0:
        return not path and first_root == EMPTY
    if not (first < second and path):
        return False
    # Where the older tree is one whole subtree, its own root begins the path.
    steps = list(path) if first & (first - 1) else [first_root, *path]
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    older = newer = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            older, newer = node_hash(step, older), node_hash(step, newer)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            newer = node_hash(newer, step)
        place, last = place >> 1, last >> 1
    return last == 0 and older == first_root and newer == second_root
