"""A second implementation of the protocol's computations, as `docs/dscc-protocol.md` has them.

It imports nothing of `dscc`, and shares no code with it: hashes, HMAC and AES-GCM are all it has. It computes what the
vectors say from their inputs. It is by the same people, who may have misread themselves twice.
"""

from __future__ import annotations

import hmac
from hashlib import new
from itertools import pairwise
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HASHES = {"DSCC1-S384": ("sha384", 48), "DSCC1-S512": ("sha512", 64)}
BASE = "DSCC1-S384"
NOTHING = bytes(32)


def enc(*fields: bytes) -> bytes:
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def mac(suite: str, key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, HASHES[suite][0])


extract = mac


def digest(suite: str, data: bytes) -> bytes:
    return new(HASHES[suite][0], data).digest()


def expand(suite: str, key: bytes, label: str, context: bytes = b"", size: int = 48) -> bytes:
    name = b"DSCC1 " + label.encode()
    info = size.to_bytes(2, "big") + bytes([len(name)]) + name + bytes([len(context)]) + context
    made, block, number = b"", b"", 1
    while len(made) < size:
        block = mac(suite, key, block + info + bytes([number]))
        made, number = made + block, number + 1
    return made[:size]


def canonical(message: dict[str, Any], field: str, value: Any) -> bytes:
    if isinstance(value, list):
        return enc(*[canonical(message, field, each) for each in value])
    if isinstance(value, int):
        return value.to_bytes(8, "big")
    return bytes.fromhex(value) if field in message["octets"] else value.encode()


def transcript(message: dict[str, Any], *, core: bool = False) -> bytes:
    fields = list(message["fields"].items())[: -1 if core else None]
    return enc(message["message"].encode(), *[canonical(message, name, value) for name, value in fields])


def core(message: dict[str, Any]) -> bytes:
    return transcript(message, core=True)


def mac_of(message: dict[str, Any]) -> bytes:
    return bytes.fromhex(message["fields"]["mac"])


