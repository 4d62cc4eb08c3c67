from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from kmip_server.errors import KmipError
from kmip_server.identity import credentials
from kmip_server.identity.caller import Caller
from kmip_server.identity.credentials import CredentialVerifier, WrongPassword, hash_password
from kmip_server.identity.directory import Directory, User
from kmip_server.messages.headers import Authentication, Credential
from kmip_server.ttlv.enumerations import CredentialType, ResultReason
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_4
from policy.compiling import Ruling
from policy.model import Policy

PASSWORD = "correct horse battery"
HASH = hash_password(PASSWORD)
DIRECTORY = Directory(
    epoch=1,
    ruling=Ruling(Policy()),
    clients={"alice": frozenset({"arrays"}), "bob": frozenset(), "carol": frozenset()},
    users={
        "alice": User("alice", HASH, frozenset({"admins"})),
        "operator": User("operator", HASH, frozenset({"operators"})),
    },
)
ALICE = Caller("alice", frozenset({"arrays"}), "aa")
BOB = Caller("bob", frozenset(), "bb")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def credential(username: str, password: str | None = PASSWORD) -> Credential:
    fields = [Item(Tag.USERNAME, Type.TEXT_STRING, username)]
    if password is not None:
        fields.append(Item(Tag.PASSWORD, Type.TEXT_STRING, password))
    return Credential(
        credential_type=CredentialType.USERNAME_AND_PASSWORD,
        credential_value=Item(Tag.CREDENTIAL_VALUE, Type.STRUCTURE, tuple(fields)),
    )


def verify(
    caller: Caller, *given: Credential, verifier: CredentialVerifier | None = None, directory: Directory = DIRECTORY
) -> Caller:
    authentication = Authentication(credential=given) if given else None
    return (verifier or CredentialVerifier()).verify(directory, caller, authentication, V1_4)


def refusal(
    caller: Caller,
    *given: Credential,
    verifier: CredentialVerifier | None = None,
    reason: ResultReason = ResultReason.AUTHENTICATION_NOT_SUCCESSFUL,
) -> str:
    with pytest.raises(KmipError) as error:
        verify(caller, *given, verifier=verifier)
    assert error.value.reason is reason
    assert PASSWORD not in error.value.message
    return error.value.message


def test_without_credentials_the_certificate_alone_is_the_caller() -> None:
    assert verify(BOB) is BOB


def test_a_right_password_adds_the_users_groups_and_changes_no_name() -> None:
    assert verify(ALICE, credential("alice")) == replace(ALICE, groups=frozenset({"arrays", "admins"}))
    assert verify(BOB, credential("operator")) == replace(BOB, groups=frozenset({"operators"}))


def test_a_client_that_has_a_user_of_its_name_must_send_its_password() -> None:
    assert "must also send" in refusal(ALICE)


def test_a_user_with_the_name_of_a_client_is_that_clients_alone() -> None:
    refusal(BOB, credential("alice"))


@pytest.mark.parametrize(
    "given",
    [
        credential("operator", "wrong"),
        credential("operator", ""),
        credential("operator", None),
        credential("operator", PASSWORD + "\x00"),
        credential("operator", PASSWORD[:-1]),
        credential("operator ", PASSWORD),
        credential("Operator", PASSWORD),
        credential("nobody", PASSWORD),
        credential("", PASSWORD),
        credential("operator", "x" * 100_000),
        credential("operator", "\ud800"),
    ],
)
def test_every_other_password_and_user_gets_the_same_refusal(given: Credential) -> None:
    assert refusal(BOB, given) == (
        "Authentication (42000C): the user name or the password is wrong, or the user is another client's"
    )


@pytest.mark.parametrize(
    "name", ["two\nlines", "\x1b[31mred", "\u202ebackwards", "\ud800", "x" * 100_000, "\U0010ffff" * 64]
)
def test_the_user_name_of_a_guess_is_shown_on_one_line_of_bounded_length(name: str) -> None:
    with pytest.raises(WrongPassword) as error:
        verify(BOB, credential(name))
    assert error.value.user.isascii()
    assert error.value.user.isprintable()
    assert len(error.value.user) <= 64 * len(r"\U0010ffff") + 2


def test_an_empty_password_never_matches_the_user_who_does_not_exist() -> None:
    refusal(BOB, credential("", ""))


def test_all_credentials_must_be_satisfied() -> None:
    both = verify(ALICE, credential("alice"), credential("operator"))
    assert both.groups == {"arrays", "admins", "operators"}
    refusal(ALICE, credential("alice"), credential("operator", "wrong"))
    refusal(ALICE, credential("operator", "wrong"), credential("alice"))


@pytest.mark.parametrize("kind", [kind for kind in CredentialType if kind != CredentialType.USERNAME_AND_PASSWORD])
def test_other_kinds_of_credentials_are_refused_even_beside_a_right_password(kind: CredentialType) -> None:
    other = Credential(credential_type=kind, credential_value=Item(Tag.CREDENTIAL_VALUE, Type.STRUCTURE, ()))
    attested = kind is CredentialType.ATTESTATION
    reason = ResultReason.ATTESTATION_FAILED if attested else ResultReason.AUTHENTICATION_NOT_SUCCESSFUL
    assert kind.title in refusal(BOB, credential("operator"), other, reason=reason)


