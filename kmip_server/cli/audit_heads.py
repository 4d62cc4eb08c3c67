"""Signed heads and proofs for the commands: the key that signs, what is proved, and how a proof is checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from console.output import CommandError
from kmip_server.cli.acting import administering
from kmip_server.cli.audit_formats import described
from kmip_server.identity.pki import write_file
from kmip_server.storage import audit_chain, audit_log
from kmip_server.storage.audit_tree import AuditTree, TreeBroken, store
from policy.merkle import consistency_proof, consistent, includes, inclusion_proof, leaf_hash
from policy.signed_heads import HeadError, SignedHead, hash_of, read_head, sign

if TYPE_CHECKING:
    from sqlalchemy import Connection

_KEY = Path("pki", "audit-key.pem")
_PUBLIC = Path("pki", "audit-public.pem")
_T = TypeVar("_T")


def make_key(directory: Path) -> Ed25519PrivateKey:
    """Make the key that signs heads, beside that of the certificate authority. Raises FileExistsError."""
    key = Ed25519PrivateKey.generate()
    write_file(directory / _KEY, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_file(directory / _PUBLIC, public, 0o644)
    return key


def public_key_of(directory: Path, file: Path | None) -> Ed25519PublicKey:
    """The key that a verifier gave, or else the directory's own."""
    return load_public_key(file or directory / _PUBLIC)


def load_public_key(file: Path) -> Ed25519PublicKey:
    """A public key from a PEM file. Ends the command as wrong use if it is none."""
    try:
        key = load_pem_public_key(file.read_bytes())
    except (OSError, ValueError):
        raise typer.BadParameter(f"{file} holds no public key") from None
    if not isinstance(key, Ed25519PublicKey):
        raise typer.BadParameter(f"{file} holds no Ed25519 key")
    return key


def read_json(file: Path) -> Any:
    """A JSON document. Ends the command as wrong use if it is none."""
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError):
        raise typer.BadParameter(f"{file} holds no JSON document that can be read") from None


def heads_from(files: Iterable[Path]) -> dict[Path, SignedHead]:
    """Heads by their files. Ends the command as wrong use if one is none."""
    found = {}
    for file in files:
        try:
            found[file] = read_head(read_json(file))
        except HeadError as error:
            raise typer.BadParameter(f"{file}: {error}") from None
    return found


def sign_head(directory: Path) -> SignedHead:
    """Sign what the log is now, and keep the subtrees that were computed for it."""
    return _with_tree(directory, lambda _connection, _tree, head: head)


def prove_inclusion(directory: Path, sequence: int) -> dict[str, object]:
    """A proof that a record is in the log, up to a head that is signed now."""

    def proof(connection: Connection, tree: AuditTree, head: SignedHead) -> dict[str, object]:
        found = audit_log.record(connection, sequence)
        if found is None or sequence > head.size:
            raise typer.BadParameter(f"there is no audit record {sequence}: the last one is {head.size}")
        before = audit_log.record(connection, sequence - 1)
        path = inclusion_proof(sequence - 1, head.size, tree.range_hash)
        return {
            "record": described(found),
            "before": (audit_chain.GENESIS if before is None else before.digest).hex(),
            "path": [step.hex() for step in path],
            "head": head.document(),
        }

    return _with_tree(directory, proof)


def prove_consistency(directory: Path, older: SignedHead) -> dict[str, object]:
    """A proof that the log goes on from an older head, up to a head that is signed now."""

    def proof(_connection: Connection, tree: AuditTree, head: SignedHead) -> dict[str, object]:
        if older.size > head.size:
            raise CommandError(f"the log has {head.size} records, fewer than the {older.size} of that head")
        path = consistency_proof(older.size, head.size, tree.range_hash) if older.size else []
        return {"from": older.document(), "path": [step.hex() for step in path], "head": head.document()}

    return _with_tree(directory, proof)


def checked_proof(document: Any, key: Ed25519PublicKey, wanted: SignedHead | None) -> tuple[bool, str]:
    """Whether a proof proves what it says, and that in words. Ends the command as wrong use if it is no proof."""
    try:
        head = read_head(document["head"])
        path = [hash_of(step, "a step of the path") for step in document["path"]]
        older = read_head(document["from"]) if "from" in document else None
        sequence, leaf = (0, b"") if older else _leaf(document)
    except HeadError as error:
        raise typer.BadParameter(f"this is no proof: {error}") from None
    except (KeyError, TypeError, ValueError):
        raise typer.BadParameter("this is no proof that `audit prove` made") from None
    if not all(one.is_signed_by(key) for one in (head, older) if one):
        return False, "The signature of the head is not that of the key"
    if wanted is not None and wanted != head:
        return False, "The proof leads to another head"
    if older is not None:
        if consistent(older.size, head.size, older.root, head.root, path):
            return True, f"The log of {head.size} records goes on from that of {older.size}"
        return False, "The log does not go on from the older head"
    if includes(sequence - 1, head.size, leaf, path, head.root):
        return True, f"Record {sequence} is in the log of {head.size} records"
    return False, "The record is not in the log of this head"


def _leaf(document: Any) -> tuple[int, bytes]:
    """Number and leaf hash of the record of a proof: the digest is computed from what the record says."""
    names = audit_log.Record._fields
    record = audit_log.Record(*(document["record"][name] for name in names))
    digest = audit_chain.digest(hash_of(document["before"], "before"), record.sequence, record.at, record.texts)
    return record.sequence, leaf_hash(digest)


def _with_tree(directory: Path, work: Callable[[Connection, AuditTree, SignedHead], _T]) -> _T:
    """Work with the tree and a head of one snapshot; what had to be computed for it is stored afterwards."""
    with administering(directory) as admin:
        with admin.database.reading() as connection:
            tree = AuditTree(connection)
            size, digest = audit_log.head(connection)
            try:
                root = tree.root(size)
                head = sign(_key(admin.settings.directory), size=size, root=root, digest=digest, time=admin.now)
                done = work(connection, tree, head)
            except TreeBroken as error:
                raise CommandError(str(error)) from None
        store(admin.database, tree.new)
    return done


def _key(directory: Path) -> Ed25519PrivateKey:
    """The key that signs heads; a directory of an older version gets one now."""
    file = directory / _KEY
    if not file.exists():
        return make_key(directory)
    key = load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise CommandError(f"{file} holds no Ed25519 key")
    return key
