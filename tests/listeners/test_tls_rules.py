"""TLS: versions, suites, certificates, and the reading of files."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from edge_support import RunningEdge, World, eventually, exchange, is_closed, message, receive
from support.certificates import DAY, PASSPHRASE, Authority, Issued, rsa_key

from kmip_server.listeners.tls import ServerTls, TlsError

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
REFUSALS = (ssl.SSLError, ConnectionError)


def assert_served(edge: RunningEdge, context: ssl.SSLContext) -> ssl.SSLSocket:
    connection = edge.connect(context)
    try:
        assert exchange(connection) == b"question"
    finally:
        connection.close()
    return connection


def assert_refused(edge: RunningEdge, context: ssl.SSLContext) -> None:
    """In TLS 1.3 the client learns of it when it reads."""
    before = len(edge.toy.requests)
    try:
        with edge.connect(context) as connection:
            connection.settimeout(10)
            connection.sendall(message(b"question"))
            assert connection.recv(1) == b""
    except REFUSALS:
        pass
    assert len(edge.toy.requests) == before, "nothing reached the decoder"


# Versions and suites. -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["EC", "RSA"])
@pytest.mark.parametrize(
    ("version", "suite"),
    [
        (TLS13, None),
        (TLS12, None),
        (TLS12, "ECDHE-{}-AES256-GCM-SHA384"),
        (TLS12, "ECDHE-{}-AES128-GCM-SHA256"),
        (TLS12, "ECDHE-{}-CHACHA20-POLY1305"),
    ],
)
def test_these_versions_and_suites_are_served(
    world: World, kind: str, version: ssl.TLSVersion, suite: str | None
) -> None:
    server = world.authority.server(key=rsa_key()) if kind == "RSA" else world.server
    settings = world.tls(certificate=server.cert_file, key=server.key_file)
    with world.edge(tls=settings) as edge:
        name = suite and suite.format("RSA" if kind == "RSA" else "ECDSA")
        with edge.connect(world.context(version=version, ciphers=name)) as connection:
            exchange(connection)
            cipher = connection.cipher()
            assert cipher is not None
            assert connection.version() == ("TLSv1.3" if version is TLS13 else "TLSv1.2")
            assert name in (None, cipher[0])


@pytest.mark.parametrize(
    "suite",
    [
        "ECDHE-ECDSA-AES256-SHA384",
        "ECDHE-ECDSA-AES128-SHA256",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-CCM",
    ],
)
def test_suites_of_tls_1_2_without_an_authenticated_cipher_of_ours_are_refused(world: World, suite: str) -> None:
    with world.edge() as edge:
        assert_refused(edge, world.context(version=TLS12, ciphers=suite))


@pytest.mark.parametrize("suite", ["AES256-GCM-SHA384", "DHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-SHA384"])
def test_suites_of_tls_1_2_without_elliptic_curves_are_refused(world: World, suite: str) -> None:
    server = world.authority.server(key=rsa_key())
    with world.edge(tls=world.tls(certificate=server.cert_file, key=server.key_file)) as edge:
        assert_refused(edge, world.context(version=TLS12, ciphers=suite))


def test_a_strict_policy_turns_tls_1_2_off(world: World) -> None:
    with world.edge(tls=world.tls(strict=True)) as edge:
        assert_refused(edge, world.context(version=TLS12))
        assert_served(edge, world.context(version=TLS13))


OPENSSL = shutil.which("openssl")


def s_client(world: World, edge: RunningEdge, *options: str, send: bytes = b"") -> str:
    assert OPENSSL is not None
    done = subprocess.run(
        [
            *(OPENSSL, "s_client", "-connect", f"127.0.0.1:{edge.ports[0]}", "-CAfile", str(world.authority.file)),
            *("-cert", str(world.client.cert_file), "-key", str(world.client.key_file), *options),
        ],
        input=send,
        capture_output=True,
        timeout=20,
    )
    return (done.stdout + done.stderr).decode(errors="replace")


@pytest.mark.skipif(OPENSSL is None, reason="there is no openssl command")
class TestWithTheOpensslCommand:
    @pytest.mark.parametrize(
        ("options", "agreed"),
        [
            (("-tls1_3",), "TLSv1.3"),
            (("-tls1_2",), "TLSv1.2"),
            (("-tls1_1", "-cipher", "ALL@SECLEVEL=0"), None),
            (("-tls1", "-cipher", "ALL@SECLEVEL=0"), None),
        ],
    )
    def test_versions(self, world: World, options: tuple[str, ...], agreed: str | None) -> None:
        with world.edge() as edge:
            output = s_client(world, edge, *options)
        if agreed is None:
            assert "Cipher is (NONE)" in output
        else:
            assert f"New, {agreed}" in output
            assert "Compression: NONE" in output

    def test_renegotiation_is_refused(self, world: World) -> None:
        with world.edge() as edge:
            output = s_client(world, edge, "-tls1_2", send=b"R\n")
        assert "RENEGOTIATING" in output
        assert "no renegotiation" in output or "handshake failure" in output

    def test_early_data_is_not_offered(self, world: World) -> None:
        with world.edge() as edge:
            output = s_client(world, edge, "-tls1_3")
        assert "Max Early Data: 0" in output or "Early data was not sent" in output
        assert "Early data was accepted" not in output

    def test_the_client_is_told_which_authorities_are_trusted(self, world: World) -> None:
        with world.edge() as edge:
            output = s_client(world, edge, "-tls1_2")
        assert "Acceptable client certificate CA names" in output
        assert "CN = authority" in output or "CN=authority" in output


# Client certificates. -------------------------------------------------------------------------------------------------


def foreign(folder: Path, name: str = "authority") -> Authority:
    elsewhere = folder / "foreign"
    elsewhere.mkdir()
    return Authority(elsewhere, name)


def signed_with_sha1(world: World, _: Path) -> Issued:
    if OPENSSL is None:
        pytest.skip("there is no openssl command")
    mallory = world.authority.issue("mallory")
    request = x509.CertificateSigningRequestBuilder().subject_name(mallory.certificate.subject)
    request_file = world.folder / "request.pem"
    request_file.write_bytes(request.sign(mallory.key, hashes.SHA256()).public_bytes(Encoding.PEM))
    authority = world.authority.root
    subprocess.run(
        [
            *(OPENSSL, "x509", "-req", "-sha1", "-days", "9", "-in", str(request_file), "-out", str(mallory.cert_file)),
            *("-CA", str(authority.cert_file), "-CAkey", str(authority.key_file), "-set_serial", "77"),
        ],
        check=True,
        capture_output=True,
    )
    return mallory


BAD_CERTIFICATES: dict[str, Callable[[World, Path], Issued]] = {
    "foreign": lambda world, folder: foreign(folder).issue("alice"),
    "expired": lambda world, _: world.authority.issue("mallory", begins=-9 * DAY, ends=-DAY),
    "not yet valid": lambda world, _: world.authority.issue("mallory", begins=DAY, ends=9 * DAY),
    "for servers": lambda world, _: world.authority.server("mallory"),
    "weak RSA": lambda world, _: world.authority.issue("mallory", key=rsa_key(1024)),
    "SHA-1": signed_with_sha1,
    "self-signed": lambda world, folder: foreign(folder, "alice").root,
}


@pytest.mark.parametrize("version", [TLS12, TLS13])
class TestClientCertificates:
    def test_none(self, world: World, version: ssl.TLSVersion) -> None:
        with world.edge() as edge:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.load_verify_locations(world.authority.file)
            context.minimum_version = context.maximum_version = version
            assert_refused(edge, context)

    @pytest.mark.parametrize(
        "kind", ["foreign", "expired", "not yet valid", "for servers", "weak RSA", "SHA-1", "self-signed"]
    )
    def test_bad_ones(self, world: World, version: ssl.TLSVersion, kind: str, tmp_path: Path) -> None:
        bad = BAD_CERTIFICATES[kind](world, tmp_path)
        with world.edge() as edge:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.minimum_version = context.maximum_version = version
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.load_cert_chain(bad.cert_file, bad.key_file)
            assert_refused(edge, context)
            context.load_cert_chain(world.client.cert_file, world.client.key_file)
            assert_served(edge, context)

    def test_on_the_revocation_list(self, world: World, version: ssl.TLSVersion) -> None:
        mallory = world.authority.issue("mallory")
        crl = world.authority.revocation_list(mallory)
        with world.edge(tls=world.tls(client_crl=crl)) as edge:
            assert_refused(edge, world.context(mallory, version=version))
            assert_served(edge, world.context(version=version))

    def test_one_that_ends_while_the_connection_is_open(self, world: World, version: ssl.TLSVersion) -> None:
        brief = world.authority.issue("alice", ends=timedelta(seconds=2))
        with world.edge() as edge, edge.connect(world.context(brief, version=version)) as connection:
            exchange(connection)
            assert is_closed(connection, 5)


# Files. ---------------------------------------------------------------------------------------------------------------


def test_an_encrypted_key_is_opened_with_its_passphrase(world: World) -> None:
    server = world.authority.server("locked", passphrase=PASSPHRASE)
    files = {"certificate": server.cert_file, "key": server.key_file}
    with world.edge(tls=world.tls(**files, key_passphrase=PASSPHRASE)) as edge:
        assert_served(edge, world.context())
    assert "horse" not in repr(world.tls(key_passphrase=PASSPHRASE))


def test_intermediates_in_the_certificates_file_are_sent(world: World, tmp_path: Path) -> None:
    intermediate = foreign(tmp_path, "intermediate")
    root = world.authority.root
    builder = x509.CertificateBuilder(
        issuer_name=root.certificate.subject,
        subject_name=intermediate.root.certificate.subject,
        public_key=intermediate.root.key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=root.certificate.not_valid_before_utc,
        not_valid_after=root.certificate.not_valid_after_utc,
    ).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    signed = builder.sign(root.key, hashes.SHA256())
    server = intermediate.server()
    server.cert_file.write_bytes(server.cert_file.read_bytes() + signed.public_bytes(Encoding.PEM))
    with world.edge(tls=world.tls(certificate=server.cert_file, key=server.key_file)) as edge:
        assert_served(edge, world.context())


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("no certificate", "holds no PEM certificate"),
        ("another key", "is not the key of"),
        ("no key", "holds no usable PEM private key"),
        ("no passphrase", "needs a passphrase"),
        ("wrong passphrase", "holds no usable PEM private key"),
        ("needless passphrase", "is not encrypted"),
        ("no authority", "holds no PEM certificate"),
        ("missing", "holds no PEM certificate"),
        ("no list", "holds no PEM certificate revocation list"),
    ],
)
def test_files_that_cannot_be_used_are_named(world: World, kind: str, words: str) -> None:
    locked = world.authority.server("locked", passphrase=PASSPHRASE)
    nothing = world.folder / "nothing.pem"
    nothing.write_bytes(b"nothing -----END X509 CRL-----")
    settings = {
        "no certificate": world.tls(certificate=nothing),
        "another key": world.tls(key=world.client.key_file),
        "no key": world.tls(key=nothing),
        "no passphrase": world.tls(certificate=locked.cert_file, key=locked.key_file),
        "wrong passphrase": world.tls(certificate=locked.cert_file, key=locked.key_file, key_passphrase=b"x"),
        "needless passphrase": world.tls(key_passphrase=PASSPHRASE),
        "no authority": world.tls(client_ca=nothing),
        "missing": world.tls(client_ca=world.folder / "missing.pem"),
        "no list": world.tls(client_crl=nothing),
    }[kind]
    with pytest.raises(TlsError, match=words):
        ServerTls(settings)


def test_a_reload_takes_new_files_and_keeps_the_old_ones_if_they_are_bad(world: World) -> None:
    def presented(edge: RunningEdge) -> x509.Certificate:
        with edge.connect() as connection:
            return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")

    with world.edge() as edge, edge.connect() as before:
        first = world.server.certificate
        assert presented(edge) == first
        second = world.authority.server(key=ec.generate_private_key(ec.SECP384R1())).certificate
        world.call(edge.tls.reload)
        assert presented(edge) == second != first
        world.server.key_file.write_bytes(b"not a key")
        with pytest.raises(TlsError):
            world.call(edge.tls.reload)
        assert presented(edge) == second
        exchange(before)


def test_a_peer_that_vanishes_in_the_handshake_leaves_nothing_behind(world: World) -> None:
    with world.edge() as edge:
        for _ in range(20):
            tcp = edge.tcp()
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            tcp.sendall(b"\x16\x03\x01\x00\xff")
            tcp.close()
        assert eventually(lambda: not edge.edge._sessions)
        with edge.connect() as connection:
            connection.sendall(message(b"question"))
            receive(connection)
