"""PyKMIP's own server, run for real, as the one that is taken over."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from kmip import enums
from kmip.pie.client import ProxyKmipClient

from kmip_server.identity.pki import issue_client, issue_server, make_authority

_STARTS_WITHIN_S = 30


class PyKmipServer:
    """A PyKMIP server in `folder`, with certificates of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = make_authority()
        server = issue_server(self.authority)
        self._write("ca.pem", self.authority.certificate_pem)
        self._write("server.pem", server.certificate_pem)
        self._write("server.key", server.key_pem)
        (folder / "policies").mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.configuration = folder / "server.conf"
        self.configuration.write_text(
            f"[server]\nhostname=127.0.0.1\nport={self.port}\n"
            f"certificate_path={folder}/server.pem\nkey_path={folder}/server.key\nca_path={folder}/ca.pem\n"
            f"auth_suite=TLS1.2\npolicy_path={folder}/policies\nenable_tls_client_auth=True\n"
            f"tls_cipher_suites=\nlogging_level=WARNING\ndatabase_path={folder}/pykmip.database\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def _write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(0o600)
        return path

    def client(self, name: str, port: int | None = None) -> ProxyKmipClient:
        """PyKMIP's client, with a certificate from this server's own authority."""
        certificate = self.folder / f"{name}.pem"
        if not certificate.exists():
            issued = issue_client(self.authority, name)
            self._write(f"{name}.pem", issued.certificate_pem)
            self._write(f"{name}.key", issued.key_pem)
        return ProxyKmipClient(
            hostname="127.0.0.1",
            port=port or self.port,
            cert=str(certificate),
            key=str(self.folder / f"{name}.key"),
            ca=str(self.folder / "ca.pem"),
            config_file=str(self._client_configuration()),
            kmip_version=enums.KMIPVersion.KMIP_1_2,
        )

    def _client_configuration(self) -> Path:
        path = self.folder / "client.conf"
        path.write_text("[client]\nssl_version=PROTOCOL_TLSv1_2\n")
        return path

    def start(self) -> None:
        """Start and wait until connections are taken."""
        self.process = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("pykmip-server")),
                "-f",
                str(self.configuration),
                "-l",
                str(self.folder / "server.log"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise AssertionError((self.folder / "server.log").read_text())

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None
