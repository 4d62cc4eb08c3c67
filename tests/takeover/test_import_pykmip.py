"""Taking over a PyKMIP server: its clients go on with the certificates and the identifiers that they have."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from kmip import enums
from kmip.core.attributes import Name
from kmip.core.factories.attributes import AttributeFactory
from kmip.pie import objects
from kmip.pie.client import ProxyKmipClient
from kmip.pie.exceptions import KmipOperationFailure
from pykmip_server import PyKmipServer
from support.databases import Databases
from support.server import COMMAND, MakeServer, RunningServer

AES, ENCRYPT = enums.CryptographicAlgorithm.AES, enums.CryptographicUsageMask.ENCRYPT


@pytest.fixture(scope="module")
def pykmip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PyKmipServer]:
    server = PyKmipServer(tmp_path_factory.mktemp("pykmip"))
    (server.folder / "policies" / "shared.json").write_text(
        json.dumps({"shared": {"preset": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL", "LOCATE": "ALLOW_ALL"}}}})
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def stored(pykmip: PyKmipServer) -> dict[str, dict[str, Any]]:
    """What PyKMIP's server holds, as its own client reads it: owner -> identifier -> object."""
    with pykmip.client("alice") as alice:
        made = [
            alice.create(AES, 256, name="pre-active"),
            alice.create(AES, 128, operation_policy_name="shared", name="shared key"),
            *alice.create_key_pair(
                enums.CryptographicAlgorithm.RSA,
                2048,
                public_name="pub",
                public_usage_mask=[enums.CryptographicUsageMask.VERIFY],
                private_name="priv",
                private_usage_mask=[enums.CryptographicUsageMask.SIGN],
            ),
            alice.register(objects.SecretData(b"a secret", enums.SecretDataType.PASSWORD, name="secret")),
            alice.register(objects.OpaqueObject(b"opaque", enums.OpaqueDataType.NONE, name="opaque")),
            alice.register(objects.SymmetricKey(AES, 128, b"\x07" * 16, [ENCRYPT], name="same name")),
            alice.register(objects.SymmetricKey(AES, 128, b"\x08" * 16, [ENCRYPT], name="same name")),
            alice.register(objects.X509Certificate(pykmip.authority.certificate_der, name="certificate")),
        ]
        active, revoked = (alice.create(AES, 256, name=name) for name in ("active", "revoked"))
        alice.activate(active)
        alice.activate(revoked)
        alice.revoke(enums.RevocationReasonCode.CESSATION_OF_OPERATION, revoked)
        _wait_for_policies(alice, made[1])
        found = {"alice": {uid: alice.get(uid) for uid in (*made, active, revoked)}}
    with pykmip.client("bob") as bob:
        uid = bob.create(AES, 256, name="bob's")
        found["bob"] = {uid: bob.get(uid)}
    pykmip.stop()
    return found


def _wait_for_policies(client: ProxyKmipClient, uid: str) -> None:
    """PyKMIP's server reads its policy files in a process of its own, some time after its start."""
    for _ in range(200):
        with suppress(KmipOperationFailure):
            client.get(uid)
            return
        time.sleep(0.1)


