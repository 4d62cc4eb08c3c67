from __future__ import annotations

import stat
from pathlib import Path
from unittest.mock import patch

import pytest
from cryptography import x509

from kmip_server.config import Settings, default_text
from kmip_server.identity.pki import issue_client, load_credentials
from kmip_server.storage.master_key import open_key_file, open_passphrase
from kmip_server.storage.store import Store

pytestmark = pytest.mark.usefixtures("databases")
ITS_FILE = pytest.mark.sqlite_file("PostgreSQL has none in the server directory")


def test_init_makes_configuration_pki_master_key_and_database(run, directory: Path) -> None:
    made, default = (directory / "server.toml").read_text().splitlines(), default_text().splitlines()
    assert [new for new, old in zip(made, default, strict=True) if new != old and not old.startswith("url = ")] == []
    settings = Settings.load(directory)
    server = load_credentials(settings.tls.certificate, settings.tls.key)
    authority = load_credentials(settings.tls.client_ca, directory / "pki/ca-key.pem")
    server.certificate.verify_directly_issued_by(authority.certificate)
    assert issue_client(authority, "x").certificate.issuer == authority.certificate.subject
    Store.open(settings.storage.url, open_key_file(settings.master_key.file)).close()


@ITS_FILE
def test_the_database_is_a_file_that_nobody_else_can_read(directory: Path) -> None:
    assert (directory / "server.toml").read_text() == default_text()
    assert stat.S_IMODE((directory / "kmip.db").stat().st_mode) == 0o600


def test_nobody_else_can_read_the_directory_or_its_secrets(directory: Path) -> None:
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for name in ("master.key", "pki/ca-key.pem", "pki/server-key.pem", "server.toml"):
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600, name


def test_an_initialised_directory_is_refused_and_stays_as_it_is(run, directory: Path) -> None:
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    ran = run("init", directory)
    assert ran.code == 1
    assert ran.err == f"kmip-server: {directory} is initialised already: it has a server.toml\n"
    assert ran.out == ""
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("part", ["master.key", "pki", pytest.param("kmip.db", marks=ITS_FILE)])
def test_a_directory_with_parts_of_a_server_is_refused(run, directory: Path, part: str) -> None:
    for path in directory.iterdir():
        if path.name != part:
            path.rename(directory.parent / path.name)
    ran = run("init", directory)
    assert ran.code == 1
    assert f"has {part}" in ran.err
    assert [path.name for path in directory.iterdir()] == [part]


def test_an_empty_directory_is_filled(run, tmp_path: Path) -> None:
    assert run("init", tmp_path).code == 0
    made = {"clients", "master.key", "pki", "server.toml"}
    assert {path.name for path in tmp_path.iterdir()} - {"kmip.db"} == made


def test_init_that_fails_leaves_nothing_behind(run, tmp_path: Path) -> None:
    existing = tmp_path / "existing"
    existing.mkdir()
    for directory in (existing, tmp_path / "new"):
        with patch.object(Store, "create", side_effect=OSError(28, "No space left on device", "kmip.db")):
            ran = run("init", directory)
        assert ran.code == 1
        assert "No space left on device" in ran.err
    assert list(existing.iterdir()) == []
    assert not (tmp_path / "new").exists()


def test_hosts_are_named_in_the_servers_certificate(run, tmp_path: Path) -> None:
    assert run("init", tmp_path / "s", "--host", "kms.example", "--host", "192.0.2.7").code == 0
    certificate = x509.load_pem_x509_certificate((tmp_path / "s/pki/server-cert.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "kms.example" in names.get_values_for_type(x509.DNSName)
    assert "192.0.2.7" in map(str, names.get_values_for_type(x509.IPAddress))


def test_a_host_that_is_none_is_refused_before_anything_is_made(run, tmp_path: Path) -> None:
    ran = run("init", tmp_path / "s", "--host", "bücher")
    assert ran.code == 1
    assert "neither an address nor a DNS name" in ran.err
    assert not (tmp_path / "s").exists()


def test_the_master_key_can_come_from_a_passphrase(run, tmp_path: Path) -> None:
    ran = run("init", tmp_path / "s", "--passphrase", stdin="correct horse battery\n")
    assert ran.code == 0
    settings = Settings.load(tmp_path / "s")
    assert settings.master_key.provider == "passphrase"
    assert b"correct horse" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    key = open_passphrase(settings.master_key.file, b"correct horse battery")
    Store.open(settings.storage.url, key).close()


@pytest.mark.parametrize(("stdin", "words"), [("", "nothing was given"), ("short\n", "needs 12 characters")])
def test_a_weak_passphrase_is_refused(run, tmp_path: Path, stdin: str, words: str) -> None:
    ran = run("init", tmp_path / "s", "--passphrase", stdin=stdin)
    assert ran.code == 1
    assert words in ran.err
    assert not (tmp_path / "s").exists()


def test_init_writes_urls_of_revocation_into_the_server_certificate(run, tmp_path: Path) -> None:
    urls = ("http://pki.example.org/kmip.crl", "http://ocsp.example.org/")
    assert run("init", tmp_path / "server", "--crl-url", urls[0], "--ocsp-url", urls[1]).code == 0
    certificate = x509.load_pem_x509_certificate((tmp_path / "server/pki/server-cert.pem").read_bytes())
    (point,) = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    (access,) = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert (point.full_name[0].value, access.access_location.value) == urls


def test_init_refuses_what_is_no_url_and_leaves_nothing(run, tmp_path: Path) -> None:
    ran = run("init", tmp_path / "server", "--crl-url", "pki.example.org")
    assert (ran.code, (tmp_path / "server").exists()) == (1, False)
    assert "is no URL" in ran.err
