"""TLS: resumption of sessions, and the groups of the key exchange."""

from __future__ import annotations

import ssl
import time
from datetime import timedelta

import pytest
from edge_support import RunningEdge, World, eventually, exchange, is_closed, message
from OpenSSL import SSL
from support.certificates import Authority

from kmip_server.listeners import openssl

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


# Resumption. ----------------------------------------------------------------------------------------------------------


def resumable(edge: RunningEdge, context: ssl.SSLContext) -> ssl.SSLSession:
    with edge.connect(context) as connection:
        exchange(connection)
        assert connection.session is not None
        return connection.session


@pytest.mark.parametrize("version", [TLS12, TLS13])
class TestResumption:
    def test_a_session_resumes_and_the_client_is_known(self, world: World, version: ssl.TLSVersion) -> None:
        context = world.context(version=version)
        with world.edge() as edge:
            session = resumable(edge, context)
            with edge.connect(context, session=session) as connection:
                exchange(connection)
                assert connection.session_reused
            assert [name for name, _, _ in edge.toy.requests] == ["alice", "alice"]

    def test_a_revoked_client_is_refused_though_its_session_resumes(
        self, world: World, version: ssl.TLSVersion
    ) -> None:
        context = world.context(version=version)
        with world.edge() as edge:
            session = resumable(edge, context)
            edge.toy.revoked.add("alice")
            with edge.connect(context, session=session) as connection:
                assert connection.session_reused
                assert is_closed(connection)

    def test_an_expired_certificate_is_refused_though_its_session_resumes(
        self, world: World, version: ssl.TLSVersion
    ) -> None:
        brief = world.authority.issue("alice", ends=timedelta(seconds=2))
        context = world.context(brief, version=version)
        with world.edge(sweep_seconds=3600) as edge:
            session = resumable(edge, context)
            ended = brief.certificate.not_valid_after_utc.timestamp()
            assert eventually(lambda: time.time() > ended)
            before = len(edge.toy.requests)
            with edge.connect(context, session=session) as connection:
                assert is_closed(connection)
            assert len(edge.toy.requests) == before

    def test_no_session_outlives_a_change_of_trust(self, world: World, version: ssl.TLSVersion) -> None:
        context = world.context(version=version)
        with world.edge() as edge:
            session = resumable(edge, context)
            other = Authority(world.folder, "other")
            world.authority.file.write_bytes(world.authority.file.read_bytes() + other.file.read_bytes())
            world.call(edge.tls.reload)
            with edge.connect(context, session=session) as connection:
                exchange(connection)
                assert not connection.session_reused


# Key exchange. --------------------------------------------------------------------------------------------------------


def pyopenssl_group(world: World, edge: RunningEdge, groups: bytes | None = None) -> str | None:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.use_certificate(world.client.certificate)
    context.use_privatekey(world.client.key)
    if groups is not None:
        assert openssl._util.lib.SSL_CTX_set1_curves_list(context._context, groups) == 1
    with edge.tcp() as tcp:
        tcp.settimeout(None)
        connection = SSL.Connection(context, tcp)
        connection.set_connect_state()
        connection.do_handshake()
        connection.sendall(message(b"question"))
        assert connection.recv(100)[8:] == b"question"
        return connection.get_group_name()


def test_the_hybrid_group_is_agreed_on_between_peers_that_have_it(world: World) -> None:
    with world.edge() as edge:
        assert pyopenssl_group(world, edge) == "X25519MLKEM768"
        assert edge.tls.group() == "X25519MLKEM768"


def test_classical_groups_are_agreed_on_with_peers_that_have_no_other(world: World) -> None:
    with world.edge() as edge:
        assert (pyopenssl_group(world, edge, b"X25519") or "").upper() == "X25519"
        assert pyopenssl_group(world, edge, b"P-256") in ("prime256v1", "secp256r1", "P-256")
        with pytest.raises(SSL.Error):
            pyopenssl_group(world, edge, b"P-521")


def test_without_the_binding_the_librarys_own_groups_stay(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssl, "_BINDING", "SSL_CTX_gone")
    assert not openssl.prefer_groups(SSL.Context(SSL.TLS_SERVER_METHOD))
    with world.edge() as edge:
        with edge.connect() as connection:
            exchange(connection)
        assert edge.tls.group() is not None


def test_without_the_hybrid_group_the_classical_ones_are_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssl, "_GROUPS", (b"NOSUCHGROUP:X25519", b"X25519:P-256:P-384"))
    assert openssl.prefer_groups(SSL.Context(SSL.TLS_SERVER_METHOD))