@pytest.fixture(scope="module")
def taken_over(
    databases: Databases,
    pykmip: PyKmipServer,
    stored: dict[str, dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningServer]:
    running = RunningServer(databases, tmp_path_factory.mktemp("ours"))
    running.command("import-pykmip", str(running.data), "--config", str(pykmip.configuration))
    running.start()
    yield running
    running.kill()


def test_every_object_is_read_back_with_the_same_client_and_identifier(
    pykmip: PyKmipServer, stored: dict[str, dict[str, Any]], taken_over: RunningServer
) -> None:
    for owner, held in stored.items():
        with pykmip.client(owner, taken_over.kmip[1]) as client:
            for uid, before in held.items():
                after = client.get(uid)
                assert after.value == before.value, uid
                assert after == before or isinstance(before, (objects.SecretData, objects.OpaqueObject))


def test_states_names_and_policies_are_taken_over(
    pykmip: PyKmipServer, stored: dict[str, dict[str, Any]], taken_over: RunningServer
) -> None:
    with pykmip.client("alice", taken_over.kmip[1]) as alice:
        states = {
            name: alice.get_attributes(alice.locate(attributes=[_name(name)])[0], ["State"])[1][0].attribute_value.value
            for name in ("pre-active", "active", "revoked")
        }
        (shared,) = alice.locate(attributes=[_name("shared key")])
        same = alice.locate(attributes=[_name("same name")])
    assert states == {
        "pre-active": enums.State.PRE_ACTIVE,
        "active": enums.State.ACTIVE,
        "revoked": enums.State.DEACTIVATED,
    }
    assert len(same) == 2
    with pykmip.client("bob", taken_over.kmip[1]) as bob:
        assert bob.get(shared).value == stored["alice"][shared].value
        with pytest.raises(KmipOperationFailure, match="NOT_FOUND"):
            bob.get(next(uid for uid in stored["alice"] if uid != shared))


def test_operation_policies_are_in_the_policy_in_force(taken_over: RunningServer) -> None:
    exported = taken_over.command("policy", "export", str(taken_over.data)).stdout
    assert '[operation_policies.shared.preset.SYMMETRIC_KEY]\nGET = "ALLOW_ALL"' in exported
    assert "taken over from PyKMIP" in taken_over.command("policy", "history", str(taken_over.data)).stdout


def test_another_operation_policy_of_the_same_name_stops_the_take_over(
    pykmip: PyKmipServer, stored: dict[str, dict[str, Any]], make_server: MakeServer
) -> None:
    ours = make_server()
    ours.put_operation_policies({"shared": {"preset": {}}})
    refused = ours.command("import-pykmip", str(ours.data), "--config", str(pykmip.configuration), check=False)
    assert refused.returncode == 1
    assert "other operation policies of the same names: shared" in refused.stderr
    assert "taken over" not in ours.command("policy", "history", str(ours.data)).stdout


def _name(value: str) -> Any:
    return AttributeFactory().create_attribute(
        enums.AttributeType.NAME, Name.create(value, enums.NameType.UNINTERPRETED_TEXT_STRING)
    )


def test_clients_of_the_new_authority_are_let_in_too(taken_over: RunningServer) -> None:
    with taken_over.add_client("carol").pykmip((1, 2)) as carol:
        assert carol.create(AES, 256)


def test_the_store_is_in_order_after_a_take_over(taken_over: RunningServer) -> None:
    assert "Everything is in order" in taken_over.command("check", str(taken_over.data)).stdout


def test_what_is_there_already_is_not_taken_over_twice(pykmip: PyKmipServer, taken_over: RunningServer) -> None:
    again = taken_over.command(
        "import-pykmip", str(taken_over.data), "--config", str(pykmip.configuration), check=False
    )
    assert again.returncode == 1
    assert "nothing was taken over" in again.stderr


def test_a_dry_run_changes_nothing(
    databases: Databases, pykmip: PyKmipServer, stored: dict[str, Any], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    done = subprocess.run(
        [COMMAND, "import-pykmip", str(data), "--config", str(pykmip.configuration), "--dry-run", "--json"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **databases.place()},
    )
    assert json.loads(done.stdout)["objects"]["Symmetric Key"] == 7
    assert not data.exists()


def test_an_object_that_cannot_be_managed_here_stops_the_take_over_unless_it_is_left_out(
    databases: Databases, pykmip: PyKmipServer, stored: dict[str, Any], tmp_path: Path
) -> None:
    copy = tmp_path / "pykmip.database"
    copy.write_bytes((pykmip.folder / "pykmip.database").read_bytes())
    with sqlite3.connect(copy) as database:
        database.execute("UPDATE managed_objects SET object_type = 5 WHERE uid = 1")
    command = [
        COMMAND,
        "import-pykmip",
        str(tmp_path / "data"),
        "--config",
        str(pykmip.configuration),
        "--database",
        str(copy),
    ]
    environment = {**os.environ, **databases.place()}
    refused = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert refused.returncode == 1
    assert "object 1: a Split Key cannot be managed here" in refused.stderr
    assert not (tmp_path / "data").exists()
    done = subprocess.run([*command, "--skip-unsupported"], capture_output=True, text=True, env=environment)
    assert (done.returncode, "6 Symmetric Key" in done.stdout) == (1, True)


def test_a_file_that_is_no_pykmip_database_is_named(databases: Databases, pykmip: PyKmipServer, tmp_path: Path) -> None:
    (tmp_path / "other.db").write_bytes(b"")
    done = subprocess.run(
        [
            COMMAND,
            "import-pykmip",
            str(tmp_path / "data"),
            "--config",
            str(pykmip.configuration),
            "--database",
            str(tmp_path / "other.db"),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, **databases.place()},
    )
    assert done.returncode == 1
    assert "is no PyKMIP database" in done.stderr
