"""`make run`: the network is made once and goes on from then on, says what ends, and ends as a whole."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from demo.run import FILE, NODES, SITES, Network, Refusal, is_unfinished, opened

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PROGRAMS = 5
pytestmark = pytest.mark.sqlite_file("nodes and sites of `make run` have files of their own")
Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "network"


@pytest.fixture
def run(folder: Path) -> Iterator[Run]:
    """Start `make run` in the folder; what still runs at the end is stopped."""
    started = []

    def start(*options: object, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "demo.run", str(folder), *map(str, options)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


def free_shift() -> int:
    """So much higher all ports are free, and none of them is given to anybody who asks for any."""
    while True:
        shift = random.randrange(8_000, 24_000)
        ports = [*NODES.values(), *(port for site in SITES.values() for port in site)]
        probes = [socket.socket() for _ in ports]
        try:
            for probe, port in zip(probes, ports, strict=True):
                probe.bind(("127.0.0.1", port + shift))
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
        return shift


def said_until(process: subprocess.Popen[str], words: str) -> str:
    """What it says, up to the line with these words."""
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(said)


def programs(folder: Path) -> dict[str, int]:
    """Our programs that run on something in a folder, by its name: the first process of each."""
    found: dict[str, int] = {}
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # a process that has just ended
            *command, last = file.read_text().rstrip("\0").split("\0")
            if "serve" in command and Path(last).parent == folder:
                name, pid = Path(last).name, int(file.parent.name)
                found[name] = min(pid, found.get(name, pid))
    return found


def walk(folder: Path) -> str:
    """What the README has its readers try."""
    command = [sys.executable, ROOT / "demo" / "walk.py", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def without_identifiers(text: str) -> str:
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)


def test_the_readme_has_the_walk_as_it_is() -> None:
    _, _, code = (ROOT / "demo" / "walk.py").read_text().partition('"""\n\n')
    assert f"```python\n{code}```" in README


@pytest.mark.slow
def test_the_network_is_made_and_goes_on(run: Run, folder: Path) -> None:
    shift = free_shift()
    network = run("--shift", shift)
    said = said_until(network, "Ctrl-C ends everything")
    assert f"KMIP 127.0.0.1:{5696 + shift}" in said
    assert f"KMIP 127.0.0.1:{5697 + shift}" in said
    assert len(programs(folder)) == PROGRAMS
    said = walk(folder)
    assert said.count("the same key: True") == 2
    assert without_identifiers(said) in without_identifiers(README)

    again = run()
    assert again.wait(30) == 1
    assert "runs in" in said_until(again, "already")

    os.kill(programs(folder)["n2"], signal.SIGKILL)
    said = said_until(network, "go on")
    assert "n2 has ended (SIGKILL)" in said
    assert "n1, n3, site-a, site-b go on" in said

    network.send_signal(signal.SIGTERM)
    said_until(network, "Everything has ended.")
    assert network.wait(30) == 0
    assert programs(folder) == {}

    wrong = run("--shift", shift + 1)
    assert wrong.wait(30) == 1
    assert f"shifted by {shift}" in said_until(wrong, "SHIFT")

    made = (folder / FILE).stat()
    network = run()
    said_until(network, "Ctrl-C ends everything")
    assert (folder / FILE).stat().st_mtime_ns == made.st_mtime_ns, "with a full disk it would be empty now"
    assert len(programs(folder)) == PROGRAMS
    assert walk(folder).count("the same key: True") == 2
    network.send_signal(signal.SIGINT)
    assert network.wait(60) == 0
    assert programs(folder) == {}


def test_one_that_is_not_finished_is_begun_anew(run: Run, folder: Path) -> None:
    network = run("--shift", free_shift())
    end = time.monotonic() + 60
    while not (folder / "n1" / "node.toml").exists() and time.monotonic() < end:
        time.sleep(0.02)
    network.send_signal(signal.SIGINT)
    said = said_until(network, "Everything has ended.")
    assert "begins anew" in said
    assert network.wait(30) == 0
    assert programs(folder) == {}
    assert (folder / "n1").exists()
    made, is_there = opened(folder, None)
    assert not is_there
    assert not any(one.folder.exists() for one in made.all)


def test_who_closes_its_terminal_ends_it(run: Run, folder: Path) -> None:
    network = run("--shift", free_shift())
    end = time.monotonic() + 60
    while not programs(folder) and time.monotonic() < end:
        time.sleep(0.02)
    network.send_signal(signal.SIGHUP)
    said_until(network, "Everything has ended.")
    assert network.wait(30) == 0
    assert programs(folder) == {}


def test_with_nohup_it_goes_on_without_its_terminal(run: Run, folder: Path) -> None:
    network = run("--shift", free_shift(), before=("nohup",))
    end = time.monotonic() + 60
    while not (folder / "n1").exists() and time.monotonic() < end:
        time.sleep(0.02)
    network.send_signal(signal.SIGHUP)
    while not programs(folder) and time.monotonic() < end:
        time.sleep(0.02)
    assert programs(folder)
    network.terminate()
    assert network.wait(30) == 0


def test_one_that_was_begun_on_a_full_disk_is_begun_anew(folder: Path) -> None:
    folder.mkdir()
    (folder / FILE).touch()
    _, is_there = opened(folder, None)
    assert not is_there
    assert not is_unfinished(folder / "none")


@pytest.mark.parametrize("written", ["made", "made shift=x", "made shift=999999"])
def test_a_file_of_somebody_else_is_left_as_it_is(folder: Path, written: str) -> None:
    (folder / "n1").mkdir(parents=True)
    (folder / FILE).write_text(written)
    with pytest.raises(Refusal, match="is not as `make run` writes it"):
        opened(folder, None)
    assert (folder / "n1").is_dir()


@pytest.mark.parametrize("shift", [60_000, -8_000])
def test_ports_that_there_are_not_are_refused(run: Run, folder: Path, shift: int) -> None:
    network = run("--shift", shift)
    assert f"SHIFT={shift} asks for ports" in said_until(network, "the last is 65535")
    assert network.wait(30) == 1
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(run: Run, folder: Path) -> None:
    folder.write_text("")
    network = run()
    assert f"make run: {folder}: File exists" in said_until(network, "File exists")
    assert network.wait(30) == 1


def test_a_port_that_is_in_use_is_named(run: Run, folder: Path) -> None:
    shift = free_shift()
    with socket.create_server(("127.0.0.1", 5697 + shift)):
        network = run("--shift", shift)
        said = said_until(network, "SHIFT=")
        assert network.wait(30) == 1
    assert f"{5697 + shift}, for KMIP at site-b" in said
    assert "for KMIP at site-a" not in said
    assert list(folder.iterdir()) == []


def test_the_folder_of_a_single_server_is_left_as_it_is(folder: Path) -> None:
    folder.mkdir()
    (folder / "server.toml").write_text("[server]\n")
    with pytest.raises(Refusal, match=r"kmip-server serve .*DATA="):
        opened(folder, None)
    assert [each.name for each in folder.iterdir()] == ["server.toml"]


def test_a_folder_of_something_else_is_left_as_it_is(folder: Path) -> None:
    (folder / "n1").mkdir(parents=True)
    with pytest.raises(Refusal, match="no network of `make run`"):
        opened(folder, None)
    assert (folder / "n1").is_dir()


def test_all_ports_differ(folder: Path) -> None:
    network = Network(folder, 0)
    ports = [node.port for node in network.nodes.values()]
    for site in network.sites.values():
        ports += [site.kmip_port, site.https_port, site.gateway_port]
    assert len(set(ports)) == len(ports) == 9
    assert FILE not in {one.name for one in network.all}
