"""The Merkle tree against the definitions of RFC 9162 s2.1, written down once more as they stand there."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.merkle import (
    EMPTY,
    Frontier,
    consistency_proof,
    consistent,
    includes,
    inclusion_proof,
    leaf_hash,
    root_of,
)

# The leaves of RFC 6962's reference tests, and the roots over the first 1 to 8 of them.
LEAVES = [bytes.fromhex(leaf) for leaf in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def mth(leaves: list[bytes]) -> bytes:
    """MTH of s2.1.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = largest_power_below(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of s2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = largest_power_below(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], known: bool) -> list[bytes]:
    """SUBPROOF of s2.1.4.1."""
    if m == len(leaves):
        return [] if known else [mth(leaves)]
    k = largest_power_below(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], known), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def largest_power_below(n: int) -> int:
    return max(2**exponent for exponent in range(n) if 2**exponent < n)


def numbered(size: int) -> list[bytes]:
    return [number.to_bytes(4, "big") for number in range(size)]


def range_hash(leaves: list[bytes]):
    """Answers whole subtrees only: what a store could not answer from stored ones is an error."""

    def hashed(start: int, end: int) -> bytes:
        size = end - start
        assert start % (1 << (size - 1).bit_length()) == 0
        assert end == len(leaves) or size & (size - 1) == 0
        return mth(leaves[start:end])

    return hashed


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_are_the_published_ones(size: int) -> None:
    assert root_of(map(leaf_hash, LEAVES[:size])).hex() == ROOTS[size - 1] == mth(LEAVES[:size]).hex()


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert root_of([]) == EMPTY == mth([])


def test_every_root_proof_and_verification_up_to_33_leaves() -> None:
    leaves = numbered(33)
    frontier = Frontier()
    for size in range(1, 34):
        frontier.append(leaf_hash(leaves[size - 1]))
        some = leaves[:size]
        root = mth(some)
        assert frontier.root() == root
        for index in range(size):
            proof = inclusion_proof(index, size, range_hash(some))
            assert proof == path(index, some)
            assert includes(index, size, leaf_hash(leaves[index]), proof, root)
            older = consistency_proof(index + 1, size, range_hash(some))
            assert older == subproof(index + 1, some, True)
            assert consistent(index + 1, size, mth(leaves[: index + 1]), root, older)


@given(st.data(), st.integers(1, 300))
def test_nothing_else_is_proved(data: st.DataObject, size: int) -> None:
    """A proof with one bit changed, cut, prolonged, or for another leaf, size or root proves nothing."""
    leaves = numbered(size)
    root, index = mth(leaves), data.draw(st.integers(0, size - 1))
    proof, leaf = inclusion_proof(index, size, range_hash(leaves)), leaf_hash(leaves[index])
    assert includes(index, size, leaf, proof, root)
    assert not includes(index, size, leaf_hash(b"another"), proof, root)
    assert not includes(index, size, leaf, [*proof, root], root)
    assert not includes(index, size, leaf, proof, sha256(root).digest())
    other = data.draw(st.integers(-1, size))
    assert includes(other, size, leaf, proof, root) == (other == index)
    if proof:
        assert not includes(index, size, leaf, proof[:-1], root)
        assert not includes(index, size, leaf, flipped(data, proof), root)


@given(st.data(), st.integers(2, 300))
def test_no_other_tree_is_consistent(data: st.DataObject, size: int) -> None:
    leaves = numbered(size)
    first = data.draw(st.integers(1, size - 1))
    older, newer = mth(leaves[:first]), mth(leaves)
    proof = consistency_proof(first, size, range_hash(leaves))
    assert consistent(first, size, older, newer, proof)
    changed = list(leaves)
    changed[data.draw(st.integers(0, first - 1))] = b"changed"
    rewritten = consistency_proof(first, size, range_hash(changed))
    assert not consistent(first, size, older, mth(changed), rewritten)
    assert not consistent(first, size, older, mth(changed), proof)
    assert not consistent(first, size, older, newer, flipped(data, proof))
    assert not consistent(first, size, older, newer, proof[:-1])
    assert not consistent(first, size, older, newer, [*proof, newer])
    assert not consistent(size, first, newer, older, proof)


def flipped(data: st.DataObject, proof: list[bytes]) -> list[bytes]:
    place, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
    changed = bytearray(proof[place])
    changed[bit // 8] ^= 1 << bit % 8
    return [*proof[:place], bytes(changed), *proof[place + 1 :]]


def test_what_is_not_in_the_tree_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="has no leaf 3"):
        inclusion_proof(3, 3, range_hash(numbered(3)))
    with pytest.raises(ValueError, match="is not the beginning"):
        consistency_proof(4, 3, range_hash(numbered(3)))
