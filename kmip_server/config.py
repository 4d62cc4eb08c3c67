"""The server's configuration: DIR/server.toml, overridden by environment variables, checked and with absolute paths.

`config/server.toml` is the commented default that `kmip-server init` writes; each key's meaning is explained there.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

FILE_NAME: Final = "server.toml"
_PREFIX: Final = "KMIP_"
_DELIMITER: Final = "__"
_SQLITE: Final = "sqlite:///"

RETIRED: Final = "policy.operation_policies"
"""A key that is no more: it named files of operation policies, which are in the policy store now."""
_OURS: Final = "Value error, "
"""What pydantic says before the words of a check of ours."""
_MISSING: Final = "there is no such key"
_GONE: Final = (
    "operation policies are in the policy store now: `kmip-server upgrade DIR` takes the files there and removes this"
    " key from server.toml; from elsewhere, remove it and use `kmip-server policy import DIR FILE.json`"
)

Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class ConfigurationError(Exception):
    """The configuration cannot be used; the message names the file or variable and the key, never a value."""


class _Section(BaseModel):
    """A table of server.toml: immutable, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(_Section):
    """Where to listen. Port 0 picks a free one."""

    host: str = "127.0.0.1"
    kmip_port: Port = 5696
    https: bool = True
    https_port: Port = 5697
    workers: Annotated[int, Field(ge=1, le=256)] = 1


class Tls(_Section):
    """The server's certificate, who may connect, and which part of a client's certificate is its name."""

    certificate: Path = Path("pki/server-cert.pem")
    key: Path = Path("pki/server-key.pem")
    key_passphrase_file: Path | None = None
    client_ca: Path = Path("pki/ca-cert.pem")
    client_crl: Path | None = None
    strict: bool = False
    principal: Literal["common_name", "dns", "email", "uri"] = "common_name"
    require_client_auth_usage: bool = True


class Limits(_Section):
    """What one request, one client and all clients together may cost."""

    message_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 1 << 20
    depth: Annotated[int, Field(ge=8, le=100)] = 32
    nodes: Annotated[int, Field(ge=100)] = 20_000
    batch_items: Count = 100
    connections: Count = 10_000
    connections_per_address: Count = 1000
    buffered_bytes: Annotated[int, Field(ge=1 << 20)] = 64 << 20
    handshake_seconds: Seconds = 10
    message_seconds: Seconds = 30
    idle_seconds: Seconds = 3600
    queue: Count = 1000
    stop_seconds: Seconds = 10
    locate_items: Count = 10_000
    pbkdf2_iterations: Count = 2_000_000
    random_bytes: Count = 65_536


class Storage(_Section):
    """The database, as an SQLAlchemy URL. It may hold a password, so it is never printed."""

    url: str = Field(default=_SQLITE + "kmip.db", repr=False)


class MasterKey(_Section):
    """Where the key that wraps all data keys comes from."""

    provider: Literal["file", "passphrase"] = "file"
    file: Path = Path("master.key")
    passphrase_file: Path | None = None


class Policy(_Section):
    """What is allowed beyond the standard's own rules."""

    legacy_algorithms: bool = False
    time_stamp_skew_seconds: Annotated[int, Field(ge=0)] = 0


