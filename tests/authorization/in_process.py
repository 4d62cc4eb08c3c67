"""The matrix against an engine in this process: `python -m authorization.in_process [--quick]`.

Exit code 1: a cell is wrong; `--all` goes on after the first.
"""

from __future__ import annotations

import sys
from ipaddress import ip_address
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import tomli_w
from authorization.cast import DOCUMENT, SERVER_OPERATIONS
from authorization.matrix import SEED, cells
from authorization.play import Exchange, play, play_server
from authorization.scenarios import scenarios
from support.databases import SqliteDatabases
from support.engine import EngineHarness
from support.numbers import Operation
from support.wire import Response, Version

from kmip_server.identity.caller import Caller
from kmip_server.operations.registry import REGISTRY
from policy.compiling import Ruling
from policy.documents import read_document


def exchange_in(folder: Path) -> Exchange:
    """An engine with the policy document in force."""
    harness = EngineHarness(SqliteDatabases().store(folder))
    harness.engine.services.ruling = Ruling(read_document(tomli_w.dumps(DOCUMENT), "the cast"))

    def exchange(who: str, version: Version, message: bytes) -> Response:
        return harness.exchange(Caller(who, address=ip_address("127.0.0.1")), message)

    return exchange


def main(arguments: list[str]) -> int:
    """Play until something is wrong, and say what."""
    asked = cells(quick="--quick" in arguments)
    most = 400 if "--all" in arguments else 1
    with TemporaryDirectory() as folder:
        wrong = 0
        exchange = exchange_in(Path(folder))
        known = [name for name in SERVER_OPERATIONS if Operation[name] in REGISTRY]
        for each in chain(play(exchange, asked), play_server(exchange, known), scenarios(exchange)):
            print(each)
            wrong += 1
            if wrong >= most:
                break
    print(f"{len(asked)} cells, seed {SEED}: {wrong or 'none'} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
