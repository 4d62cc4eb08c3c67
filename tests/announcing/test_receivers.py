"""Who is sent Notify and Put, and who is not: receivers with certificates and answers of all kinds."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from queue import Queue

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from support.announcing import (
    AUTHORITY,
    TIMEOUT,
    Announcer,
    files,
    re_keyed,
)
from support.certificates import DAY, Authority, Issued
from support.listening import exactly, listening, of_client, response, takes
from support.numbers import Reason, Tag
from support.wire import enumeration, text

from kmip_server.identity.certificate import fingerprint_of
from kmip_server.identity.pki import Credentials, issue_client, issue_server, make_authority
from notifying.sending import send
from notifying.transport import Delivery, NotDeliveredError


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


def test_a_server_without_a_sender_for_kmip_says_so(announcer: Announcer) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener)
        re_keyed(announcer, (1, 4))
        delivery = Delivery(announcer.waiting(), announcer.policy.channels["push"], "", None, TIMEOUT, 0)
        with pytest.raises(NotDeliveredError, match="sends nothing over kmip"):
            send(delivery)
    assert listener.came.empty()
