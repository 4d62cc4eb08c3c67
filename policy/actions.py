"""Everything that a rule may allow or deny, by name: KMIP's operations, the acts of DSCC, the acts of administrators.

KMIP's operations have the names of the standard's constants ("GET_ATTRIBUTES"); the others say whose they are.
"""

from __future__ import annotations

import difflib
from fnmatch import fnmatchcase
from typing import Final

OBJECT_OPERATIONS: Final = (
    "RE_KEY",
    "RE_KEY_KEY_PAIR",
    "DERIVE_KEY",
    "CERTIFY",
    "RE_CERTIFY",
    "LOCATE",
    "CHECK",
    "GET",
    "GET_ATTRIBUTES",
    "GET_ATTRIBUTE_LIST",
    "ADD_ATTRIBUTE",
    "MODIFY_ATTRIBUTE",
    "DELETE_ATTRIBUTE",
    "SET_ATTRIBUTE",
    "ADJUST_ATTRIBUTE",
    "OBTAIN_LEASE",
    "GET_USAGE_ALLOCATION",
    "ACTIVATE",
    "REVOKE",
    "DESTROY",
    "ARCHIVE",
    "RECOVER",
    "VALIDATE",
    "ENCRYPT",
    "DECRYPT",
    "SIGN",
    "SIGNATURE_VERIFY",
    "MAC",
    "MAC_VERIFY",
    "CREATE_SPLIT_KEY",
    "JOIN_SPLIT_KEY",
    "IMPORT",
    "EXPORT",
)
"""What is done to an object that exists. Import is here for Replace Existing, Locate for each object it would name."""

CLIENT_OPERATIONS: Final = (
    "CREATE",
    "CREATE_KEY_PAIR",
    "REGISTER",
    "IMPORT",
    "CREATE_SPLIT_KEY",
    "LOCATE",
    "QUERY",
    "DISCOVER_VERSIONS",
    "POLL",
    "CANCEL",
    "HASH",
    "RNG_RETRIEVE",
    "RNG_SEED",
    "PING",
)
"""What every client may ask the server, about no object or about one that it is about to own (KMIP 1.4 s3.18.1)."""

RESERVED_OPERATIONS: Final = (
    "NOTIFY",
    "PUT",
    "LOG",
    "LOGIN",
    "LOGOUT",
    "DELEGATED_LOGIN",
    "SET_ENDPOINT_ROLE",
    "PKCS11",
    "INTEROP",
    "RE_PROVISION",
    "SET_DEFAULTS",
    "SET_CONSTRAINTS",
    "GET_CONSTRAINTS",
    "QUERY_ASYNCHRONOUS_REQUESTS",
    "PROCESS",
)
"""What the server sends itself, or what changes more than the caller's own objects."""

OPERATIONS: Final = frozenset(OBJECT_OPERATIONS + CLIENT_OPERATIONS + RESERVED_OPERATIONS)
"""Every operation of KMIP."""

DSCC_ACTIONS: Final = (
    "DSCC_ENROL",
    "DSCC_ADVANCE_STAGE",
    "DSCC_NEGOTIATE",
    "DSCC_TUNNEL",
    "DSCC_GROUP_FORM",
    "DSCC_GROUP_JOIN",
    "DSCC_GROUP_LEAVE",
    "DSCC_ROUTE",
    "DSCC_REVOKE",
)
"""What devices do on the nodes: enrol, take the next stage, form keys, tunnels and groups, be routed, be revoked."""

ADMINISTRATION: Final = (
    "ADMIN_POLICY_READ",
    "ADMIN_POLICY_CHANGE",
    "ADMIN_USER_CHANGE",
    "ADMIN_CLIENT_CHANGE",
    "ADMIN_CLIENT_REVOKE",
    "ADMIN_DEVICE_CHANGE",
    "ADMIN_DEVICE_REVOKE",
    "ADMIN_APPROVE",
    "ADMIN_AUDIT_READ",
    "ADMIN_USAGE_READ",
    "ADMIN_BACKUP",
    "ADMIN_MAINTENANCE",
)
"""What administrators do. Maintenance is what keeps the installation going: upgrade, take over, check, send again."""

ACTIONS: Final = OPERATIONS | frozenset(DSCC_ACTIONS + ADMINISTRATION)
"""All actions there are: what is not among them is never allowed."""


def action_named(title: str) -> str:
    """The action that a title of the standard or of an audit record would be: "Re-key Key Pair", RE_KEY_KEY_PAIR."""
    return title.upper().replace("-", "_").replace(" ", "_")


def matching(pattern: str) -> frozenset[str]:
    """The actions that a name or a pattern ("DSCC_*", "*") stands for. Raises ValueError if there is none."""
    found = frozenset(action for action in ACTIONS if fnmatchcase(action, pattern))
    if not found:
        near = difflib.get_close_matches(action_named(pattern), sorted(ACTIONS), n=1)
        raise ValueError(f"{pattern!r} is no action" + (f"; did you mean {near[0]}?" if near else ""))
    return found
