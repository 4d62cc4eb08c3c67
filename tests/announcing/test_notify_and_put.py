"""What a client who listens is sent, and what it is not: real TLS, real objects, and the standard's own tables."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import tomli_w
from cryptography.hazmat.primitives.serialization import Encoding
from kmip.core import enums, objects, secrets
from kmip.core.messages.messages import RequestHeader
from kmip.core.utils import BytearrayStream
from OpenSSL import SSL
from support import requests as ask
from support.certificates import DAY, Authority, Issued
from support.engine import EngineClient, EngineHarness, MakeEngine
from support.listening import Listener, exactly, listening, of_client, response, takes
from support.numbers import Operation, Reason, Tag
from support.wire import VERSIONS, Node, Version, batch_item, boolean, date_time, enumeration, structure, text
from support.wire import message as wire_message

from kmip_server.announcing.receivers import Receivers
from kmip_server.announcing.sender import KmipSender
from kmip_server.identity.certificate import fingerprint_of
from kmip_server.identity.directory import Directory
from kmip_server.identity.pki import Credentials, issue_client, issue_server, make_authority, write_file
from kmip_server.listeners.settings import TlsSettings
from kmip_server.storage.accounts import changing
from notifying.sending import send
from notifying.transport import Delivery, NotDeliveredError, WithheldError
from policy import outbox
from policy.compiling import Ruling
from policy.documents import read_document
from policy.model import ChannelKind
from policy.notifications import Waiting

AUTHORITY = make_authority()
NEW, REPLACE = 1, 2
TIMEOUT = 2.0
WRAPPED_ONLY = {
    "name": "wrapped",
    "effect": "require",
    "subjects": ["anyone"],
    "actions": ["GET"],
    "require": {"wrap": True},
}


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


@pytest.fixture
def announcer(make_engine: MakeEngine, tmp_path: Path) -> Announcer:
    return Announcer(make_engine(), tmp_path, files(tmp_path / "shown", issue_client(AUTHORITY, "notifier")))


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


@pytest.mark.parametrize("version", VERSIONS)
def test_a_replacement_is_put_as_the_owner_would_get_it(announcer: Announcer, version: Version) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener, f"mode=put&version={version[0]}.{version[1]}")
        old, new = re_keyed(announcer, version, ask.name("disk"))
        assert announcer.send() == "Put taken"
        message = listener.next()
    assert_header(message, version, announcer.waiting().message_id)
    payload = payload_of(message, Operation.PUT)
    assert tags(payload)[:4] == [
        Tag.UNIQUE_IDENTIFIER,
        Tag.PUT_FUNCTION,
        Tag.REPLACED_UNIQUE_IDENTIFIER,
        Tag.SYMMETRIC_KEY,
    ]
    assert set(tags(payload)[4:]) == {Tag.ATTRIBUTE if version < (2, 0) else Tag.ATTRIBUTES}
    assert [payload.get(tag) for tag in tags(payload)[:3]] == [new, REPLACE, old]
    assert payload.find(Tag.SYMMETRIC_KEY) == value_of(announcer, version, new)
    told = attributes_in(payload, version)
    assert told["Cryptographic Length" if version < (2, 0) else Tag.CRYPTOGRAPHIC_LENGTH] == 256
    assert ("Last Change Date" if version < (2, 0) else Tag.LAST_CHANGE_DATE) in told


def test_a_client_written_by_others_reads_what_is_put(announcer: Announcer) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener, "mode=put")
        _, new = re_keyed(announcer, (1, 2))
        announcer.send()
        asked = listener.came.get(timeout=30)
    key_value = value_of(announcer, (1, 4), new).get(Tag.KEY_BLOCK, Tag.KEY_VALUE, Tag.KEY_MATERIAL)
    stream, version = BytearrayStream(asked[8:]), enums.KMIPVersion.KMIP_1_4
    header = RequestHeader()
    header.read(stream, kmip_version=version)
    assert (header.protocol_version.major, header.protocol_version.minor) == (1, 4)
    start = asked.index(bytes.fromhex("42008F01"))
    key = secrets.SymmetricKey()
    key.read(BytearrayStream(asked[start:]), kmip_version=version)
    assert key.key_block.key_value.key_material.value == key_value
    length = int.from_bytes(asked[start + 4 : start + 8], "big")
    rest = BytearrayStream(asked[start + 8 + length :])
    read = objects.Attribute()
    read.read(rest, kmip_version=version)
    assert read.attribute_name.value == "Cryptographic Algorithm"
    assert read.attribute_value.value is enums.CryptographicAlgorithm.AES


CHANGES: dict[str, tuple[Callable[[str], ask.Request], set[str]]] = {
    "revoked": (
        lambda key: ask.revoke(key),
        {"State", "Revocation Reason", "Last Change Date", "Deactivation Date"},
    ),
    "compromised": (
        lambda key: ask.revoke(key, ask.KEY_COMPROMISE),
        {"State", "Revocation Reason", "Last Change Date", "Compromise Date", "Compromise Occurrence Date"},
    ),
    "destroyed": (lambda key: ask.destroy(key), {"State", "Last Change Date", "Destroy Date"}),
}
TAGS = {
    "State": Tag.STATE,
    "Revocation Reason": Tag.REVOCATION_REASON,
    "Last Change Date": Tag.LAST_CHANGE_DATE,
    "Deactivation Date": Tag.DEACTIVATION_DATE,
    "Compromise Date": Tag.COMPROMISE_DATE,
    "Compromise Occurrence Date": Tag.COMPROMISE_OCCURRENCE_DATE,
    "Destroy Date": Tag.DESTROY_DATE,
}


@pytest.mark.parametrize("version", [(1, 0), (1, 4), (2, 1)])
@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_notified_in_both_modes(announcer: Announcer, change: str, version: Version) -> None:
    done, names = CHANGES[change]
    with listening(of_client(announcer.bob)) as listener:
        bob = announcer.client(version)
        active = ask.activation_date(announcer.engine.now)
        key = bob.do(ask.create_aes(version, *([active] if change == "revoked" else []))).unique_identifier
        announcer.tell(listener, f"mode=put&version={version[0]}.{version[1]}")
        bob.do(done(key)).expect_success()
        assert announcer.send() == "Notify taken"
        message = listener.next()
    assert_header(message, version, announcer.waiting().message_id)
    payload = payload_of(message, Operation.NOTIFY)
    assert payload.value[0] == Node(Tag.UNIQUE_IDENTIFIER, 7, key)
    told = attributes_in(payload, version)
    assert set(told) == (names if version < (2, 0) else {TAGS[name] for name in names})
    assert told["Last Change Date" if version < (2, 0) else Tag.LAST_CHANGE_DATE] == announcer.engine.now


@pytest.mark.parametrize("version", [(1, 4), (2, 1)])
def test_a_notify_is_to_the_byte_what_the_tables_say(announcer: Announcer, version: Version) -> None:
    """KMIP 1.4 table 255 and s2.1.1; KMIP 2.1 s6.2.2 and s5.1. The order of attributes is the server's."""
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener, f"version={version[0]}.{version[1]}")
        key = announcer.client(version).do(ask.create_aes(version)).unique_identifier
        announcer.client(version).do(ask.destroy(key)).expect_success()
        announcer.send()
        asked = listener.came.get(timeout=30)
    now = announcer.engine.now
    changed = [
        ask.state(ask.DESTROYED),
        ask.Attribute("Destroy Date", date_time(Tag.DESTROY_DATE, now)),
        ask.Attribute("Last Change Date", date_time(Tag.LAST_CHANGE_DATE, now)),
    ]
    possible = set()
    for order in permutations(changed):
        if version < (2, 0):
            listed = b"".join(ask.in_1x(attribute) for attribute in order)
        else:
            listed = structure(Tag.ATTRIBUTES, *(attribute.item for attribute in order))
        identifier = announcer.waiting().message_id.encode()
        item = batch_item(Operation.NOTIFY, ask.identifier(key), listed, identifier=identifier)
        possible.add(wire_message(version, item))
    assert asked in possible


