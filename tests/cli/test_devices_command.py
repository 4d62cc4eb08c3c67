"""The devices commands: the next stage only, with its checks and approvals, once, on record."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from kmip_server.config import Settings
from kmip_server.opening import directory_source
from kmip_server.storage.accounts import read_accounts
from kmip_server.storage.database import Database
from policy.model import Who

POLICY = """
group_workflows = { meters = "meters" }

[users]
carol = { roles = ["security officer"] }

[devices]
m = { groups = ["meters"] }

[channels]
ops = { kind = "syslog", url = "udp://127.0.0.1:9" }

[workflows.meters]
version = 1
stages = [
    { name = "bootstrap" },
    { name = "production", attributes = { firmware = "2.1" }, notify = ["ops"], approvals = [
        { needed = 1, roles = ["security officer"], within = "1d" },
    ] },
]
"""


def _import(run, directory: Path, text: str) -> None:
    document = directory / "policy.toml"
    document.write_text(text)
    assert run("policy", "import", directory, document).code == 0


def test_a_device_takes_one_stage_after_another(run, directory: Path) -> None:
    assert run("devices", "add", directory, "d").code == 0
    assert run("devices", "add", directory, "d").code == 1
    skipped = run("devices", "advance", directory, "d", "--to", "production")
    assert (skipped.code, "'quarantine'" in skipped.err) == (1, True)
    assert run("devices", "advance", directory, "d").out == "d is at the stage quarantine\n"
    assert run("devices", "advance", directory, "d").out == "d is at the stage production\n"
    assert run("devices", "advance", directory, "d").code == 1
    steps = run("devices", "history", directory, "d", "--json").json
    assert [(step["from_stage"], step["to_stage"]) for step in steps] == [
        ("", "bootstrap"),
        ("bootstrap", "quarantine"),
        ("quarantine", "production"),
    ]
    assert run("check", directory).code == 0, "the audit records are chained"


def test_who_is_revoked_takes_no_stage(run, directory: Path) -> None:
    run("devices", "add", directory, "d")
    assert run("devices", "quarantine", directory, "d", "-m", "lost").code == 0
    assert run("devices", "quarantine", directory, "d").code == 1
    assert run("devices", "revoke", directory, "d").code == 0
    for act in ("advance", "quarantine", "revoke"):
        assert run("devices", act, directory, "d").code == 1
    assert run("devices", "list", directory, "--json").json[0]["stage"] == "revoked"
    assert run("devices", "history", directory, "d", "--json").json[1]["detail"] == "lost"


def test_others_approve_and_the_checks_are_met(run, directory: Path) -> None:
    _import(run, directory, POLICY)
    run("users", "add", directory, "carol", stdin="password of carol\n")
    run("devices", "add", directory, "m", "--attribute", "firmware=2.1")
    assert run("devices", "advance", directory, "m").code == 1
    (asked,) = run("approvals", "list", directory, "--json").json
    assert (asked["action"], asked["resource"]) == ("DSCC_ADVANCE_STAGE", "m: production")
    assert run("devices", "advance", directory, "m").code == 1
    assert len(run("approvals", "list", directory, "--json").json) == 1, "it is the same request"
    yes = run("approvals", "approve", directory, asked["id"], "--user", "carol", stdin="password of carol\n")
    assert yes.code == 0
    assert run("devices", "advance", directory, "m").code == 0
    last = run("devices", "history", directory, "m", "--json").json[-1]
    assert (last["approvals"], last["notify"]) == (["carol"], ["ops"])


def test_a_check_that_is_not_met_asks_nobody(run, directory: Path) -> None:
    _import(run, directory, POLICY)
    run("devices", "add", directory, "m", "--attribute", "firmware=2.0")
    assert "firmware is 2.0, and has to be 2.1" in run("devices", "advance", directory, "m").err
    assert run("approvals", "list", directory, "--json").json == []


def test_a_device_stays_with_the_version_of_its_workflow(run, directory: Path) -> None:
    _import(
        run,
        directory,
        POLICY.replace(
            'approvals = [\n        { needed = 1, roles = ["security officer"], within = "1d" },\n    ]',
            "approvals = []",
        ),
    )
    run("devices", "add", directory, "m", "--attribute", "firmware=2.1")
    _import(run, directory, POLICY.replace("version = 1", "version = 2"))
    assert run("devices", "advance", directory, "m").code == 0, "version 1 asks for no approval"


def test_of_two_who_advance_at_once_one_does(run, directory: Path) -> None:
    run("devices", "add", directory, "d")
    program = "import sys; from kmip_server.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "devices", "advance", str(directory), "d", "--to", "quarantine"]
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    for each in racing:
        each.communicate()
    assert sorted(each.returncode for each in racing) == [0, 1]
    assert len(run("devices", "history", directory, "d", "--json").json) == 2


def test_a_change_of_stage_moves_the_epoch_by_which_workers_decide(run, directory: Path) -> None:
    database = Database(Settings.load(directory).storage.url)
    before = read_accounts(database)
    run("devices", "add", directory, "d")
    after = read_accounts(database)
    assert after.epoch > before.epoch
    assert after.stages == {"d": "bootstrap"}
    store = type("Opened", (), {"database": database})
    source = directory_source(store)  # type: ignore[arg-type]
    run("devices", "quarantine", directory, "d")
    assert source.refresh()
    assert source.current.ruling.subject(Who.DEVICE, "d").stage == "quarantine"
