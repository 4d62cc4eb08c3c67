"""What the answer has to be: who may do what, in which state, with which Result Reason. Nothing here is the server's.

Written from the policy's description (docs/policy.md), docs/decisions and KMIP 2.1 (s4, s6.1 with its error tables).
An answer is "" for success, or the name of a Result Reason; Locate's is "" or "nothing".
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from authorization.cast import AWAITS, DOCUMENT, OBJECT_OPERATIONS, OWNER, WRAP_ONLY
from authorization.probes import Probe
from authorization.things import DEAD, Thing
from support.reference import decide

SUCCESS, NOTHING = "", "nothing"
_NOT_FOUND = {"ADJUST_ATTRIBUTE": "ITEM_NOT_FOUND", "IMPORT": "PERMISSION_DENIED", "LOCATE": NOTHING}
"""How an object that is not there for the caller is answered, where it is not Object Not Found."""
_DENIED = {"LOCATE": NOTHING}
_BIT: Final = {
    "ENCRYPT": "ENCRYPT", "DECRYPT": "DECRYPT", "SIGN": "SIGN", "SIGNATURE_VERIFY": "VERIFY", "MAC": "MAC_GENERATE",
    "MAC_VERIFY": "MAC_VERIFY", "DERIVE_KEY": "DERIVE_KEY",
}  # fmt: skip
_PROTECTS: Final = frozenset({"ENCRYPT", "SIGN", "MAC", "DERIVE_KEY"})
_USED_TYPES: Final = {
    "ENCRYPT": {"SYMMETRIC_KEY", "PUBLIC_KEY"}, "DECRYPT": {"SYMMETRIC_KEY", "PRIVATE_KEY"},
    "SIGN": {"PRIVATE_KEY"}, "SIGNATURE_VERIFY": {"PUBLIC_KEY", "CERTIFICATE"}, "MAC": {"SYMMETRIC_KEY"},
    "MAC_VERIFY": {"SYMMETRIC_KEY"}, "DERIVE_KEY": {"SYMMETRIC_KEY", "SECRET_DATA"},
}  # fmt: skip
_DERIVES: Final = frozenset({"SYMMETRIC_KEY", "SECRET_DATA", "PUBLIC_KEY", "PRIVATE_KEY"})
_SHARED: Final = {"GET", "LOCATE"}
"""What the operation policy "shared" lets its owner's tenant do with each of them."""


def expected(who: str, probe: Probe, thing: Thing) -> str:
    """The answer to a request of this client about this object of Olga's."""
    operation = probe.operation
    if operation in ("LOCATE", "IMPORT") and not _may_ask(who, operation):
        return "PERMISSION_DENIED"
    if operation == "LOCATE" and who == AWAITS:
        return "PERMISSION_DENIED"
    if not _may(who, operation, thing):
        seen = any(_may(who, other, thing, computes=False) for other in OBJECT_OPERATIONS)
        if operation in _DENIED:
            return _DENIED[operation]
        return "PERMISSION_DENIED" if seen else _NOT_FOUND.get(operation, "OBJECT_NOT_FOUND")
    if who == AWAITS:
        return "PERMISSION_DENIED"
    if operation in ("LOCATE", "IMPORT"):
        return SUCCESS
    if thing.archived and operation != "RECOVER":
        return "OBJECT_ARCHIVED"
    return _of_the_object(who, probe, thing)


def _may_ask(who: str, operation: str) -> bool:
    """Every client may ask the server for this, unless a rule denies it."""
    return decide(_about(who, operation), _request(who, operation, _server(who)))[1] != f"no {operation}"


def expected_of_server(who: str, operation: str) -> str:
    """The answer to a request of this client that names no object."""
    if not _may_ask(who, operation) or who == AWAITS:
        return "PERMISSION_DENIED"
    return "INVALID_ASYNCHRONOUS_CORRELATION_VALUE" if operation in ("POLL", "CANCEL") else SUCCESS


