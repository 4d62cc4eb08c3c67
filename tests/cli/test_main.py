from __future__ import annotations

import subprocess
import sys

import pytest

from kmip_server import __version__

PARTS = ("init", "client", "users", "devices", "doctor", "decode")
HEAVY = {"sqlalchemy", "cryptography", "twisted", "pydantic", "alembic", "rich.console"}


def test_the_command_line_itself_loads_nothing_heavy() -> None:
    code = "import kmip_server.cli.main, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert HEAVY.isdisjoint(loaded)


def test_a_server_without_a_gateway_loads_nothing_of_devices() -> None:
    code = (
        "import sys; from types import SimpleNamespace as Some; from kmip_server.cli import gateway_settings, serve;"
        "import kmip_server.opening;"
        "assert gateway_settings.wrong_with_gateway(Some(dscc=Some(enabled=False))) == [];"
        "print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not [name for name in loaded if name.startswith("dscc.device")]


def test_the_installed_command_answers() -> None:
    command = [sys.executable, "-m", "kmip_server", "--version"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, f"kmip-server {__version__}\n")


def test_help_names_the_commands_and_exit_codes(run) -> None:
    ran = run("--help")
    assert ran.code == 0
    assert "Exit codes" in ran.out
    assert all(part in ran.out for part in PARTS)


@pytest.mark.parametrize(
    "arguments", [("init",), ("client", "add"), ("client", "revoke"), ("client", "list"), ("user", "add"), ("doctor",)]
)
def test_every_command_explains_itself_and_refuses_missing_arguments_with_exit_code_2(run, arguments) -> None:
    assert run(*arguments, "--help").code == 0
    ran = run(*arguments)
    assert ran.code == 2
    assert "Missing argument" in ran.err


def test_an_unknown_command_is_wrong_usage(run) -> None:
    assert run("nonsense").code == 2


def test_a_fault_of_ours_is_not_dressed_up_as_a_refusal(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("kmip_server.ttlv.binary.decode", broken)
    with pytest.raises(ZeroDivisionError):
        run("decode", "4200780100000000")
