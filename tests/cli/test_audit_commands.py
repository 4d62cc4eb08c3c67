"""kmip-server audit: what an attacker with SQL does to the log is found by who holds one earlier head."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, update

from kmip_server.config import Settings
from kmip_server.storage import audit_chain, audit_log, schema
from kmip_server.storage.audit_log import Record
from kmip_server.storage.database import Database
from kmip_server.storage.port import AuditEntry

AUDIT, HEAD = schema.audit, schema.audit_head
KEPT = 520

Run = Callable[..., Any]


def write(directory: Path, count: int) -> None:
    database = Database(Settings.load(directory).storage.url)
    with database.writing() as connection:
        for number in range(count):
            audit_log.append(
                connection, AuditEntry(number, f"client-{number % 3}", "Get", f"key-{number}", "succeeded")
            )
    database.close()


@pytest.fixture
def logged(directory: Path, run: Run, tmp_path: Path) -> Path:
    """A log of some records, the head of which a verifier keeps, and of some more."""
    write(directory, KEPT)
    assert run("audit", "head", directory, "-o", tmp_path / "head.json").code == 0
    write(directory, 30)
    return directory


def changed(connection: Connection) -> None:
    connection.execute(update(AUDIT).where(AUDIT.c.sequence == 7).values(caller="nobody"))


def removed(connection: Connection) -> None:
    connection.execute(delete(AUDIT).where(AUDIT.c.sequence == 7))


def reordered(connection: Connection) -> None:
    for old, new in ((7, -1), (8, 7), (-1, 8)):
        connection.execute(update(AUDIT).where(AUDIT.c.sequence == old).values(sequence=new))


def truncated(connection: Connection) -> None:
    rewrite(connection, lambda records: records[: KEPT - 5])


def rewritten(connection: Connection) -> None:
    rewrite(
        connection, lambda records: [one._replace(caller="nobody") if one.sequence == 7 else one for one in records]
    )


def shortened(connection: Connection) -> None:
    rewrite(connection, lambda records: records[:6] + records[7:])


def rewrite(connection: Connection, change: Callable[[list[Record]], list[Record]]) -> None:
    """All that SQL can do: the records, their whole chain, the row of the head, and no stored subtree left."""
    records, before, last = change(list(audit_log.records(connection))), audit_chain.GENESIS, 0
    connection.execute(delete(AUDIT))
    connection.execute(delete(schema.audit_tree))
    for last, one in enumerate(records, 1):
        before = audit_chain.digest(before, last, one.at, one.texts)
        connection.execute(insert(AUDIT).values(one._replace(sequence=last, digest=before)._asdict()))
    connection.execute(update(HEAD).values(sequence=last, digest=before))


@pytest.mark.parametrize("attack", [changed, removed, reordered, truncated, rewritten, shortened])
def test_an_attack_is_found_with_one_earlier_head(
    logged: Path, run: Run, tmp_path: Path, attack: Callable[[Connection], None]
) -> None:
    verify = ("audit", "verify", logged, "--head", tmp_path / "head.json")
    assert run(*verify).code == 0
    database = Database(Settings.load(logged).storage.url)
    with database.writing() as connection:
        attack(connection)
    database.close()
    found = run(*verify, "--json")
    assert found.code == 1
    assert found.json["findings"]
    # Who rewrites all that the database holds is only found by the head.
    recomputed = attack in (truncated, rewritten, shortened)
    assert run("audit", "verify", logged).code == (0 if recomputed else 1)


def test_a_head_of_another_key_or_a_changed_one_is_found(logged: Path, run: Run, tmp_path: Path) -> None:
    kept = json.loads((tmp_path / "head.json").read_text())
    (tmp_path / "forged.json").write_text(json.dumps(kept | {"time": kept["time"] + 1}))
    forged = run("audit", "verify", logged, "--head", tmp_path / "forged.json")
    assert (forged.code, "the signature is not that of the key" in forged.out) == (1, True)
    (tmp_path / "none.json").write_text("{}")
    assert run("audit", "verify", logged, "--head", tmp_path / "none.json").code == 2


def test_a_stored_subtree_that_was_changed_is_found(logged: Path, run: Run) -> None:
    database = Database(Settings.load(logged).storage.url)
    with database.writing() as connection:
        assert connection.execute(update(schema.audit_tree).values(hash=bytes(32))).rowcount == KEPT // 256
    database.close()
    assert "the stored subtree 0 of level 8 is not that of its records" in run("audit", "verify", logged).out


def test_proofs_are_checked_without_the_log(logged: Path, run: Run, tmp_path: Path) -> None:
    key = logged / "pki/audit-public.pem"
    for place, what in ((tmp_path / "record", ["300"]), (tmp_path / "older", ["--from", tmp_path / "head.json"])):
        assert run("audit", "prove", logged, *what, "-o", place).code == 0
        assert run("audit", "check-proof", place, "--key", key).code == 0
        assert run("audit", "check-proof", place, "--key", key, "--head", tmp_path / "head.json").code == 1
    proof = json.loads((tmp_path / "record").read_text())
    proof["record"]["caller"] = "nobody"
    (tmp_path / "record").write_text(json.dumps(proof))
    assert run("audit", "check-proof", tmp_path / "record", "--key", key).code == 1
    assert run("audit", "prove", logged, "9999").code == 2
    assert run("audit", "prove", logged).code == 2


def test_the_key_is_for_the_servers_user_only_and_is_restored(logged: Path, run: Run, tmp_path: Path) -> None:
    assert run("backup", logged, tmp_path / "backup").code == 0
    assert run("restore", tmp_path / "backup", tmp_path / "restored").code == 0
    for directory in (logged, tmp_path / "restored"):
        assert stat.S_IMODE((directory / "pki/audit-key.pem").stat().st_mode) == 0o600
    assert run("audit", "verify", tmp_path / "restored", "--head", tmp_path / "head.json").code == 0


def test_records_are_filtered(logged: Path, run: Run) -> None:
    found = run("audit", "show", logged, "--caller", "client-1", "--last", "2", "--json").json
    assert [one["caller"] for one in found] == ["client-1", "client-1"]
    assert found[0]["sequence"] < found[1]["sequence"] <= KEPT + 30
    assert run("audit", "show", logged, "--outcome", "failed", "--json").json == []
    assert run("audit", "show", logged, "--since", "someday").code == 2


def test_an_export_is_read_back(directory: Path, run: Run) -> None:
    hard = "a|b\\c=d\ne\\nf\\=g"
    database = Database(Settings.load(directory).storage.url)
    with database.writing() as connection:
        audit_log.append(connection, AuditEntry(5, hard, hard, hard, "failed", hard))
    database.close()
    (line,) = run("audit", "export", directory, "--format", "cef").out.splitlines()
    header, fields = parse_cef(line)
    assert header[4] == hard.replace("\n", " ")
    assert (fields["suser"], fields["act"], fields["msg"], fields["cs1"]) == (hard, hard, hard, hard)
    (line,) = run("audit", "export", directory).out.splitlines()
    assert json.loads(line)["caller"] == hard


def parse_cef(line: str) -> tuple[list[str], dict[str, str]]:
    *words, extension = split_header(line)
    pairs = re.split(r"(?:^| )(\w+)=", extension)[1:]
    unescaped = {"n": "\n", "r": "\r"}
    return words, {
        name: re.sub(r"\\(.)", lambda found: unescaped.get(found[1], found[1]), value)
        for name, value in zip(pairs[::2], pairs[1::2], strict=True)
    }


def split_header(line: str) -> list[str]:
    words, word, rest = [], "", iter(line)
    for character in rest:
        if character == "\\":
            word += next(rest)
        elif character == "|":
            words.append(word)
            word = ""
            if len(words) == 7:
                return [*words, "".join(rest)]
        else:
            word += character
    raise AssertionError(line)
