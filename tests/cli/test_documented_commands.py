from __future__ import annotations

import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs/command-line.md").read_text()
USAGES = re.findall(r"^kmip-server ([a-z -]+?) [A-Z]+ ?(.*)$", TEXT, re.MULTILINE)


@pytest.mark.parametrize(("command", "rest"), USAGES)
def test_every_documented_option_exists_and_every_option_is_documented(run, command: str, rest: str) -> None:
    help_text = re.sub(r"Examples?:.*?╭", "╭", run(*command.split(), "--help").out, flags=re.DOTALL)
    offered = set(re.findall(r"--[a-z0-9-]+", help_text)) - {"--help"}
    assert set(re.findall(r"--[a-z0-9-]+", rest)) == {option for option in offered if _is_listed(option, help_text)}


def _is_listed(option: str, help_text: str) -> bool:
    return re.search(rf"^│ +(\*)? *{option}\b", help_text, re.MULTILINE) is not None


def test_every_command_is_documented(run) -> None:
    listed = re.findall(r"^│ ([a-z-]+) ", run("--help").out, re.MULTILINE)
    commands = {name for name in listed if not name.startswith("-")}
    assert {usage[0].split()[0] for usage in USAGES} == commands
