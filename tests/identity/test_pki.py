from __future__ import annotations

import contextlib
import os
import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from kmip_server.identity.certificate import caller_from
from kmip_server.identity.pki import (
    Credentials,
    PkiError,
    issue_client,
    issue_server,
    load_credentials,
    make_authority,
    pkcs12_bundle,
    write_file,
)

AUTHORITY = make_authority()
CRL, OCSP = "http://pki.example.org/kmip.crl", "http://ocsp.example.org:8080/"


def _handshake(tmp_path: Path, client: Credentials, trusted: Credentials = AUTHORITY) -> bytes | None:
    """A real mutual TLS handshake by OpenSSL's verifier: the client's DER as the server sees it."""
    server = issue_server(AUTHORITY)
    for name, content in {
        "server": server.certificate_pem + server.key_pem,
        "client": client.certificate_pem + client.key_pem,
        "ca": AUTHORITY.certificate_pem,
        "trusted": trusted.certificate_pem,
    }.items():
        write_file(tmp_path / name, content)
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(tmp_path / "server")
    listening.load_verify_locations(tmp_path / "trusted")
    listening.verify_mode = ssl.CERT_REQUIRED
    connecting = ssl.create_default_context(cafile=str(tmp_path / "ca"))
    connecting.load_cert_chain(tmp_path / "client")
    here, there = socket.socketpair()
    seen: list[bytes | None] = []

    def serve() -> None:
        try:
            with listening.wrap_socket(there, server_side=True) as connection:
                seen.append(connection.getpeercert(binary_form=True))
        except ssl.SSLError:
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    with connecting.wrap_socket(here, server_hostname="localhost") as connection:
        connection.settimeout(10)
        with contextlib.suppress(ssl.SSLError):
            connection.recv(1)
    thread.join(10)
    return seen[0] if seen else None


@pytest.mark.parametrize("use_rsa", [False, True])
def test_what_the_authority_issues_passes_openssls_checks_on_both_sides(tmp_path: Path, use_rsa: bool) -> None:
    client = issue_client(AUTHORITY, "alice", use_rsa=use_rsa)
    seen = _handshake(tmp_path, client)
    assert seen is not None
    assert caller_from(seen).name == "alice"
    assert isinstance(client.key, rsa.RSAPrivateKey if use_rsa else ec.EllipticCurvePrivateKey)


def test_a_client_of_another_authority_is_not_let_in(tmp_path: Path) -> None:
    assert _handshake(tmp_path, issue_client(AUTHORITY, "alice"), trusted=make_authority()) is None


def test_the_servers_certificate_is_no_client_certificate(tmp_path: Path) -> None:
    assert _handshake(tmp_path, issue_server(AUTHORITY)) is None


def test_the_authority_signs_end_entities_only() -> None:
    constraints = AUTHORITY.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    client = issue_client(AUTHORITY, "alice").certificate.extensions
    assert client.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert list(client.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_two_authorities_have_different_names_and_serial_numbers() -> None:
    other = make_authority().certificate
    assert other.subject != AUTHORITY.certificate.subject
    assert other.serial_number != AUTHORITY.certificate.serial_number


def test_the_servers_certificate_names_loopback_and_the_given_hosts() -> None:
    server = issue_server(AUTHORITY, ["kms.example", "192.0.2.7", "localhost"]).certificate
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"kms.example", "localhost"}
    assert {str(ip) for ip in names.get_values_for_type(x509.IPAddress)} == {"192.0.2.7", "127.0.0.1", "::1"}


@pytest.mark.parametrize("host", ["bücher.example", ""])
def test_a_host_that_cannot_be_named_in_a_certificate_is_refused(host: str) -> None:
    with pytest.raises(PkiError, match="neither an address nor a DNS name"):
        issue_server(AUTHORITY, [host])


@pytest.mark.parametrize(("principal", "name"), [("dns", "a.example"), ("email", "a@b.example"), ("uri", "urn:a")])
def test_a_client_certificate_carries_its_name_where_the_server_looks_for_it(principal: str, name: str) -> None:
    assert caller_from(issue_client(AUTHORITY, name, principal=principal).certificate_der, principal).name == name