def raw(vector: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(vector[name])


def registration(v: dict[str, Any]) -> dict[str, Any]:
    suite, token = v["suite"], raw(v, "token")
    r1, r2, r3, r4 = v["messages"]
    key = extract(suite, token, raw(v, "encapsulated"))
    key = extract(suite, key, bytes.fromhex(r1["fields"]["nonce"] + r2["fields"]["nonce"]))
    said = digest(suite, enc(transcript(r1), transcript(r2)))
    assert mac_of(r1) == mac(BASE, expand(BASE, token, "reg dev"), core(r1))
    assert mac_of(r2) == mac(suite, expand(suite, token, "reg node"), enc(transcript(r1), core(r2)))
    assert mac_of(r3) == mac(suite, expand(suite, key, "reg cd", said), enc(said, core(r3)))
    assert mac_of(r4) == mac(suite, expand(suite, key, "reg cn", said), enc(said, core(r4)))
    short = int.from_bytes(expand(suite, key, "reg short", said, 16), "big") % 10**24
    root = expand(suite, key, "atk root", said)
    return {
        "bootstrap_key": key.hex(),
        "transcript_digest": said.hex(),
        "short_string": f"{short:024}",
        "root": root.hex(),
    }


def begun(suite: str, root: bytes) -> dict[str, str]:
    key, ascent = expand(suite, root, "na root"), expand(suite, root, "atk ascent")
    return {"key": key.hex(), "prior": "", "ascent": ascent.hex()}


def session(v: dict[str, Any]) -> dict[str, Any]:
    suite = v["suite"]
    m1, m2, m3, m4 = v["messages"]
    chain = {**v["chain"], **begun(suite, raw(v, "root"))}
    key = raw(chain, "key")
    of_device, of_node = expand(suite, key, "na dev"), expand(suite, key, "na node")
    both = enc(core(m1), core(m2))
    said = digest(suite, both)
    following = expand(suite, key, "na evolve")
    assert mac_of(m1) == mac(suite, of_device, core(m1))
    assert mac_of(m2) == mac(suite, of_node, both)
    assert mac_of(m3) == mac(suite, of_device, enc(b"3", said))
    assert mac_of(m4) == mac(suite, expand(suite, following, "na node"), enc(b"4", said))
    session_key = expand(suite, key, "na sess", said)
    after = {**chain, "epoch": chain["epoch"] + 1, "key": following.hex()}
    plains = [bytes.fromhex(each) for each in v["plaintexts"]]
    return {
        "chain": chain,
        "transcript_digest": said.hex(),
        "session_key": session_key.hex(),
        "device_chain_after": {**after, "prior": ""},
        "node_chain_after": {**after, "prior": of_device.hex()},
        "records_to_node": records(suite, session_key, "d2n", plains),
        "records_to_device": records(suite, session_key, "n2d", plains),
    }


def records(suite: str, session_key: bytes, way: str, plains: list[bytes]) -> list[str]:
    identifier = expand(suite, session_key, "session id", b"", 16) + way.encode()
    aead = AESGCM(expand(suite, session_key, f"{way} key", b"", 32))
    iv = int.from_bytes(expand(suite, session_key, f"{way} iv", b"", 12), "big")
    return [
        aead.encrypt((iv ^ number).to_bytes(12, "big"), each, identifier + number.to_bytes(8, "big")).hex()
        for number, each in enumerate(plains)
    ]


def keyfill(v: dict[str, Any]) -> dict[str, Any]:
    suite, chain = v["chain"]["suite"], v["chain"]
    t1, t2, t3, t4 = v["messages"]
    said = digest(suite, enc(transcript(t1), transcript(t2), chain["stage"].encode()))
    pieces = NOTHING
    for piece in v["pieces"]:
        pieces = bytes(a ^ b for a, b in zip(pieces, bytes.fromhex(piece), strict=True))
    mixed = extract(suite, raw(chain, "ascent"), bytes.fromhex(t1["fields"]["nonce"] + t2["fields"]["nonce"]))
    for secret in (raw(v, "encapsulated"), raw(v, "code"), pieces):
        mixed = extract(suite, mixed, secret)
    root = expand(suite, mixed, "atk stage", said)
    assert mac_of(t3) == mac(suite, expand(suite, root, "atk cd", said), enc(said, core(t3)))
    assert mac_of(t4) == mac(suite, expand(suite, root, "atk cn", said), enc(said, core(t4)))
    after = {"suite": suite, "stage": t2["fields"]["stage"], "ratchet": t2["fields"]["ratchet"], "epoch": 0}
    return {"transcript_digest": said.hex(), "root": root.hex(), "chain_after": {**after, **begun(suite, root)}}


def pair(v: dict[str, Any]) -> dict[str, Any]:
    d1, d2, d3, d4, aborted = v["messages"]
    suite, chain = d2["fields"]["suite"], v["pair_chain"]
    if chain["number"]:
        secret = raw(chain, "secret")
        assert mac_of(d1) == mac(BASE, expand(BASE, secret, "pair d1"), core(d1))
        assert mac_of(d2) == mac(BASE, expand(BASE, secret, "pair d2"), enc(transcript(d1), core(d2)))
    sid = digest(suite, enc(b"DSCC1 sid", transcript(d1), transcript(d2)))
    nodes = sorted(v["shares"])
    ck = extract(suite, extract(suite, bytes(HASHES[suite][1]), raw(chain, "secret")), raw(v, "encapsulated"))
    grants = []
    for node in nodes:
        fields = v["shares"][node]["fields"]
        numbers = [fields[name].to_bytes(8, "big") for name in ("policy_version", "lifetime", "uses", "kem")]
        grants.append(enc(raw(fields, "policy_digest"), *numbers))
        ck = extract(suite, ck, raw(fields, "share") + digest(suite, grants[-1]))
    ck = extract(suite, ck, bytes.fromhex(d1["fields"]["nonce"] + d2["fields"]["nonce"]))
    granted = digest(suite, enc(*grants))
    th = digest(suite, enc(transcript(d1), transcript(d2), enc(*[node.encode() for node in nodes]), granted))
    assert raw(d3["fields"], "granted") == granted and raw(d3["fields"], "sid") == sid
    assert mac_of(d3) == mac(suite, expand(suite, ck, "conf I", th), enc(th, core(d3)))
    assert mac_of(d4) == mac(suite, expand(suite, ck, "conf R", th), enc(th, core(d4)))
    following = expand(suite, ck, "pair next", th)
    assert mac_of(aborted) == mac(BASE, expand(BASE, following, "pair abort"), core(aborted))
    fields = d1["fields"]
    return {
        "sid": sid.hex(),
        "kid": expand(suite, ck, "kid", th, 16).hex(),
        "key": expand(suite, ck, f"key {fields['purpose']}", th, fields["bits"] // 8).hex(),
        "pair_chain_after": {"number": d2["fields"]["chain"] + 1, "secret": following.hex()},
    }


def drawing(v: dict[str, Any]) -> dict[str, str]:
    context = enc(b"drawn key", raw(v, "identifier"), raw(v, "number"))
    kid = digest(BASE, context)[:16].hex()
    digits = f"{kid[:12]}8{kid[13:16]}{'89ab'[int(kid[16], 16) % 4]}{kid[17:]}"
    cuts = (0, 8, 12, 16, 20, 32)
    return {
        "kid": kid,
        "key": expand(BASE, raw(v, "seed"), "drawn key", context, v["bits"] // 8).hex(),
        "unique_identifier": "-".join(digits[start:end] for start, end in pairwise(cuts)),
    }


def notice(v: dict[str, Any]) -> dict[str, str]:
    names = (v["asker"].encode(), v["answerer"].encode())
    said = {"notice": ("question", v["told"]), "answer": ("answer", v["answered"])}
    said["refusal"] = ("refusal", v["refused"]["cbor"])
    made = {}
    for name, (what, plain) in said.items():
        aead = AESGCM(expand(BASE, raw(v, "key"), f"notice {what}", b"", 32))
        bound = enc(what.encode(), *names, raw(v, "question"))
        made[name] = v["iv"] + aead.encrypt(raw(v, "iv"), bytes.fromhex(plain), bound).hex()
    return made


def group(v: dict[str, Any]) -> list[dict[str, str]]:
    """The seeds, digests and keys of the three epochs; confirmations are checked on the way."""
    formed, joined, left = v["epochs"]
    fresh = {name: bytes.fromhex(value) for name, value in v["fresh"].items()}
    parts = enc(*sorted(bytes.fromhex(part["fields"]["part"]) for part in v["parts"]))
    first = expand(BASE, extract(BASE, parts, fresh["form"]), "seed")
    made = [_epoch(first, formed)]
    second = expand(BASE, extract(BASE, expand(BASE, first, "join", raw(made[0], "digest")), fresh["join"]), "seed")
    made.append(_epoch(second, joined))
    hidden = enc(*sorted(bytes.fromhex(each) for each in v["hidden"]))
    made.append(_epoch(expand(BASE, extract(BASE, hidden, fresh["leave"]), "seed"), left))
    iv, told = raw(v, "iv"), raw(v, "told")
    key = expand(BASE, raw(v, "pair_key"), "group pair", b"", 32)
    assert raw(v, "told_in_pair_box") == iv + AESGCM(key).encrypt(iv, told, enc(b"plant", b"alice", b"bob"))
    return made


def _epoch(seed: bytes, v: dict[str, Any]) -> dict[str, str]:
    members = enc(*[member.encode() for member in v["roster"]])
    bound = digest(BASE, enc(b"plant", v["number"].to_bytes(8, "big"), members, raw(v, "policy")))
    key = expand(BASE, seed, "group confirm", bound)
    for member, confirmed in zip(v["roster"], v["confirmed"]["fields"]["macs"], strict=True):
        said = enc(b"Confirm", b"plant", v["number"].to_bytes(8, "big"), member.encode())
        assert bytes.fromhex(confirmed) == mac(BASE, key, said)[:32]
    return {
        "seed": seed.hex(),
        "digest": bound.hex(),
        "key": expand(BASE, seed, "group key", bound, 32).hex(),
    }
