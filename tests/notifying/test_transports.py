"""Each transport to a real receiver: what comes, what is refused, and that nothing is lost when nobody takes it."""

from __future__ import annotations

import hashlib
import hmac
import json
from queue import Queue
from typing import Any

import pytest
import tomli_w
from support import requests as ask
from support.receivers import mailbox, syslog_over_tcp, webhook
from support.server import MakeServer, RunningServer

VERSION = (2, 1)
PASSWORD = "the password of the mail server"
KEY = "the key of the webhook"


@pytest.fixture
def server(make_server: MakeServer) -> RunningServer:
    environment = {"KMIP_NOTIFICATIONS__AUTHORITIES": "pki/ca-cert.pem", "KMIP_NOTIFICATIONS__FIRST_RETRY_SECONDS": "1"}
    return make_server(environment=environment)


def configure(server: RunningServer, secret: str = "", **channel: Any) -> None:
    """Have the policy tell of destroyed keys over one channel, whose secret is in the secrets file."""
    policy = server.folder / "policy.toml"
    rule = {"events": ["key-destroyed", "client-revoked"], "channels": ["ops"]}
    policy.write_text(tomli_w.dumps({"channels": {"ops": channel}, "notifications": [rule]}))
    server.command("policy", "import", str(server.data), str(policy))
    secrets = server.data / "notification-secrets.toml"
    secrets.write_text(tomli_w.dumps({"ops": secret} if secret else {}))
    secrets.chmod(0o600)


def test_of(server: RunningServer) -> tuple[int, str]:
    done = server.command("notifications", "test", str(server.data), "ops", check=False)
    return done.returncode, done.stdout + done.stderr


test_of.__test__ = False  # type: ignore[attr-defined]


def destroy_a_key(server: RunningServer) -> str:
    with server.add_client("teller").session(VERSION) as session:
        key = session.create_aes()
        session.do(ask.destroy(key)).expect_success()
    return str(key)


def listed(server: RunningServer) -> Any:
    return json.loads(server.command("notifications", "list", str(server.data), "--json").stdout)


def assert_signed(headers: Any, body: bytes) -> None:
    at, digest = (part.split("=")[1] for part in headers["X-KMIP-Signature"].split(","))
    assert hmac.compare_digest(digest, hmac.digest(KEY.encode(), f"{at}.".encode() + body, hashlib.sha256).hex())


def test_a_webhook_gets_a_signed_message_and_again_until_it_takes_it(server: RunningServer) -> None:
    with webhook(server.data / "pki", 503, 503, 204) as (port, came):
        configure(server, KEY, kind="webhook", url=f"https://127.0.0.1:{port}/hook?site=berlin")
        server.start()
        key = destroy_a_key(server)
        posted = [came.get(timeout=30) for _ in range(3)]
        assert server.stop() == 0
    assert {each.path for each in posted} == {"/hook?site=berlin"}
    assert len({each.headers["X-KMIP-Message-ID"] for each in posted}) == 1
    for each in posted:
        assert_signed(each.headers, each.body)
    assert json.loads(posted[0].body)["resource"] == key
    (message,) = listed(server)
    assert (message["standing"], message["attempts"]) == ("delivered", 3)
    assert KEY not in json.dumps(message) + server.stderr.read_text()


def test_what_waits_when_the_server_is_killed_is_delivered_by_the_next_one(server: RunningServer) -> None:
    configure(server, KEY, kind="webhook", url="https://127.0.0.1:9/")
    server.start()
    key = destroy_a_key(server)
    server.kill()
    (message,) = listed(server)
    assert message["standing"] == "waiting"
    with webhook(server.data / "pki", 200) as (port, came):
        configure(server, KEY, kind="webhook", url=f"https://127.0.0.1:{port}/")
        server.command("notifications", "retry", str(server.data), message["message_id"])
        server.start()
        assert json.loads(came.get(timeout=30).body)["resource"] == key
        assert server.stop() == 0


def test_a_webhook_is_sent_nothing_unsigned_and_followed_nowhere(server: RunningServer) -> None:
    with webhook(server.data / "pki", 307) as (port, came):
        configure(server, kind="webhook", url=f"https://127.0.0.1:{port}/")
        assert test_of(server) == (
            1,
            "kmip-server: ops: the secrets file has no key for this webhook: nothing is sent unsigned\n",
        )
        assert came.empty()
        configure(server, KEY, kind="webhook", url=f"https://localhost:{port}/")
        assert test_of(server) == (1, "kmip-server: ops: the receiver answered with status 307\n")


def test_a_receiver_whose_certificate_is_not_trusted_gets_nothing(server: RunningServer) -> None:
    del server.environment["KMIP_NOTIFICATIONS__AUTHORITIES"]
    with webhook(server.data / "pki", 200) as (port, came):
        configure(server, KEY, kind="webhook", url=f"https://127.0.0.1:{port}/")
        code, said = test_of(server)
        assert (code, "certificate is not trusted" in said) == (1, True), said
        assert came.empty()


def test_an_e_mail_arrives_over_starttls_after_a_login(server: RunningServer) -> None:
    addresses = {"sender": "kmip@example.org", "to": ["ops@example.org", "night@example.org"]}
    with mailbox(server.data / "pki", "kmip", PASSWORD) as (port, came):
        configure(server, PASSWORD, kind="email", url=f"smtp://kmip@localhost:{port}", **addresses)
        assert test_of(server) == (0, "ops: taken for 2 of 2 addresses\n")
        envelope = came.get(timeout=30)
        assert sorted(envelope.rcpt_tos) == ["night@example.org", "ops@example.org"]
        assert b"Subject: [kmip-server] a test message" in envelope.content
        configure(server, "wrong", kind="email", url=f"smtp://kmip@127.0.0.1:{port}", **addresses)
        code, said = test_of(server)
        assert (code, came.empty()) == (1, True), said


def test_syslog_over_tcp_counts_its_octets(server: RunningServer) -> None:
    with syslog_over_tcp() as (port, came):
        configure(server, kind="syslog", url=f"tcp://127.0.0.1:{port}")
        code, said = test_of(server)
        assert code == 0, said
        assert came.get(timeout=30).startswith(b"<85>1 ")


def test_what_nobody_takes_is_kept_and_shown(server: RunningServer) -> None:
    server.environment["KMIP_NOTIFICATIONS__ATTEMPTS"] = "1"
    configure(server, KEY, kind="webhook", url="https://127.0.0.1:9/")
    server.add_client("gone")
    server.command("client", "revoke", str(server.data), "gone")
    server.start()
    told: Queue[Any] = Queue()
    for _ in range(300):
        if (found := listed(server)) and found[0]["standing"] == "failed":
            told.put(found)
            break
    assert server.stop() == 0
    (message,) = told.get_nowait()
    assert (message["event"], message["last_error"]) == ("client-revoked", "Connection refused")
    assert "gone" in message["body"]
    failed = server.command("notifications", "list", str(server.data), "--failed").stdout
    assert message["message_id"] in failed
