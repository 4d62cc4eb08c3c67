"""Random policies and requests from a small world, in which rules meet, overlap and contradict one another."""

from __future__ import annotations

import ipaddress
from random import Random
from typing import Any

from policy.decision import Context, Subject, Thing
from policy.documents import DAYS
from policy.model import Who
from policy.parameters import Parameters

ACTIONS = ("GET", "CREATE", "DESTROY", "DSCC_NEGOTIATE")
PATTERNS = (*ACTIONS, "DSCC_*", "*", "G*")
CLIENTS = ("ann", "ben", "cy")
DEVICES = ("d1", "d2")
GROUPS = ("red", "blue")
ROLES = ("auditor", "operator")
TENANTS = ("default", "acme")
TYPES = ("SYMMETRIC_KEY", "PRIVATE_KEY", "PAIR")
POLICIES = ("default", "team")
STATES = ("ACTIVE", "PRE_ACTIVE", "DEACTIVATED")
NAMES = ("disk-1", "disk-2", "web")
NAME_PATTERNS = ("disk-*", "web", "?eb", "*")
USES = ("ENCRYPT", "DECRYPT", "SIGN")
ALGORITHMS = ("AES", "RSA")
LENGTHS = (128, 256, 2048)
MODES = ("GCM", "ECB", "NONE")
PADDINGS = ("PSS", "PKCS1_V1_5", "NONE")
HASHES = ("SHA_1", "SHA_384", "NONE")
SIGNATURES = ("RSASSA_PSS", "ECDSA_WITH_SHA384", "NONE")
STAGES = ("bootstrap", "quarantine", "production", "revoked")
NETWORKS = ("10.0.0.0/8", "10.1.0.0/16", "::1/128", "0.0.0.0/0")
ADDRESSES = ("10.1.2.3", "192.0.2.9", "::1")
MOMENTS = (0, 59, 60, 28_799, 28_800, 43_199, 43_200, 64_799, 64_800, 86_339, 86_340)
"""Seconds of the day about which hours begin and end."""
HOURS = ("08:00-18:00", "18:00-08:00", "00:00-12:00", "23:59-00:01")


def document(random: Random) -> dict[str, Any]:
    """A policy document of up to five rules."""
    rules = [_rule(random, number) for number in range(random.randint(1, 5))]
    return {"tenants": {"acme": "another tenant"}, "rules": rules}


def _some(random: Random, values: tuple[Any, ...], least: int = 1) -> list[Any]:
    return random.sample(values, random.randint(least, len(values)))


def _selector(random: Random) -> str:
    kinds = {"client": CLIENTS, "device": DEVICES, "group": GROUPS, "role": ROLES, "tenant": TENANTS}
    who = random.choice((*kinds, "anyone"))
    return who if who == "anyone" else f"{who}:{random.choice(kinds[who])}"


def _selectors(random: Random, most: int) -> list[str]:
    return [_selector(random) for _ in range(random.randint(1, most))]


def _rule(random: Random, number: int) -> dict[str, Any]:
    effect = random.choice(("allow", "allow", "deny", "require"))
    rule: dict[str, Any] = {
        "name": f"rule {number}",
        "effect": effect,
        "subjects": _selectors(random, 3),
        "actions": _some(random, PATTERNS)[:2],
    }
    if random.random() < 0.3:
        rule["exempt"] = _selectors(random, 2)
    if random.random() < 0.7:
        rule["resource"] = _match(random)
    if random.random() < 0.3:
        rule["unless"] = [_match(random) for _ in range(random.randint(1, 2))]
    if random.random() < 0.3:
        rule["when"] = _when(random)
    if effect == "require":
        rule["require"] = random.choice(
            [{"wrap": True}, {"cryptoperiod": "2d", "wrap": True}, {"usage_limit": 7}, {"cryptoperiod": "36h"}]
        )
    return rule


