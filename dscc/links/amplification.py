"""Privacy amplification: a shorter key about which nothing is known, by Toeplitz hashing.

A Toeplitz matrix has the same bit along each diagonal. Those of all bits are a universal family (Krawczyk 1994), by
which the leftover hash lemma applies: the seed may be public. The product with a vector is a part of a convolution.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from dscc.links.photons import Bits

MOST_BITS: Final = 1 << 22
"""Up to there the sums of a convolution are exact in double precision, with a wide margin."""


def seed_bits(length_in: int, length_out: int) -> int:
    """How many bits determine the matrix."""
    return length_in + length_out - 1


def toeplitz(bits: Bits, seed: Bits, length: int) -> Bits:
    """The product modulo 2 of the matrix with `length` rows and the bits. Raises ValueError for a seed of another size.

    Row i, column j is the seed's bit i - j + n - 1, where n is the number of bits.
    """
    count = len(bits)
    if not 0 < length <= count <= MOST_BITS or len(seed) != seed_bits(count, length):
        raise ValueError(f"no matrix of {length} rows for {count} bits from a seed of {len(seed)}")
    size = 1 << (len(seed) + count - 1).bit_length()
    spectrum = np.fft.rfft(seed.astype(np.float64), size) * np.fft.rfft(bits.astype(np.float64), size)
    sums = np.rint(np.fft.irfft(spectrum, size)[count - 1 : count - 1 + length])
    return (sums.astype(np.int64) & 1).astype(np.uint8)
