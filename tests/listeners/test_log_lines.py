"""The log: on standard error only, in two forms, without the values of variables and without forged lines."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import sys
import structlog
from twisted.internet.defer import fail
from twisted.logger import Logger
from console import logs

logs.configure(sys.argv[1], "info")
log = structlog.stdlib.get_logger("test")
log.debug("below the level")
log.info("a line", client="eve\\nforged: line \\x1b[31m")

def use(key):
    raise RuntimeError("went wrong")

try:
    use("the-secret-key")
except RuntimeError as error:
    log.error("caught", exc_info=error)
Logger("twisted.there").info("a factory starts")
Logger("twisted.there").warn("something odd: {what}", what="x")
try:
    use("the-secret-key")
except RuntimeError:
    Logger("twisted.there").failure("failed")
"""


def lines(form: str) -> tuple[str, list[str]]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, form], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr.splitlines()


def test_json_is_one_object_a_line() -> None:
    out, err = lines("json")
    events = [json.loads(line) for line in err]
    assert out == ""
    assert [(event["event"], event["level"]) for event in events] == [
        ("a line", "info"),
        ("caught", "error"),
        ("something odd: x", "warning"),
        ("failed", "error"),
    ]
    assert events[0]["client"] == "eve\nforged: line \x1b[31m"
    assert "RuntimeError: went wrong" in events[1]["exception"]
    assert "RuntimeError: went wrong" in events[3]["exception"]
    assert all(event["timestamp"].endswith("Z") for event in events)


def test_the_console_form_quotes_what_others_chose() -> None:
    _, err = lines("console")
    assert not any(line.startswith("forged") for line in err)
    assert "\x1b[31m" not in "".join(err)


@pytest.mark.parametrize("form", ["json", "console"])
def test_tracebacks_show_no_values(form: str) -> None:
    _, err = lines(form)
    text = "\n".join(err)
    assert text.count("went wrong") == 2
    # The source line of the call is shown in a traceback; the value of the variable is not.
    assert text.count("the-secret-key") == 0
