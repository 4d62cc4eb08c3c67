"""Who is known and what they may do, as one immutable snapshot that many threads can read.

A snapshot is made from the store's accounts and the policy files. Whoever holds one asks now and then whether it is
still the newest (`DirectorySource.refresh`) and replaces it as a whole; nothing in it ever changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kmip_server.identity.caller import Caller
from kmip_server.identity.certificate import CertificateIdentity, IdentityError
from policy.decision import OperationPolicy, Subject, shared_with


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
    authority without being in it has none. `revoked` holds fingerprints of certificates.
    """

    epoch: int
    policies: Mapping[str, OperationPolicy]
    revoked: frozenset[str] = frozenset()
    clients: Mapping[str, frozenset[str]] = field(default_factory=dict)
    users: Mapping[str, User] = field(default_factory=dict)
    _shared: dict[tuple[frozenset[str], str], frozenset[tuple[str, str]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def caller(self, identity: CertificateIdentity) -> Caller:
        """The caller behind a certificate. Raises IdentityError if the certificate is revoked."""
        if identity.fingerprint in self.revoked:
            raise IdentityError("the certificate is revoked")
        return Caller(identity.name, self.clients.get(identity.name, frozenset()), identity.fingerprint)

    def shared_with(self, caller: Caller, action: str) -> frozenset[tuple[str, str]]:
        """See policy.decision.shared_with; computed once for each set of groups."""
        key = caller.groups, action
        shared = self._shared.get(key)
        if shared is None:
            shared = shared_with(self.policies, Subject(caller.name, caller.groups), action)
            self._shared[key] = shared
        return shared
