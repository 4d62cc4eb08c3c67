"""A PyKMIP server's configuration file, and what becomes of each of its settings here."""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEFAULT_DATABASE: Final = Path("/tmp/pykmip.database")  # noqa: S108 -- where PyKMIP keeps it unless told otherwise
_SECTION: Final = "server"
_LEVELS: Final = {
    "DEBUG": "debug",
    "INFO": "info",
    "WARNING": "warning",
    "WARN": "warning",
    "ERROR": "error",
    "CRITICAL": "error",
}


class PyKmipConfigurationError(Exception):
    """The file is no PyKMIP server configuration; the message names the file and the setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PyKmipConfiguration:
    """The settings of PyKMIP's server that mean something here; None where the file does not say.

    `left_out` says, setting by setting, what is not taken over and why.
    """

    host: str | None
    port: int | None
    certificate: Path | None
    key: Path | None
    client_ca: Path | None
    database: Path
    policies: tuple[Path, ...]
    require_client_auth_usage: bool
    log_level: str | None
    left_out: tuple[str, ...]


def read_configuration(path: Path) -> PyKmipConfiguration:
    """Read PyKMIP's server.conf. Raises PyKmipConfigurationError."""
    parser = configparser.ConfigParser()
    try:
        with path.open(encoding="utf-8") as file:
            parser.read_file(file)
    except (OSError, UnicodeDecodeError) as error:
        raise PyKmipConfigurationError(f"{path} cannot be read: {error}") from None
    except configparser.Error as error:
        raise PyKmipConfigurationError(f"{path} is no PyKMIP configuration: {error.message}") from None
    if not parser.has_section(_SECTION):
        raise PyKmipConfigurationError(f"{path} has no section [{_SECTION}]: is it PyKMIP's server.conf?")
    section = parser[_SECTION]
    return PyKmipConfiguration(
        host=section.get("hostname"),
        port=_port(path, section),
        certificate=_file(path, section, "certificate_path"),
        key=_file(path, section, "key_path"),
        client_ca=_file(path, section, "ca_path"),
        database=Path(section.get("database_path") or DEFAULT_DATABASE),
        policies=_policies(path, section),
        require_client_auth_usage=_boolean(path, section, "enable_tls_client_auth"),
        log_level=_LEVELS.get(section.get("logging_level", "").upper()),
        left_out=tuple(_left_out(parser)),
    )


def _port(path: Path, section: configparser.SectionProxy) -> int | None:
    try:
        port = section.getint("port")
    except ValueError:
        port = -1
    if port is not None and not 0 <= port < 1 << 16:
        raise PyKmipConfigurationError(f"{path}: port is a number from 0 to 65535")
    return port


def _boolean(path: Path, section: configparser.SectionProxy, name: str) -> bool:
    try:
        return section.getboolean(name, fallback=True)
    except ValueError:
        raise PyKmipConfigurationError(f"{path}: {name} is True or False") from None


def _file(path: Path, section: configparser.SectionProxy, name: str) -> Path | None:
    given = section.get(name)
    if not given:
        return None
    file = Path(given)
    if not file.is_file():
        raise PyKmipConfigurationError(f"{path}: {name} names {file}, which does not exist")
    return file


def _policies(path: Path, section: configparser.SectionProxy) -> tuple[Path, ...]:
    given = section.get("policy_path")
    if not given:
        return ()
    folder = Path(given)
    if not folder.is_dir():
        raise PyKmipConfigurationError(f"{path}: policy_path names {folder}, which is no folder")
    return tuple(sorted(folder.glob("*.json")))


def _left_out(parser: configparser.ConfigParser) -> list[str]:
    section = parser[_SECTION]
    said = []
    if "auth_suite" in section:
        said.append("auth_suite: this server speaks TLS 1.3, and 1.2 with ECDHE and AEAD suites")
    if section.get("tls_cipher_suites"):
        said.append("tls_cipher_suites: this server has its own; old suites without forward secrecy are not offered")
    said += [f"[{name}]: authentication plugins are not taken over" for name in parser.sections() if name != _SECTION]
    return said
