"""The keys of uses: each its own, the same at both ends, and what is refused before there is any."""

from __future__ import annotations

import os
import stat
import tracemalloc
from itertools import product
from pathlib import Path

import importer
import pytest
from hypothesis import given
from hypothesis import strategies as st
from two_ends import OWN, PEER, key_number

from dscc.errors import DsccError
from dscc.uses.derivation import TLS13, USES, Role, Use, key_of_use, shared_key
from dscc.uses.sources import KeyFile

KID = "00112233445566778899aabbccddeeff"
KEY = bytes(range(32))


def test_no_two_uses_and_keys_and_pairs_have_a_key_in_common() -> None:
    keys = [key_number(1), key_number(2), key_number(1, OWN, "meter-9"), key_number(1, "meter-1", PEER)]
    found = [key_of_use(key, use)[:32] for key, use in product(keys, USES)]
    assert len(set(found)) == len(found) == 4 * len(USES)
    assert not set(found) & {key.key for key in keys}


@pytest.mark.parametrize("use", USES, ids=lambda use: use.purpose)
def test_both_ends_have_the_same_key_and_roles_are_bound_where_there_are_any(use: Use) -> None:
    here, there = key_number(1), key_number(1, PEER, OWN)
    assert key_of_use(here, use, Role.CLIENT) == key_of_use(there, use, Role.SERVER)
    assert len(key_of_use(here, use)) == use.size
    swapped = key_of_use(here, use, Role.SERVER)
    assert (swapped == key_of_use(here, use, Role.CLIENT)) is not use.has_roles


@given(st.binary(min_size=32, max_size=64), st.sampled_from(USES), st.sampled_from(Role))
def test_a_second_implementation_derives_the_same(key: bytes, use: Use, role: Role) -> None:
    shared = shared_key(KID, key, OWN, PEER)
    names = [OWN.encode(), PEER.encode()]
    if role is Role.SERVER and use.has_roles:
        names.reverse()
    context = importer.encoded(bytes.fromhex(KID), *names)
    assert key_of_use(shared, use, role) == importer.use_key(key, use.label, context, use.size)


@pytest.mark.parametrize(
    ("kid", "key", "own", "peer", "says"),
    [
        ("0" * 31, KEY, OWN, PEER, "32 hexadecimal digits"),
        ("0" * 31 + "A", KEY, OWN, PEER, "32 hexadecimal digits"),
        ("0" * 32 + "\n", KEY, OWN, PEER, "32 hexadecimal digits"),
        (KID, KEY[:31], OWN, PEER, "has 248 bits"),
        (KID, bytes(513), OWN, PEER, "has 4104 bits"),
        (KID, KEY, "", PEER, "printable text"),
        (KID, KEY, OWN, "m\x1b[2J", "printable text"),
        (KID, KEY, OWN, "é" * 33, "printable text"),
        (KID, KEY, OWN, OWN, "different names"),
    ],
    ids=["short kid", "upper case", "line end", "short key", "long key", "no name", "control", "long name", "itself"],
)
def test_what_is_no_key_of_two_devices_is_refused(kid: str, key: bytes, own: str, peer: str, says: str) -> None:
    with pytest.raises(DsccError, match=says) as refused:
        shared_key(kid, key, own, peer)
    assert key.hex() not in str(refused.value)


def test_the_longest_names_fit() -> None:
    assert key_of_use(shared_key(KID, KEY, "a" * 64, "b" * 64), TLS13)


def test_no_representation_shows_the_key() -> None:
    shown = repr(key_number(1))
    assert key_number(1).kid in shown and repr(key_number(1).key)[2:-1] not in shown


@pytest.mark.parametrize("content", [KEY, KEY.hex().encode(), KEY.hex().upper().encode() + b"\n"])
def test_a_key_file_is_raw_or_hexadecimal(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_bytes(content)
    keys = KeyFile(path, KID, OWN, PEER).keys(TLS13)
    assert keys.to_protect().key == KEY and keys.find(KID) == keys.protect and keys.find("0" * 32) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(KEY)
    path.chmod(mode)
    with pytest.raises(DsccError, match=f"mode {mode:04o}: set it to 0600"):
        KeyFile(path, KID, OWN, PEER).keys(TLS13)


@pytest.mark.parametrize("content", [b"", b"short", b"a" * 65, bytes(5000)])
def test_what_is_no_key_in_a_key_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(DsccError, match=r"bits|odd number"):
        KeyFile(path, KID, OWN, PEER).keys(TLS13)


def test_of_a_large_file_no_more_is_read_than_a_key_may_have(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.touch(0o600)
    os.truncate(path, 50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(DsccError, match="bits"):
            KeyFile(path, KID, OWN, PEER).keys(TLS13)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_folder_is_no_key_file(tmp_path: Path) -> None:
    assert stat.S_ISDIR(tmp_path.stat().st_mode)
    with pytest.raises((DsccError, OSError)):
        KeyFile(tmp_path, KID, OWN, PEER).keys(TLS13)
