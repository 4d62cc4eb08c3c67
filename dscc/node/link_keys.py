"""Keys that this node and another one make for the shares that they give together (dscc.links).

Each step is made of a key of the link's source and of the chain; the node with the lower name asks. Sources block, and
are asked in a thread. What a step gave waits here for the share that it is for, in memory only.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Generator
from typing import Any, Final

import cbor2
from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert as upsert
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, DeferredLock, inlineCallbacks, returnValue
from twisted.internet.threads import deferToThread

from dscc.errors import DsccError, Reason
from dscc.links.chain import L1, L2, L3, Answering, Asking, Link, LinkKey, Next, begin_link, draw, hear
from dscc.links.etsi_client import Credentials, Etsi014Client
from dscc.links.local import LocalPSK
from dscc.links.source import Key, KeySource
from dscc.messages import Done, LinkKeyMade, LinkKeyRequest
from dscc.node import schema
from dscc.node.sealing import NodeKey
from dscc.node.settings import Settings
from dscc.node.writer import Writer
from dscc.primitives import NONCE_BYTES, S512, enc
from dscc.wire import Message, expect

_MOST_WAITING: Final = 1024
Ask = Callable[[str, Message], Deferred[Message]]


def begin(connection: Connection, key: NodeKey, one: str, other: str, code: bytes) -> None:
    """Keep the first state of the link with another node, from the code that both were given."""
    names = enc(*sorted([one.encode(), other.encode()]))
    _save(connection, key, other, begin_link(S512, one, other, S512.expand(code, "link keys", S512.digest(names))))
    psk = S512.expand(code, "link source", S512.digest(names))
    values = {"sealed_psk": key.seal(psk, b"psk", other.encode())}
    connection.execute(schema.links.update().where(schema.links.c.node == other).values(values))


class LinkKeys:
    """The keys of all links of a node."""

    def __init__(self, reactor: ReactorBase, settings: Settings, key: NodeKey, writer: Writer, ask: Ask) -> None:
        self._reactor, self._settings, self._key, self._writer, self._ask = reactor, settings, key, writer, ask
        self._waiting: OrderedDict[tuple[str, int], LinkKey] = OrderedDict()
        self._answering: dict[str, Answering] = {}
        self._locks: dict[str, DeferredLock] = {}

    def make(self, node: str) -> Deferred[LinkKey]:
        """A fresh key with another node, which has it, too, under the number of its step. Fails with DsccError."""
        lock = self._locks.setdefault(node, DeferredLock())
        return lock.run(self._asking if self._settings.name < node else self._waiting_for, node)

    def take(self, node: str, step: int) -> LinkKey:
        """The key of a step, once. Raises DsccError (EXPIRED) if it is not here."""
        found = self._waiting.pop((node, step), None)
        if found is None:
            raise DsccError(Reason.EXPIRED, f"there is no key of the link's step {step} here")
        return found

    @inlineCallbacks
    def _asking(self, node: str) -> Generator[Deferred[Any], Any, LinkKey]:
        source = yield self._source(node)
        key: Key | None = yield deferToThread(draw, source, self._name_at_source(node))
        asking: Asking = yield self._writer.submit(lambda connection: self._begun(connection, node, key))
        l2 = expect(L2, (yield self._ask(node, asking.l1)))

        def answered(connection: Connection) -> tuple[L3, LinkKey]:
            state, l3, made = asking.on_l2(_load(connection, self._key, node), l2)
            _save(connection, self._key, node, state)
            return l3, made

        l3, made = yield self._writer.submit(answered)
        yield self._ask(node, l3)
        returnValue(made)

    def _begun(self, connection: Connection, node: str, key: Key | None) -> Asking:
        asking = Asking(_load(connection, self._key, node), key, secrets.token_bytes(NONCE_BYTES))
        _save(connection, self._key, node, asking.state)
        return asking

    @inlineCallbacks
    def _waiting_for(self, node: str) -> Generator[Deferred[Any], Any, LinkKey]:
        made = expect(LinkKeyMade, (yield self._ask(node, LinkKeyRequest())))
        returnValue(self.take(node, made.step))

    @inlineCallbacks
    def answer(self, node: str, said: Message) -> Generator[Deferred[Any], Any, Message]:
        """What this node answers to L1, L3, and the request to begin. Fails with DsccError."""
        if isinstance(said, LinkKeyRequest):
            lock = self._locks.setdefault(node, DeferredLock())
            made = yield lock.run(self._asking, node)
            self._keep(node, made)
            returnValue(LinkKeyMade(made.number))
        if isinstance(said, L1):
            returnValue((yield self._on_l1(node, said)))
        returnValue((yield self._writer.submit(lambda connection: self._on_l3(connection, node, expect(L3, said)))))

    @inlineCallbacks
    def _on_l1(self, node: str, l1: L1) -> Generator[Deferred[Any], Any, Message]:
        source = yield self._source(node)
        with self._writer.reading() as connection:
            hear(_load(connection, self._key, node), l1)
        keys: list[Key] = []
        if l1.key_id:
            keys = yield deferToThread(source.get_by_id, self._name_at_source(node), (l1.key_id,))

        def work(connection: Connection) -> Message:
            stored, key = _load(connection, self._key, node), keys[0] if keys else None
            answering = Answering(stored, l1, key, secrets.token_bytes(NONCE_BYTES))
            _save(connection, self._key, node, answering.state)
            self._answering[node] = answering
            return answering.l2

        returnValue((yield self._writer.submit(work)))

    def _on_l3(self, connection: Connection, node: str, l3: L3) -> Message:
        answering = self._answering.pop(node, None)
        if answering is None:
            raise DsccError(Reason.OUT_OF_ORDER, "L3 comes after L1")
        state, made = answering.on_l3(_load(connection, self._key, node), l3)
        _save(connection, self._key, node, state)
        self._keep(node, made)
        return Done()

    def _keep(self, node: str, made: LinkKey) -> None:
        self._waiting[node, made.number] = made
        while len(self._waiting) > _MOST_WAITING:
            self._waiting.popitem(last=False)

    def _source(self, node: str) -> Deferred[KeySource]:
        """This end of the source of the link with a node."""
        kme = self._settings.peers[node].kme
        if kme is not None:
            credentials = Credentials(kme.certificate, kme.key, kme.authority)
            return deferToThread(Etsi014Client, kme.host, kme.port, credentials)

        def local(connection: Connection) -> KeySource:
            sealed = connection.execute(select(schema.links.c.sealed_psk).where(schema.links.c.node == node)).scalar()
            if sealed is None:
                raise DsccError(Reason.FAILED, f"the link with {node} has no keys: enter it again")
            psk = self._key.open(sealed, b"psk", node.encode())
            return LocalPSK(self._settings.name, {node: psk}, secrets.token_bytes)

        return self._writer.submit(local)

    def _name_at_source(self, node: str) -> str:
        kme = self._settings.peers[node].kme
        return node if kme is None else kme.sae


def _load(connection: Connection, key: NodeKey, node: str) -> Link:
    sealed = connection.execute(select(schema.links.c.sealed_link).where(schema.links.c.node == node)).scalar()
    if sealed is None:
        raise DsccError(Reason.FAILED, f"the link with {node} has no keys: enter it again")
    fields: list[Any] = cbor2.loads(key.open(sealed, b"links", node.encode()))
    following = fields.pop()
    return Link._make([*fields, None if following is None else Next._make(following)])


def _save(connection: Connection, key: NodeKey, node: str, link: Link) -> None:
    following = None if link.next is None else list(link.next)
    sealed = key.seal(cbor2.dumps([*link[:-1], following]), b"links", node.encode())
    adding = upsert(schema.links).values(node=node, sealed_link=sealed, sealed_psk=b"")
    connection.execute(adding.on_conflict_do_update(index_elements=["node"], set_={"sealed_link": sealed}))
