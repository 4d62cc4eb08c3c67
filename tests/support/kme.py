"""A key management entity for tests: ETSI GS QKD 014 over real HTTPS with mutual TLS, written for these tests.

It knows a client by the common name of its certificate, as the standard's SAE. test_etsi_client.py shows with the
independent client of PyPI that it speaks what others speak.
"""

from __future__ import annotations

import datetime
import json
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dscc.links.etsi_client import Credentials
from dscc.links.source import LinkError, SourceEmptyError

KEY_BITS: Final = 256
MOST_KEYS: Final = 128


class Authority:
    """Issues certificates into a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign(name, self._key, authority=True)
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> Credentials:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, file = self._sign(name, key), self._folder / f"{self._name}-{name}"
        paths = file.with_suffix(".crt"), file.with_suffix(".key")
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return Credentials(paths[0], paths[1], self.path)

    def _sign(self, name: str, key: ec.EllipticCurvePrivateKey, authority: bool = False) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        named, issuer = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in (name, self._name))
        return (
            x509.CertificateBuilder()
            .subject_name(named)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )


class Refused(Exception):  # noqa: N818 - an answer
    """Another status than 200, and why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Kme:
    """Serves what `sources` give: for each SAE its end of a source of keys (a KeySource)."""

    def __init__(self, authority: Authority, sources: dict[str, Any]) -> None:
        self.sources = sources
        self.instead: Callable[[BaseHTTPRequestHandler], None] | None = None
        """Answers in place of the KME, to be wrong in some way."""
        self.requests: list[tuple[str, str, str]] = []
        """Who, method, path."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                return

            def do_GET(self) -> None:
                outer._serve(self)

            do_POST = do_GET  # noqa: N815 - the name that the library calls

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that is refused in the handshake, or goes away, is no error of the server."""

        self._server = Server(("127.0.0.1", 0), Handler)
        own = authority.issue("kme")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(own.certificate, own.key)
        context.load_verify_locations(own.authority)
        context.verify_mode = ssl.CERT_REQUIRED
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        subject = dict(pair[0] for pair in handler.connection.getpeercert()["subject"])  # type: ignore[attr-defined]
        sae = subject["commonName"]
        self.requests.append((sae, handler.command, handler.path))
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        if self.instead is not None:
            self.instead(handler)
            return
        try:
            reply(handler, 200, json.dumps(self._answer(sae, handler.command, handler.path, body)).encode())
        except Refused as refused:
            reply(handler, refused.status, json.dumps({"message": str(refused), "details": []}).encode())

    def _answer(self, sae: str, method: str, path: str, body: bytes) -> dict[str, object]:
        parts = path.split("/")
        if sae not in self.sources:
            raise Refused(401, f"{sae} is not served here")
        if len(parts) != 6 or parts[:4] != ["", "api", "v1", "keys"]:
            raise Refused(400, "no such resource")
        source, peer, what = self.sources[sae], parts[4], parts[5]
        asked = json.loads(body or b"{}")
        try:
            if (method, what) == ("GET", "status"):
                return self._status(source, sae, peer)
            if what == "enc_keys":
                number, bits = asked.get("number", 1), asked.get("size", KEY_BITS)
                if bits % 8 or number > MOST_KEYS:
                    raise Refused(400, "size shall be a multiple of 8")
                return container(source.get_key(peer, bits // 8, number))
            if (method, what) == ("POST", "dec_keys"):
                return container(source.get_by_id(peer, tuple(one["key_ID"] for one in asked["key_IDs"])))
        except SourceEmptyError as error:
            raise Refused(503, error.message) from None
        except LinkError as error:
            raise Refused(400, error.message) from None
        raise Refused(400, "no such resource")

    @staticmethod
    def _status(source: Any, sae: str, peer: str) -> dict[str, object]:
        found = source.status(peer)
        return {
            "source_KME_ID": "kme-a",
            "target_KME_ID": "kme-b",
            "master_SAE_ID": sae,
            "slave_SAE_ID": peer,
            "key_size": KEY_BITS,
            "stored_key_count": found.stored_keys,
            "max_key_count": 100_000,
            "max_key_per_request": MOST_KEYS,
            "max_key_size": 4096,
            "min_key_size": 128,
            "max_SAE_ID_count": 0,
        }


def container(keys: list[Any]) -> dict[str, object]:
    return {"keys": [{"key_ID": key.key_id, "key": b64encode(key.secret).decode()} for key in keys]}


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)
