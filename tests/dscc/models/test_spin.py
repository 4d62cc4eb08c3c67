"""Models of ours for Spin: sessions, keyfill's window, confirmation of pair keys; and each safeguard taken out once.

They are written apart from the code, from the protocol's document: `test_search.py` searches the code itself. More
rounds: DSCC_LONGER=1.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "spin"
LACKING = [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]
LONGER = {"session": "-DANSWERS=3", "keyfill": "-DSESSIONS=6", "pairwise": "-DROUNDS=5"}
SAFEGUARDS = {
    "session": ("SEND_FIRST", "NO_CHECK", "TWICE", "NO_CATCH_UP"),
    "keyfill": ("NO_CHECK", "BELIEVE", "DROP_EARLY", "NO_WAIT"),
    "pairwise": ("MANY", "NO_FALL", "ONE", "PARALLEL"),
}

pytestmark = pytest.mark.skipif(
    bool(LACKING), reason=f"not installed: {', '.join(LACKING)} (Debian: apt-get install spin gcc)"
)


def checked(model: str, where: Path, *defined: str) -> tuple[int, int, str]:
    """How many errors, how many states, and everything that Spin's verifier says."""
    given = {"cwd": where, "check": True, "capture_output": True, "text": True}
    subprocess.run(["spin", "-a", *defined, str(HERE / f"{model}.pml")], **given)  # type: ignore[call-overload]
    subprocess.run(["gcc", "-O1", "-w", "-DSAFETY", "-o", "pan", "pan.c"], **given)  # type: ignore[call-overload]
    said = subprocess.run([where / "pan", "-m1000000"], **given).stdout  # type: ignore[call-overload]
    assert "max search depth too small" not in said, said
    errors, states = re.search(r"errors: (\d+)", said), re.search(r"(\d+) states, stored", said)
    assert errors is not None and states is not None, said
    return int(errors[1]), int(states[1]), said


@pytest.mark.parametrize("model", SAFEGUARDS)
def test_a_model_holds(model: str, tmp_path: Path) -> None:
    defined = (LONGER[model],) if os.environ.get("DSCC_LONGER") else ()
    errors, states, said = checked(model, tmp_path, *defined)
    assert errors == 0, said
    assert states > 50_000, said
    print(f"{model}: {states:,} states")


@pytest.mark.parametrize(("model", "without"), [(model, each) for model in SAFEGUARDS for each in SAFEGUARDS[model]])
def test_without_a_safeguard_the_model_fails(model: str, without: str, tmp_path: Path) -> None:
    errors, _, said = checked(model, tmp_path, f"-D{without}")
    assert errors == 1 and "assertion violated" in said