def assert_no_key(listener: Listener, announcer: Announcer, key: str) -> None:
    """One Notify has come, and no byte of the key in it."""
    asked = listener.came.get(timeout=30)
    material = announcer.engine.material(key)
    assert material is not None
    assert material[-32:] not in asked
    assert enumeration(Tag.OPERATION, Operation.NOTIFY) in asked
    assert listener.came.empty()


def test_a_channel_that_notifies_puts_nothing(announcer: Announcer) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener, "mode=notify")
        _, new = re_keyed(announcer, (1, 4))
        assert announcer.send() == "Notify taken"
        assert_no_key(listener, announcer, new)


EXTRACTABLE, SENSITIVE = 0x420122, 0x420120


@pytest.mark.parametrize("kept", [(EXTRACTABLE, False), (SENSITIVE, True)], ids=["extractable", "sensitive"])
def test_a_key_that_does_not_leave_is_notified(announcer: Announcer, kept: tuple[int, bool]) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener)
        _, new = re_keyed(announcer, (2, 1), ask.Attribute("", boolean(*kept)))
        assert announcer.send() == "Notify taken"
        assert_no_key(listener, announcer, new)


def test_a_key_that_leaves_wrapped_only_is_notified(announcer: Announcer) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener, "mode=put", WRAPPED_ONLY)
        _, new = re_keyed(announcer, (1, 4))
        assert announcer.send() == "Notify taken"
        assert_no_key(listener, announcer, new)


