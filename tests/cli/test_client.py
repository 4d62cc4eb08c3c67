from __future__ import annotations

import configparser
import ssl
import stat
from pathlib import Path
from unittest.mock import patch

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12
from kmip.pie.client import ProxyKmipClient

from kmip_server.identity import pki
from kmip_server.identity.certificate import caller_from, fingerprint_of


def _der(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def test_a_client_gets_certificate_key_authority_and_pykmip_conf(run, directory: Path) -> None:
    ran = run("client", "add", directory, "alice")
    assert ran.code == 0
    folder = directory / "clients/alice"
    assert sorted(path.name for path in folder.iterdir()) == ["ca.pem", "cert.pem", "key.pem", "pykmip.conf"]
    assert caller_from(_der(folder / "cert.pem")).name == "alice"
    assert (folder / "ca.pem").read_bytes() == (directory / "pki/ca-cert.pem").read_bytes()
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_pykmip_takes_its_configuration_as_it_is(run, directory: Path) -> None:
    run("client", "add", directory, "alice", "--server", "kms.example")
    folder = directory / "clients/alice"
    proxy = ProxyKmipClient(config_file=str(folder / "pykmip.conf")).proxy
    assert (proxy.host_list, proxy.port) == (["kms.example"], 5696)
    assert (proxy.certfile, proxy.keyfile) == (str(folder / "cert.pem"), str(folder / "key.pem"))
    assert proxy.ca_certs == str(folder / "ca.pem")
    assert (proxy.ssl_cert_reqs if hasattr(proxy, "ssl_cert_reqs") else proxy.cert_reqs) == ssl.CERT_REQUIRED
    assert (proxy.username, proxy.password) == (None, None)


@pytest.mark.usefixtures("databases")
def test_a_percent_sign_in_the_path_reaches_pykmip_unharmed(run, tmp_path: Path) -> None:
    directory = tmp_path / "100%s"
    run("init", directory)
    run("client", "add", directory, "alice")
    conf = configparser.ConfigParser()
    conf.read(directory / "clients/alice/pykmip.conf")
    assert conf["client"]["keyfile"] == str(directory / "clients/alice/key.pem")


def test_the_configured_address_is_in_pykmip_conf(run, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KMIP_SERVER__HOST", "0.0.0.0")
    monkeypatch.setenv("KMIP_SERVER__KMIP_PORT", "7001")
    run("client", "add", directory, "alice")
    conf = configparser.ConfigParser()
    conf.read(directory / "clients/alice/pykmip.conf")
    assert (conf["client"]["host"], conf["client"]["port"]) == ("127.0.0.1", "7001")


def test_a_second_client_of_the_same_name_is_refused(run, directory: Path) -> None:
    run("client", "add", directory, "alice")
    before = (directory / "clients/alice/cert.pem").read_bytes()
    ran = run("client", "add", directory, "alice")
    assert ran.code == 1
    assert "there is a client 'alice' already" in ran.err
    assert (directory / "clients/alice/cert.pem").read_bytes() == before
    assert [path.name for path in (directory / "clients").iterdir()] == ["alice"]


def test_after_a_revocation_the_name_gets_a_new_certificate(run, directory: Path) -> None:
    run("client", "add", directory, "alice")
    old = fingerprint_of(_der(directory / "clients/alice/cert.pem"))
    ran = run("client", "revoke", directory, "alice")
    assert (ran.code, ran.out) == (0, f"Revoked alice, certificate {old}\n")
    assert run("client", "add", directory, "alice").code == 0
    new = fingerprint_of(_der(directory / "clients/alice/cert.pem"))
    states = {row["fingerprint"]: row["state"] for row in run("client", "list", directory, "--json").json}
    assert states == {old: "revoked", new: "active"}


def test_who_is_not_there_cannot_be_revoked(run, directory: Path) -> None:
    ran = run("client", "revoke", directory, "nobody")
    assert ran.code == 1
    assert "no client 'nobody'" in ran.err


@pytest.mark.parametrize(
    "name", ["../alice", "a/b", ".hidden", "..", "", " ", "a b", "a\n", "alice\x00", "ä", "*", "x" * 65, "@a"]
)
def test_a_name_that_would_lead_elsewhere_is_refused(run, directory: Path, name: str) -> None:
    ran = run("client", "add", directory, "--", name)
    assert ran.code == 1
    assert "cannot be used: a name has 1 to 64" in ran.err
    assert list((directory / "clients").iterdir()) == []


def test_a_link_in_the_place_of_a_clients_folder_is_not_followed(run, directory: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("")
    (directory / "clients/alice").symlink_to(elsewhere)
    assert run("client", "add", directory, "alice").code == 1
    assert (elsewhere / "precious").exists()


def test_groups_are_kept_with_the_client_and_can_be_replaced(run, directory: Path) -> None:
    run("client", "add", directory, "alice", "--group", "arrays", "--group", "tapes")
    assert run("client", "list", directory, "--json").json[0]["groups"] == ["arrays", "tapes"]
    assert run("client", "groups", directory, "alice", "--group", "other").code == 0
    assert run("client", "list", directory, "--json").json[0]["groups"] == ["other"]
    assert run("client", "groups", directory, "nobody").code == 1


def test_the_certificate_is_valid_as_long_as_asked(run, directory: Path) -> None:
    run("client", "add", directory, "alice", "--days", "10")
    certificate = x509.load_der_x509_certificate(_der(directory / "clients/alice/cert.pem"))
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 10


def test_an_appliance_gets_an_rsa_key_and_a_bundle(run, directory: Path) -> None:
    ran = run("client", "add", directory, "array7", "--rsa", "--p12", "--json")
    folder = directory / "clients/array7"
    key = load_pem_private_key((folder / "key.pem").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    bundle = pkcs12.load_pkcs12((folder / "client.p12").read_bytes(), ran.json["bundle_password"].encode())
    assert bundle.cert is not None
    assert fingerprint_of(_der(folder / "cert.pem")) == ran.json["fingerprint"]
    assert stat.S_IMODE((folder / "client.p12").stat().st_mode) == 0o600


def test_a_bundles_password_can_be_given_and_is_not_printed_then(run, directory: Path) -> None:
    ran = run("client", "add", directory, "array7", "--p12", "--ask-password", stdin="my own password\n")
    assert "my own password" not in ran.out + ran.err
    bundle = (directory / "clients/array7/client.p12").read_bytes()
    assert pkcs12.load_pkcs12(bundle, b"my own password").key is not None


def test_a_principal_elsewhere_in_the_certificate_is_put_there(
    run, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KMIP_TLS__PRINCIPAL", "email")
    run("client", "add", directory, "alice@example.org")
    assert caller_from(_der(directory / "clients/alice@example.org/cert.pem"), "email").name == "alice@example.org"


def test_a_client_that_cannot_be_recorded_leaves_no_key_behind(run, directory: Path) -> None:
    with patch.object(pki, "pkcs12_bundle", side_effect=OSError(28, "No space left on device", "client.p12")):
        assert run("client", "add", directory, "alice", "--p12").code == 1
    assert list((directory / "clients").iterdir()) == []


@pytest.mark.sqlite_file("its mode is looked at")
def test_a_database_that_others_may_read_gets_no_client(run, directory: Path) -> None:
    (directory / "kmip.db").chmod(0o644)
    ran = run("client", "add", directory, "alice")
    assert ran.code == 1
    assert "others may read it" in ran.err
    assert list((directory / "clients").iterdir()) == []


def test_the_list_for_people_names_state_validity_and_groups(run, directory: Path) -> None:
    run("client", "add", directory, "alice", "--group", "arrays")
    ran = run("client", "list", directory)
    header, row = ran.out.splitlines()
    assert header.split() == ["Name", "State", "Valid", "until", "Last", "seen", "Groups", "Fingerprint"]
    assert row.split()[:2] == ["alice", "active"]


def test_a_directory_that_is_none_is_refused(run, tmp_path: Path) -> None:
    ran = run("client", "add", tmp_path, "alice")
    assert ran.code == 1
    assert "kmip-server init" in ran.err


def test_a_client_is_put_into_quarantine_and_released(run, directory: Path) -> None:
    run("client", "add", directory, "array7")
    assert run("client", "quarantine", directory, "array7", "-m", "lost").out == "array7 is in quarantine\n"
    again = run("client", "quarantine", directory, "array7")
    assert (again.code, again.err) == (1, "kmip-server: array7 is in quarantine already\n")
    assert run("client", "list", directory, "--json").json[0]["state"] == "quarantined"
    assert run("client", "list", directory).out.splitlines()[1].split()[:2] == ["array7", "quarantined"]
    assert run("client", "release", directory, "array7").out == "array7 is released\n"
    assert run("client", "release", directory, "array7").code == 1
    assert run("client", "list", directory, "--json").json[0]["state"] == "active"
    assert run("check", directory).code == 0, "the audit records are chained"
