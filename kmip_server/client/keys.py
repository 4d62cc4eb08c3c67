"""Keys that two sites share, as their uses take them (`dscc.uses`): from the KMIP server of this site, by its client.

    own, peer   DSCC-Gateway and DSCC-Peer of the key: at the other site they are the same two, the other way round
    process     keys that are Active, whose Process Start Date has come; the latest Activation Date first
    protect     the first of them whose Protect Stop Date has not come (KMIP 2.1 s4.57)

Both sites have a key's dates alike, and the server's time is taken for them; of two keys with one date the one with the
larger identifier comes first. So both choose the same key.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from dscc.errors import DsccError, Reason
from dscc.uses.derivation import Keys, SharedKey, Use, shared_key
from kmip_server.client.client import Client
from kmip_server.client.errors import ClientError
from kmip_server.errors import KmipError
from kmip_server.objects.attribute_fields import AttributeReference
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.dscc_attributes import VENDOR, dscc_value, with_dscc
from kmip_server.ttlv.enumerations import ResultReason, State
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V2_1, ProtocolVersion

_MOST_KEYS: Final = 32
"""Of those that a peer shares for one purpose: the newest ones. A rotation has two at a time."""
_KEPT_SECONDS: Final = 10.0
"""How long a key's value is not asked for again, since each Get is on the server's record. Its State is asked for each
time; a server that is cut off from the nodes refuses the value alone."""
_ASKED: Final = (
    *[
        AttributeReference(tag)
        for tag in (Tag.STATE, Tag.ACTIVATION_DATE, Tag.PROCESS_START_DATE, Tag.PROTECT_STOP_DATE)
    ],
    *[AttributeReference(Tag.ATTRIBUTE, VENDOR, name) for name in ("KeyId", "Gateway", "Peer", "Purpose")],
)
_DENIED: Final = (ResultReason.PERMISSION_DENIED, ResultReason.ITEM_NOT_FOUND, ResultReason.OBJECT_NOT_FOUND)
"""By these a server says that a key is not for this client."""


class Described(NamedTuple):
    """A shared key as its server describes it. Dates are POSIX seconds, None where it has none."""

    unique_identifier: str
    kid: str
    own: str
    peer: str
    state: State
    activation: int
    process_start: int | None
    protect_stop: int | None


class ServerKeys:
    """A source of keys: those that a client's server shares with `peer` for a purpose, or the one key that is named.

    Not for several threads at once.
    """

    def __init__(
        self, folder: Path, *, peer: str | None = None, key: str | None = None, version: ProtocolVersion = V2_1
    ) -> None:
        self._folder, self._peer, self._key, self._version = folder, peer, key, version
        self._values: dict[str, tuple[bytes, float]] = {}

    def keys(self, use: Use) -> Keys:
        """The keys for a use as they are now. Raises DsccError: none is shared so, or the server refuses; OSError."""
        with Client(self._folder, version=self._version) as client:
            names = (self._key,) if self._key is not None else self._located(client, use)
            found = [self._described(client, name, use) for name in names]
            process = to_process(found, client.server_time)
            protect = to_protect(process, client.server_time)
            shared = {each: self._shared(client, each) for each in process}
            self._forget(each.unique_identifier for each in process)
        return Keys(None if protect is None else shared[protect], tuple(shared.values()))

    def _located(self, client: Client, use: Use) -> tuple[str, ...]:
        wanted = with_dscc(AttributeSet.of(()), {"Peer": self._peer or "", "Purpose": use.purpose})
        with _in_words(f"a search for keys with {self._peer}"):
            return client.locate(AttributeValue(Tag.STATE, State.ACTIVE), *wanted, most=_MOST_KEYS)

    def _described(self, client: Client, name: str, use: Use) -> Described:
        with _in_words(f"the attributes of key {name}"):
            attributes = client.get_attributes(name, *_ASKED)
        return described(name, attributes, use)

    def _shared(self, client: Client, found: Described) -> SharedKey:
        return shared_key(found.kid, self._value(client, found.unique_identifier), found.own, found.peer)

    def _value(self, client: Client, name: str) -> bytes:
        value, until = self._values.get(name, (b"", 0.0))
        if time.monotonic() >= until:
            with _in_words(f"the value of key {name}"):
                value = client.get(name)
            self._values[name] = value, time.monotonic() + _KEPT_SECONDS
        return value

    def _forget(self, used: Iterable[str]) -> None:
        kept = frozenset(used)
        self._values = {name: value for name, value in self._values.items() if name in kept}


def described(name: str, attributes: AttributeSet, use: Use) -> Described:
    """What there is to know of a key before its use. Raises DsccError: it is none that two sites share for the use."""
    said = {each: dscc_value(attributes, each) or "" for each in ("KeyId", "Gateway", "Peer", "Purpose")}
    if not said["Peer"]:
        raise DsccError(Reason.MALFORMED, f"key {name} is none that two sites share: it has no DSCC-Peer")
    if said["Purpose"] != use.purpose:
        raise DsccError(
            Reason.POLICY_DENIED, f"key {name} was negotiated for {said['Purpose']}, and is not used for {use.purpose}"
        )
    if not said["Gateway"]:
        raise DsccError(Reason.MALFORMED, f"key {name} has no DSCC-Gateway: it is too old for this; Re-key it")
    return Described(
        name,
        said["KeyId"],
        said["Gateway"],
        said["Peer"],
        attributes.first(Tag.STATE),
        attributes.first(Tag.ACTIVATION_DATE) or 0,
        attributes.first(Tag.PROCESS_START_DATE),
        attributes.first(Tag.PROTECT_STOP_DATE),
    )


def to_process(found: Iterable[Described], now: int) -> list[Described]:
    """The keys to decrypt with, the latest first. The server ends one's State Active at its Deactivation Date."""
    usable = [each for each in found if each.state is State.ACTIVE and (each.process_start or 0) <= now]
    return sorted(usable, key=lambda each: (each.activation, each.kid), reverse=True)


def to_protect(process: Iterable[Described], now: int) -> Described | None:
    """The key to encrypt with, of those to decrypt with in their order."""
    return next((each for each in process if each.protect_stop is None or now < each.protect_stop), None)


@contextmanager
def _in_words(what: str) -> Iterator[None]:
    """What a client raises, as sources of keys do."""
    try:
        yield
    except KmipError as error:
        reason = Reason.POLICY_DENIED if error.reason in _DENIED else Reason.FAILED
        raise DsccError(reason, f"the KMIP server refuses {what}: {error.message}") from None
    except ClientError as error:
        raise DsccError(Reason.FAILED, str(error)) from None
