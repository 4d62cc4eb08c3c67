"""A KeyDelivery in memory: keys of the random source instead of negotiated ones, for pairs that a test names."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from uuid import uuid4

from twisted.internet.defer import Deferred, fail, succeed

from kmip_server.etsi014.service import (
    DeliveredKey,
    KeyDeliveryError,
    KeyStatus,
    Kind,
    keys_not_found,
    unknown_sae,
)
from kmip_server.identity.caller import Caller

MOST_KEYS = 100_000


class InMemoryDelivery:
    """Keys for pairs of SAEs. `stock` is how many there are yet; `instead` draws keys in place of this."""

    def __init__(self, *pairs: tuple[str, str], stock: int = MOST_KEYS) -> None:
        self.pairs = {frozenset(pair) for pair in pairs}
        self.stock = stock
        self.calls: list[str] = []
        self.secrets: list[bytes] = []
        self.instead: Callable[[], Deferred[Sequence[DeliveredKey]]] | None = None
        self._waiting: dict[str, tuple[str, str, bytes]] = {}

    def status(self, master: Caller, slave: str) -> Deferred[KeyStatus]:
        error = self._begin("status", master.name, slave)
        return fail(error) if error else succeed(KeyStatus("gateway-a", "gateway-b", self.stock, MOST_KEYS))

    def enc_keys(self, master: Caller, slave: str, number: int, bits: int) -> Deferred[Sequence[DeliveredKey]]:
        error = self._begin("enc_keys", master.name, slave)
        if error is None and number > self.stock:
            error = KeyDeliveryError(Kind.UNAVAILABLE, "there are not as many keys now; try again later")
        if error is not None:
            return fail(error)
        if self.instead is not None:
            return self.instead()
        self.stock -= number
        keys = [DeliveredKey(str(uuid4()), secrets.token_bytes(bits // 8)) for _ in range(number)]
        for key in keys:
            self._waiting[key.key_id] = (master.name, slave, key.secret)
            self.secrets.append(key.secret)
        return succeed(keys)

    def dec_keys(self, slave: Caller, master: str, key_ids: Sequence[str]) -> Deferred[Sequence[DeliveredKey]]:
        error = self._begin("dec_keys", slave.name, master)
        if error is not None:
            return fail(error)
        found = [self._waiting.get(key_id) for key_id in key_ids]
        if any(one is None or one[:2] != (master, slave.name) for one in found):
            return fail(keys_not_found())
        return succeed([DeliveredKey(key_id, self._waiting.pop(key_id)[2]) for key_id in key_ids])

    def _begin(self, name: str, caller: str, other: str) -> KeyDeliveryError | None:
        self.calls.append(name)
        if not any(caller in pair for pair in self.pairs):
            return KeyDeliveryError(Kind.UNAUTHORISED, "you get no keys here")
        return None if frozenset((caller, other)) in self.pairs else unknown_sae()
