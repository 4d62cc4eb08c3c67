"""Who gets a connection for keys by ETSI GS QKD 014, how long it may take, and what of it is in the log."""

from __future__ import annotations

import http.client
import ssl
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from edge_support import client_context, eventually, is_closed, rest_of
from qkd014_delivery import InMemoryDelivery
from qkd014_gateway import Gateway, MakeGateway, Sae
from structlog.testing import capture_logs
from support.canary import Canary
from support.certificates import Authority
from support.server import MakeServer, RunningServer
from twisted.internet.defer import Deferred

from kmip_server.etsi014 import resource
from kmip_server.etsi014.service import DeliveredKey

ASK = b"GET /api/v1/keys/bob/enc_keys HTTP/1.1\r\n\r\n"


# Who. -----------------------------------------------------------------------------------------------------------------


def test_a_certificate_of_another_authority_gets_no_connection(gateway: Gateway, alice: Sae, tmp_path: Path) -> None:
    context = client_context(Authority(tmp_path), Authority(tmp_path, "another").issue("alice"))
    context.load_verify_locations(alice.credentials.authority)
    connection = http.client.HTTPSConnection("127.0.0.1", gateway.port, context=context)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connection.request("GET", "/api/v1/keys/bob/enc_keys")
        connection.getresponse()
    connection.close()


def test_no_certificate_gets_no_connection(gateway: Gateway, alice: Sae) -> None:
    context = ssl.create_default_context(cafile=str(alice.credentials.authority))
    connection = http.client.HTTPSConnection("127.0.0.1", gateway.port, context=context)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connection.request("GET", "/api/v1/keys/bob/enc_keys")
        connection.getresponse()
    connection.close()


def test_a_revoked_client_loses_its_connection_and_gets_no_other(
    made: RunningServer, make_gateway: MakeGateway
) -> None:
    made.add_client("revoked")
    delivery = InMemoryDelivery(("revoked", "bob"))
    gateway = make_gateway(delivery)
    revoked = Sae("revoked", gateway.port, made.data / "clients" / "revoked")
    assert revoked.ask("GET", "bob/enc_keys")[0] == 200
    with revoked.tls() as connection:
        made.revoke_client("revoked")
        assert is_closed(connection)
    asked = len(delivery.calls)
    with revoked.tls() as connection:
        assert rest_of(connection) == b""
    assert len(delivery.calls) == asked


@contextmanager
def without_sweep(gateway: Gateway) -> Iterator[None]:
    """No sweep closes the connection of a revoked client meanwhile: the other safeguards have to do it."""
    gateway.call(gateway.edge._sweep.stop)
    yield
    gateway.call(lambda: gateway.edge._sweep.start(0.05, now=False) and None)


def revoke(made: RunningServer, gateway: Gateway, name: str) -> None:
    """Revoke the client of the gateway's only connection, and wait until the gateway has heard of it."""
    (session,) = gateway.edge._sessions
    made.revoke_client(name)
    assert eventually(lambda: not gateway._service.admits(session.caller))


def test_a_revoked_client_costs_no_key_between_two_sweeps(made: RunningServer, make_gateway: MakeGateway) -> None:
    made.add_client("early")
    delivery = InMemoryDelivery(("early", "bob"))
    gateway = make_gateway(delivery)
    early = Sae("early", gateway.port, made.data / "clients" / "early")
    with without_sweep(gateway), early.tls() as connection:
        connection.sendall(ASK)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        revoke(made, gateway, "early")
        connection.sendall(ASK)
        assert rest_of(connection) == b""
    assert delivery.calls == ["enc_keys"]


def test_keys_that_come_after_the_revocation_of_who_asked_are_not_sent(
    made: RunningServer, make_gateway: MakeGateway
) -> None:
    made.add_client("late")
    delivery, pending = InMemoryDelivery(("late", "bob")), Deferred[Sequence[DeliveredKey]]()
    delivery.instead = lambda: pending
    gateway = make_gateway(delivery)
    late = Sae("late", gateway.port, made.data / "clients" / "late")
    with without_sweep(gateway), late.tls() as connection:
        connection.sendall(ASK)
        assert eventually(lambda: delivery.calls == ["enc_keys"])
        revoke(made, gateway, "late")
        gateway.call(pending.callback, [DeliveredKey("id", bytes(32))])
        assert rest_of(connection) == b""


# How long. ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "begun",
    [
        b"P",
        b"POST /api/v1/keys/bob/enc_keys HTTP/1.1\r\nX: x\r\n",
        b"POST /api/v1/keys/bob/enc_keys HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
        ASK + b"GET",
    ],
    ids=["request line", "headers", "body", "the next request"],
)
def test_half_a_request_ends_in_time(make_gateway: MakeGateway, sae: Any, begun: bytes) -> None:
    gateway = make_gateway(InMemoryDelivery(("alice", "bob")), message_seconds=0.3, idle_seconds=1.0)
    with sae(gateway, "alice").tls() as connection:
        connection.sendall(begun)
        rest_of(connection)
    assert eventually(lambda: not gateway.edge._sessions)