class Notifications(_Section):
    """How notifications are delivered: the channels' secrets, whom to trust, and how often it is tried.

    `certificate` and its `key`, both or neither, are what clients who listen are shown instead of the server's own.
    """

    secrets_file: Path = Path("notification-secrets.toml")
    authorities: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    timeout_seconds: Seconds = 10
    first_retry_seconds: Seconds = 5
    attempts: Count = 30
    kept_days: Count = 30

    @model_validator(mode="after")
    def _have_both(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key are given together, or neither is")
        return self


class Automation(_Section):
    """How often the automatic rules of the policy are looked at."""

    period_seconds: Seconds = 60


class Dscc(_Section):
    """The gateway to other sites, with which keys are negotiated."""

    enabled: bool = False
    folder: Path = Path("gateway")
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 5690
    peers: dict[str, str] = {}
    groups: dict[str, tuple[str, ...]] = {}
    answer_seconds: Seconds = 10


class Etsi014(_Section):
    """Whether the HTTPS port also delivers keys by ETSI GS QKD 014, and at which site each SAE is that is not here."""

    enabled: bool = False
    saes: dict[str, str] = {}
    lifetime_seconds: Count = 3600


class Compatibility(_Section):
    """What is done for clients that exist, where the standard alone would stop them."""

    short_listings: tuple[Literal["1.0", "1.1", "1.2", "1.3", "1.4", "2.0", "2.1"], ...] = (
        "1.0",
        "1.1",
        "1.2",
        "1.3",
        "2.0",
    )


class Log(_Section):
    """How the log on standard error looks."""

    format: Literal["console", "json"] = "console"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(BaseSettings):
    """All settings of one server directory; immutable. Made by `load`."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter=_DELIMITER, extra="forbid", frozen=True)

    directory: Path
    server: Server = Server()
    tls: Tls = Tls()
    limits: Limits = Limits()
    storage: Storage = Storage()
    master_key: MasterKey = MasterKey()
    policy: Policy = Policy()
    notifications: Notifications = Notifications()
    automation: Automation = Automation()
    etsi014: Etsi014 = Etsi014()
    compatibility: Compatibility = Compatibility()
    dscc: Dscc = Dscc()
    log: Log = Log()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The command line (init arguments) overrides the environment, which overrides the file."""
        file = Path(init_settings()["directory"]) / FILE_NAME
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)

    @classmethod
    def load(cls, directory: Path, overrides: Mapping[str, Mapping[str, object]] | None = None) -> Settings:
        """Read a server directory's settings; `overrides` ({"server": {"host": …}}) come from the command line.

        Raises ConfigurationError.
        """
        directory = directory.absolute()
        file = directory / FILE_NAME
        given: dict[str, Any] = {"directory": directory, **(overrides or {})}
        try:
            if not file.is_file():
                raise ConfigurationError(f"{file} does not exist; `kmip-server init {directory}` makes it")
            _refuse_unknown_variables(frozenset(cls.model_fields) - {"directory"})
            return cls(**given)._absolute()
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{file} is not TOML: {error}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{file} cannot be read: {error}") from None
        except SettingsError as error:
            raise ConfigurationError(f"an environment variable cannot be used: {error}") from None
        except ValidationError as error:
            lines = (_line(file, given, [str(part) for part in row["loc"]], row["msg"]) for row in error.errors())
            raise ConfigurationError("\n".join(lines)) from None

    def _absolute(self) -> Settings:
        """The same settings with every path resolved against the server directory."""
        updates: dict[str, _Section] = {}
        for name in ("tls", "master_key", "notifications", "dscc"):
            section: _Section = getattr(self, name)
            values = {key: _resolve(self.directory, value) for key, value in section}
            updates[name] = section.model_copy(update=values)
        path = self.storage.url.removeprefix(_SQLITE)
        if path not in (self.storage.url, "", ":memory:"):
            updates["storage"] = Storage(url=f"{_SQLITE}{self.directory / path}")
        return self.model_copy(update=updates)


def default_text() -> str:
    """The commented default server.toml."""
    return resources.files("kmip_server").joinpath(FILE_NAME).read_text(encoding="utf-8")


def _refuse_unknown_variables(sections: frozenset[str]) -> None:
    """A mistyped section in a variable's name would otherwise be ignored in silence."""
    for variable in sorted(os.environ):
        section, delimiter, _ = variable.removeprefix(_PREFIX).partition(_DELIMITER)
        if variable.startswith(_PREFIX) and delimiter and section.lower() not in sections:
            known = ", ".join(sorted(sections))
            raise ConfigurationError(
                f"environment variable {variable}: there is no section {section.lower()} ({known})"
            )


def _resolve(directory: Path, value: object) -> object:
    return directory / value if isinstance(value, Path) else value


def _line(file: Path, given: Mapping[str, Any], location: list[str], message: str) -> str:
    """One complaint, with the place a person has to edit."""
    key = ".".join(location)
    variable = (_PREFIX + _DELIMITER.join(location)).upper()
    section = given.get(location[0])
    if isinstance(section, Mapping) and location[-1] in section:
        place = "the command line"
    elif variable in os.environ:
        place = f"environment variable {variable}"
    else:
        place = str(file)
    if message.startswith("Extra inputs"):
        message = _GONE if key == RETIRED else _MISSING
    return f"{place}: {key}: {message.removeprefix(_OURS)}"
