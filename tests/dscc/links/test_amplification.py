"""Toeplitz hashing against the matrix, as the universal family that it has to be."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscc.links.amplification import MOST_BITS, seed_bits, toeplitz


def matrix(seed: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return np.array([[seed[row - column + columns - 1] for column in range(columns)] for row in range(rows)])


@given(st.data())
def test_it_is_the_product_with_the_matrix(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 60))
    length = data.draw(st.integers(1, count))
    random = np.random.default_rng(data.draw(st.integers(0, 999)))
    bits = random.integers(0, 2, count, np.uint8)
    seed = random.integers(0, 2, seed_bits(count, length), np.uint8)
    assert toeplitz(bits, seed, length).tolist() == (matrix(seed, length, count) @ bits % 2).tolist()


def test_it_is_exact_where_the_sums_are_largest() -> None:
    count, length = MOST_BITS // 4, 5
    bits, seed = np.ones(count, np.uint8), np.ones(seed_bits(count, length), np.uint8)
    assert toeplitz(bits, seed, length).tolist() == [count % 2] * length
    seed[count - 1] = 0
    assert toeplitz(bits, seed, length).tolist() == [(count - 1) % 2] * length


def test_two_keys_collide_for_one_seed_in_as_many_as_there_are_hashes() -> None:
    """Universality, in full: for each difference, exactly 2^-3 of the seeds give the hash zero."""
    count, length = 5, 3
    seeds = [np.array(seed, np.uint8) for seed in product((0, 1), repeat=seed_bits(count, length))]
    for difference in product((0, 1), repeat=count):
        if any(difference):
            bits = np.array(difference, np.uint8)
            assert sum(not toeplitz(bits, seed, length).any() for seed in seeds) == len(seeds) // 2**length


@pytest.mark.parametrize(("count", "seed", "length"), [(5, 7, 4), (5, 8, 0), (5, 10, 6), (0, 0, 1)])
def test_a_matrix_of_another_size_is_refused(count: int, seed: int, length: int) -> None:
    with pytest.raises(ValueError, match="no matrix"):
        toeplitz(np.zeros(count, np.uint8), np.zeros(seed, np.uint8), length)
