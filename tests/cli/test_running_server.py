"""The commands against a server that runs meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support import requests as ask
from support.databases import Databases, keep_place
from support.numbers import Reason
from support.requests import Session
from support.server import Client, RunningServer
from support.wire import credential

from kmip_server.identity.credentials import hash_password
from kmip_server.storage.accounts import add_user as enter_user
from kmip_server.storage.database import Database

V = (1, 4)
SOON_S = 10
PASSWORD = "correct horse battery"

MakeClient = Callable[..., Client]


def eventually(question: Callable[[], bool]) -> bool:
    """Whether the answer becomes yes within a generous time."""
    deadline = time.monotonic() + SOON_S
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def add_user(server: RunningServer, name: str, *groups: str) -> None:
    server.add_user(name, PASSWORD, *groups)


def reads(session: Session, key: str, *fields: bytes) -> bool:
    return session.do(ask.get(key), fields=fields).ok


def reason(session: Session, key: str, *fields: bytes) -> int | None:
    return session.do(ask.get(key), fields=fields).reason


def test_a_client_with_a_user_of_its_name_must_send_the_password_from_then_on(
    server: RunningServer, make_client: MakeClient
) -> None:
    client, other = make_client("appliance"), make_client("other")
    with client.session(V) as session, other.session(V) as others:
        key = session.create_aes()
        add_user(server, client.name)
        assert eventually(lambda: not reads(session, key))
        assert reason(session, key) == Reason.AUTHENTICATION_NOT_SUCCESSFUL
        assert reads(session, key, credential(client.name, PASSWORD))
        assert reason(session, key, credential(client.name, "wrong horse")) == Reason.AUTHENTICATION_NOT_SUCCESSFUL
        foreign = credential(client.name, PASSWORD)
        assert reason(others, others.create_aes(), foreign) == Reason.AUTHENTICATION_NOT_SUCCESSFUL
        server.command("user", "remove", str(server.data), client.name)
        assert eventually(lambda: reads(session, key))


def test_pykmip_sends_its_password_and_is_served(server: RunningServer, make_client: MakeClient) -> None:
    from kmip.core.enums import CryptographicAlgorithm

    client = make_client("pykmip")
    add_user(server, client.name)
    proxy = client.pykmip()
    proxy.proxy.username, proxy.proxy.password = client.name, PASSWORD
    with proxy:
        key = proxy.create(CryptographicAlgorithm.AES, 256)
        assert proxy.get(key).cryptographic_length == 256


def test_a_user_who_was_entered_just_now_is_known_to_the_very_next_request(
    server: RunningServer, make_client: MakeClient
) -> None:
    """The server reads accounts anew a few times a second; a request does not have to wait for that."""
    names = [f"entered-{number}" for number in range(5)]
    hashed = hash_password(PASSWORD)
    database = Database(server.url)
    try:
        with make_client("quick").session(V) as session:
            key = session.create_aes()
            for name in names:
                enter_user(database, name, hashed, frozenset(), by="root", now=1)
                assert reads(session, key, credential(name, PASSWORD))
    finally:
        database.close()


def test_a_group_of_a_policy_reaches_what_it_allows_and_nothing_else(
    server: RunningServer, make_client: MakeClient
) -> None:
    owner, member, outsider = make_client("owner"), make_client("member", "arrays-1"), make_client("outsider")
    shared: dict[str, object] = {
        "groups": {"arrays-1": {"SYMMETRIC_KEY": {"LOCATE": "ALLOW_ALL", "GET": "ALLOW_ALL"}}},
        "preset": {"SYMMETRIC_KEY": {"GET": "ALLOW_OWNER", "DESTROY": "ALLOW_OWNER"}},
    }
    server.put_operation_policies({"shared-1": shared})
    with owner.session(V) as owns, member.session(V) as shares, outsider.session(V) as stays_out:
        key = owns.create_aes(ask.operation_policy_name("shared-1"))
        private = owns.create_aes()
        assert reads(shares, key)
        assert key in shares.located()
        assert private not in shares.located()
        assert reason(shares, private) == Reason.ITEM_NOT_FOUND
        assert reason(stays_out, key) == Reason.ITEM_NOT_FOUND
        assert stays_out.located() == []
        assert not shares.do(ask.destroy(key)).ok
        server.put_operation_policies({"shared-1": shared | {"groups": {"arrays-1": {}}}})
        assert reason(shares, key) == Reason.ITEM_NOT_FOUND, "the very next request is decided by the changed policy"
        server.put_operation_policies({"shared-1": shared})
        assert reads(shares, key)
        server.command("client", "groups", str(server.data), member.name)
        assert not reads(shares, key)


def test_a_users_groups_are_added_for_the_requests_that_carry_its_password(
    server: RunningServer, make_client: MakeClient
) -> None:
    owner, client = make_client("owner"), make_client("console")
    add_user(server, "operator-2", "operators-2")
    server.put_operation_policies({"shared-2": {"groups": {"operators-2": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL"}}}}})
    with owner.session(V) as owns, client.session(V) as session:
        key = owns.create_aes(ask.operation_policy_name("shared-2"))
        assert reads(session, key, credential("operator-2", PASSWORD))
        assert reason(session, key) == Reason.ITEM_NOT_FOUND


def test_operation_policies_that_cannot_be_used_change_nothing(server: RunningServer, client: Client) -> None:
    broken = server.folder / "broken.json"
    broken.write_text("{")
    with client.session(V) as session:
        key = session.create_aes()
        refused = server.command("policy", "import", str(server.data), str(broken), check=False)
        assert (refused.returncode, "broken.json: is not JSON" in refused.stderr) == (1, True)
        assert reads(session, key)


def test_backup_check_and_doctor_work_beside_a_running_server(
    server: RunningServer, client: Client, databases: Databases, tmp_path: Path
) -> None:
    with client.session(V) as session:
        key = session.create_aes()
        material = session.key_material(key)
    server.in_own_process("check", str(server.data))
    server.in_own_process("backup", str(server.data), str(tmp_path / "backup"))
    ports = {"KMIP_SERVER__KMIP_PORT": server.kmip[1], "KMIP_SERVER__HTTPS_PORT": server.https[1]}
    server.environment, before = {name: str(port) for name, port in ports.items()}, server.environment
    try:
        doctor = json.loads(server.in_own_process("doctor", str(server.data), "--json").stdout)
    finally:
        server.environment = before
    shown = {row["subject"]: row["detail"] for row in doctor}
    assert "this server answers" in shown["KMIP port"]
    assert "this server answers" in shown["HTTPS port"]

    restored, place = RunningServer.__new__(RunningServer), databases.place()
    restored.__dict__.update(server.__dict__, folder=tmp_path, data=tmp_path / "data", process=None)
    restored.stdout, restored.stderr = tmp_path / "stdout", tmp_path / "stderr"
    restored.in_own_process("restore", str(tmp_path / "backup"), str(restored.data), **place)
    keep_place(restored.data, place)
    restored.start()
    try:
        with Client(restored, client.name).session(V) as session:
            assert session.key_material(key) == material
    finally:
        restored.kill()


@pytest.mark.parametrize("arguments", [("--kmip-port", "70000"), ("--workers", "0"), ("--host", "192.0.2.1")])
def test_serve_with_unusable_options_ends_with_exit_code_1_and_says_which(
    server: RunningServer, arguments: tuple[str, ...]
) -> None:
    done = server.in_own_process("serve", str(server.data), "--https-port", "0", *arguments, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert arguments[0].removeprefix("--").replace("-", "_") in done.stderr or arguments[1] in done.stderr
    assert "Traceback" not in done.stderr


def test_the_trace_shows_both_sides_of_each_exchange(fresh_server: RunningServer) -> None:
    client = fresh_server.add_client("traced")
    fresh_server.arguments = (*fresh_server.arguments, "--trace")
    fresh_server.restart()
    with client.session(V) as session:
        session.do(ask.discover_versions())
        session.do(ask.discover_versions())
        session.create_aes()
        session.do(ask.query(1), fields=(credential("nobody", PASSWORD),))
    log = fresh_server.stderr.read_text()
    assert log.count("RequestMessage (Structure") == log.count("ResponseMessage (Structure") == 4
    assert PASSWORD not in log
