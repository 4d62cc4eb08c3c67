"""Who is known and what they may do, as one immutable snapshot that many threads can read.

A snapshot is made from the store's accounts and the policy in force. Whoever holds one asks now and then whether it is
still the newest (`DirectorySource.refresh`) and replaces it as a whole; nothing in it ever changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Final, Protocol

from kmip_server.identity.caller import Caller
from kmip_server.identity.certificate import CertificateIdentity, IdentityError
from policy.compiling import Ruling
from policy.model import Policy

_NO_GROUPS: Final[frozenset[str]] = frozenset()
_IN_QUARANTINE: Final = "the client is in quarantine"


class StaleDirectory(Exception):  # noqa: N818
    """Clients, users or policies have changed since the directory was read: decide again by the new one."""


@dataclass(frozen=True, slots=True)
class User:
    """A user name, what its password hashes to (a PHC string of Argon2id), and the groups it adds to the caller."""

    name: str
    password_hash: str = field(repr=False)
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Directory:
    """Everything that identifies callers and decides for them, at one epoch of the store's accounts.

    `clients` maps the names of known clients to their groups; a client whose certificate comes from the trusted
    authority without being in it has none. `revoked` holds fingerprints of certificates, `expelled` the names of
    clients all of whose certificates are revoked, and `quarantined` those of clients in quarantine.
    """

    epoch: int
    ruling: Ruling
    revoked: frozenset[str] = frozenset()
    clients: Mapping[str, frozenset[str]] = field(default_factory=dict)
    users: Mapping[str, User] = field(default_factory=dict)
    expelled: frozenset[str] = frozenset()
    quarantined: frozenset[str] = frozenset()

    def caller(self, identity: CertificateIdentity) -> Caller:
        """The caller behind a certificate. Raises IdentityError if it is revoked, or the client is in quarantine."""
        return self.again(Caller(identity.name, fingerprint=identity.fingerprint))

    def again(self, caller: Caller) -> Caller:
        """A caller of an earlier directory as this one knows it. Raises IdentityError if this one does not admit it.

        Cheap enough to be asked for every request of an open connection.
        """
        if caller.fingerprint in self.revoked:
            raise IdentityError("the client certificate is revoked")
        if caller.name in self.quarantined:
            raise IdentityError(_IN_QUARANTINE)
        groups = self.clients.get(caller.name, _NO_GROUPS)
        return caller if groups == caller.groups else replace(caller, groups=groups)

    def admits(self, caller: Caller) -> bool:
        """Whether the client may stay connected."""
        return caller.fingerprint not in self.revoked and caller.name not in self.quarantined

    def named(self, name: str) -> Caller:
        """The client of this name, without a connection: the owner of an asynchronous operation.

        Raises IdentityError if it was known, and has no certificate in force any more, or is in quarantine.
        """
        if name in self.expelled:
            raise IdentityError("the client was revoked meanwhile")
        if name in self.quarantined:
            raise IdentityError(_IN_QUARANTINE)
        return Caller(name, self.clients.get(name, _NO_GROUPS))


class UserAccount(Protocol):
    """A user as the store has it."""

    @property
    def password_hash(self) -> str:
        """A PHC string of Argon2id."""

    @property
    def groups(self) -> frozenset[str]:
        """The groups that the user adds to a caller."""


class ClientAccount(Protocol):
    """A client certificate in force, as the store has it."""

    @property
    def name(self) -> str:
        """Whose certificate it is."""


class Accounts(Protocol):
    """All accounts as the store has them at one epoch."""

    @property
    def epoch(self) -> int:
        """Grows with every change of accounts."""

    @property
    def clients(self) -> Mapping[str, ClientAccount]:
        """The certificates in force, by fingerprint."""

    @property
    def revoked(self) -> frozenset[str]:
        """Fingerprints of revoked certificates."""

    @property
    def groups(self) -> Mapping[str, frozenset[str]]:
        """Groups by client name."""

    @property
    def users(self) -> Mapping[str, UserAccount]:
        """Users by name."""

    @property
    def stages(self) -> Mapping[str, str]:
        """The provisioning stages of devices, by name."""

    @property
    def quarantined(self) -> frozenset[str]:
        """Names of clients in quarantine."""


class DirectorySource:
    """Keeps the newest directory, in `current`, for all threads of a process.

    `client_names` are the names of all clients ever entered, revoked ones included; `read_policy` reads the policy in
    force. Raises what reading the accounts raises, and PolicyError.
    """

    def __init__(
        self,
        read_accounts: Callable[[], Accounts],
        client_names: Callable[[], Iterable[str]],
        current_epoch: Callable[[], int],
        read_policy: Callable[[], Policy],
    ) -> None:
        self._read_accounts = read_accounts
        self._client_names = client_names
        self._current_epoch = current_epoch
        self._read_policy = read_policy
        self._refreshing = Lock()
        self.current = self._build()

    def refresh(self) -> bool:
        """Whether accounts or policy have changed, and `current` is a new one.

        Raises what reading the accounts raises, and PolicyError if the policy in force cannot be used; then `current`
        stays, which is not the newest.
        """
        with self._refreshing:
            if self._current_epoch() == self.current.epoch:
                return False
            self.current = self._build()
            return True

    def _build(self) -> Directory:
        # The accounts first: their epoch is that of the directory, and what is read later may only be newer.
        accounts = self._read_accounts()
        names = frozenset(self._client_names())
        return Directory(
            epoch=accounts.epoch,
            ruling=Ruling(self._read_policy(), accounts.stages),
            revoked=accounts.revoked,
            clients={name: accounts.groups.get(name, _NO_GROUPS) for name in names},
            users={name: User(name, user.password_hash, user.groups) for name, user in accounts.users.items()},
            expelled=names - {client.name for client in accounts.clients.values()},
            quarantined=accounts.quarantined,
        )
