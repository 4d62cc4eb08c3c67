"""TLS 1.3 with a negotiated key: the importer against a second one, and real handshakes with the system's OpenSSL."""

from __future__ import annotations

import shlex
import socket
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import importer
import pytest
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL
from openssl_ends import needs_openssl, s_client, s_server
from two_ends import OWN, PEER, dscc, key_file, key_number

from dscc.errors import DsccError
from dscc.uses import openssl, tls13
from dscc.uses.derivation import Role, SharedKey, shared_key
from dscc.uses.tls13 import ExternalPsk, imported_identity, imported_key, imported_psk, openssl_psk

HERE, THERE = key_number(1), key_number(1, PEER, OWN)
VECTOR = "8e8a2e344f34a49542361ee8a5ad1c5035bbe8f378e54b8f1c9adbc64b7141ca4f0305c5eb0548ebb9a9ce708def4cd3"


@given(
    st.binary(min_size=32, max_size=64),
    st.binary(min_size=1, max_size=300),
    st.binary(max_size=300),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
)
def test_the_importer_is_that_of_a_second_implementation(
    key: bytes, external: bytes, context: bytes, protocol: int, kdf: int
) -> None:
    identity = imported_identity(external, context, protocol, kdf)
    assert identity == importer.identity(external, context, protocol, kdf)
    assert imported_key(key, identity) == importer.ipskx(key, identity)


def test_a_negotiated_key_is_imported_as_the_second_implementation_says() -> None:
    shared = shared_key("00112233445566778899aabbccddeeff", bytes(range(32)), "client", "server")
    context = importer.encoded(bytes.fromhex(shared.kid), b"client", b"server")
    external = importer.use_key(shared.key, "use tls13", context, 48)
    identity = importer.identity(b"dscc:00112233445566778899aabbccddeeff", context, 0x0304, 0x0002)
    assert imported_psk(shared, Role.CLIENT) == ExternalPsk(identity, importer.ipskx(external, identity))
    # As it was computed once, so that no change of both goes unseen.
    assert imported_psk(shared, Role.CLIENT).key.hex() == VECTOR


def test_what_openssl_is_given_differs_in_the_identity_only() -> None:
    imported, plain = imported_psk(HERE, Role.CLIENT), openssl_psk(HERE, Role.CLIENT)
    assert plain.key == imported.key and plain.identity == f"dscc:{HERE.kid}".encode() != imported.identity
    assert repr(plain.key)[2:-1] not in repr(plain)


def test_the_command_writes_a_private_file_and_prints_no_key(tmp_path: Path) -> None:
    out = tmp_path / "session.pem"
    words = ("use", "tls13", *key_file(tmp_path, HERE), "--role", "client", "--out", out)
    said = dscc(*words)
    psk = openssl_psk(HERE, Role.CLIENT)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600 and out.read_text() == tls13.session_file(psk)
    assert psk.key.hex() not in said and HERE.key.hex() not in said and f"dscc:{HERE.kid}" in said
    assert "there already: --replace" in dscc(*words, expect=1)
    out.write_text("something else")
    dscc(*words, "--replace")
    assert out.read_text() == tls13.session_file(psk) and stat.S_IMODE(out.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir() if each.suffix != ".key"] == ["session.pem"]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("dir",),
        ("dir", "peer", "--kid", "00" * 16),
        ("--key-file", "file", "--kid", "00" * 16),
        ("dir", "peer", "--key-file", "file", "--kid", "00" * 16, "--names", "a", "b"),
    ],
)
def test_a_command_takes_one_source_of_keys(words: tuple[str, ...]) -> None:
    said = dscc("use", "tls13", *words, "--role", "client", "--out", "x", expect=2)
    assert "--key-file" in said


def printed(tmp_path: Path, shared: SharedKey, role: Role, name: str = "", **replaced: str) -> list[str]:
    """The command line that `dscc use tls13` prints, with what it leaves open."""
    out = tmp_path / f"{role}{name}.pem"
    said = dscc("use", "tls13", *key_file(tmp_path, shared), "--role", role, "--out", out, "--replace")
    words = shlex.split(said.splitlines()[-1])
    return [replaced.get(word, word) for word in words]