@cache
def _may(who: str, operation: str, thing: Thing, *, computes: bool = True) -> bool:
    """Whether the document allows it, or the tables that are built in, and no rule denies it.

    With `computes`, the object is used as the probe says; otherwise it is only asked what else the caller might do.
    """
    resource = _resource(thing) | (_in_effect(operation, thing) if computes else {})
    allowed, rule = decide(_about(who, operation), _request(who, operation, resource))
    if rule and not allowed:
        return False
    shared = thing.policy == "shared" and operation in _SHARED and _tenant(who) == "acme"
    return allowed or shared or who == OWNER


@cache
def _about(who: str, operation: str) -> dict[str, Any]:
    """The rules that may have to do with them: looking at all of them would take its time."""
    return {
        "rules": [
            rule
            for rule in DOCUMENT["rules"]
            if rule["actions"] in (["*"], [operation])
            and any(one == f"client:{who}" or not one.startswith("client:") for one in rule["subjects"])
        ]
    }


def _tenant(who: str) -> str:
    return str(DOCUMENT["clients"][who]["tenant"])


def _request(who: str, operation: str, resource: dict[str, Any]) -> dict[str, Any]:
    member = DOCUMENT["clients"][who]
    subject = {"kind": "client", "name": who, "groups": [], "roles": [], **member}
    return {
        "subject": subject, "action": operation, "resource": resource, "now": 0, "address": "127.0.0.1", "stage": None,
    }  # fmt: skip


def _in_effect(operation: str, thing: Thing) -> dict[str, str]:
    """With what the probes compute: a mode, which says nothing to keys of RSA, or a hash."""
    if operation in ("ENCRYPT", "DECRYPT"):
        return {} if thing.object_type in ("PUBLIC_KEY", "PRIVATE_KEY") else {"mode": "GCM"}
    return {"hash": "SHA_256"} if operation in _BIT else {}


def _server(who: str) -> dict[str, Any]:
    return _described("SERVER", who, _tenant(who))


def _resource(thing: Thing) -> dict[str, Any]:
    algorithm, length = thing.algorithm
    return _described(thing.object_type, OWNER, "acme") | {
        "operation_policy": thing.policy, "state": thing.state, "uses": thing.uses,
        "groups": ["blue"] if thing.blue else [], "names": ["blue-1" if thing.blue else "red-1"],
        "attributes": {"x-site": ["berlin" if thing.blue else "paris"]}, "algorithm": algorithm, "length": length,
    }  # fmt: skip


def _described(kind: str, owner: str, tenant: str) -> dict[str, Any]:
    return {
        "object_type": kind, "owner": owner, "tenants": [tenant], "operation_policy": "default", "groups": [],
        "names": [], "attributes": {}, "algorithm": None, "length": None, "uses": [], "state": None, "pair": None,
        "mode": "NONE", "padding": "NONE", "hash": "NONE", "mask hash": "NONE", "signature": "NONE",
    }  # fmt: skip