@pytest.mark.parametrize(
    "value",
    [
        Item(Tag.CREDENTIAL_VALUE, Type.TEXT_STRING, "operator"),
        Item(Tag.CREDENTIAL_VALUE, Type.STRUCTURE, ()),
        Item(Tag.CREDENTIAL_VALUE, Type.STRUCTURE, (Item(Tag.PASSWORD, Type.TEXT_STRING, PASSWORD),)),
    ],
)
def test_a_malformed_credential_value_is_an_invalid_message(value: Item) -> None:
    malformed = Credential(credential_type=CredentialType.USERNAME_AND_PASSWORD, credential_value=value)
    with pytest.raises(KmipError) as error:
        verify(BOB, malformed)
    assert error.value.reason is ResultReason.INVALID_MESSAGE


def test_a_right_password_is_hashed_once_and_a_wrong_one_every_time() -> None:
    verifier = CredentialVerifier()
    with patch.object(credentials, "Argon2id", wraps=Argon2id) as hashing:
        for _ in range(3):
            verify(BOB, credential("operator"), verifier=verifier)
        assert hashing.verify_phc_encoded.call_count == 1
        for _ in range(3):
            refusal(BOB, credential("operator", "wrong"), verifier=verifier)
        assert hashing.verify_phc_encoded.call_count == 4


@pytest.mark.parametrize("given", [credential("nobody"), credential("alice"), credential("operator", "x" * 2000)])
def test_every_failure_takes_one_hash_so_that_its_time_tells_nothing(given: Credential) -> None:
    verifier = CredentialVerifier()
    verify(ALICE, credential("alice"), verifier=verifier)
    with patch.object(credentials, "Argon2id", wraps=Argon2id) as hashing:
        refusal(BOB, given, verifier=verifier)
        assert hashing.verify_phc_encoded.call_count == 1


def test_a_password_beyond_the_limit_is_not_hashed_itself() -> None:
    with patch.object(credentials, "Argon2id", wraps=Argon2id) as hashing:
        refusal(BOB, credential("operator", "x" * 1025))
    assert hashing.verify_phc_encoded.call_args.args[0] == b""


def test_what_is_remembered_is_no_password_and_does_not_outlive_its_change_or_removal() -> None:
    verifier = CredentialVerifier()
    verify(BOB, credential("operator"), verifier=verifier)
    assert PASSWORD.encode() not in b"".join(verifier._satisfied)
    changed = replace(DIRECTORY, epoch=2, users={"operator": User("operator", hash_password("another password"))})
    removed = replace(DIRECTORY, epoch=3, users={})
    for directory in (changed, removed):
        with pytest.raises(KmipError):
            verify(BOB, credential("operator"), verifier=verifier, directory=directory)


def test_after_five_failures_even_the_right_password_has_to_wait_and_then_is_taken() -> None:
    clock = Clock()
    verifier = CredentialVerifier(clock)
    for _ in range(5):
        refusal(BOB, credential("operator", "wrong"), verifier=verifier)
    with patch.object(credentials, "Argon2id", wraps=Argon2id) as hashing:
        assert "wait" in refusal(BOB, credential("operator"), verifier=verifier)
        assert not hashing.verify_phc_encoded.called
    clock.now += 1.5
    assert verify(BOB, credential("operator"), verifier=verifier).groups == {"operators"}


def test_a_callers_failures_hold_up_nobody_else() -> None:
    verifier = CredentialVerifier(Clock())
    for _ in range(5):
        refusal(BOB, credential("operator", "wrong"), verifier=verifier)
    assert verify(Caller("carol"), credential("operator"), verifier=verifier).groups == {"operators"}


def test_a_success_with_another_user_does_not_forgive_the_failures() -> None:
    verifier = CredentialVerifier(Clock())
    for _ in range(4):
        refusal(ALICE, credential("operator", "wrong"), verifier=verifier)
        verify(ALICE, credential("alice"), verifier=verifier)
    refusal(ALICE, credential("operator", "wrong"), verifier=verifier)
    assert "wait" in refusal(ALICE, credential("alice"), verifier=verifier)


def test_the_wait_grows_up_to_a_minute_and_an_hour_forgives_everything() -> None:
    clock = Clock()
    verifier = CredentialVerifier(clock)
    for _ in range(40):
        if "wait" in refusal(BOB, credential("operator", "wrong"), verifier=verifier):
            break
        clock.now += 30
    assert "wait" in refusal(BOB, credential("operator"), verifier=verifier)
    clock.now += 31
    assert verify(BOB, credential("operator"), verifier=verifier).groups == {"operators"}
    clock.now += 3600
    for _ in range(4):
        refusal(BOB, credential("operator", "wrong"), verifier=verifier)
    assert verify(BOB, credential("operator"), verifier=verifier).groups == {"operators"}


def test_the_tables_are_bounded() -> None:
    table: dict[int, None] = {}
    for number in range(credentials._REMEMBERED + 10):
        credentials._remember(table, number, None)
    assert len(table) == credentials._REMEMBERED
    assert 9 not in table


def test_hashes_are_salted_argon2id_strings() -> None:
    assert HASH.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hash_password(PASSWORD) != HASH
    assert HASH not in repr(DIRECTORY)
