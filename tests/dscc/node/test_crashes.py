"""A node that is killed at any moment loses nothing that it has acknowledged: registrations, stages, revocations."""

from __future__ import annotations

import json
import secrets
import signal
import threading
import time
from pathlib import Path

import pytest
from network import Network, PlainDevice, command, network

from dscc.errors import DsccError

KILLS = 8


class Journal:
    """What was acknowledged, by device: the stage, or that it is revoked."""

    def __init__(self) -> None:
        self.stages: dict[str, str] = {}
        self.revoked: set[str] = set()
        self.lock = threading.Lock()


def work(made: Network, journal: Journal, number: int, stop: threading.Event) -> None:
    """Enrol devices and take their steps, again and again, and write down what was acknowledged."""
    node = made.nodes["n1"]
    while not stop.is_set():
        device = PlainDevice(f"d{number}-{secrets.token_hex(3)}")
        try:
            device.enrol(command("device", "add", node.folder, device.name, "--mode", "qkey").strip())
            with journal.lock:
                journal.stages[device.name] = "bootstrap"
            for stage in ("quarantine", "production"):
                device.advance("n1", stage)
                with journal.lock:
                    journal.stages[device.name] = stage
            if secrets.randbelow(3) == 0:
                command("device", "revoke", node.folder, device.name, "--no-wait")
                with journal.lock:
                    journal.revoked.add(device.name)
        except (OSError, DsccError):
            time.sleep(0.02)
        finally:
            device.close()


def test_nothing_acknowledged_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with network(tmp_path, count=1, linked=False) as made, capsys.disabled():
        node, journal, stop = made.nodes["n1"], Journal(), threading.Event()
        worker = threading.Thread(target=work, args=(made, journal, 1, stop))
        worker.start()
        for number in range(KILLS):
            time.sleep(0.15 + 0.11 * number % 0.4)
            node.stop(signal.SIGKILL)
            node.start()
        stop.set()
        worker.join(30)
        assert not worker.is_alive()
        assert "in order" in node.run("check")
        kept = {row["name"]: row for row in json.loads(node.run("device", "list", "--json"))}
    order = ["bootstrap", "quarantine", "production", "revoked"]
    assert len(journal.stages) > 5
    for name, stage in journal.stages.items():
        assert order.index(kept[name]["stage"]) >= order.index(stage), name
    assert all(kept[name]["stage"] == "revoked" for name in journal.revoked)


def test_a_device_goes_on_with_a_node_that_was_killed_between_any_two_messages(tmp_path: Path) -> None:
    """Whatever the node has stored, the next handshake succeeds: the device is never locked out by a crash."""
    with network(tmp_path, count=1, linked=False) as made:
        node, device = made.nodes["n1"], made.enrol("survivor")
        for _ in range(4):
            for after in ("session", "status"):
                if after == "session":
                    device.session("n1")
                else:
                    device.status("n1")
                node.stop(signal.SIGKILL)
                device.close()
                node.start()
        assert device.status("n1").stage == "bootstrap"
        assert "clone" not in node.run("device", "history", "survivor")


def test_a_damaged_store_is_noticed(tmp_path: Path) -> None:
    from sqlalchemy import update

    from dscc.node import schema
    from dscc.node.database import NodeDatabase

    with network(tmp_path, count=1, linked=False) as made:
        node = made.nodes["n1"]
        made.enrol("one"), made.enrol("two")
        assert "in order" in node.run("check")
        database = NodeDatabase(node.folder / "node.db")
        with database.writing() as connection:
            connection.execute(update(schema.audit).where(schema.audit.c.sequence == 2).values(detail="otherwise"))
        assert "1 things are wrong" in node.run("check", check=False)
        with database.writing() as connection:
            connection.execute(update(schema.chains).where(schema.chains.c.holder == "one").values(epoch=5))
        assert "2 things are wrong" in node.run("check", check=False)