def against(*actions: str, **more: Any) -> dict[str, Any]:
    return {"name": "against it", "effect": "deny", "subjects": ["anyone"], "actions": list(actions), **more}


@pytest.mark.parametrize(
    "rule",
    [against("PUT"), against("PUT", effect="require", require={"wrap": True}), against("GET")],
    ids=["put", "wrapped", "get"],
)
def test_a_rule_against_put_or_get_leaves_a_notify(announcer: Announcer, rule: dict[str, Any]) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener, "mode=put", rule)
        _, new = re_keyed(announcer, (1, 4))
        assert announcer.send() == "Notify taken"
        assert_no_key(listener, announcer, new)


def test_a_rule_against_notify_leaves_nothing(announcer: Announcer) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener, "mode=put", against("NOTIFY"))
        re_keyed(announcer, (1, 4))
        with pytest.raises(WithheldError, match="the policy is against a Notify"):
            announcer.send()
        assert listener.came.empty()


def may(*actions: str) -> dict[str, Any]:
    """A rule by which bob may do this with what is others'."""
    return {"name": "bob too", "effect": "allow", "subjects": ["client:bob"], "actions": list(actions)}


def test_who_may_not_get_a_key_is_not_sent_it_and_who_may_know_nothing_is_told_nothing(announcer: Announcer) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener)
        carol = announcer.client((1, 4), "carol")
        new = carol.do(ask.rekey(carol.do(ask.create_aes((1, 4))).unique_identifier)).unique_identifier
        with pytest.raises(WithheldError, match="bob may not know"):
            announcer.send()
        assert listener.came.empty()
        announcer.tell(listener, "mode=put", may("GET_ATTRIBUTES"))
        assert announcer.send() == "Notify taken"
        assert_no_key(listener, announcer, new)
        announcer.tell(listener, "mode=put", may("GET_ATTRIBUTES", "GET"))
        assert announcer.send() == "Put taken"
        payload = payload_of(listener.next(), Operation.PUT)
    assert payload.find(Tag.SYMMETRIC_KEY) == value_of(announcer, (1, 4), new, "carol")


