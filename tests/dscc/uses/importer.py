"""A second implementation of RFC 9258's importer, from the RFC alone, and of our derivation, from our document.

It imports nothing of `dscc`, and uses HKDF of `cryptography`, where ours has HMAC only.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA384, Hash
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand


def use_key(key: bytes, label: str, context: bytes, size: int) -> bytes:
    """XL of docs/dscc-protocol.md, with DSCC1-S384."""
    named = ("DSCC1 " + label).encode("utf-8")
    info = size.to_bytes(2, "big") + len(named).to_bytes(1, "big") + named + len(context).to_bytes(1, "big") + context
    return HKDFExpand(algorithm=SHA384(), length=size, info=info).derive(key)


def encoded(*fields: bytes) -> bytes:
    """enc of docs/dscc-protocol.md."""
    return b"".join([len(each).to_bytes(4, "big") + each for each in fields])


def identity(external_identity: bytes, context: bytes, target_protocol: int, target_kdf: int) -> bytes:
    """struct ImportedIdentity, s5.1."""
    out = bytearray()
    for opaque in (external_identity, context):
        out += len(opaque).to_bytes(2, "big")
        out += opaque
    out += target_protocol.to_bytes(2, "big")
    out += target_kdf.to_bytes(2, "big")
    return bytes(out)


def ipskx(epsk: bytes, imported_identity: bytes) -> bytes:
    """epskx = HKDF-Extract(0, epsk); ipskx = HKDF-Expand-Label(epskx, "derived psk", Hash(ImportedIdentity), L)."""
    hashed = Hash(SHA384())
    hashed.update(imported_identity)
    digest = hashed.finalize()
    label = b"tls13 derived psk"
    hkdf_label = (48).to_bytes(2, "big") + bytes([len(label)]) + label + bytes([len(digest)]) + digest
    # Extract, then Expand, in one.
    return HKDF(algorithm=SHA384(), length=48, salt=bytes(48), info=hkdf_label).derive(epsk)
