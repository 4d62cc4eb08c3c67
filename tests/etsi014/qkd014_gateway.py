"""A gateway's HTTPS port with ETSI GS QKD 014, on the directory of a real server, and SAEs that `client add` made."""

from __future__ import annotations

import gc
import http.client
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_support import TIMEOUT, start_reactor
from etsi_qkd_014_client import QKD014Client
from support.server import RunningServer
from support.wire import Credentials
from twisted.internet.threads import blockingCallFromThread

from dscc.links import etsi_client
from kmip_server.cli.master_key import open_master_key
from kmip_server.config import Settings
from kmip_server.etsi014.resource import KeysResource
from kmip_server.etsi014.service import KeyDelivery
from kmip_server.listeners.edge import Edge, Port
from kmip_server.listeners.settings import ListenerSettings, TlsSettings
from kmip_server.listeners.tls import ServerTls
from kmip_server.listeners.transport import bind
from kmip_server.opening import open_service

Answer = tuple[int, Any]


class Gateway:
    """Serves in this process what `serve` serves in its own, with a KeyDelivery that a test gives."""

    def __init__(self, made: RunningServer, delivery: KeyDelivery, **deadlines: float) -> None:
        self.reactor = start_reactor()
        settings = Settings.load(made.data)
        listening = bind("127.0.0.1", 0)
        self.port: int = listening.getsockname()[1]
        tls = TlsSettings(certificate=settings.tls.certificate, key=settings.tls.key, client_ca=settings.tls.client_ca)
        listener = ListenerSettings(tls=tls, sweep_seconds=0.05, linger_seconds=0.2, **deadlines)  # type: ignore[arg-type]
        collecting = gc.get_threshold()
        self._service = self.call(open_service, self.reactor, settings, open_master_key(settings), tls)
        gc.unfreeze()
        gc.set_threshold(*collecting)
        resources = (KeysResource(delivery, self.reactor),)
        self.edge: Edge = self.call(lambda: Edge(self.reactor, listener, ServerTls(tls), self._service, resources))
        self.call(self.edge.listen, Port.HTTPS, listening)

    def call(self, function: Any, *arguments: Any) -> Any:
        """Call it in the reactor's thread, and wait for its result."""
        return blockingCallFromThread(self.reactor, function, *arguments)

    def stop(self) -> None:
        stopped = self.call(lambda: (self.edge.stop(), self.edge._cut())[:1])
        self.call(lambda: stopped[0])
        self.call(self._service.close)


MakeGateway = Callable[..., Gateway]
"""What the fixture `make_gateway` is: it takes a KeyDelivery, and deadlines."""


@dataclass(frozen=True)
class Sae:
    """A client of a gateway, by the files that `client add` wrote, and ways to ask for keys."""

    name: str
    port: int
    folder: Path

    @property
    def credentials(self) -> Credentials:
        return Credentials.of(self.folder)

    def independent(self) -> QKD014Client:
        """The client that others wrote."""
        files = self.credentials
        return QKD014Client(f"127.0.0.1:{self.port}", str(files.certificate), str(files.key), str(files.authority))

    def ours(self) -> etsi_client.Etsi014Client:
        """The client by which nodes ask a key management entity."""
        files = self.credentials
        credentials = etsi_client.Credentials(files.certificate, files.key, files.authority)
        return etsi_client.Etsi014Client("127.0.0.1", self.port, credentials)

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.credentials.context(), timeout=TIMEOUT)

    def tls(self) -> ssl.SSLSocket:
        """A connection without HTTP yet."""
        connection = self.connect()
        connection.connect()
        assert isinstance(connection.sock, ssl.SSLSocket)
        return connection.sock

    def ask(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request below /api/v1/keys; answers the status and the document. A body that is no bytes becomes JSON."""
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        fields = {} if content is None else {"Content-Type": "application/json"}
        connection = self.connect()
        try:
            connection.request(method, f"/api/v1/keys/{path}", content, {**fields, **(headers or {})})
            response = connection.getresponse()
            assert response.getheader("Content-Type") == "application/json"
            return response.status, json.loads(response.read())
        finally:
            connection.close()


def refused(answer: Answer) -> str:
    """The message of a 400, in the standard's form."""
    status, document = answer
    assert status == 400, answer
    assert set(document) == {"message", "details"}
    assert isinstance(document["message"], str)
    assert all(isinstance(detail, dict) for detail in document["details"])
    return str(document["message"])