def test_what_is_destroyed_meanwhile_is_announced_no_more(announcer: Announcer) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener)
        _, new = re_keyed(announcer, (1, 4))
        waits = announcer.waiting()
        announcer.client().do(ask.destroy(new)).expect_success()
        with pytest.raises(WithheldError, match="destroyed meanwhile"):
            announcer.send(waits)
        assert listener.came.empty()
        assert announcer.send() == "Notify taken"


def test_by_accounts_and_policy_that_are_not_the_newest_nothing_is_sent(announcer: Announcer) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener)
        re_keyed(announcer, (1, 4))
        with changing(announcer.engine.store.database):
            pass
        with pytest.raises(NotDeliveredError, match="have just changed"):
            announcer.send()
        assert listener.came.empty()
        announcer.tell(listener)
        assert announcer.send() == "Put taken"


def test_that_a_key_is_put_is_on_record(announcer: Announcer) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener)
        _, new = re_keyed(announcer, (1, 4))
        announcer.send()
    last = announcer.engine.audit()[-1]
    assert (last.caller, last.operation, last.unique_identifier, last.outcome) == ("bob", "Put", new, "submitted")


def refused(announcer: Announcer, context: ssl.SSLContext, words: str) -> None:
    """A listener with this certificate is sent nothing, for a reason with these words."""
    with listening(context) as listener:
        announcer.tell(listener)
        re_keyed(announcer, (1, 4))
        recorded = len(announcer.engine.audit())
        with pytest.raises(NotDeliveredError, match=words) as raised:
            announcer.send()
        assert "PRIVATE" not in str(raised.value)
    assert listener.came.empty()
    assert len(announcer.engine.audit()) == recorded


def test_another_clients_certificate_is_sent_nothing(announcer: Announcer) -> None:
    carol = files(announcer.folder / "carol", issue_client(AUTHORITY, "carol"))
    refused(announcer, of_client(carol), "the certificate of 'carol', not of 'bob'")


def test_a_certificate_of_another_authority_is_sent_nothing(announcer: Announcer) -> None:
    other = files(announcer.folder / "other", issue_client(make_authority(), "bob"))
    refused(announcer, of_client(other), "certificate verify failed")


def test_a_certificate_for_servers_is_sent_nothing(announcer: Announcer) -> None:
    server = files(announcer.folder / "server", issue_server(AUTHORITY))
    refused(announcer, of_client(server), "lacks the extended key usage clientAuth")


def test_a_certificate_that_has_ended_is_sent_nothing(announcer: Announcer) -> None:
    folder = announcer.folder / "ended"
    authority = Authority(folder.parent, root=Issued(AUTHORITY.certificate, AUTHORITY.key, folder, folder))
    ended = authority.issue("bob", ends=-DAY / 2)
    refused(announcer, of_client(files(folder, Credentials(ended.certificate, ended.key))), "certificate verify failed")


