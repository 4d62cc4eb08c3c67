"""Test vectors of the protocol, from fixed entropy: `python tests/dscc/vectors.py` writes docs/dscc-vectors.json.

Everything that is random elsewhere is the SHA-512 of its name here. What ML-KEM gives is taken as given: the library
that makes it takes no entropy. All byte strings are in hexadecimal; messages are given as fields (`octets` names
those that are byte strings), as CBOR, and as the digest (SHA-256) of their canonical encoding.
"""

from __future__ import annotations

import json
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any

from dscc import direct_messages, drawing, group, messages, notices
from dscc.agreement import Agreement, Limits, PairChain, Wanted, abort, next_chains
from dscc.direct_messages import Contribution
from dscc.errors import DsccError, Reason
from dscc.hardening import Encapsulated
from dscc.keyfill import DeviceKeyfill, KeyfillMode, NodeKeyfill
from dscc.messages import ShareResponse
from dscc.pairwise import Initiator, Responder
from dscc.primitives import S384, SUITES, Suite, enc
from dscc.registration import DeviceRegistration, Mode, NodeRegistration, Root, Token
from dscc.session import Chain, DeviceHandshake, NodeHandshake, Session, begin_chain
from dscc.wire import _BY_NUMBER, _NUMBERS, core, encode, transcript

FILE = Path(__file__).parents[2] / "docs" / "dscc-vectors.json"
NODES = ("n1", "n2", "n3")
Vector = dict[str, Any]


def entropy(name: str, size: int = 32) -> bytes:
    """What is random elsewhere."""
    return sha512(f"DSCC test vectors: {name}".encode()).digest()[:size]


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, str) else value


def said(message: Any) -> Vector:
    """A message."""
    kind = type(message)
    return {
        "message": kind.__name__,
        "number": _NUMBERS[kind],
        "fields": {name: plain(value) for name, value in zip(kind._fields, message, strict=True)},
        "octets": [name for name, check in _BY_NUMBER[_NUMBERS[kind]].fields if _is_octets(check.what)],
        "cbor": encode(message).hex(),
        "transcript_sha256": sha256(transcript(message)).hexdigest(),
        "core_sha256": sha256(core(message)).hexdigest(),
    }


def _is_octets(what: str) -> bool:
    return " bytes" in what and "text" not in what


def encodings() -> list[Vector]:
    lists = [(), (b"",), (b"a", b"bc"), (b"ab", b"c"), (bytes(3), b"")]
    return [{"fields": plain(fields), "enc": enc(*fields).hex()} for fields in lists]


def schedules() -> list[Vector]:
    given = {"key": entropy("key", 48), "context": entropy("context", 48), "salt": entropy("salt", 48)}
    return [
        {
            "suite": suite.name,
            **{name: value.hex() for name, value in given.items()},
            "label": "na root",
            "expand_48": suite.expand(given["key"], "na root").hex(),
            "expand_in_context_32": suite.expand(given["key"], "na sess", given["context"], 32).hex(),
            "expand_512": suite.expand(given["key"], "key tunnel", given["context"], 512).hex(),
            "extract": suite.extract(given["salt"], given["key"]).hex(),
        }
        for suite in SUITES.values()
    ]


def samples() -> list[Vector]:
    """One of each message, with every field filled."""
    return [said(kind.type(*[_sample(name, check.what) for name, check in kind.fields])) for kind in _kinds()]


def _kinds() -> list[Any]:
    kinds = [_BY_NUMBER[number] for number in sorted(_BY_NUMBER)]
    return [kind for kind in kinds if kind.type.__module__ in (messages.__name__, direct_messages.__name__)]


def _sample(name: str, what: str) -> Any:
    if what.startswith("a number"):
        return len(name)
    if what.startswith("a printable"):
        return name
    if what.startswith("at most"):
        if "a name and a value" in what:
            return ((name, "one"), ("other", "two"))
        return (entropy(name, 32), entropy(name, 48)) if _is_octets(what) else ("a", "bc")
    most = max(int(word) for word in what.split() if word.isdigit())
    return entropy(name, min(most, 48))


def registrations() -> list[Vector]:
    made = []
    for suite in SUITES.values():
        token = Token(entropy("token id", 16), entropy("token"))
        device = DeviceRegistration(
            "meter-7", "n1", Mode.QKEY, token, entropy("rD"), attributes=(("site", "a"),), suites=(suite.name,)
        )
        node = NodeRegistration(token, device.r1, entropy("rN"), None)
        r3 = device.on_r2(node.r2)
        r4, root = node.on_r3(r3, "bootstrap")
        made.append(
            {
                "suite": suite.name,
                "token_id": token.token_id.hex(),
                "token": token.secret.hex(),
                "encapsulated": bytes(32).hex(),
                "messages": [said(each) for each in (device.r1, node.r2, r3, r4)],
                "bootstrap_key": node._keys.secret.hex(),
                "transcript_digest": node._keys.said.hex(),
                "short_string": node.short_string,
                "root": root.secret.hex(),
            }
        )
    return made


def start(suite: Suite) -> Root:
    """A root to start from."""
    return Root(suite, 0, "bootstrap", entropy("root", 48))