def test_a_request_that_trickles_gets_no_more_time_for_it(make_gateway: MakeGateway, sae: Any) -> None:
    gateway = make_gateway(InMemoryDelivery(("alice", "bob")), message_seconds=0.3)
    with sae(gateway, "alice").tls() as connection, pytest.raises((ConnectionError, ssl.SSLError)):
        for _ in range(500):
            connection.sendall(b"X")
            time.sleep(0.02)


def test_keys_that_take_too_long_are_an_error_of_the_server_and_are_given_back(
    make_gateway: MakeGateway, sae: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "ANSWER_SECONDS", 0.1)
    given_back: list[Deferred[Any]] = []
    delivery = InMemoryDelivery(("alice", "bob"))
    delivery.instead = lambda: Deferred(given_back.append)
    status, document = sae(make_gateway(delivery), "alice").ask("GET", "bob/enc_keys")
    assert (status, set(document)) == (503, {"message", "details"})
    assert len(given_back) == 1


def test_keys_for_a_connection_that_is_gone_harm_nobody(make_gateway: MakeGateway, sae: Any) -> None:
    delivery, pending = InMemoryDelivery(("alice", "bob")), Deferred[Sequence[DeliveredKey]]()
    delivery.instead = lambda: pending
    gateway = make_gateway(delivery)
    with sae(gateway, "alice").tls() as connection:
        connection.sendall(ASK)
        assert eventually(lambda: delivery.calls == ["enc_keys"])
    assert eventually(lambda: not gateway.edge._sessions)
    gateway.call(pending.callback, [DeliveredKey("id", bytes(32))])
    delivery.instead = None
    assert sae(gateway, "alice").ask("GET", "bob/enc_keys")[0] == 200


# What is in the log. --------------------------------------------------------------------------------------------------


def test_no_key_is_in_the_log_whatever_happens(make_gateway: MakeGateway, sae: Any) -> None:
    delivery = InMemoryDelivery(("alice", "bob"))
    gateway = make_gateway(delivery)
    alice, bob = sae(gateway, "alice"), sae(gateway, "bob")
    secret = Canary.make("faulty")
    with capture_logs() as entries:
        for key in alice.ours().get_key("bob", 32, 3):
            bob.ours().get_by_id("alice", (key.key_id,))
            bob.ask("GET", f"alice/dec_keys?key_ID={key.key_id}")

        def fault() -> Deferred[Sequence[DeliveredKey]]:
            key = DeliveredKey("id", secret.value)
            raise RuntimeError(f"a fault with {key}")

        delivery.instead = fault
        assert alice.ask("GET", "bob/enc_keys") == (
            503,
            {"message": "the server failed; its log has more", "details": []},
        )
    text = "".join(
        repr(entry) + "".join(traceback.format_exception(entry["exc_info"]) if entry.get("exc_info") else ())
        for entry in entries
    ).encode()
    assert b"a fault with DeliveredKey('id')" in text
    assert b"no keys delivered" in text
    canaries = [secret, *(Canary("delivered", value) for value in delivery.secrets)]
    assert [name for one in canaries for name, form in one.forms().items() if form in text] == []


# A server as `serve` starts it. ---------------------------------------------------------------------------------------


def test_a_server_that_is_no_gateway_says_so_where_it_is_switched_on(make_server: MakeServer) -> None:
    server = make_server(environment={"KMIP_ETSI014__ENABLED": "true"})
    alice = server.add_client("alice")
    server.start()
    sae = Sae("alice", server.https[1], alice.folder)
    for asked in (("GET", "bob/status"), ("POST", "bob/enc_keys", {})):
        status, document = sae.ask(*asked)
        assert status == 503
        assert "not set up as a gateway" in document["message"]


def test_it_needs_the_https_port(make_server: MakeServer) -> None:
    server = make_server(environment={"KMIP_ETSI014__ENABLED": "true", "KMIP_SERVER__HTTPS": "false"})
    with pytest.raises(AssertionError, match=r"etsi014\.enabled: .* server\.https"):
        server.start()


def test_an_sae_is_at_a_site_that_is_known(make_server: MakeServer) -> None:
    saes = {"KMIP_ETSI014__ENABLED": "true", "KMIP_ETSI014__SAES": '{"bob": "site-z"}'}
    with pytest.raises(AssertionError, match=r"etsi014\.saes: .* site-z"):
        make_server(environment=saes).start()


def test_nothing_is_there_unless_it_is_switched_on(client: Any) -> None:
    connection = Sae(client.name, client.server.https[1], client.folder).connect()
    connection.request("GET", "/api/v1/keys/bob/status")
    assert connection.getresponse().status == 404
    connection.close()
