"""The client for programs: against a real server, against servers that misbehave, and what it wants of its folder."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest
from support.numbers import Tag
from support.requests import activate, name, register_opaque
from support.server import Client as Files
from support.server import RunningServer
from support.wire import Version, date_time, enumeration, integer, octets, structure, text

from kmip_server.client.client import Client
from kmip_server.client.errors import ClientError
from kmip_server.errors import KmipError
from kmip_server.messages.structures import Name
from kmip_server.objects.attribute_fields import AttributeReference
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.ttlv.enumerations import NameType, ResultReason, State
from kmip_server.ttlv.tags import Tag as Named
from kmip_server.ttlv.versions import ProtocolVersion

LOCATE, GET = 0x08, 0x0A


def point(folder: Path, port: int, host: str = "127.0.0.1") -> Path:
    """Have the folder's pykmip.conf name this server."""
    file = folder / "pykmip.conf"
    said = re.sub(r"^port=.*$", f"port={port}", file.read_text(), flags=re.MULTILINE)
    file.write_text(re.sub(r"^host=.*$", f"host={host}", said, flags=re.MULTILINE))
    return folder


@pytest.fixture
def folder(client: Files, tmp_path: Path) -> Path:
    """A copy of a client's folder, in another place than its pykmip.conf says."""
    return point(Path(shutil.copytree(client.folder, tmp_path / "elsewhere")), client.server.kmip[1])


@pytest.mark.parametrize("version", [(1, 0), (1, 4), (2, 0), (2, 1)])
def test_a_program_finds_an_object_its_attributes_and_its_value(client: Files, folder: Path, version: Version) -> None:
    called = f"found by a program in {version}"
    with client.session(version) as session:
        key = session.create_aes(name(called))
        session.do(activate(key)).expect_success()
        material = session.key_material(key)
    wanted = Name(name_value=called, name_type=NameType.UNINTERPRETED_TEXT_STRING)
    with Client(folder, version=ProtocolVersion(*version)) as asking:
        assert asking.locate(AttributeValue(Named.NAME, wanted), most=2) == (key,)
        attributes = asking.get_attributes(key, AttributeReference(Named.STATE), AttributeReference(Named.NAME))
        assert attributes.first(Named.STATE) is State.ACTIVE and attributes.first(Named.NAME) == wanted
        assert Named.ACTIVATION_DATE not in attributes
        assert asking.server_time >= asking.get_attributes(key).first(Named.ACTIVATION_DATE)
        assert asking.get(key) == material
        with pytest.raises(KmipError) as refused:
            asking.get("no such key")
        assert refused.value.reason in (ResultReason.ITEM_NOT_FOUND, ResultReason.OBJECT_NOT_FOUND)
        # The connection lives on.
        assert asking.get(key) == material


def test_what_is_no_symmetric_key_is_refused(client: Files, folder: Path) -> None:
    with client.session() as session:
        thing = session.do(register_opaque(session.version, b"opaque")).unique_identifier
    with Client(folder) as asking, pytest.raises(KmipError):
        asking.get(thing)


def refused_with(asking: Client, words: str) -> str:
    """What a question ends with, which has these words in it."""
    with pytest.raises(ClientError) as refused:
        asking.locate()
    assert words in str(refused.value)
    return str(refused.value)


# The folder. ----------------------------------------------------------------------------------------------------------


def test_a_key_that_others_can_read_is_refused(folder: Path) -> None:
    (folder / "key.pem").chmod(0o640)
    with Client(folder) as asking, pytest.raises(ClientError, match="has mode 0640: set it to 0600"):
        asking.locate()


@pytest.mark.parametrize("file", ["ca.pem", "cert.pem", "key.pem", "pykmip.conf"])
def test_a_file_that_is_not_there_or_holds_something_else(folder: Path, file: str) -> None:
    (folder / file).write_text("something else")
    with Client(folder) as asking:
        with pytest.raises(ClientError, match=re.escape(str(folder))):
            asking.locate()
        (folder / file).unlink()
        with pytest.raises(OSError, match="No such file") as missing:
            asking.locate()
    assert missing.value.filename == str(folder / file)


@pytest.mark.parametrize("port", ["x", "0", "65536", ""])
def test_an_address_that_is_none(folder: Path, port: str) -> None:
    file = folder / "pykmip.conf"
    file.write_text(re.sub(r"^port=.*$", f"port={port}", file.read_text(), flags=re.MULTILINE))
    with Client(folder) as asking, pytest.raises(ClientError, match=r"pykmip\.conf"):
        asking.locate()


@pytest.mark.parametrize("host", ["a" * 64, "kms..example.org", ""])
def test_a_host_that_is_none(folder: Path, host: str) -> None:
    with Client(point(folder, 5696, host)) as asking, pytest.raises(ClientError, match=r"pykmip\.conf"):
        asking.locate()


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_what_is_written_around_an_authority_is_left_out(folder: Path, encoding: str) -> None:
    file = folder / "ca.pem"
    file.write_bytes("Behörde für Schlüssel\n".encode(encoding) + file.read_bytes())
    with Client(folder) as asking:
        asking.locate(most=1)


