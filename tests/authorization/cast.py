"""Who asks, and the policy document that says what each of them may do. Data alone: what follows from it is elsewhere.

Every client has one thing about it: a grant for one operation, a denial of one, another tenant, a rule with one
condition. The owner of the objects is Olga of the tenant acme.
"""

from __future__ import annotations

from typing import Any, Final

OWNER: Final = "olga"
WRAP_ONLY, AWAITS, REACHES, FOREIGN, BOUNDED = "wrap-only", "awaits", "reaches", "foreign", "bounded"

KINDS: Final = ("SYMMETRIC_KEY", "SECRET_DATA", "OPAQUE_OBJECT", "PUBLIC_KEY", "PRIVATE_KEY", "CERTIFICATE")

OBJECT_OPERATIONS: Final = (
    "RE_KEY", "RE_KEY_KEY_PAIR", "DERIVE_KEY", "LOCATE", "CHECK", "GET", "GET_ATTRIBUTES", "GET_ATTRIBUTE_LIST",
    "ADD_ATTRIBUTE", "MODIFY_ATTRIBUTE", "DELETE_ATTRIBUTE", "SET_ATTRIBUTE", "ADJUST_ATTRIBUTE", "OBTAIN_LEASE",
    "GET_USAGE_ALLOCATION", "ACTIVATE", "REVOKE", "DESTROY", "ARCHIVE", "RECOVER", "ENCRYPT", "DECRYPT", "SIGN",
    "SIGNATURE_VERIFY", "MAC", "MAC_VERIFY", "IMPORT", "EXPORT",
)  # fmt: skip
"""What is asked about an object that exists."""

SERVER_OPERATIONS: Final = (
    "CREATE", "CREATE_KEY_PAIR", "REGISTER", "QUERY", "DISCOVER_VERSIONS", "POLL", "CANCEL", "HASH", "RNG_RETRIEVE",
    "RNG_SEED", "PING",
)  # fmt: skip
"""What is asked of the server itself."""

CONDITIONS: Final[dict[str, dict[str, Any]]] = {
    "own": {"resource": {"own": True}},
    "owners": {"resource": {"owners": [OWNER]}},
    "other-owners": {"resource": {"owners": ["oscar"]}},
    "object-types": {"resource": {"object_types": ["SYMMETRIC_KEY", "CERTIFICATE"]}},
    "states": {"resource": {"states": ["PRE_ACTIVE", "DESTROYED"]}},
    "groups": {"resource": {"groups": ["blue"]}},
    "uses": {"resource": {"uses": ["VERIFY", "DECRYPT", "ENCRYPT"]}},
    "algorithms": {"resource": {"algorithms": {"AES": [256]}}},
    "lengths": {"resource": {"algorithms": {"AES": [128], "RSA": [2048]}}},
    "names": {"resource": {"names": ["blue-*"]}},
    "attributes": {"resource": {"attributes": {"x-site": "berlin"}}},
    "operation-policies": {"resource": {"operation_policies": ["public"]}},
    "modes": {"resource": {"block_modes": ["GCM"]}},
    "hashes": {"resource": {"hashes": ["NONE"]}},
    "tenants": {"resource": {"tenants": ["other"]}},
    "unless": {"unless": [{"states": ["ACTIVE"]}, {"object_types": ["SECRET_DATA"]}]},
    "unless-tenants": {"unless": [{"tenants": ["acme"], "groups": ["blue"]}]},
    "unless-elsewhere": {"unless": [{"tenants": ["other"]}]},
    "near": {"when": {"networks": ["127.0.0.0/8"]}},
    "far": {"when": {"networks": ["192.0.2.0/24"]}},
    "never": {"when": {"stages": ["production"]}},
}
"""A rule about everything, but for one condition; the name is the client's whose rule it is."""

SELECTED: Final[dict[str, dict[str, Any]]] = {
    "by-group": {"subjects": ["group:readers"]},
    "by-role": {"subjects": ["role:auditor"]},
    "by-tenant": {"subjects": ["tenant:visitors"]},
}
"""Rules that name their subject otherwise than by its name."""

ONE_APPROVES: Final = {"needed": 1, "roles": ["security officer"], "within": "1d"}

