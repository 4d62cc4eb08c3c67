"""The sources without a network: a pre-shared key, and ML-KEM between two nodes."""

from __future__ import annotations

import secrets

import pytest

from dscc.links import local
from dscc.links.local import LocalPSK, MLKEMLink, Offer, Sealed
from dscc.links.source import (
    KeyGoneError,
    KeySource,
    SourceAnswerError,
    SourceEmptyError,
    SourceRefusedError,
    SourceRequestError,
    is_key_id,
    is_simulated,
    new_key_id,
)

RANDOM = secrets.token_bytes
SECRET = RANDOM(32)


def psk(name: str, peer: str, secret: bytes = SECRET) -> LocalPSK:
    return LocalPSK(name, {peer: secret}, RANDOM)


def kem() -> tuple[MLKEMLink, MLKEMLink]:
    """Two nodes; the second has offered three keys to the first."""
    one, other = MLKEMLink("n1", RANDOM), MLKEMLink("n2", RANDOM)
    one.accept("n2", other.offers("n1", 3))
    return one, other


def check_source(one: KeySource, other: KeySource, carry: object = None) -> None:
    assert one.status("n2").stored_keys >= 3
    assert not one.status("n2").simulated
    keys = one.get_key("n2", 32, 2)
    assert len({key.secret for key in keys}) == 2 and all(len(key.secret) == 32 for key in keys)
    if callable(carry):
        carry()
    ids = tuple(key.key_id for key in keys)
    assert all(map(is_key_id, ids)) and not any(map(is_simulated, ids))
    assert other.get_by_id("n1", ids[::-1]) == keys[::-1]
    for size in (16, 33):
        with pytest.raises(SourceRequestError):
            one.get_key("n2", size)
    with pytest.raises(SourceRequestError):
        other.get_by_id("n1", ("not a uuid",))


def test_a_pre_shared_key_gives_both_ends_the_same_keys() -> None:
    check_source(psk("n1", "n2"), psk("n2", "n1"))


def test_other_secrets_and_other_names_give_other_keys() -> None:
    (key,) = psk("n1", "n2").get_key("n2", 32)
    for other in (psk("n2", "n1", RANDOM(32)), LocalPSK("n3", {"n1": SECRET}, RANDOM)):
        assert other.get_by_id("n1", (key.key_id,)) != [key]


def test_a_pre_shared_key_is_long_and_for_the_peers_that_were_named() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        psk("n1", "n2", RANDOM(31))
    with pytest.raises(SourceRefusedError):
        psk("n1", "n2").get_key("n3", 32)
    with pytest.raises(SourceRefusedError):
        psk("n1", "n2").status("n3")


def test_ml_kem_gives_both_ends_the_same_keys() -> None:
    one, other = kem()
    check_source(one, other, lambda: other.receive("n1", one.sealed("n2")))


def test_ml_kem_runs_dry_with_the_offers() -> None:
    one, _ = kem()
    one.get_key("n2", 32, 2)
    with pytest.raises(SourceEmptyError):
        one.get_key("n2", 32, 2)
    assert one.status("n2").stored_keys == 1
    with pytest.raises(SourceEmptyError):
        one.get_key("n3", 32)


def test_each_offer_is_answered_once_and_each_key_fetched_once() -> None:
    one, other = kem()
    (key,) = one.get_key("n2", 32)
    with pytest.raises(KeyGoneError):
        other.get_by_id("n1", (key.key_id,))
    sealed = one.sealed("n2")
    assert one.sealed("n2") == []
    other.receive("n1", sealed)
    with pytest.raises(KeyGoneError):
        other.receive("n1", sealed)
    with pytest.raises(KeyGoneError):
        other.receive("n3", sealed)
    assert other.get_by_id("n1", (key.key_id,)) == [key]
    with pytest.raises(KeyGoneError):
        other.get_by_id("n1", (key.key_id,))


def test_a_ciphertext_for_another_offer_gives_another_key() -> None:
    one, other = kem()
    keys = one.get_key("n2", 32, 2)
    first, second = one.sealed("n2")
    other.receive("n1", [Sealed(first.key_id, second.ciphertext), Sealed(second.key_id, first.ciphertext)])
    assert not {key.secret for key in other.get_by_id("n1", (first.key_id, second.key_id))} & {
        key.secret for key in keys
    }


def test_what_is_no_offer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    one = MLKEMLink("n1", RANDOM)
    with pytest.raises(SourceAnswerError):
        one.accept("n2", [Offer("x", b"")])
    one.accept("n2", [Offer(new_key_id(RANDOM(16)), b"short")])
    with pytest.raises(SourceAnswerError, match="something else"):
        one.get_key("n2", 32)
    monkeypatch.setattr(local, "MOST_OFFERS", 2)
    other = MLKEMLink("n2", RANDOM)
    offers = [offer for _ in range(2) for offer in other.offers("n1", 3)]
    assert len(offers) == 4
    with pytest.raises(SourceAnswerError):
        one.accept("n2", offers)
    one.accept("n2", offers[:2])
    one.accept("n2", offers[2:])
    assert one.status("n2").stored_keys == 2


def test_nothing_secret_is_shown() -> None:
    one, other = kem()
    (key,) = one.get_key("n2", 32)
    shown = repr([one, other, psk("n1", "n2"), key, psk("n1", "n2").status("n2"), one.status("n2")])
    assert repr(SECRET)[2:-1] not in shown and repr(key.secret)[2:-1] not in shown
