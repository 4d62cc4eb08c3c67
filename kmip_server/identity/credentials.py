"""The credentials in a request: passwords as a second factor beside the certificate (KMIP 2.1 s9.4, s9.11).

1. The certificate says who the caller is; a credential never changes that. Its user adds groups to the caller.
2. Every credential must be satisfied. Only Username and Password is supported; any other kind fails.
3. A user with the name of a known client is that client's second factor: nobody else can use it, and that client must
   send it. Other users may be used over any client's certificate.
4. Every failure takes one password hash and gives one answer, whether the user exists or not.
5. After a few failures a caller has to wait before the next attempt is looked at.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import Final, TypeVar

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from kmip_server.errors import KmipError
from kmip_server.identity.caller import Caller
from kmip_server.identity.directory import Directory, User
from kmip_server.messages.headers import Authentication, UsernameAndPassword
from kmip_server.ttlv.enumerations import CredentialType, ResultReason
from kmip_server.ttlv.item import Type
from kmip_server.ttlv.versions import ProtocolVersion

MAXIMUM_PASSWORD_BYTES: Final = 1024

_MEMORY_KIB: Final = 19 * 1024
_ITERATIONS: Final = 2
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32

_REMEMBERED: Final = 4096
_FREE_FAILURES: Final = 5
_LONGEST_WAIT: Final = 60.0
_FORGIVEN_AFTER: Final = 60.0
_SHOWN_CHARACTERS: Final = 64

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def hash_password(password: str) -> str:
    """A PHC string of Argon2id with a new salt, for the store."""
    derivation = Argon2id(
        salt=secrets.token_bytes(_SALT_BYTES),
        length=_HASH_BYTES,
        iterations=_ITERATIONS,
        lanes=1,
        memory_cost=_MEMORY_KIB,
    )
    return derivation.derive_phc_encoded(password.encode())


class WrongPassword(KmipError):  # noqa: N818
    """Somebody tried a user name and a password that do not belong together, or not to this caller."""

    def __init__(self, user: str) -> None:
        refused = _refused("the user name or the password is wrong, or the user is another client's")
        super().__init__(refused.reason, refused.message)
        self.user = ascii(user[:_SHOWN_CHARACTERS])


def is_password(password: str, stored: str) -> bool:
    """Whether this is the password that hashes to a PHC string of Argon2id."""
    try:
        Argon2id.verify_phc_encoded(password.encode("utf-8", "surrogatepass"), stored)
    except InvalidKey:
        return False
    return True


class CredentialVerifier:
    """Checks the credentials of requests; one for a process, used by all its threads.

    Passwords that were right are remembered as a keyed digest, so that a client which sends its password with every
    request pays for the hash once.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._digest_key = secrets.token_bytes(32)
        self._nobody = User("", hash_password(secrets.token_urlsafe()))
        self._lock = Lock()
        self._satisfied: dict[bytes, None] = {}
        self._failures: dict[str, tuple[float, float]] = {}

    def verify(
        self, directory: Directory, caller: Caller, authentication: Authentication | None, version: ProtocolVersion
    ) -> Caller:
        """The caller with the groups that its credentials add.

        Raises KmipError (Authentication Not Successful, Attestation Failed): WrongPassword for a guess that was tried.
        """
        given = authentication.credential if authentication else ()
        if not given:
            if caller.name in directory.users:
                raise _refused("this client must also send its user name and password")
            return caller
        for kind in [credential.credential_type for credential in given]:
            if kind is not CredentialType.USERNAME_AND_PASSWORD:
                why = f"credentials of the type {kind.title} are not supported; send Username and Password"
                raise _refused(why, _FAILED.get(kind, ResultReason.AUTHENTICATION_NOT_SUCCESSFUL))
        if self._must_wait(caller.name):
            raise _refused("too many failures; wait a minute")
        groups = caller.groups
        for credential in given:
            value = credential.credential_value
            if value.type != Type.STRUCTURE:
                raise KmipError(ResultReason.INVALID_MESSAGE, "Credential Value (420025) is not a Structure")
            words = UsernameAndPassword.decode(value.value, version)
            user = self._user(directory, caller, words)
            if user is None:
                self._failed(caller.name)
                raise WrongPassword(words.username)
            groups |= user.groups
        return replace(caller, groups=groups)

    def _user(self, directory: Directory, caller: Caller, words: UsernameAndPassword) -> User | None:
        """The user that the words prove, or None; hashes once unless these words were right before."""
        user = directory.users.get(words.username)
        if user is not None and user.name in directory.clients and user.name != caller.name:
            user = None
        password = (words.password or "").encode("utf-8", "surrogatepass")
        if len(password) > MAXIMUM_PASSWORD_BYTES:
            user, password = None, b""
        stored = (user or self._nobody).password_hash
        digest = hmac.digest(self._digest_key, hashlib.sha256(stored.encode()).digest() + password, "sha256")
        with self._lock:
            if user is not None and digest in self._satisfied:
                return user
        try:
            Argon2id.verify_phc_encoded(password, stored)
        except InvalidKey:
            return None
        if user is not None:
            with self._lock:
                _remember(self._satisfied, digest, None)
        return user

    def _must_wait(self, name: str) -> bool:
        with self._lock:
            count, last = self._failures.get(name, (0.0, 0.0))
        wait = min(_LONGEST_WAIT, 2.0 ** (count - _FREE_FAILURES)) if count >= _FREE_FAILURES else 0.0
        return self._clock() < last + wait

    def _failed(self, name: str) -> None:
        """Count a failure. Time forgives, a success does not: it may have been with another user's password."""
        now = self._clock()
        with self._lock:
            count, last = self._failures.pop(name, (0.0, now))
            _remember(self._failures, name, (max(0.0, count - (now - last) / _FORGIVEN_AFTER) + 1, now))


def _remember(table: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    """Add to a table of bounded size; the oldest entry makes room."""
    if len(table) >= _REMEMBERED:
        del table[next(iter(table))]
    table[key] = value


_FAILED: Final = {CredentialType.ATTESTATION: ResultReason.ATTESTATION_FAILED}
"""Where there is a word of its own for a credential that is not satisfied (s11.46)."""


def _refused(why: str, reason: ResultReason = ResultReason.AUTHENTICATION_NOT_SUCCESSFUL) -> KmipError:
    return KmipError(reason, f"Authentication (42000C): {why}")