@needs_openssl
def test_openssl_reads_the_session_as_one_that_does_not_end_soon(tmp_path: Path) -> None:
    command = printed(tmp_path, HERE, Role.CLIENT)
    file = command[command.index("-psk_session") + 1]
    shown = subprocess.run(
        ["openssl", "sess_id", "-in", file, "-noout", "-text"], check=True, capture_output=True, text=True
    ).stdout
    assert "TLSv1.3" in shown and tls13.CIPHER in shown and "2147483647 (sec)" in shown
    assert openssl_psk(HERE, Role.CLIENT).key.hex().upper() in shown


@needs_openssl
@pytest.mark.parametrize("server_is", [PEER, OWN])
def test_openssl_talks_to_openssl_by_the_commands_that_are_printed(tmp_path: Path, server_is: str) -> None:
    client, server = (HERE, THERE) if server_is == PEER else (THERE, HERE)
    with s_server(printed(tmp_path, server, Role.SERVER, PORT="127.0.0.1:0")) as port:
        said = s_client(printed(tmp_path, client, Role.CLIENT), port)
    assert "detaitogen" in said and "TLS_AES_256_GCM_SHA384" in said and "No peer certificate" in said


@needs_openssl
@pytest.mark.parametrize(
    ("client", "role"),
    [
        (shared_key(HERE.kid, bytes(32), OWN, PEER), Role.CLIENT),
        (HERE, Role.SERVER),
        (THERE, Role.CLIENT),
        (shared_key(HERE.kid, HERE.key, OWN, "meter-9"), Role.CLIENT),
    ],
    ids=["another key", "swapped roles", "the server's own message", "another peer"],
)
def test_openssl_refuses(tmp_path: Path, client: SharedKey, role: Role) -> None:
    with s_server(printed(tmp_path, THERE, Role.SERVER, PORT="127.0.0.1:0")) as port:
        command = printed(tmp_path, HERE, Role.CLIENT)
        file = tmp_path / "other.pem"
        file.touch(0o600)
        file.write_text(tls13.session_file(openssl_psk(client, role)))
        command[command.index("-psk_session") + 1] = str(file)
        assert s_client(command, port) == ""
        assert s_client(printed(tmp_path, HERE, Role.CLIENT), port) != ""


@needs_openssl
def test_openssl_refuses_another_identifier_and_a_client_without_a_key(tmp_path: Path) -> None:
    with s_server(printed(tmp_path, THERE, Role.SERVER, PORT="127.0.0.1:0")) as port:
        assert s_client(printed(tmp_path, key_number(2), Role.CLIENT), port) == ""
        assert s_client(["openssl", "s_client", "-connect", "HOST:PORT"], port) == ""


@needs_openssl
def test_a_client_takes_no_certificate_instead(tmp_path: Path) -> None:
    made = (
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=x",
    )
    files = ("-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem"))
    subprocess.run([*made, *files], check=True, capture_output=True)
    server = ("openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", files[3], "-key", files[1], "-tls1_3")
    with s_server(list(server)) as port:
        assert s_client(["openssl", "s_client", "-connect", "HOST:PORT"], port) != ""
        assert s_client(printed(tmp_path, HERE, Role.CLIENT), port) == ""
        with pytest.raises(SSL.Error):
            ours_as_client(openssl_psk(HERE, Role.CLIENT), port)


def ours_as_client(psk: ExternalPsk, port: int) -> tuple[bytes, SSL.Connection]:
    """What our end hears to a line. Raises SSL.Error."""
    with socket.create_connection(("127.0.0.1", port)) as opened:
        connection = SSL.Connection(openssl.client_context(psk), opened)
        connection.set_connect_state()
        connection.do_handshake()
        connection.sendall(b"negotiated\n")
        return connection.recv(100), connection