def for_servers(folder: Path) -> SSL.Context:
    """The TLS of a listener of bob's that takes a certificate for servers from who connects to it."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate_file(folder / "cert.pem")
    context.use_privatekey_file(folder / "key.pem")
    context.load_verify_locations(folder / "ca.pem")
    invalid_purpose = 26
    context.set_verify(
        SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *said: bool(said[4]) or said[2] == invalid_purpose
    )
    return context


def test_by_default_the_server_shows_its_own_certificate_which_is_for_servers(announcer: Announcer) -> None:
    shown = issue_server(AUTHORITY)
    folder = files(announcer.folder / "server", shown)
    announcer.tls = replace(announcer.tls, certificate=folder / "cert.pem", key=folder / "key.pem")
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener)
        re_keyed(announcer, (1, 4))
        with pytest.raises(NotDeliveredError):
            announcer.send()
        assert "unsuitable certificate purpose" in listener.failed.get(timeout=30)
        assert listener.came.empty()
    seen: Queue[bytes] = Queue()
    with socket.create_server(("127.0.0.1", listener.port)) as accepting:

        def serve() -> None:
            plain, _ = accepting.accept()
            connection = SSL.Connection(for_servers(announcer.bob), plain)
            connection.set_accept_state()
            asked = connection.recv(1 << 14)
            certificate = connection.get_peer_certificate(as_cryptography=True)
            seen.put(certificate.public_bytes(Encoding.DER))
            connection.sendall(response(asked))
            plain.close()

        thread = threading.Thread(target=serve)
        thread.start()
        assert announcer.send() == "Put taken"
        thread.join(30)
    assert seen.get_nowait() == shown.certificate_der


def test_a_revoked_certificate_is_sent_nothing(announcer: Announcer) -> None:
    pem = (announcer.bob / "cert.pem").read_text()
    announcer.revoked = frozenset({fingerprint_of(ssl.PEM_cert_to_DER_cert(pem))})
    refused(announcer, of_client(announcer.bob), "the client certificate is revoked")


def garbage(_asked: bytes, stream: ssl.SSLSocket) -> None:
    stream.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def too_long(_asked: bytes, stream: ssl.SSLSocket) -> None:
    stream.sendall(bytes.fromhex("42007B01 7FFFFFF8") + bytes(1 << 10))


def broken(asked: bytes, stream: ssl.SSLSocket) -> None:
    good = response(asked)
    stream.sendall(good[:-8] + b"\xff" * 8)


def of_another(asked: bytes, stream: ssl.SSLSocket) -> None:
    stream.sendall(response(asked, identifier=b"another"))


def refuses(asked: bytes, stream: ssl.SSLSocket) -> None:
    why = (enumeration(Tag.RESULT_REASON, Reason.PERMISSION_DENIED), text(Tag.RESULT_MESSAGE, "a secret of ours"))
    stream.sendall(response(asked, 1, *why))


def closes(_asked: bytes, _stream: ssl.SSLSocket) -> None:
    pass


def drips(asked: bytes, stream: ssl.SSLSocket) -> None:
    for byte in response(asked):
        stream.sendall(bytes([byte]))
        if exactly_nothing(stream):
            return


def exactly_nothing(stream: ssl.SSLSocket) -> bool:
    """Wait a moment for the peer to close."""
    stream.settimeout(0.2)
    try:
        return exactly(stream, 1) == b""
    except TimeoutError:
        return False


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (garbage, "no Response Message"),
        (too_long, "no Response Message"),
        (broken, "no Response Message of KMIP 1.4"),
        (of_another, "is not to this Put"),
        (refuses, r"answered Operation Failed: Permission Denied$"),
        (closes, "closed the connection|was lost"),
        (drips, "did not answer in time"),
    ],
    ids=lambda given: getattr(given, "__name__", ""),
)
def test_a_receiver_that_does_not_take_it_is_told_again(
    announcer: Announcer, answer: Callable[[bytes, ssl.SSLSocket], None], words: str
) -> None:
    with listening(of_client(announcer.bob), answer) as listener:
        announcer.tell(listener)
        _, new = re_keyed(announcer, (1, 4))
        begun = time.monotonic()
        with pytest.raises(NotDeliveredError, match=words) as raised:
            announcer.send()
        assert time.monotonic() - begun < 3 * TIMEOUT
        material = announcer.engine.material(new)
        assert material is not None
        assert material[-32:].hex() not in str(raised.value) + repr(raised.value)
        listener.answer = takes
        assert announcer.send() == "Put taken"


def test_a_client_that_sends_notify_or_put_is_told_that_they_are_no_operations(announcer: Announcer) -> None:
    for version in VERSIONS:
        for operation in (Operation.NOTIFY, Operation.PUT):
            result = announcer.client(version).do(ask.Request(operation, ask.identifier("some key")))
            assert result.reason == Reason.OPERATION_NOT_SUPPORTED
        queried = announcer.client(version).do(ask.query(1))
        assert queried.payload is not None
        offered = {each.value for each in queried.payload.all(Tag.OPERATION)}
        assert not offered & {Operation.NOTIFY, Operation.PUT}