def _match(random: Random) -> dict[str, Any]:
    fields = {
        "object_types": lambda: _some(random, TYPES),
        "operation_policies": lambda: _some(random, POLICIES),
        "own": lambda: random.random() < 0.7,
        "owners": lambda: _some(random, CLIENTS),
        "tenants": lambda: _some(random, TENANTS),
        "groups": lambda: _some(random, GROUPS),
        "names": lambda: _some(random, NAME_PATTERNS),
        "attributes": lambda: {"x-site": random.choice("ab")},
        "algorithms": lambda: {name: _some(random, LENGTHS, 0) for name in _some(random, ALGORITHMS)},
        "uses": lambda: _some(random, USES),
        "states": lambda: _some(random, STATES),
        "pair": lambda: [_selector(random), _selector(random)],
        "block_modes": lambda: _some(random, MODES),
        "paddings": lambda: _some(random, PADDINGS),
        "hashes": lambda: _some(random, HASHES),
        "mask_hashes": lambda: _some(random, HASHES),
        "signatures": lambda: _some(random, SIGNATURES),
    }
    return {name: fields[name]() for name in random.sample(sorted(fields), random.randint(1, 3))}


def _when(random: Random) -> dict[str, Any]:
    fields = {
        "days": lambda: _some(random, DAYS)[:3],
        "hours": lambda: random.choice(HOURS),
        "networks": lambda: _some(random, NETWORKS)[:2],
        "stages": lambda: _some(random, STAGES),
    }
    return {name: fields[name]() for name in random.sample(sorted(fields), random.randint(1, 2))}


def request(random: Random) -> dict[str, Any]:
    """A request, as the reference takes it."""
    pair = random.random() < 0.4
    return {
        "subject": _subject(random, random.choice((*CLIENTS, *DEVICES))),
        "action": random.choice(ACTIONS),
        "resource": {
            "object_type": random.choice(TYPES),
            "owner": random.choice(CLIENTS),
            "tenants": [random.choice(TENANTS)],
            "operation_policy": random.choice(POLICIES),
            "groups": _some(random, GROUPS, 0),
            "names": _some(random, NAMES, 0),
            "attributes": {"x-site": _some(random, ("a", "b"), 0)},
            "algorithm": random.choice((*ALGORITHMS, None)),
            "length": random.choice((*LENGTHS, None)),
            "uses": _some(random, USES, 0),
            "state": random.choice((*STATES, None)),
            "pair": [_subject(random, device) for device in DEVICES] if pair else None,
            "mode": random.choice(MODES),
            "padding": random.choice(PADDINGS),
            "hash": random.choice(HASHES),
            "mask hash": random.choice(HASHES),
            "signature": random.choice(SIGNATURES),
        },
        "now": 86_400 * random.randrange(20_000, 20_014) + random.choice(MOMENTS),
        "address": random.choice((*ADDRESSES, None)),
        "stage": random.choice((*STAGES, None)),
    }


def _subject(random: Random, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "device" if name in DEVICES else "client",
        "groups": _some(random, GROUPS, 0),
        "roles": _some(random, ROLES, 0),
        "tenant": random.choice(TENANTS),
    }


def arguments(asked: dict[str, Any]) -> tuple[Subject, str, Thing, Context]:
    """The same request as the decision takes it."""
    resource = asked["resource"]
    thing = Thing(
        resource["object_type"],
        resource["owner"],
        frozenset(resource["tenants"]),
        resource["operation_policy"],
        frozenset(resource["groups"]),
        frozenset(resource["names"]),
        {name: frozenset(values) for name, values in resource["attributes"].items()},
        resource["algorithm"],
        resource["length"],
        frozenset(resource["uses"]),
        resource["state"],
        None if resource["pair"] is None else (subject(resource["pair"][0]), subject(resource["pair"][1])),
        Parameters(*(resource[name] for name in ("mode", "padding", "hash", "mask hash", "signature"))),
    )
    address = None if asked["address"] is None else ipaddress.ip_address(asked["address"])
    return subject(asked["subject"]), asked["action"], thing, Context(asked["now"], address, asked["stage"])


def subject(known: dict[str, Any]) -> Subject:
    """A subject as the decision takes it."""
    groups, roles = frozenset(known["groups"]), frozenset(known["roles"])
    return Subject(known["name"], groups, roles, known["tenant"], Who(known["kind"]))
