"""The known answers at start: they hold, they notice, they are quick, and each family is among them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kmip_server.cryptography import self_test as module
from kmip_server.cryptography.algorithms import CIPHERS
from kmip_server.cryptography.self_test import KNOWN_ANSWERS, SelfTestError, self_test


def test_the_library_gives_the_known_answers() -> None:
    self_test()


@pytest.mark.parametrize("known", KNOWN_ANSWERS, ids=[known.name for known in KNOWN_ANSWERS])
def test_a_wrong_answer_is_noticed_and_named(known: module.KnownAnswer) -> None:
    changed = format(int(known.answer[0], 16) ^ 1, "x") + known.answer[1:]
    with pytest.raises(SelfTestError, match="wrong answer") as noticed:
        self_test((replace(known, answer=changed),))
    assert known.name in str(noticed.value)


def test_a_computation_that_fails_is_noticed_and_named() -> None:
    def fail() -> bytes:
        raise OSError("no such provider")

    with pytest.raises(SelfTestError, match=r"ECB.* failed"):
        self_test((replace(KNOWN_ANSWERS[0], compute=fail),))


def test_a_random_generator_that_repeats_itself_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "random_bytes", bytes)
    with pytest.raises(SelfTestError, match="random"):
        self_test()


def test_every_cipher_and_mode_is_among_them() -> None:
    names = " ".join(known.name for known in KNOWN_ANSWERS)
    for algorithm, cipher in CIPHERS.items():
        assert algorithm.title in names or "ChaCha20-Poly1305" in names
        for mode in cipher.modes:
            if mode is not None and mode.title in ("ECB", "CBC", "CTR", "CFB", "OFB", "GCM", "CCM", "XTS"):
                assert f"mode {mode.title}" in names