# Who is believed. -----------------------------------------------------------------------------------------------------


def test_a_server_of_another_authority_is_told_nothing(folder: Path, client: Files) -> None:
    (folder / "ca.pem").write_text((client.server.data / "pki/server-cert.pem").read_text())
    with Client(folder) as asking, pytest.raises(ClientError, match="not one to trust"):
        asking.locate()


def test_a_server_of_another_name_is_told_nothing(folder: Path, server: RunningServer) -> None:
    heard: list[ssl.SSLSocket] = []
    with answering(server, heard.append, "127.0.0.2") as port, Client(point(folder, port, "127.0.0.2")) as asking:
        refused_with(asking, "not one to trust")
    assert not heard


def test_a_server_that_is_not_there(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with Client(point(folder, port)) as asking:
        refused_with(asking, f"the KMIP server at 127.0.0.1:{port} does not answer")


@contextmanager
def answering(server: RunningServer, answer: Callable[[ssl.SSLSocket], None], host: str = "127.0.0.1") -> Iterator[int]:
    """A server with the certificate of the real one, which answers one request so. Its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.data / "pki/server-cert.pem", server.data / "pki/server-key.pem")
    with socket.create_server((host, 0)) as listening:

        def serve() -> None:
            plain, _ = listening.accept()
            # The client may have had enough.
            with suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
                connection.recv(1 << 16)
                answer(connection)

        thread = Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(20)
        assert not thread.is_alive()


def response(*items: bytes, version: Version = (2, 1)) -> bytes:
    """A Response Message."""
    numbers = (integer(Tag.PROTOCOL_VERSION_MAJOR, version[0]), integer(Tag.PROTOCOL_VERSION_MINOR, version[1]))
    header = (structure(Tag.PROTOCOL_VERSION, *numbers), date_time(Tag.TIME_STAMP, 1), integer(Tag.BATCH_COUNT, 1))
    return structure(Tag.RESPONSE_MESSAGE, structure(Tag.RESPONSE_HEADER, *header), *items)


def item(operation: int, status: int, *parts: bytes) -> bytes:
    """A batch item of a response."""
    head = (enumeration(Tag.OPERATION, operation), enumeration(Tag.RESULT_STATUS, status))
    return structure(Tag.BATCH_ITEM, *head, *parts)


SECRET = b"a secret, thirty-two bytes long."
PAYLOAD = structure(Tag.RESPONSE_PAYLOAD)
PENDING = octets(Tag.ASYNCHRONOUS_CORRELATION_VALUE, b"x")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        response(),
        response(item(LOCATE, 0, PAYLOAD), item(LOCATE, 0, PAYLOAD)),
        response(item(GET, 0, PAYLOAD)),
        response(item(LOCATE, 0)),
        response(item(LOCATE, 2, PENDING)),
        response(item(LOCATE, 0, PAYLOAD), version=(1, 4)),
        response(item(LOCATE, 0, structure(Tag.RESPONSE_PAYLOAD, octets(Tag.KEY_MATERIAL, SECRET)))),
        structure(Tag.REQUEST_MESSAGE, item(LOCATE, 0, PAYLOAD)),
        structure(Tag.RESPONSE_MESSAGE, text(Tag.NAME_VALUE, "no header")),
        bytes.fromhex("42007b0100100000"),
    ],
    ids=range(12),
)
def test_what_is_no_answer_is_refused_and_not_shown(folder: Path, server: RunningServer, said: bytes) -> None:
    with answering(server, lambda connection: connection.sendall(said)) as port, Client(point(folder, port)) as asking:
        assert "secret" not in refused_with(asking, "server")


def test_an_answer_that_would_be_too_large_is_not_waited_for(folder: Path, server: RunningServer) -> None:
    def endless(connection: ssl.SSLSocket) -> None:
        connection.sendall(bytes.fromhex("42007b017ffffff8"))
        # Until the client has gone.
        while connection.recv(1 << 16):
            pass

    with answering(server, endless) as port, Client(point(folder, port)) as asking:
        refused_with(asking, "larger than the 1048576 allowed")


def test_a_server_that_says_nothing_is_not_waited_for_long(folder: Path, server: RunningServer) -> None:
    def silent(connection: ssl.SSLSocket) -> None:
        connection.settimeout(10)
        # It ends when the client has gone, and fails if that waits for longer.
        assert connection.recv(1) == b""

    with answering(server, silent) as port, Client(point(folder, port), timeout=0.5) as asking:
        refused_with(asking, "it takes too long")


def test_an_answer_that_comes_byte_by_byte_has_an_end(folder: Path, server: RunningServer) -> None:
    def slowly(connection: ssl.SSLSocket) -> None:
        connection.sendall(bytes.fromhex("42007b0100010000"))
        connection.settimeout(0.05)
        for _ in range(1000):
            connection.sendall(b"\0")
            # Whatever is read, it is that the client has gone.
            with suppress(TimeoutError):
                connection.recv(1)
                return

    with answering(server, slowly) as port, Client(point(folder, port), timeout=0.5) as asking:
        refused_with(asking, "it takes too long")
