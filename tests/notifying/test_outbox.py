"""What happens is told: in the outbox in one transaction with it, then over a real socket."""

from __future__ import annotations

import socket
from pathlib import Path

import tomli_w
from sqlalchemy import select
from support import requests as ask
from support.engine import EngineHarness, MakeEngine
from support.numbers import Tag
from support.server import RunningServer
from support.wire import enumeration

from kmip_server.storage import schema
from policy.compiling import Ruling
from policy.documents import read_document

VERSION = (2, 1)
UNDO = 3


def document(port: int = 9) -> dict[str, object]:
    return {
        "channels": {"siem": {"kind": "syslog", "url": f"udp://127.0.0.1:{port}"}},
        "notifications": [{"events": ["key-destroyed"], "channels": ["siem"]}],
    }


def told(engine: EngineHarness) -> list[str]:
    with engine.store.database.reading() as connection:
        return list(connection.execute(select(schema.outbox.c.event)).scalars())


def test_what_is_done_is_told_and_what_is_undone_is_not(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine.engine.services.ruling = Ruling(read_document(tomli_w.dumps(document()), "here"))
    client = engine.client(VERSION)
    first, second = (client.do(ask.create_aes(VERSION)).unique_identifier for _ in range(2))
    undo = enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, UNDO)
    client.batch(ask.destroy(first), ask.get("no such key"), fields=(undo,))
    assert told(engine) == []
    assert not client.do(ask.destroy("no such key")).ok
    assert told(engine) == []
    client.do(ask.destroy(second)).expect_success()
    assert told(engine) == ["key-destroyed"]


def test_nothing_is_told_without_a_notification(make_engine: MakeEngine) -> None:
    engine = make_engine()
    client = engine.client(VERSION)
    key = client.do(ask.create_aes(VERSION)).unique_identifier
    client.do(ask.destroy(key)).expect_success()
    assert told(engine) == []


def test_a_server_tells_a_syslog_receiver(fresh_server: RunningServer, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(30)
        file = tmp_path / "policy.toml"
        file.write_text(tomli_w.dumps(document(receiver.getsockname()[1])))
        fresh_server.command("policy", "import", str(fresh_server.data), str(file))
        client = fresh_server.add_client("teller")
        with client.session(VERSION) as session:
            key = session.create_aes()
            session.do(ask.destroy(key)).expect_success()
        said = receiver.recv(4096).decode()
    assert said.startswith("<85>1 ")
    assert f'resource="{key}" subject="client:teller"' in said
    assert fresh_server.stop() == 0