def _of_the_object(who: str, probe: Probe, thing: Thing) -> str:
    """What the object's type, state, mask and protection say of an operation that is allowed."""
    state, operation, kind = thing.state, probe.operation, thing.object_type
    dead = state in DEAD
    if operation in _BIT:
        return _used(who, operation, thing)
    answers: dict[str, list[tuple[bool, str]]] = {
        "GET": [
            (dead, "OBJECT_DESTROYED"), (not thing.extractable, "NOT_EXTRACTABLE"), (thing.sensitive, "SENSITIVE"),
            (who == WRAP_ONLY, "PERMISSION_DENIED"),
        ],
        "EXPORT": [
            (not dead and (not thing.extractable or thing.sensitive or who == WRAP_ONLY), "PERMISSION_DENIED"),
        ],
        "ACTIVATE": [
            (kind == "OPAQUE_OBJECT", "INVALID_OBJECT_TYPE"), (state != "PRE_ACTIVE", "WRONG_KEY_LIFECYCLE_STATE"),
        ],
        "DESTROY": [(dead, "OBJECT_DESTROYED"), (state == "ACTIVE", "WRONG_KEY_LIFECYCLE_STATE")],
        "ARCHIVE": [(dead, "PERMISSION_DENIED")],
        "CHECK": [(dead, "PERMISSION_DENIED"), ("ENCRYPT" not in thing.uses, "INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK")],
        "OBTAIN_LEASE": [(dead or state == "COMPROMISED", "PERMISSION_DENIED")],
        "RE_KEY": [(kind != "SYMMETRIC_KEY", "INVALID_OBJECT_TYPE"), (dead, "PERMISSION_DENIED")],
        # These private keys have no Link to a public key.
        "RE_KEY_KEY_PAIR": [(kind != "PRIVATE_KEY", "INVALID_OBJECT_TYPE"), (True, "PERMISSION_DENIED")],
        "GET_USAGE_ALLOCATION": [
            (not {"ENCRYPT", "SIGN", "MAC_GENERATE", "DERIVE_KEY"} & set(thing.uses), "INVALID_OBJECT_TYPE"),
            (thing.limits is None, "ATTRIBUTE_NOT_FOUND"), (state != "ACTIVE", "PERMISSION_DENIED"),
            ((thing.limits or 0) < 2, "USAGE_LIMIT_EXCEEDED"),
        ],
    }  # fmt: skip
    by_probe: dict[str, list[tuple[bool, str]]] = {
        "REVOKE": [(state != "ACTIVE", "WRONG_KEY_LIFECYCLE_STATE")],
        "REVOKE: compromise": [(state in ("COMPROMISED", "DESTROYED_COMPROMISED"), "WRONG_KEY_LIFECYCLE_STATE")],
        "MODIFY_ATTRIBUTE: Sensitive": [(thing.sensitive, "PERMISSION_DENIED")],
        "SET_ATTRIBUTE: Activation Date": [
            (state != "PRE_ACTIVE", "WRONG_KEY_LIFECYCLE_STATE"),
            (not _may(who, "ACTIVATE", thing), "PERMISSION_DENIED"),
        ],
        "SET_ATTRIBUTE: Deactivation Date": [
            (state not in ("PRE_ACTIVE", "ACTIVE"), "WRONG_KEY_LIFECYCLE_STATE"),
            (not _may(who, "REVOKE", thing), "PERMISSION_DENIED"),
        ],
    }
    rows = by_probe.get(probe.name, answers.get(operation, []))
    return next((reason for applies, reason in rows if applies), SUCCESS)


def _used(who: str, operation: str, thing: Thing) -> str:
    """A use of a key: its type for Derive Key, then its state, its mask, its limits, then its type for the others."""
    protects = operation in _PROTECTS
    if operation == "DERIVE_KEY" and thing.object_type not in _DERIVES:
        return "INVALID_OBJECT_TYPE"
    if thing.state != "ACTIVE" and (protects or thing.state != "DEACTIVATED" or who != OWNER):
        return "WRONG_KEY_LIFECYCLE_STATE"
    if _BIT[operation] not in thing.uses:
        return "INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK"
    if protects and thing.limits is not None and thing.limits < 16:
        return "PERMISSION_DENIED" if operation in ("DERIVE_KEY", "ENCRYPT") else "USAGE_LIMIT_EXCEEDED"
    if thing.object_type not in _USED_TYPES[operation]:
        return "INVALID_OBJECT_TYPE"
    if operation in ("ENCRYPT", "DECRYPT") and thing.object_type != "SYMMETRIC_KEY":
        return "BAD_CRYPTOGRAPHIC_PARAMETERS"  # the request's are those of AES
    # There is one answer for a ciphertext that is none.
    return "CRYPTOGRAPHIC_FAILURE" if operation == "DECRYPT" else SUCCESS
