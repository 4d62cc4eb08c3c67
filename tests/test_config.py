from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

import pytest

from kmip_server.config import ConfigurationError, Settings, default_text


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "server.toml").write_text(default_text())
    return tmp_path


def test_the_default_file_says_exactly_the_defaults(directory: Path) -> None:
    written = Settings.load(directory)
    (directory / "server.toml").write_text("")
    assert Settings.load(directory) == written
    document = tomllib.loads(default_text())
    for name, section in document.items():
        fields = type(getattr(written, name)).model_fields
        commented = {key for key in fields if f"# {key} = " in default_text()}
        assert set(section) | commented == set(fields)


def test_the_packaged_default_is_the_file_in_the_config_folder() -> None:
    folder = Path(__file__).parent.parent / "config"
    assert resources.files("kmip_server").joinpath("server.toml").read_text() == (folder / "server.toml").read_text()


def test_relative_paths_are_those_of_the_server_directory(directory: Path) -> None:
    settings = Settings.load(directory)
    assert settings.tls.certificate == directory / "pki/server-cert.pem"
    assert settings.master_key.file == directory / "master.key"
    assert settings.storage.url == f"sqlite:///{directory}/kmip.db"


def test_absolute_paths_and_other_databases_stay_as_written(directory: Path) -> None:
    (directory / "server.toml").write_text(
        '[tls]\nkey = "/keys/key.pem"\n[storage]\nurl = "postgresql+psycopg://u:pw@localhost/kmip"\n'
    )
    settings = Settings.load(directory)
    assert settings.tls.key == Path("/keys/key.pem")
    assert settings.storage.url == "postgresql+psycopg://u:pw@localhost/kmip"
    assert "pw" not in repr(settings)


def test_the_environment_overrides_the_file_and_the_command_line_overrides_both(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KMIP_SERVER__KMIP_PORT", "7001")
    monkeypatch.setenv("KMIP_SERVER__HOST", "::1")
    monkeypatch.setenv("KMIP_TLS__STRICT", "true")
    settings = Settings.load(directory, {"server": {"kmip_port": 7002}})
    assert (settings.server.kmip_port, settings.server.host, settings.tls.strict) == (7002, "::1", True)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[server]\nprot = 5696\n", "server.prot"),
        ("[sevrer]\nport = 5696\n", "sevrer"),
        ("[server]\nkmip_port = 65536\n", "server.kmip_port"),
        ("[tls]\nprincipal = 'subject'\n", "tls.principal"),
        ("[limits]\ndepth = 1000000\n", "limits.depth"),
        ("[limits]\nidle_seconds = 0\n", "limits.idle_seconds"),
        ("[server\n", "not TOML"),
        (
            "[notifications]\nkey = 'pki/key.pem'\n",
            "notifications: certificate and key are given together",
        ),
        ("[policy]\noperation_policies = ['policies']\n", "policy.operation_policies: operation policies are in the"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_with_the_file(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "server.toml").write_text(text)
    with pytest.raises(ConfigurationError) as refusal:
        Settings.load(tmp_path)
    assert str(tmp_path / "server.toml") in str(refusal.value)
    assert named in str(refusal.value)


@pytest.mark.parametrize("variable", ["KMIP_SERVER__PROT", "KMIP_SEVRER__PORT", "KMIP_SERVER__WORKERS"])
def test_what_is_wrong_in_a_variable_is_named_with_the_variable(
    directory: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "canary")
    with pytest.raises(ConfigurationError, match=variable) as refusal:
        Settings.load(directory)
    assert "canary" not in str(refusal.value)


def test_a_directory_without_settings_is_refused_with_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="kmip-server init"):
        Settings.load(tmp_path / "nowhere")


def test_settings_cannot_be_changed(directory: Path) -> None:
    settings = Settings.load(directory)
    with pytest.raises(ValueError, match="frozen"):
        settings.server.host = "0.0.0.0"
