"""Sources of keys that need no network of their own: a pre-shared key, and ML-KEM between two nodes.

A pre-shared key never runs dry, and gives no more than it is: who has it has all keys, those of before too. It is the
chain that forgets (chain.py). ML-KEM gives a fresh secret for each key, against who only listens: the messages are as
authentic as the session that carries them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Final, NamedTuple, TypeVar

from dscc.errors import DsccError
from dscc.hardening import KemKey, encapsulate
from dscc.links.source import (
    MOST_KEYS,
    Key,
    KeyGoneError,
    KeySource,
    SourceAnswerError,
    SourceEmptyError,
    SourceRefusedError,
    SourceRequestError,
    SourceStatus,
    check_ids,
    check_request,
    is_key_id,
    new_key_id,
)
from dscc.primitives import BASE, KEY_BYTES, enc

LINK_KEM: Final = "mlkem1024"
MOST_OFFERS: Final = 64
"""Keys of ML-KEM that wait for a ciphertext, for each peer; after that the oldest is dropped."""
_Random = Callable[[int], bytes]


def _key(secret: bytes, label: str, first: str, second: str, key_id: str) -> Key:
    """A key bound to both names, whoever drew it, and to its id."""
    bound = BASE.digest(enc(*sorted((first.encode(), second.encode())), key_id.encode()))
    return Key(key_id, BASE.expand(secret, label, bound, KEY_BYTES))


def _status(source: str, peer: str, stored: int, detail: str) -> SourceStatus:
    return SourceStatus(source, peer, stored, KEY_BYTES, MOST_KEYS, KEY_BYTES, KEY_BYTES, detail=detail)


def _check(size: int, number: int) -> None:
    """An id says nothing of a size: there is one."""
    check_request(size, number)
    if size != KEY_BYTES:
        raise SourceRequestError(f"this source gives keys of {KEY_BYTES} bytes, not {size}")


class LocalPSK(KeySource):
    """Keys from a secret that both nodes were given: a KeySource."""

    def __init__(self, name: str, secrets: dict[str, bytes], random: _Random) -> None:
        """`secrets` has one of 32 bytes or more for each peer."""
        if any(len(secret) < KEY_BYTES for secret in secrets.values()):
            raise ValueError(f"a pre-shared key has at least {KEY_BYTES} bytes")
        self._name, self._random = name, random
        self._secrets = {peer: BASE.extract(b"DSCC1 link psk", secret) for peer, secret in secrets.items()}

    def __repr__(self) -> str:
        return f"LocalPSK({self._name!r})"

    def status(self, peer: str) -> SourceStatus:
        """It never runs dry."""
        self._secret(peer)
        return _status("psk", peer, MOST_KEYS, "a pre-shared key: who has it has every key")

    def get_key(self, peer: str, size: int, number: int = 1) -> list[Key]:
        """Derive keys under fresh ids."""
        _check(size, number)
        return self._keys(peer, tuple(new_key_id(self._random(16)) for _ in range(number)))

    def get_by_id(self, peer: str, key_ids: tuple[str, ...]) -> list[Key]:
        """Derive them again."""
        check_ids(key_ids)
        return self._keys(peer, key_ids)

    def _keys(self, peer: str, key_ids: tuple[str, ...]) -> list[Key]:
        secret = self._secret(peer)
        return [_key(secret, "link psk", self._name, peer, key_id) for key_id in key_ids]

    def _secret(self, peer: str) -> bytes:
        secret = self._secrets.get(peer)
        if secret is None:
            raise SourceRefusedError(f"there is no pre-shared key with {peer}")
        return secret


class Offer(NamedTuple):
    """A public key for one key of the link. The session between the nodes carries it."""

    key_id: str
    public: bytes


class Sealed(NamedTuple):
    """The answer to an offer: the ciphertext from which the offerer has the key, too."""

    key_id: str
    ciphertext: bytes


class MLKEMLink(KeySource):
    """Keys that one node encapsulates to the other: a KeySource.

    The one makes `offers`, which the other `accept`s and can then draw on; what it drew is `sealed` for the first one,
    which `receive`s it. A session between the nodes carries both, as `peer`'s.
    """

    def __init__(self, name: str, random: _Random) -> None:
        """`random` makes ids; ML-KEM has the operating system's source."""
        self._name, self._random, self._lock = name, random, Lock()
        self._made: dict[str, OrderedDict[str, KemKey]] = {}
        self._offered: dict[str, OrderedDict[str, bytes]] = {}
        self._sealed: dict[str, list[Sealed]] = {}
        self._waiting: dict[str, OrderedDict[str, bytes]] = {}

    def __repr__(self) -> str:
        return f"MLKEMLink({self._name!r})"

    def offers(self, peer: str, number: int) -> list[Offer]:
        """Fresh public keys for a peer. Each is used once, and dropped if MOST_OFFERS newer ones were made."""
        fresh = [(new_key_id(self._random(16)), KemKey(LINK_KEM)) for _ in range(min(number, MOST_OFFERS))]
        with self._lock:
            _keep(self._made.setdefault(peer, OrderedDict()), fresh)
        return [Offer(key_id, key.public) for key_id, key in fresh]

    def accept(self, peer: str, offers: list[Offer]) -> None:
        """What the peer offers. Raises SourceAnswerError."""
        if len(offers) > MOST_OFFERS or not all(is_key_id(offer.key_id) for offer in offers):
            raise SourceAnswerError(f"{peer} may offer {MOST_OFFERS} keys at a time, each with a UUID")
        with self._lock:
            _keep(self._offered.setdefault(peer, OrderedDict()), offers)

    def sealed(self, peer: str) -> list[Sealed]:
        """What is to be sent to the peer, once, before it is told the ids of the keys."""
        with self._lock:
            return self._sealed.pop(peer, [])

    def receive(self, peer: str, sealed: list[Sealed]) -> None:
        """Open what the peer made of the offers. Raises KeyGoneError for what was never offered, or answered before."""
        with self._lock:
            made = self._made.get(peer, OrderedDict())
            for answer in sealed:
                key = made.pop(answer.key_id, None)
                if key is None:
                    raise KeyGoneError(f"{peer} was not offered this key, or has used it before")
                secret = key.open(answer.ciphertext)
                _keep(self._waiting.setdefault(peer, OrderedDict()), [(answer.key_id, secret)])

    def status(self, peer: str) -> SourceStatus:
        """As many keys as there are offers."""
        with self._lock:
            return _status("ml-kem", peer, len(self._offered.get(peer, ())), f"{LINK_KEM}, not quantum")

    def get_key(self, peer: str, size: int, number: int = 1) -> list[Key]:
        """Encapsulate to the oldest offers. Raises SourceEmptyError, SourceAnswerError."""
        _check(size, number)
        with self._lock:
            offered = self._offered.get(peer, OrderedDict())
            if len(offered) < number:
                raise SourceEmptyError(f"{peer} has offered {len(offered)} keys, not {number}")
            keys = []
            for _ in range(number):
                key_id, public = offered.popitem(last=False)
                try:
                    made = encapsulate(LINK_KEM, public)
                except DsccError as error:
                    raise SourceAnswerError(f"{peer} offered something else: {error.message}") from None
                self._sealed.setdefault(peer, []).append(Sealed(key_id, made.ciphertext))
                keys.append(_key(made.secret, "link kem", self._name, peer, key_id))
            return keys

    def get_by_id(self, peer: str, key_ids: tuple[str, ...]) -> list[Key]:
        """The keys that the peer has encapsulated."""
        check_ids(key_ids)
        with self._lock:
            waiting = self._waiting.get(peer, OrderedDict())
            if not all(key_id in waiting for key_id in key_ids):
                raise KeyGoneError(f"{peer} has sealed no such key, or it was fetched")
            return [_key(waiting.pop(key_id), "link kem", self._name, peer, key_id) for key_id in key_ids]


_Value = TypeVar("_Value")


def _keep(kept: OrderedDict[str, _Value], fresh: Iterable[tuple[str, _Value]]) -> None:
    """Add entries, and drop the oldest beyond MOST_OFFERS."""
    kept.update(fresh)
    while len(kept) > MOST_OFFERS:
        kept.popitem(last=False)