def test_a_name_too_long_for_a_certificate_is_refused() -> None:
    with pytest.raises(PkiError, match="common_name of a certificate"):
        issue_client(AUTHORITY, "x" * 65)


def test_a_bundle_opens_with_its_password_only() -> None:
    client = issue_client(AUTHORITY, "alice")
    bundle = pkcs12_bundle(client, AUTHORITY.certificate, "alice", b"correct horse")
    opened = pkcs12.load_pkcs12(bundle, b"correct horse")
    assert opened.cert is not None
    assert opened.cert.certificate == client.certificate
    assert [extra.certificate for extra in opened.additional_certs] == [AUTHORITY.certificate]
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_pkcs12(bundle, b"wrong")


def test_a_key_file_is_for_its_owner_only_whatever_the_umask_and_is_never_overwritten(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_file(tmp_path / "key.pem", b"secret")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_file(tmp_path / "key.pem", b"other")


def test_a_certificate_and_its_key_are_read_back(tmp_path: Path) -> None:
    write_file(tmp_path / "cert", AUTHORITY.certificate_pem)
    write_file(tmp_path / "key", AUTHORITY.key_pem)
    loaded = load_credentials(tmp_path / "cert", tmp_path / "key")
    assert loaded.certificate == AUTHORITY.certificate


@pytest.mark.parametrize(
    ("certificate", "key", "words"),
    [
        (None, b"", "no certificate can be read"),
        (b"", b"", "no certificate can be read"),
        (AUTHORITY.certificate_pem, None, "private key cannot be read: No such file"),
        (AUTHORITY.certificate_pem, b"canary", "private key cannot be read: it is not valid PEM"),
        (AUTHORITY.certificate_pem, make_authority().key_pem, "does not belong to the certificate"),
    ],
)
def test_unusable_files_are_named_and_never_quoted(
    tmp_path: Path, certificate: bytes | None, key: bytes | None, words: str
) -> None:
    for name, content in {"cert": certificate, "key": key}.items():
        if content is not None:
            write_file(tmp_path / name, content)
    with pytest.raises(PkiError, match=words) as refusal:
        load_credentials(tmp_path / "cert", tmp_path / "key")
    assert "canary" not in str(refusal.value)


def test_a_private_key_is_not_in_repr() -> None:
    assert repr(AUTHORITY) == f"Credentials({AUTHORITY.certificate.subject.rfc4514_string()})"


def test_the_server_certificate_says_where_its_revocation_is_told() -> None:
    extensions = issue_server(AUTHORITY, crl_url=CRL, ocsp_url=OCSP).certificate.extensions
    (point,) = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert point.full_name == [x509.UniformResourceIdentifier(CRL)]
    (access,) = extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert access.access_method == AuthorityInformationAccessOID.OCSP
    assert access.access_location == x509.UniformResourceIdentifier(OCSP)


@pytest.mark.parametrize("given", [{}, {"crl_url": CRL}, {"ocsp_url": OCSP}])
def test_a_url_that_was_not_given_is_not_in_the_server_certificate(given: dict[str, str]) -> None:
    found = {type(each.value) for each in issue_server(AUTHORITY, **given).certificate.extensions}
    assert (x509.CRLDistributionPoints in found) is ("crl_url" in given)
    assert (x509.AuthorityInformationAccess in found) is ("ocsp_url" in given)


@pytest.mark.parametrize(
    "url", ["", "pki.example.org/kmip.crl", "file:///kmip.crl", "http://", "http://\u00fc.org/", "http://["]
)
@pytest.mark.parametrize("option", ["crl_url", "ocsp_url"])
def test_what_is_no_url_is_in_no_certificate(option: str, url: str) -> None:
    with pytest.raises(PkiError, match="is no URL"):
        issue_server(AUTHORITY, **{option: url})