@needs_openssl
def test_our_client_talks_to_openssls_server(tmp_path: Path) -> None:
    with s_server(printed(tmp_path, THERE, Role.SERVER, PORT="127.0.0.1:0")) as port:
        heard, connection = ours_as_client(openssl_psk(HERE, Role.CLIENT), port)
        assert heard == b"detaitogen\n" and connection.get_peer_certificate() is None
        assert connection.get_cipher_name() == tls13.CIPHER
        for psk in (openssl_psk(HERE, Role.SERVER), openssl_psk(key_number(2), Role.CLIENT)):
            with pytest.raises(SSL.Error):
                ours_as_client(psk, port)


def accept(listener: socket.socket, known: dict[bytes, ExternalPsk]) -> bytes:
    """Our end as a server of one connection: it says the line that it hears again. Raises SSL.Error."""
    opened, _ = listener.accept()
    with opened:
        connection = SSL.Connection(openssl.server_context(known.get), opened)
        connection.set_accept_state()
        connection.do_handshake()
        heard = connection.recv(100)
        connection.sendall(heard)
        return heard


@needs_openssl
def test_our_server_talks_to_openssls_client(tmp_path: Path) -> None:
    psk = openssl_psk(THERE, Role.SERVER)
    command = printed(tmp_path, HERE, Role.CLIENT)
    other = printed(tmp_path, key_number(2), Role.CLIENT, "2")
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        port = listener.getsockname()[1]
        serving = pool.submit(accept, listener, {psk.identity: psk})
        assert "negotiated" in s_client(command, port)
        assert serving.result(20) == b"negotiated\n"
        serving = pool.submit(accept, listener, {psk.identity: psk})
        assert s_client(other, port) == ""
        with pytest.raises(SSL.Error):
            serving.result(20)


def in_memory(client: SSL.Context, server: SSL.Context, session: Any = None) -> tuple[SSL.Connection, SSL.Connection]:
    """A handshake of two ends of ours. Raises SSL.Error."""
    ends = SSL.Connection(client, None), SSL.Connection(server, None)
    ends[0].set_connect_state()
    if session is not None:
        ends[0].set_session(session)
    ends[1].set_accept_state()
    for sender, receiver in (ends, ends[::-1], ends, ends[::-1]):
        with suppress(SSL.WantReadError):
            sender.do_handshake()
        with suppress(SSL.WantReadError):
            receiver.bio_write(sender.bio_read(65_536))
    return ends


def test_two_ends_of_ours_may_use_the_whole_imported_identity() -> None:
    psk = imported_psk(HERE, Role.CLIENT)
    asked: list[bytes] = []

    def find(identity: bytes) -> ExternalPsk | None:
        asked.append(identity)
        return imported_psk(THERE, Role.SERVER)

    client, server = in_memory(openssl.client_context(psk), openssl.server_context(find))
    client.sendall(b"through")
    server.bio_write(client.bio_read(65_536))
    assert server.recv(100) == b"through" and asked == [psk.identity]


def test_a_key_that_is_gone_is_not_resumed_with_either() -> None:
    known = {imported_psk(HERE, Role.CLIENT).identity: imported_psk(HERE, Role.CLIENT)}
    context, server = openssl.client_context(imported_psk(HERE, Role.CLIENT)), openssl.server_context(known.get)
    client = in_memory(context, server)[0]
    with pytest.raises(SSL.WantReadError):
        client.recv(1)
    session = client.get_session()
    assert session is not None
    # What the library would resume with, it offers once.
    known.clear()
    with pytest.raises(SSL.Error):
        in_memory(context, server, session)


def test_what_finds_keys_may_fail_and_the_handshake_does() -> None:
    def find(identity: bytes) -> ExternalPsk | None:
        raise LookupError("no keys today")

    with pytest.raises(SSL.Error):
        in_memory(openssl.client_context(imported_psk(HERE, Role.CLIENT)), openssl.server_context(find))


def test_without_the_bindings_there_is_no_context(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lacking:
        def __getattr__(self, name: str) -> Any:
            raise AttributeError(name)

    monkeypatch.setattr(openssl, "_library", Lacking())
    with pytest.raises(DsccError, match="SSL_CTX_set_psk_find_session_callback"):
        openssl.client_context(imported_psk(HERE, Role.CLIENT))