def chain_of(chain: Chain) -> Vector:
    return {name: plain(value) for name, value in chain._asdict().items()}


def sessions() -> list[Vector]:
    made = []
    for suite in SUITES.values():
        chain = begin_chain(start(suite))
        device = DeviceHandshake("meter-7", "n1", chain, entropy("M1"))
        node = NodeHandshake(chain, device.m1, entropy("M2"))
        at_device, m3 = device.on_m2(node.m2)
        at_node, m4, served = node.on_m3(m3, chain)
        session = device.on_m4(m4)
        assert device._after is not None
        made.append(
            {
                "suite": suite.name,
                "root": start(suite).secret.hex(),
                "chain": chain_of(chain),
                "messages": [said(each) for each in (device.m1, node.m2, m3, m4)],
                "transcript_digest": device._after.said.hex(),
                "session_key": device._after.session_key.hex(),
                "device_chain_after": chain_of(at_device),
                "node_chain_after": chain_of(at_node),
                **records(session, served),
            }
        )
    return made


def records(device: Session, node: Session) -> Vector:
    plains = [b"", b"hello", bytes(range(64))]
    return {
        "plaintexts": plain(tuple(plains)),
        "records_to_node": [device.seal(each).hex() for each in plains],
        "records_to_device": [node.seal(each).hex() for each in plains],
    }


def keyfills() -> list[Vector]:
    chain = begin_chain(start(S384))
    code, encapsulated = entropy("code"), Encapsulated(entropy("ML-KEM secret"), entropy("ciphertext", 64))
    pieces = (("n2", entropy("piece 2")), ("n3", entropy("piece 3")))
    made = []
    for mode in KeyfillMode:
        asks = DeviceKeyfill(chain, "quarantine", entropy("T1"), None, (("firmware", "1.2"),))
        t1 = asks.t1._replace(ek=entropy("public key", 64)) if mode.takes_kem else asks.t1
        grants = NodeKeyfill(
            chain,
            t1,
            stage="quarantine",
            mode=mode,
            workflow="default/1",
            approval=entropy("approval", 48),
            nonce=entropy("T2"),
            encapsulated=encapsulated if mode.takes_kem else None,
            code=code,
            pieces=pieces if mode is KeyfillMode.MULTIPATH else (),
        )
        following = grants._next
        t3 = messages.T3(1, b"")
        t3 = t3._replace(mac=S384.mac(following.key("atk cd"), following.bound(core(t3))))
        after, t4 = grants.on_t3(t3, chain)
        made.append(
            {
                "mode": str(mode),
                "chain": chain_of(chain),
                "encapsulated": (encapsulated.secret if mode.takes_kem else bytes(32)).hex(),
                "code": (code if mode.takes_code else bytes(32)).hex(),
                "pieces": [piece.hex() for _, piece in pieces] if mode is KeyfillMode.MULTIPATH else [],
                "messages": [said(each) for each in (t1, grants.t2, t3, t4)],
                "transcript_digest": following.said.hex(),
                "root": following.root.secret.hex(),
                "chain_after": chain_of(after),
            }
        )
    return made


def pairs() -> list[Vector]:
    """Three agreements of a pair, one after the other: without a pair chain, with it, and over two of three nodes."""
    made = []
    chains: dict[int, PairChain] = {}
    for number, (bits, nodes, suites) in enumerate(
        [(256, NODES, tuple(SUITES)), (128, NODES, (S384.name,)), (2048, NODES[:2], tuple(SUITES))]
    ):
        name = f"agreement {number}"
        limits = Limits(paths=2)
        first = Initiator(
            "alice", "bob", Wanted("tunnel", bits, "AES", "default", 3600), NODES, entropy(f"{name} D1"),
            limits=limits, chains=chains, suites=suites,
        )  # fmt: skip
        second = Responder("bob", first.d1, entropy(f"{name} D2"), limits=limits, chains=chains, nodes=NODES)
        first.on_d2(second.d2)
        shares = {
            node: ShareResponse(
                first.sid, "alice", "bob", entropy(f"{name} {node}", 48), 7, entropy("policy", 48), 600 + number, 50, 0
            )
            for node in nodes
        }
        for side in (first, second):
            for node, share in shares.items():
                side.on_share(node, share)
        mine, d3 = first.derive()
        given = second.on_d3(d3)
        assert isinstance(given, tuple)
        d4: Any = given[1]
        first.on_d4(d4)
        made.append(_pair(first, mine, shares, [first.d1, second.d2, d3, d4, abort(mine, Reason.FAILED)], chains))
        chains = next_chains(chains, mine.chain)
    return made


def _pair(
    first: Initiator, mine: Agreement, shares: dict[str, ShareResponse], said_: list[Any], chains: dict[int, PairChain]
) -> Vector:
    number = max(chains, default=0)
    return {
        "pair_chain": {"number": number, "secret": (chains[number].secret if number else bytes(32)).hex()},
        "encapsulated": bytes(32).hex(),
        "messages": [said(each) for each in said_],
        "share_request": said(first.share_request()),
        "shares": {node: said(share) for node, share in shares.items()},
        "sid": mine.sid.hex(),
        "kid": mine.kid.hex(),
        "key": mine.key.hex(),
        "pair_chain_after": {"number": mine.chain.number, "secret": mine.chain.secret.hex()},
        "lifetime": mine.lifetime,
        "uses": mine.uses,
    }


