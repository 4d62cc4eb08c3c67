"""TLS of both listeners (RFC 8446, and RFC 5246 with ECDHE and AEAD suites): server context, client certificates.

A client's certificate is required and verified against the authorities given. Sessions resume by ticket: the ticket
holds the client's certificate, so that it is known, and judged again, on a resumed connection. A reload makes a new
context and so new ticket keys: no session outlives a change of whom to trust. There is no renegotiation, no compression
and no early data.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from OpenSSL import SSL, crypto

from kmip_server.listeners import openssl
from kmip_server.listeners.settings import TlsSettings

_TLS_1_2_SUITES: Final = (
    b"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    b"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=2"
)
_TLS_1_3_SUITES: Final = b"TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"
_SESSION_CONTEXT: Final = b"kmip-server"
_OPTIONS: Final = (
    SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_SINGLE_ECDH_USE
)


class TlsError(Exception):
    """The TLS material cannot be used; the message names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """A client's verified certificate: DER, and when it ends in POSIX seconds."""

    der: bytes
    expires: float


class ServerTls:
    """Makes the server's side of TLS connections. Raises TlsError if the files cannot be used."""

    def __init__(self, settings: TlsSettings) -> None:
        self._settings = settings
        self._context = _server_context(settings)

    def reload(self) -> None:
        """Read the files again, for connections from now on. Raises TlsError; then the old ones stay in use."""
        self._context = _server_context(self._settings)

    def group(self) -> str | None:
        """The key exchange group that a client of the same library gets."""
        return openssl.negotiated_group(self._context)

    def connection(self, stream: socket.socket) -> SSL.Connection:
        """The server's side of one connection, on this socket."""
        connection = SSL.Connection(self._context, stream)
        connection.set_accept_state()
        return connection


def receiver_context(settings: TlsSettings) -> SSL.Context:
    """The server's side of connections that it makes to clients who listen. Raises TlsError.

    The receiver's chain is verified as a client's is; its name is for the caller to look at. By the library's rule
    whoever is connected to has a certificate for servers; a client's is for clients, which is looked at with its name.
    """
    context = _context(SSL.TLS_CLIENT_METHOD, settings)
    context.set_verify(SSL.VERIFY_PEER, _as_a_client)
    return context


_INVALID_PURPOSE: Final = 26
"""X509_V_ERR_INVALID_PURPOSE, which pyOpenSSL has no name for."""


def _as_a_client(_connection: SSL.Connection, _certificate: crypto.X509, error: int, depth: int, passed: int) -> bool:
    return bool(passed) or (error == _INVALID_PURPOSE and depth == 0)


def peer_certificate(connection: SSL.Connection) -> PeerCertificate | None:
    """The client's certificate, on a resumed connection too; None if there is none."""
    certificate = connection.get_peer_certificate(as_cryptography=True)
    if not isinstance(certificate, x509.Certificate):
        return None
    der = certificate.public_bytes(serialization.Encoding.DER)
    return PeerCertificate(der, certificate.not_valid_after_utc.timestamp())


def _server_context(settings: TlsSettings) -> SSL.Context:
    context = _context(SSL.TLS_SERVER_METHOD, settings)
    context.load_client_ca(bytes(settings.client_ca))
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    context.set_session_id(_SESSION_CONTEXT)
    # Tickets need no store in memory, and one would hold twenty thousand client certificates.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_timeout(settings.session_seconds)
    return context


def _context(method: int, settings: TlsSettings) -> SSL.Context:
    """What both sides have: versions and suites, the server's certificate, and whom to trust."""
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_3_VERSION if settings.strict else SSL.TLS1_2_VERSION)
    context.set_options(_OPTIONS)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_cipher_list(_TLS_1_2_SUITES)
    context.set_tls13_ciphersuites(_TLS_1_3_SUITES)
    openssl.prefer_groups(context)
    _use_certificate(context, settings)
    _trust(context, settings)
    return context


def _use_certificate(context: SSL.Context, settings: TlsSettings) -> None:
    chain = _certificates(settings.certificate)
    key = _private_key(settings.key, settings.key_passphrase)
    try:
        context.use_certificate(chain[0])
        for intermediate in chain[1:]:
            context.add_extra_chain_cert(intermediate)
        context.use_privatekey(key)  # type: ignore[arg-type]
        context.check_privatekey()
    except (SSL.Error, TypeError):
        raise TlsError(f"{settings.key} is not the key of {settings.certificate}, or is too weak for TLS") from None


def _trust(context: SSL.Context, settings: TlsSettings) -> None:
    store = context.get_cert_store()
    if store is None:
        raise TlsError("the TLS library has no certificate store")
    for authority in _certificates(settings.client_ca):
        store.add_cert(crypto.X509.from_cryptography(authority))
    if settings.client_crl is not None:
        for crl in _revocation_lists(settings.client_crl):
            store.add_crl(crl)
        store.set_flags(crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL)


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise TlsError(f"{path} holds no PEM certificate: {error}") from None


def _private_key(path: Path, passphrase: bytes | None) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(path.read_bytes(), passphrase)
    except TypeError:
        needed = "needs a passphrase" if passphrase is None else "is not encrypted, but a passphrase is given"
        raise TlsError(f"{path} {needed}") from None
    except (OSError, ValueError) as error:
        raise TlsError(f"{path} holds no usable PEM private key: {error}") from None


def _revocation_lists(path: Path) -> list[x509.CertificateRevocationList]:
    """The file's PEM blocks, one list each."""
    end = b"-----END X509 CRL-----"
    try:
        blocks = path.read_bytes().split(end)
        return [x509.load_pem_x509_crl(block + end + b"\n") for block in blocks[:-1]]
    except (OSError, ValueError) as error:
        raise TlsError(f"{path} holds no PEM certificate revocation list: {error}") from None
