"""Where a refusal is at home: the tag that it is about, and the section of the specification that decides it.

Most messages name the tag themselves, many a section too. What a message leaves out is added to it here, so that every
Result Message (KMIP 2.1 s9.17) names both. A peer of 1.x is shown the text of 1.4, which has all that came before it;
a peer of 2.x that of 2.1.
"""

from __future__ import annotations

import re
from typing import Final

from kmip_server.messages.kinds import name_of
from kmip_server.ttlv.enumerations import Operation
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V2_0, ProtocolVersion

NAMED_TAG: Final = re.compile(r"\b(?:42|54)[0-9A-F]{4}\b")
NAMED_SECTION: Final = re.compile(r"\bs\d+(?:\.\d+)*\b")

MESSAGE: Final = ("7.1", "8.1")
"""The section on request messages, in 1.4 and in 2.1."""
ENCODING: Final = "KMIP 2.1 s10"
"""On how messages are encoded: bytes that cannot be read have no version."""
_OPERATIONS: Final = ("4", "6.1")
"""The section on operations that clients ask for: it stands for an operation that this server does not have."""

SECTIONS: Final[dict[Operation, tuple[str, str]]] = {
    Operation.ACTIVATE: ("4.19", "6.1.1"),
    Operation.ADD_ATTRIBUTE: ("4.14", "6.1.2"),
    Operation.ADJUST_ATTRIBUTE: ("4", "6.1.3"),
    Operation.ARCHIVE: ("4.22", "6.1.4"),
    Operation.CANCEL: ("4.27", "6.1.5"),
    Operation.CHECK: ("4.10", "6.1.7"),
    Operation.CREATE: ("4.1", "6.1.8"),
    Operation.CREATE_KEY_PAIR: ("4.2", "6.1.9"),
    Operation.DECRYPT: ("4.30", "6.1.11"),
    Operation.DELETE_ATTRIBUTE: ("4.16", "6.1.13"),
    Operation.DERIVE_KEY: ("4.6", "6.1.14"),
    Operation.DESTROY: ("4.21", "6.1.15"),
    Operation.DISCOVER_VERSIONS: ("4.26", "6.1.16"),
    Operation.ENCRYPT: ("4.29", "6.1.17"),
    Operation.EXPORT: ("4.40", "6.1.18"),
    Operation.GET: ("4.11", "6.1.19"),
    Operation.GET_ATTRIBUTES: ("4.12", "6.1.20"),
    Operation.GET_ATTRIBUTE_LIST: ("4.13", "6.1.21"),
    Operation.GET_USAGE_ALLOCATION: ("4.18", "6.1.23"),
    Operation.HASH: ("4.37", "6.1.24"),
    Operation.IMPORT: ("4.41", "6.1.25"),
    Operation.LOCATE: ("4.9", "6.1.28"),
    Operation.MAC: ("4.33", "6.1.32"),
    Operation.MAC_VERIFY: ("4.34", "6.1.33"),
    Operation.MODIFY_ATTRIBUTE: ("4.15", "6.1.34"),
    Operation.OBTAIN_LEASE: ("4.17", "6.1.35"),
    Operation.POLL: ("4.28", "6.1.38"),
    Operation.QUERY: ("4.25", "6.1.40"),
    Operation.RECOVER: ("4.23", "6.1.42"),
    Operation.REGISTER: ("4.3", "6.1.43"),
    Operation.REVOKE: ("4.20", "6.1.44"),
    Operation.RE_KEY: ("4.4", "6.1.46"),
    Operation.RE_KEY_KEY_PAIR: ("4.5", "6.1.47"),
    Operation.RNG_RETRIEVE: ("4.35", "6.1.49"),
    Operation.RNG_SEED: ("4.36", "6.1.50"),
    Operation.SET_ATTRIBUTE: ("4", "6.1.51"),
    Operation.SIGN: ("4.31", "6.1.55"),
    Operation.SIGNATURE_VERIFY: ("4.32", "6.1.56"),
}
"""Where each operation of the server is specified, in 1.4 and in 2.1; those that 2.0 added are nowhere in 1.4."""


def cited(message: str, version: ProtocolVersion, operation: Operation | None = None) -> str:
    """The message of a refusal, with what it does not name itself; without an operation, it is of a whole message."""
    missing = []
    if NAMED_TAG.search(message) is None:
        missing.append(name_of(Tag.REQUEST_MESSAGE if operation is None else Tag.OPERATION))
    if NAMED_SECTION.search(message) is None:
        sections = MESSAGE if operation is None else SECTIONS.get(operation, _OPERATIONS)
        missing.append(section(sections, version))
    return f"{message} [{', '.join(missing)}]" if missing else message


def section(sections: tuple[str, str], version: ProtocolVersion) -> str:
    """How the specification that a peer of this version is shown is cited: "KMIP 2.1 s6.1.8"."""
    in_1x, in_2x = sections
    return f"KMIP 1.4 s{in_1x}" if version < V2_0 else f"KMIP 2.1 s{in_2x}"