def groups() -> list[Vector]:
    """A group that is formed, joined and left."""
    parts = tuple(Contribution("plant", 0, entropy(f"part of {member}")) for member in ("bob", "carol"))
    policy, pair_key = entropy("policy", 48), entropy("pair key of alice and bob")
    hidden = (entropy("pair key of alice and bob"), entropy("pair key of alice and dave"))
    formed = group.form(S384, "plant", ("carol", "alice", "bob"), policy, parts, entropy("form", 48))
    joined = group.joined(formed, "dave", policy, entropy("join", 48))
    left = group.without(joined, frozenset({"carol"}), policy, entropy("leave", 48), hidden)
    told = group.seed_message(left)
    iv = entropy("initialization vector", 12)
    return [
        {
            "parts": [said(part) for part in parts],
            "fresh": {name: entropy(name, 48).hex() for name in ("form", "join", "leave")},
            "hidden": plain(hidden),
            "epochs": [_epoch(epoch) for epoch in (formed, joined, left)],
            "pair_key": pair_key.hex(),
            "iv": iv.hex(),
            "told": told.hex(),
            "told_in_pair_box": group.pair_box(S384, pair_key, "plant", "alice", "bob").seal(told, iv).hex(),
            "told_in_rekeying_box": group.rekeying_box(formed).seal(group.seed_message(joined), iv).hex(),
        }
    ]


def _epoch(epoch: group.Epoch) -> Vector:
    return {
        "number": epoch.number,
        "roster": plain(epoch.roster),
        "policy": epoch.policy.hex(),
        "seed": epoch.seed.hex(),
        "digest": epoch.digest.hex(),
        "key": epoch.key.hex(),
        "confirmed": said(group.confirmed(epoch, tuple(group.confirm(epoch, each) for each in epoch.roster))),
    }


def draws() -> list[Vector]:
    """Keys drawn from an agreed key, and from an epoch of a group."""
    kid, seed, number = entropy("seed kid", 16), entropy("seed key"), entropy("number in a group", 16)
    parts = (Contribution("plant", 0, entropy("part of bob")),)
    epoch = group.form(S384, "plant", ("alice", "bob"), entropy("policy", 48), parts, entropy("form", 48))
    pair = [(each, bits, drawing.draw(kid, seed, each, bits)) for each, bits in ((1, 256), (2, 128), (2**63 - 1, 4096))]
    return [
        *[
            {
                "identifier": kid.hex(),
                "seed": seed.hex(),
                "number": each.to_bytes(8, "big").hex(),
                **_drawn(bits, drawn),
            }
            for each, bits, drawn in pair
        ],
        {
            "identifier": epoch.digest.hex(),
            "seed": epoch.seed.hex(),
            "number": number.hex(),
            **_drawn(256, drawing.draw_of_group(epoch, number, 256)),
        },
    ]


def _drawn(bits: int, drawn: drawing.Drawn) -> Vector:
    return {
        "bits": bits,
        "kid": drawn.kid.hex(),
        "key": drawn.key.hex(),
        "unique_identifier": drawing.unique_identifier(drawn.kid),
    }


def told() -> list[Vector]:
    """A notice of each of two devices, its answer, and a refusal."""
    kid, key, iv = entropy("kid", 16), entropy("pair key of alice and bob"), entropy("initialization vector", 12)
    agreement = Agreement(
        bytes(48), kid, "alice", "bob", Wanted("gateway"), key, PairChain(1, bytes(48)), NODES, 0, 0, (), False, False
    )
    made = []
    for asker in ("alice", "bob"):
        question, body, answer = entropy(f"question of {asker}", 16), b"what is told", b"what is answered"
        error = DsccError(Reason.BUSY, "ask again")
        made.append(
            {
                "kid": kid.hex(),
                "key": key.hex(),
                "asker": asker,
                "answerer": "bob" if asker == "alice" else "alice",
                "question": question.hex(),
                "iv": iv.hex(),
                "told": body.hex(),
                "answered": answer.hex(),
                "refused": said(messages.Refused(error.reason.value, error.message)),
                "notice": notices.ask(agreement, asker, question, body, iv).body.hex(),
                "answer": notices.answer(agreement, asker, question, answer, iv).body.hex(),
                "refusal": notices.refuse(agreement, asker, question, error, iv).body.hex(),
            }
        )
    return made


def vectors() -> dict[str, list[Vector]]:
    """All of them."""
    return {
        "enc": encodings(),
        "schedule": schedules(),
        "messages": samples(),
        "registration": registrations(),
        "session": sessions(),
        "keyfill": keyfills(),
        "pair": pairs(),
        "group": groups(),
        "drawing": draws(),
        "notice": told(),
    }


def written() -> str:
    """The file's contents."""
    return json.dumps(vectors(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(written())
