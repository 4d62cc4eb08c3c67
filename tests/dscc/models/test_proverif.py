"""ProVerif's models: those of the design with their recorded results, and those that follow the code, never run so far.

See `proverif/results.toml` for what is claimed, and what is not.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from hashlib import sha256
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "proverif"
RECORDED = tomllib.loads((HERE / "results.toml").read_text())
CODE = sorted(path.stem for path in (HERE / "code").glob("*.pv"))

runs = pytest.mark.skipif(
    shutil.which("proverif") is None, reason="there is no `proverif` on the PATH, nor a package of it in the registries"
)


def verdicts(said: str) -> dict[str, str]:
    """Of ProVerif's output: whether secrecy and agreement are proved, broken, or neither."""
    results = re.findall(r"^RESULT (.*) (is true|is false|cannot be proved)\b", said, re.MULTILINE)
    parts = {
        "secrecy": [verdict for query, verdict in results if "attacker(" in query],
        "agreement": [verdict for query, verdict in results if "inj-event" in query and "==>" in query],
    }
    words = {"is true": "proved", "is false": "broken", "cannot be proved": "not proved"}
    worst = ("is false", "cannot be proved", "is true")
    return {name: words[min(found, key=worst.index)] for name, found in parts.items() if found}


def test_each_model_of_the_design_has_a_record_and_is_the_one_that_was_run() -> None:
    models = {path.stem: sha256(path.read_bytes()).hexdigest() for path in (HERE / "design").glob("*.pv")}
    assert models == {name: recorded["digest"] for name, recorded in RECORDED.items()}
    assert {recorded["secrecy"] for recorded in RECORDED.values()} == {"proved", "broken", "not proved"}


@pytest.mark.parametrize("model", CODE)
def test_a_model_that_was_never_run_says_so(model: str) -> None:
    assert "NEVER RUN: no result is claimed" in (HERE / "code" / f"{model}.pv").read_text()


def test_verdicts_are_read_from_what_proverif_says() -> None:
    said = (
        "RESULT not attacker(secI[]) is true.\nRESULT not attacker(secR[]) is false.\n"
        "RESULT inj-event(Iacc(a,b,x)) ==> inj-event(Rkey(a,b,x)) is true.\nRESULT not event(Iacc(a,b,x)) is false.\n"
    )
    assert verdicts(said) == {"secrecy": "broken", "agreement": "proved"}
    assert verdicts("RESULT not attacker(s[]) cannot be proved.") == {"secrecy": "not proved"}


@runs
@pytest.mark.parametrize("model", RECORDED)
def test_proverif_says_what_was_recorded(model: str) -> None:
    recorded = {name: verdict for name, verdict in RECORDED[model].items() if name != "digest"}
    found = _proverif(HERE / "design" / f"{model}.pv")
    assert {name: found[name] for name in recorded} == recorded


@runs
@pytest.mark.parametrize("model", CODE)
def test_proverif_says_what_is_expected_of_the_code(model: str) -> None:
    path = HERE / "code" / f"{model}.pv"
    expected = dict(re.findall(r"expected: (\w+) = (.+)", path.read_text()))
    assert expected and _proverif(path) == expected


def _proverif(path: Path) -> dict[str, str]:
    ran = subprocess.run(["proverif", path], capture_output=True, text=True, check=True, timeout=300)
    return verdicts(ran.stdout)
