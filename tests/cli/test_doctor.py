from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from kmip_server.cli.diagnosis import Finding, Outcome, examine
from kmip_server.config import Settings
from kmip_server.identity.pki import issue_client, issue_server, load_credentials, make_authority, write_file
from kmip_server.storage import schema
from kmip_server.storage.database import Database

NOT_YET = timedelta()
ITS_FILE = pytest.mark.sqlite_file("PostgreSQL has none in the server directory")


@pytest.fixture(autouse=True)
def free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default ports may be anybody's while tests run."""
    monkeypatch.setenv("KMIP_SERVER__KMIP_PORT", "0")
    monkeypatch.setenv("KMIP_SERVER__HTTPS_PORT", "0")


def findings(directory: Path, later: timedelta = NOT_YET) -> list[Finding]:
    return list(examine(Settings.load(directory), datetime.now(UTC) + later))


def the(directory: Path, outcome: Outcome, later: timedelta = NOT_YET) -> str:
    """The one finding that ended like this; all others are ok."""
    others = [finding for finding in findings(directory, later) if finding.outcome is not Outcome.OK]
    assert [finding.outcome for finding in others] == [outcome], others
    return f"{others[0].subject}: {others[0].detail}"


def _replace(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.unlink()
    write_file(path, content, mode)


def test_a_new_directory_is_healthy(run, directory: Path) -> None:
    run("client", "add", directory, "alice")
    ran = run("doctor", directory)
    assert ran.code == 0
    assert {line.split()[0] for line in ran.out.splitlines()[1:]} == {"ok"}


def test_a_failed_check_ends_with_exit_code_1_and_is_there_for_scripts(run, directory: Path) -> None:
    (directory / "master.key").chmod(0o644)
    ran = run("doctor", directory, "--json")
    assert ran.code == 1
    outcomes = {(row["subject"], row["outcome"]) for row in ran.json}
    assert {("file modes", "fail"), ("master key", "fail"), ("database", "ok")} <= outcomes


def test_a_configuration_that_cannot_be_read_is_a_finding(run, directory: Path) -> None:
    (directory / "server.toml").write_text("[server]\nprot = 1\n")
    ran = run("doctor", directory)
    assert ran.code == 1
    assert "server.prot" in ran.out


@pytest.mark.parametrize("name", ["pki/server-key.pem", "pki/ca-key.pem", "clients/alice/key.pem"])
def test_a_key_that_others_can_read_fails(run, directory: Path, name: str) -> None:
    run("client", "add", directory, "alice")
    (directory / name).chmod(0o640)
    assert (
        the(directory, Outcome.FAIL)
        == f"file modes: {directory / name} has mode 0640, others can read it: chmod 600 it"
    )


def test_a_configuration_that_others_can_write_fails(directory: Path) -> None:
    (directory / "server.toml").chmod(0o620)
    assert "server.toml can be written by others" in the(directory, Outcome.FAIL)


def test_an_expired_certificate_fails_and_one_about_to_expire_warns(directory: Path) -> None:
    late = [finding.detail for finding in findings(directory, timedelta(days=826)) if finding.outcome is Outcome.FAIL]
    assert len(late) == 1
    assert late[0].startswith("expired on ")
    assert "server certificate: expires soon" in the(directory, Outcome.WARN, timedelta(days=800))


def test_a_clock_before_the_certificate_fails(directory: Path) -> None:
    early = [finding for finding in findings(directory, timedelta(days=-1)) if finding.outcome is Outcome.FAIL]
    assert {finding.subject for finding in early} == {"server certificate", "client authority"}
    assert all("is the clock right?" in finding.detail for finding in early)


def test_a_clock_before_the_audit_log_fails(directory: Path) -> None:
    database = Database(Settings.load(directory).storage.url)
    row = {"sequence": 1, "at": int(time.time()) + 3600, "caller": "a", "operation": "Get", "outcome": "ok"}
    with database.engine.begin() as connection:
        connection.execute(insert(schema.audit).values(**row, detail="", correlation="", digest=b""))
    assert the(directory, Outcome.FAIL).startswith("clock: ")


def test_a_key_of_another_certificate_fails(directory: Path) -> None:
    _replace(directory / "pki/server-key.pem", make_authority().key_pem)
    assert "does not belong" in the(directory, Outcome.FAIL)


def test_a_key_that_needs_a_passphrase_nobody_gave_fails(directory: Path) -> None:
    _replace(directory / "pki/server-key.pem", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    assert "its passphrase is wrong or missing" in the(directory, Outcome.FAIL)


def test_a_clients_certificate_in_the_servers_place_fails(directory: Path) -> None:
    pki = directory / "pki"
    wrong = issue_client(load_credentials(pki / "ca-cert.pem", pki / "ca-key.pem"), "alice")
    _replace(pki / "server-cert.pem", wrong.certificate_pem)
    _replace(pki / "server-key.pem", wrong.key_pem)
    failed = {finding.detail for finding in findings(directory) if finding.outcome is Outcome.FAIL}
    assert any("without serverAuth" in detail for detail in failed)
    assert any("no subject alternative name" in detail for detail in failed)


def test_a_certificate_of_another_authority_warns(directory: Path) -> None:
    server = issue_server(make_authority())
    _replace(directory / "pki/server-cert.pem", server.certificate_pem)
    _replace(directory / "pki/server-key.pem", server.key_pem)
    assert "another authority" in the(directory, Outcome.WARN)


def test_an_authority_that_is_none_fails(directory: Path) -> None:
    leaf = issue_server(make_authority())
    _replace(directory / "pki/ca-cert.pem", leaf.certificate_pem)
    failed = [finding.detail for finding in findings(directory) if finding.outcome is Outcome.FAIL]
    assert failed == ["the certificate is not an authority's: it can issue no client"]


@pytest.mark.parametrize(
    "name",
    [
        "pki/server-cert.pem",
        "pki/ca-cert.pem",
        "pki/server-key.pem",
        "master.key",
        pytest.param("kmip.db", marks=ITS_FILE),
    ],
)
def test_a_missing_file_fails_and_is_named(directory: Path, name: str) -> None:
    (directory / name).unlink()
    failed = [finding.detail for finding in findings(directory) if finding.outcome is Outcome.FAIL]
    assert any(str(directory / name) in detail for detail in failed)


@pytest.mark.parametrize(
    ("host", "words"), [("192.0.2.1", "but not 192.0.2.1"), ("0.0.0.0", "names this machine only")]
)
def test_an_address_that_the_certificate_does_not_name_warns(
    directory: Path, monkeypatch: pytest.MonkeyPatch, host: str, words: str
) -> None:
    monkeypatch.setenv("KMIP_SERVER__HOST", host)
    assert words in the(directory, Outcome.WARN)


def test_a_policy_that_was_changed_in_the_database_fails(run, directory: Path, tmp_path: Path) -> None:
    (tmp_path / "team.json").write_text('{"team": {}}')
    run("policy", "import", directory, tmp_path / "team.json")
    database = Database(Settings.load(directory).storage.url)
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE policy_versions SET document = 'other'")
    database.close()
    assert "policy: version 1 of the policy was changed in the database" in the(directory, Outcome.FAIL)


def test_another_master_key_fails(directory: Path) -> None:
    _replace(directory / "master.key", b"k" * 32)
    assert "master key: this store is sealed by" in the(directory, Outcome.FAIL)


@pytest.mark.usefixtures("databases")
def test_a_passphrase_that_would_be_asked_for_warns_and_one_in_a_file_is_tried(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "s"
    run("init", directory, "--passphrase", stdin="correct horse battery\n")
    assert "is asked for at every start" in the(directory, Outcome.WARN)
    monkeypatch.setenv("KMIP_MASTER_KEY__PASSPHRASE_FILE", "passphrase")
    write_file(directory / "passphrase", b"correct horse battery\n")
    assert {finding.outcome for finding in findings(directory)} == {Outcome.OK}
    _replace(directory / "passphrase", b"wrong horse battery\n")
    assert "passphrase is wrong" in the(directory, Outcome.FAIL)


def test_a_database_of_another_schema_fails(directory: Path) -> None:
    database = Database(Settings.load(directory).storage.url)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert "the database has schema 9999" in the(directory, Outcome.FAIL)


@ITS_FILE
def test_a_file_that_is_no_database_fails(directory: Path) -> None:
    _replace(directory / "kmip.db", b"no database" * 1000)
    assert the(directory, Outcome.FAIL).startswith("database: ")


def test_clients_about_to_expire_are_named(run, directory: Path) -> None:
    run("client", "add", directory, "alice", "--days", "5")
    run("client", "add", directory, "bob", "--days", "5")
    run("client", "revoke", directory, "bob")
    assert the(directory, Outcome.WARN).startswith("client certificates: expired or about to: alice (")


def test_more_connections_than_open_files_warn(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 4096))
    assert "10100 needed at most, 4096 allowed" in the(directory, Outcome.WARN)


@contextmanager
def _listening(context: ssl.SSLContext | None) -> Iterator[int]:
    """Something that answers on a port: with TLS, or by closing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with suppress(OSError), connection:
                    if context is not None:
                        context.wrap_socket(connection, server_side=True).close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]


def _tls(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_a_running_server_is_found_by_its_certificate(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = _tls(directory / "pki/server-cert.pem", directory / "pki/server-key.pem")
    with _listening(context) as port:
        monkeypatch.setenv("KMIP_SERVER__KMIP_PORT", str(port))
        found = {finding.subject: finding for finding in findings(directory)}
    assert found["KMIP port"].outcome is Outcome.OK
    assert "this server answers" in found["KMIP port"].detail
    assert "TLSv1.3" in found["KMIP port"].detail


def test_a_server_with_another_certificate_warns(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = issue_server(make_authority())
    write_file(tmp_path / "cert", other.certificate_pem)
    write_file(tmp_path / "key", other.key_pem)
    with _listening(_tls(tmp_path / "cert", tmp_path / "key")) as port:
        monkeypatch.setenv("KMIP_SERVER__KMIP_PORT", str(port))
        assert "answers with another certificate" in the(directory, Outcome.WARN)


def test_a_port_taken_by_something_else_fails(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _listening(None) as port:
        monkeypatch.setenv("KMIP_SERVER__HTTPS_PORT", str(port))
        assert "does not speak TLS 1.3" in the(directory, Outcome.FAIL)


def test_an_address_of_another_machine_fails(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KMIP_SERVER__HOST", "192.0.2.1")
    monkeypatch.setattr("kmip_server.cli.diagnosis._CONNECT_SECONDS", 0.1)
    monkeypatch.setenv("KMIP_SERVER__KMIP_PORT", "5696")
    failed = [finding.detail for finding in findings(directory) if finding.outcome is Outcome.FAIL]
    assert len(failed) == 1
    assert failed[0].startswith("192.0.2.1:5696 cannot be listened on")


def test_a_port_that_is_free_is_ok(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("KMIP_SERVER__KMIP_PORT", str(port))
    assert f"port {port} is free, no server is running" in {finding.detail for finding in findings(directory)}


def test_doctor_changes_nothing(run, directory: Path) -> None:
    names = {"server.toml", "master.key", "pki", "clients"}
    before = {name: (directory / name).stat().st_mtime_ns for name in names}
    run("doctor", directory)
    assert {name: (directory / name).stat().st_mtime_ns for name in names} == before


def test_secrets_are_not_in_the_findings(run, directory: Path) -> None:
    secret = (directory / "master.key").read_bytes()
    ran = run("doctor", directory, "--json")
    assert secret.hex() not in ran.out
    assert json.loads(ran.out)


def test_a_gateway_without_a_device_or_with_peers_that_are_nowhere(run, directory: Path) -> None:
    file = directory / "server.toml"
    before, _, after = file.read_text().partition("[dscc]\n")
    wanted = '[dscc]\nenabled = true\npeers = { site-b = "nowhere" }\n'
    file.write_text(before + wanted + after[after.index("\n[log]") :])
    wrong = [finding.detail for finding in findings(directory) if finding.outcome is Outcome.FAIL]
    assert wrong == [
        "dscc.peers.site-b: an address is HOST:PORT, not 'nowhere'",
        f"dscc.folder: there is no device in {directory / 'gateway'}: No such file or directory:"
        f" `dscc enrol {directory / 'gateway'} --code-file CODE` makes it",
    ]
    # Nobody can listen there: it is refused before that is tried.
    refused = run("serve", directory, "--host", "203.0.113.1")
    assert refused.code == 1
    assert all(each in refused.err for each in wrong)
