"""The command line `dscc`: what it prints, for people and for scripts, and how it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from fleet import Fleet
from test_agent import run_agent

from dscc.device.cli.main import main
from dscc.registration import Mode

DSCC = (sys.executable, "-m", "dscc.device.cli.main")


def dscc(*words: object, expect: int = 0) -> str:
    """What the command prints; if it is to be refused, what it says then."""
    said, refused = StringIO(), StringIO()
    with redirect_stdout(said), redirect_stderr(refused):
        code = main([str(word) for word in words])
    assert code == expect, refused.getvalue()
    return said.getvalue() if code == 0 else refused.getvalue()


def enrolled(fleet: Fleet, name: str | None = None) -> tuple[Path, str]:
    name = name or fleet.name()
    folder, file = fleet.folder / name, fleet.folder / f"{name}.code"
    file.write_text(fleet.nodes.code(name, Mode.OTA_KEM))
    assert f"{name} is registered at 3 nodes" in dscc("enrol", folder, "--code-file", file)
    return folder, name


@pytest.fixture
def peer(fleet: Fleet) -> Iterator[tuple[str, str]]:
    """A device that listens: its name and its address."""
    folder, name = enrolled(fleet)
    process = subprocess.Popen([*DSCC, "listen", str(folder), "--port", "0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline().split()
    assert line[:3] == ["dscc", "ready", name]
    yield name, line[3]
    process.terminate()
    assert process.wait(20) == 0
    process.stdout.close()


def test_from_a_code_to_a_key(fleet: Fleet, peer: tuple[str, str]) -> None:
    folder, name = enrolled(fleet)
    other, address = peer
    status = json.loads(dscc("status", folder, "--json"))
    assert status["device"] == name and status["nodes"]["n1"] == {
        "connected": True,
        "next_stage": "",
        "policy": 1,
        "stage": "production",
        "workflow": "short/1",
    }
    assert "there is no next stage" in dscc("advance", folder)
    said = dscc("negotiate", folder, other, address, "--bits", 192)
    assert f"with {other}: 192 bits for tunnel, 3 paths, pure" in said
    # The address is known from now on.
    more = json.loads(dscc("negotiate", folder, other, "--purpose", "wrap", "--kem", "--json"))
    assert more["trust"] == "3 paths, ML-KEM + pair chain" and "key" not in more
    listed = json.loads(dscc("keys", folder, "--json"))
    assert {each["purpose"] for each in listed} == {"tunnel", "wrap"} and "key" not in listed[0]
    table = dscc("keys", folder, other, "--purpose", "wrap")
    assert more["kid"] in table and len(table.splitlines()) == 2
    used = json.loads(dscc("key", folder, other))
    assert used["protect"]["bits"] == 192 and used["protect"] == used["process"][0]
    assert "nodes know of it; 2 are needed" in dscc("revoke", folder, used["protect"]["kid"])
    assert json.loads(dscc("key", folder, other))["protect"] is None
    dscc("forget-pair", folder, other)
    assert "3 paths, pure" in dscc("negotiate", folder, other)
    assert "active" in dscc("status", folder)


def test_a_group_from_the_command_line(fleet: Fleet) -> None:
    folder, name = enrolled(fleet)
    member, other = enrolled(fleet)
    with subprocess.Popen([*DSCC, "listen", str(member), "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[3]
        assert "epoch 1, 2 members, all have it" in dscc("group", "form", folder, "plant", f"{other}={address}")
        process.terminate()
    assert "leads" in dscc("group", "remove", member, "plant", name, expect=1)
    keys = [json.loads(dscc("group", "key", each, "plant")) for each in (folder, member)]
    assert keys[0] == keys[1] and keys[0]["roster"] == [name, other]
    listed = json.loads(dscc("group", "list", folder, "--json"))
    assert listed == [
        {"behind": [], "confirmed": True, "epoch": 1, "group": "plant", "leader": name, "roster": [name, other]}
    ]
    assert "all have it" in dscc("group", "list", member)


def test_with_an_agent_the_same_commands_ask_it(fleet: Fleet, peer: tuple[str, str]) -> None:
    folder, _ = enrolled(fleet)
    other, address = peer
    agent = run_agent(folder)
    try:
        said = dscc("negotiate", folder, other, address)
        assert "3 paths" in said and said.split()[1] in dscc("keys", folder)
        assert "no key" in dscc("revoke", folder, "00" * 16, expect=1)
    finally:
        agent.kill()
        agent.communicate()
    # What it left behind is no agent.
    assert said.split()[1] in dscc("keys", folder)


def test_a_step_tells_what_it_waits_for(fleet: Fleet) -> None:
    folder = fleet.folder / "lo7"
    file = fleet.folder / "lo7.code"
    file.write_text(fleet.nodes.code("lo7"))
    dscc("enrol", folder, "--code-file", file)
    said = subprocess.run([*DSCC, "advance", str(folder)], capture_output=True, text=True, check=True)
    assert said.stdout == "the device is at the stage quarantine\n"
    assert sorted(said.stderr.splitlines()) == [f"n{number}: at quarantine" for number in (1, 2, 3)]
    assert json.loads(dscc("advance", folder, "--json"))["stage"] == "production"


def test_a_passphrase_is_asked_for_and_is_in_no_argument(fleet: Fleet) -> None:
    name = fleet.name()
    folder, file = fleet.folder / name, fleet.folder / f"{name}.code"
    file.write_text(fleet.nodes.code(name))
    enrol = [*DSCC, "enrol", str(folder), "--code-file", str(file), "--passphrase"]
    subprocess.run(enrol, input="correct horse\n", capture_output=True, text=True, check=True)
    for given, code in (("correct horse\n", 0), ("battery staple\n", 1), ("", 1)):
        asked = [*DSCC, "keys", str(folder)]
        said = subprocess.run(asked, input=given, capture_output=True, text=True, check=False)
        assert said.returncode == code, said.stderr
    assert "Traceback" not in said.stderr


def test_what_is_refused_is_one_line_and_exit_code_1_and_wrong_usage_2(fleet: Fleet, tmp_path: Path) -> None:
    folder, _ = enrolled(fleet)
    wrong = tmp_path / "code"
    wrong.write_text("dscc-enrol:v1?device=x&mode=qkey&n=n1~127.0.0.1:1~00~11")
    for words in (
        ("status", tmp_path / "nothing"),
        ("enrol", tmp_path / "new", "--code-file", wrong),
        ("enrol", tmp_path / "new", "--code-file", tmp_path / "absent"),
        ("negotiate", folder, "nobody"),
        ("negotiate", folder, "nobody", "127.0.0.1:1"),
        ("group", "key", folder, "plant"),
    ):
        said = dscc(*words, expect=1)
        assert said.startswith("dscc: ") and len(said.splitlines()) == 1 and "Traceback" not in said
    dscc("negotiate", folder, expect=2)
    dscc("enrol", folder, "--attribute", "nothing", "--code-file", wrong, expect=2)