MOST_USES: Final = 5
"""What a key of the client with bounds may be used for, and that is a day."""

ROLES: Final = {"adam": "administrator", "sofia": "security officer", "oliver": "operator"}
"""Clients in the roles of administrators, to whom keys are nobody's but their owner's."""


def may(operation: str) -> str:
    """The client that may do this and nothing else."""
    return f"may-{operation}"


def not_(operation: str) -> str:
    """The client that may do everything but this, which a rule denies."""
    return f"not-{operation}"


def _everything(name: str, client: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "effect": "allow", "subjects": [f"client:{client}"], "actions": ["*"], **more}


DENIED: Final = tuple(not_(each) for each in OBJECT_OPERATIONS + SERVER_OPERATIONS)

_MEMBERS: Final[dict[str, dict[str, Any]]] = {
    **{name: {"tenant": "acme"} for name in (OWNER, "oscar", "nemo", WRAP_ONLY, AWAITS, BOUNDED)},
    **{name: {"tenant": "acme"} for name in ("denied-at-times", "denied-elsewhere")},
    **{name: {"tenant": "acme"} for name in (*CONDITIONS, *DENIED, *(may(each) for each in OBJECT_OPERATIONS))},
    **{name: {"tenant": "acme", "roles": [role]} for name, role in ROLES.items()},
    "by-group": {"tenant": "acme", "groups": ["readers"]},
    "exempt": {"tenant": "acme", "groups": ["readers"]},
    "by-role": {"tenant": "acme", "roles": ["auditor"]},
    "by-tenant": {"tenant": "visitors"},
    FOREIGN: {"tenant": "other"},
    REACHES: {"tenant": "other"},
}

CLIENTS: Final = tuple(_MEMBERS)

DOCUMENT: Final[dict[str, Any]] = {
    "tenants": {"acme": "whose objects they are", "other": "another one", "visitors": "let in by a rule"},
    "clients": _MEMBERS,
    "operation_policies": {
        "shared": {
            "preset": {
                kind: dict.fromkeys(OBJECT_OPERATIONS, "ALLOW_OWNER") | {"GET": "ALLOW_ALL", "LOCATE": "ALLOW_ALL"}
                for kind in KINDS
            }
        }
    },
    "rules": [
        *(_everything(f"only {each}", may(each)) | {"actions": [each]} for each in OBJECT_OPERATIONS),
        _everything("all but one", "") | {"subjects": [f"client:{name}" for name in DENIED]},
        *(
            _everything(f"no {each}", not_(each)) | {"effect": "deny", "actions": [each]}
            for each in OBJECT_OPERATIONS + SERVER_OPERATIONS
        ),
        *(_everything(f"condition {name}", name, **condition) for name, condition in CONDITIONS.items()),
        *(
            {"name": f"selected {name}", "effect": "allow", "actions": ["*"], "exempt": ["client:exempt"], **rule}
            | ({"resource": {"tenants": ["acme"]}} if name == "by-tenant" else {})
            for name, rule in SELECTED.items()
        ),
        _everything("in its own tenant", FOREIGN),
        _everything("in the tenant acme", REACHES, resource={"tenants": ["acme"]}),
        _everything("all, and wrapped", WRAP_ONLY),
        _everything("it leaves wrapped", WRAP_ONLY) | {"effect": "require", "require": {"wrap": True}},
        _everything("all, once approved", AWAITS),
        _everything("approvals", AWAITS)
        | {"effect": "require", "require": {"approvals": [ONE_APPROVES]}},
        _everything("all, at times", "denied-at-times"),
        _everything("not in acme's blue group", "denied-at-times", resource={"tenants": ["acme"], "groups": ["blue"]})
        | {"effect": "deny"},
        _everything("all, elsewhere", "denied-elsewhere"),
        _everything("not in the other tenant", "denied-elsewhere", resource={"tenants": ["other"]})
        | {"effect": "deny"},
        _everything("bounds", BOUNDED)
        | {"effect": "require", "require": {"cryptoperiod": "1d", "usage_limit": MOST_USES}},
        _everything("no AES-128", BOUNDED, resource={"algorithms": {"AES": [128]}}) | {"effect": "deny"},
    ],
}  # fmt: skip
