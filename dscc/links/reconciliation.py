"""Error correction of a raw key: Cascade (Brassard, Salvail 1993), on the actual bits.

One side's bits are the reference; the other corrects its own. In each pass the bits are put into a random public order
and cut into blocks; the reference tells each block's parity. A block whose parity is another has an odd number of
errors, one of which is found by halving. Each correction makes blocks of earlier passes odd that held an even number:
these give another error each. Block sizes start at 0.73 over the error rate and double.

Every parity that is told is counted: privacy amplification takes as many bits away. What was told once is remembered.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dscc.links.photons import Bits, Random
from dscc.links.sifting import permutation

FIRST_BLOCK: Final = 0.73
DOUBLINGS: Final = 4
PASSES: Final = 10
"""After the doubling ones, with blocks of half of all bits: they find what little is left, for two parities each."""
LEAST_RATE: Final = 0.002
"""Where hardly an error is expected, blocks do not get longer than this gives."""

Order = NDArray[np.int64]


class Told(NamedTuple):
    """What went over the line: the parity of some of the bits."""

    positions: Order
    parity: int

    def __repr__(self) -> str:
        return f"Told({len(self.positions)} bits)"


class Reference:
    """The side whose bits stay as they are: it tells parities, and keeps a record of what it told."""

    def __init__(self, bits: Bits) -> None:
        self._bits = bits
        self.told: list[Told] = []

    def parity(self, positions: Order) -> int:
        """One bit goes over the line."""
        parity = int(self._bits[positions].sum()) & 1
        self.told.append(Told(positions, parity))
        return parity


class Corrected(NamedTuple):
    """The bits after correction, and how many were wrong."""

    bits: Bits
    errors: int

    def __repr__(self) -> str:
        return f"Corrected({len(self.bits)} bits, {self.errors} errors)"


class _Pass:
    """One pass: its order, and what is known of the reference's parities of ranges in it."""

    def __init__(self, order: Order, size: int) -> None:
        self.order, self.size = order, size
        self.place = np.empty_like(order)
        self.place[order] = np.arange(len(order))
        self._known: dict[tuple[int, int], int] = {}

    def parity(self, reference: Reference, start: int, end: int) -> int:
        """The reference's parity of a range: asked for once."""
        known = self._known.get((start, end))
        if known is None:
            known = self._known[start, end] = reference.parity(self.order[start:end])
        return known

    def learn(self, start: int, middle: int, end: int) -> None:
        """The parity of the second half follows from those of the whole and of the first half."""
        self._known[middle, end] = self._known[start, end] ^ self._known[start, middle]

    def block(self, position: int) -> tuple[int, int]:
        """The range of the block in which a bit is."""
        start = int(self.place[position]) // self.size * self.size
        return start, min(start + self.size, len(self.order))


def block_sizes(count: int, rate: float) -> list[int]:
    """The size of the blocks in each pass."""
    first, half = int(np.ceil(FIRST_BLOCK / max(rate, LEAST_RATE))), max(1, (count + 1) // 2)
    return [min(half, first << turn) if turn < DOUBLINGS else half for turn in range(PASSES)]


def reconcile(bits: Bits, reference: Reference, rate: float, random: Random) -> Corrected:
    """Correct the bits towards the reference's, of which about the share `rate` differs.

    Some errors may be left, with a small probability: a hash has to tell.
    """
    bits, count, errors = bits.copy(), len(bits), 0
    passes: list[_Pass] = []
    for number, size in enumerate(block_sizes(count, rate)):
        one = _Pass(np.arange(count) if not number else permutation(random, count), size)
        passes.append(one)
        odd: list[tuple[int, int, int, int]] = []
        for start in range(0, count, size):
            _note(odd, bits, reference, passes, number, (start, min(start + size, count)))
        while odd:
            _, turn, start, end = heappop(odd)
            if not _is_odd(bits, reference, passes[turn], start, end):
                continue
            wrong = _search(bits, reference, passes[turn], start, end)
            bits[wrong] ^= 1
            errors += 1
            for earlier, other in enumerate(passes):
                _note(odd, bits, reference, passes, earlier, other.block(wrong))
    return Corrected(bits, errors)


def _is_odd(bits: Bits, reference: Reference, one: _Pass, start: int, end: int) -> bool:
    return (int(bits[one.order[start:end]].sum()) & 1) != one.parity(reference, start, end)


def _note(
    odd: list[tuple[int, int, int, int]],
    bits: Bits,
    reference: Reference,
    passes: list[_Pass],
    number: int,
    block: tuple[int, int],
) -> None:
    """Put a block into the heap if it is odd: the smallest are searched first, since they cost least."""
    if _is_odd(bits, reference, passes[number], *block):
        heappush(odd, (block[1] - block[0], number, *block))


def _search(bits: Bits, reference: Reference, one: _Pass, start: int, end: int) -> int:
    """The position of one error in an odd range."""
    while end - start > 1:
        middle = (start + end) // 2
        first_is_odd = _is_odd(bits, reference, one, start, middle)
        one.learn(start, middle, end)
        start, end = (start, middle) if first_is_odd else (middle, end)
    return int(one.order[start])
