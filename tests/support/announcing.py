"""An engine whose policy tells a client of keys over KMIP, and what the client is sent, read by the standard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w

from kmip_server.announcing.receivers import Receivers
from kmip_server.announcing.sender import KmipSender
from kmip_server.identity.directory import Directory
from kmip_server.identity.pki import Credentials, issue_client, make_authority, write_file
from kmip_server.listeners.settings import TlsSettings
from notifying.sending import send
from notifying.transport import Delivery
from policy import outbox
from policy.compiling import Ruling
from policy.documents import read_document
from policy.model import ChannelKind
from policy.notifications import Waiting
from support import requests as ask
from support.engine import EngineClient, EngineHarness
from support.listening import Listener
from support.numbers import Tag
from support.wire import Node, Version

AUTHORITY = make_authority()
TIMEOUT = 2.0


def files(folder: Path, credentials: Credentials, authority: Credentials = AUTHORITY) -> Path:
    """A folder with a certificate as `client add` makes one."""
    folder.mkdir()
    write_file(folder / "cert.pem", credentials.certificate_pem)
    write_file(folder / "key.pem", credentials.key_pem)
    write_file(folder / "ca.pem", authority.certificate_pem)
    return folder


class Announcer:
    """An engine whose policy tells bob of keys over KMIP, and the sender that does it."""

    def __init__(self, engine: EngineHarness, folder: Path, shown: Path) -> None:
        self.engine, self.folder = engine, folder
        self.tls = TlsSettings(certificate=shown / "cert.pem", key=shown / "key.pem", client_ca=shown / "ca.pem")
        self.revoked: frozenset[str] = frozenset()
        self.policy = read_document("", "here")
        self.directory = Directory(epoch=self._epoch(), ruling=Ruling(self.policy))
        self.bob = files(folder / "bob", issue_client(AUTHORITY, "bob"))

    def _epoch(self) -> int:
        with self.engine.store.unit(writes=False) as unit:
            return unit.epoch()

    def tell(self, listener: Listener, query: str = "mode=put", *rules: dict[str, Any], to: str = "bob") -> None:
        """Have a policy that tells over one channel, and these further rules."""
        url = f"kmip://127.0.0.1:{listener.port}?{query}"
        document = {
            "channels": {"push": {"kind": "kmip", "url": url, "to": [to]}},
            "notifications": [{"events": ["key-*"], "channels": ["push"]}],
            "rules": list(rules),
        }
        self.policy = read_document(tomli_w.dumps(document), "here")
        self.engine.engine.services.ruling = Ruling(self.policy)
        self.directory = replace(self.directory, epoch=self._epoch(), ruling=Ruling(self.policy))

    def client(self, version: Version = (1, 4), name: str = "bob") -> EngineClient:
        return self.engine.client(version, name)

    def waiting(self) -> Waiting:
        """The newest message in the outbox."""
        with self.engine.store.database.reading() as connection:
            return outbox.rows(connection)[0]

    def send(self, message: Waiting | None = None) -> str:
        """Send the newest message, or this one."""
        receivers = Receivers(
            tls=self.tls,
            principal="common_name",
            require_client_auth_usage=True,
            directory=lambda: replace(self.directory, revoked=self.revoked),
        )
        sender = KmipSender(receivers, self.engine.store, self.engine.engine.services)
        channel = self.policy.channels["push"]
        delivery = Delivery(message or self.waiting(), channel, "", None, TIMEOUT, self.engine.now)
        return send(delivery, {ChannelKind.KMIP: sender})


def payload_of(message: Node, operation: int) -> Node:
    item = message.find(Tag.BATCH_ITEM)
    assert item is not None
    assert item.get(Tag.OPERATION) == operation, hex(item.get(Tag.OPERATION))
    payload = item.find(Tag.REQUEST_PAYLOAD)
    assert payload is not None
    return payload


def tags(node: Node) -> list[int]:
    return [child.tag for child in node.value]


def attributes_in(payload: Node, version: Version) -> dict[Any, Any]:
    """The attributes of a payload: by their names in 1.x, by their tags since 2.0."""
    if version < (2, 0):
        return {each.get(Tag.ATTRIBUTE_NAME): each.get(Tag.ATTRIBUTE_VALUE) for each in payload.all(Tag.ATTRIBUTE)}
    return {each.tag: each.value for each in payload.get(Tag.ATTRIBUTES)}


def assert_header(message: Node, version: Version, identifier: str) -> None:
    """The header has what KMIP 1.4 s5.1 and s5.2 let it have, and the batch item names the message."""
    assert message.tag == Tag.REQUEST_MESSAGE
    assert tags(message) == [Tag.REQUEST_HEADER, Tag.BATCH_ITEM]
    header = message.value[0]
    assert tags(header) == [Tag.PROTOCOL_VERSION, Tag.BATCH_COUNT]
    assert [each.value for each in header.value[0].value] == list(version)
    assert header.get(Tag.BATCH_COUNT) == 1
    assert tags(message.value[1]) == [Tag.OPERATION, Tag.UNIQUE_BATCH_ITEM_ID, Tag.REQUEST_PAYLOAD]
    assert message.value[1].get(Tag.UNIQUE_BATCH_ITEM_ID) == identifier.encode()


def re_keyed(announcer: Announcer, version: Version, *attributes: ask.Attribute) -> tuple[str, str]:
    """A key of bob's and its replacement."""
    bob = announcer.client(version)
    old = bob.do(ask.create_aes(version, *attributes)).unique_identifier
    return old, bob.do(ask.rekey(old)).unique_identifier


def value_of(announcer: Announcer, version: Version, key: str, name: str = "bob") -> Node:
    found = announcer.client(version, name).do(ask.get(key)).expect_success()
    assert found.payload is not None
    value = found.payload.find(Tag.SYMMETRIC_KEY)
    assert value is not None
    return value
