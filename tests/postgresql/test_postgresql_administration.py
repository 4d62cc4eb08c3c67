"""Who may administer is decided on PostgreSQL, too, by the policy that no one can change until the act is done."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import time

from sqlalchemy import text
from support.postgres import PostgresServer
from support.server import COMMAND, MakeServer

from kmip_server.storage.accounts import changing, read_accounts
from kmip_server.storage.database import Database
from policy import store
from policy.documents import read_document

ME = pwd.getpwuid(os.geteuid()).pw_name
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")


def document(role: str) -> str:
    return f'[users]\n"{ME}" = {{ roles = ["{role}"] }}\n'


def test_a_command_that_waits_for_a_change_of_the_policy_is_decided_by_the_new_one(
    postgres: PostgresServer, make_server: MakeServer
) -> None:
    server = make_server()
    database = Database(server.url)
    for role, code in (("auditor", 1), ("administrator", 0)):
        with changing(database) as connection:
            store.put_in_force(connection, read_document(document(role), "here"), author="", comment="", now=1)
        assert server.command("client", "add", str(server.data), "c", check=False).returncode == code
    with changing(database) as connection:
        store.put_in_force(connection, read_document(document("auditor"), "here"), author="", comment="", now=1)
        command = [COMMAND, "users", "add", str(server.data), "v"]
        environment = {**os.environ, **server.environment}
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        adding = subprocess.Popen(command, **pipes, text=True, env=environment)  # type: ignore[call-overload]
        assert adding.stdin is not None
        adding.stdin.write("a password\n")
        adding.stdin.flush()
        with database.reading() as other:
            deadline = time.monotonic() + 60
            while not other.execute(WAITING).scalar() and time.monotonic() < deadline and adding.poll() is None:
                other.rollback()
                time.sleep(0.05)
    _, errors = adding.communicate(timeout=60)
    assert (adding.returncode, "It takes ADMIN_USER_CHANGE" in errors) == (1, True), errors
    assert read_accounts(database).users == {}
    database.close()
    shown = server.command("audit", "show", str(server.data), "--operation", "Client Addition", "--json")
    assert [(one["caller"], one["unique_identifier"]) for one in json.loads(shown.stdout)] == [(ME, "c")]
