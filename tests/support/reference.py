"""A second decision, slow and plain, that shares no code with the first: it reads the document, not the model.

It is written from the description of the policy's format (docs/policy.md) and looks at every rule for every request.
"""

from __future__ import annotations

import datetime
import fnmatch
import ipaddress
from typing import Any

PARAMETERS = {
    "block_modes": "mode",
    "paddings": "padding",
    "hashes": "hash",
    "mask_hashes": "mask hash",
    "signatures": "signature",
}
"""Which parameter in effect a field names."""

Request = dict[str, Any]
"""subject {kind name groups roles tenant}, action, resource {...}, now, address, stage."""


def decide(document: dict[str, Any], request: Request) -> tuple[bool, str]:
    """Whether it is allowed, and the name of the rule that says so; "" if no rule does."""
    rules = [rule for rule in document.get("rules", []) if _applies(rule, request)]
    denying = [rule["name"] for rule in rules if rule["effect"] == "deny"]
    allowing = [rule["name"] for rule in rules if rule["effect"] == "allow" and _reaches(rule, request)]
    if denying:
        return False, denying[0]
    return (True, allowing[0]) if allowing else (False, "")


def _reaches(rule: dict[str, Any], request: Request) -> bool:
    """In quarantine, and when it is revoked, a device has what a rule gives it by naming that."""
    held = [stage for stage in ("quarantine", "revoked") if request["stage"] == stage]
    return all(stage in rule.get("when", {}).get("stages", []) for stage in held)


def required(document: dict[str, Any], request: Request) -> dict[str, Any]:
    """What is required of what is allowed: the strictest of all that the rules ask."""
    asked = [
        rule["require"] for rule in document.get("rules", []) if rule["effect"] == "require" and _applies(rule, request)
    ]
    periods = [one["cryptoperiod"] for one in asked if "cryptoperiod" in one]
    limits = [one["usage_limit"] for one in asked if "usage_limit" in one]
    return {
        "wrap": any(one.get("wrap") for one in asked),
        "cryptoperiod": min(map(_seconds, periods)) if periods else None,
        "usage_limit": min(limits) if limits else None,
    }


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 60 * 60, "d": 24 * 60 * 60, "w": 7 * 24 * 60 * 60}[duration[-1]]


def _applies(rule: dict[str, Any], request: Request) -> bool:
    subject, resource = request["subject"], request["resource"]
    if not any(fnmatch.fnmatchcase(request["action"], pattern) for pattern in rule["actions"]):
        return False
    if not any(_is(subject, selector) for selector in rule["subjects"]):
        return False
    if any(_is(subject, selector) for selector in rule.get("exempt", [])):
        return False
    wanted = rule.get("resource", {})
    if not _like(subject, resource, wanted):
        return False
    if rule["effect"] == "allow":
        reachable = wanted.get("tenants") or [subject["tenant"]]
        if any(tenant not in reachable for tenant in resource["tenants"]):
            return False
    elif wanted.get("tenants") and not any(tenant in wanted["tenants"] for tenant in resource["tenants"]):
        return False
    for exception in rule.get("unless", []):
        tenants = exception.get("tenants")
        if _like(subject, resource, exception) and not (
            tenants and any(tenant not in tenants for tenant in resource["tenants"])
        ):
            return False
    return _now(rule.get("when", {}), request)


def _is(subject: dict[str, Any], selector: str) -> bool:
    if selector == "anyone":
        return True
    who, name = selector.split(":", 1)
    if who == "group":
        return name in subject["groups"]
    if who == "role":
        return name in subject["roles"]
    if who == "tenant":
        return bool(name == subject["tenant"])
    return bool(who == subject["kind"] and name == subject["name"])


def _like(subject: dict[str, Any], resource: dict[str, Any], wanted: dict[str, Any]) -> bool:
    for field, value in wanted.items():
        if field == "object_types" and value and resource["object_type"] not in value:
            return False
        if field == "operation_policies" and value and resource["operation_policy"] not in value:
            return False
        if field == "owners" and value and resource["owner"] not in value:
            return False
        if field == "states" and value and resource["state"] not in value:
            return False
        if field in PARAMETERS and value and resource[PARAMETERS[field]] not in value:
            return False
        if field == "own" and value and subject["name"] != resource["owner"]:
            return False
        if field == "groups" and value and not set(value) & set(resource["groups"]):
            return False
        if field == "uses" and value and set(resource["uses"]) - set(value):
            return False
        if (
            field == "names"
            and value
            and not any(fnmatch.fnmatchcase(name, pattern) for name in resource["names"] for pattern in value)
        ):
            return False
        if field == "attributes":
            for name, expected in value.items():
                if expected not in resource["attributes"].get(name, []):
                    return False
        if field == "algorithms" and value:
            if resource["algorithm"] not in value:
                return False
            lengths = value[resource["algorithm"]]
            if lengths and resource["length"] not in lengths:
                return False
        if field == "pair" and value:
            if resource["pair"] is None:
                return False
            one, other = resource["pair"]
            straight = _is(one, value[0]) and _is(other, value[1])
            crossed = _is(one, value[1]) and _is(other, value[0])
            if not straight and not crossed:
                return False
    return True


def _now(when: dict[str, Any], request: Request) -> bool:
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=request["now"])
    if when.get("days") and moment.strftime("%a").lower() not in when["days"]:
        return False
    if when.get("hours"):
        start, end = when["hours"].split("-")
        clock = moment.strftime("%H:%M")
        inside = start <= clock < end if start < end else clock >= start or clock < end
        if not inside:
            return False
    if when.get("networks") and not (
        request["address"] is not None
        and any(ipaddress.ip_address(request["address"]) in ipaddress.ip_network(each) for each in when["networks"])
    ):
        return False
    return not when.get("stages") or request["stage"] in when["stages"]
