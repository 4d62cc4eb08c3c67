"""What the decision on one request costs: who asks, the rules, and the answer, as the server goes through them.

A policy of 50 clients in ten groups and three tenants, with the template "strict" and 20 rules of every kind, decides
on rows as the storage gives them. Measured in this process, in processor time, the best of many rounds: other
programs can only add to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Final, NamedTuple

import tomli_w

from kmip_server.messages.structures import Name
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.operations.resource import ObjectResource, server_itself
from kmip_server.storage.port import ObjectRow
from kmip_server.ttlv.enumerations import CryptographicAlgorithm, NameType, ObjectType, State
from kmip_server.ttlv.tags import Tag
from policy.actions import OBJECT_OPERATIONS
from policy.compiling import Ruling
from policy.decision import allows_any, decide, restrict
from policy.documents import read_document
from policy.model import Who

GOAL_US: Final = 20
CLIENTS, RULES, GROUPS = 50, 20, 10
NOW: Final = 1_764_000_000
"""A Monday, 16:00 UTC."""
_ADDRESS: Final = IPv4Address("10.1.2.3")
_ANYTHING: Final = frozenset(OBJECT_OPERATIONS)
_LOOPS: Final = 200


class Question(NamedTuple):
    """A row of the table: what is asked, and the microseconds that its decision takes."""

    title: str
    microseconds: float


def _document() -> str:
    readers = ["GET", "GET_ATTRIBUTES", "LOCATE", "ENCRYPT", "DECRYPT"]
    keys = {"object_types": ["SYMMETRIC_KEY"]}
    shares = [
        {
            "name": f"group {number} shares its keys",
            "effect": "allow",
            "subjects": [f"group:g{number}"],
            "actions": readers,
            "resource": keys | {"groups": [f"shared-{number}"]},
        }
        for number in range(GROUPS)
    ]
    others = [
        {"effect": "deny", "actions": ["DESTROY", "REVOKE"], "when": {"hours": "20:00-06:00"}},
        {"effect": "deny", "actions": ["GET", "EXPORT"], "resource": {"names": ["root-*"]}},
        {"effect": "deny", "actions": ["*"], "subjects": ["group:g9"], "when": {"networks": ["192.0.2.0/24"]}},
        {"effect": "deny", "actions": ["CREATE", "REGISTER"], "resource": {"algorithms": {"AES": [128], "DES3": []}}},
        {"effect": "deny", "actions": ["GET"], "subjects": ["group:g8"], "resource": {"states": ["COMPROMISED"]}},
        {"effect": "allow", "actions": ["GET_ATTRIBUTES", "LOCATE"], "subjects": ["role:auditor"]},
        {"effect": "allow", "actions": ["REVOKE"], "subjects": ["role:operator"], "resource": keys},
        {"effect": "allow", "actions": readers, "subjects": ["tenant:t1"], "resource": {"tenants": ["t2"]}},
        {"effect": "require", "actions": ["CREATE"], "subjects": ["group:g7"], "require": {"usage_limit": 1000}},
        {"effect": "require", "actions": ["EXPORT"], "require": {"wrap": True}, "resource": {"uses": ["SIGN"]}},
    ]
    rules = [*shares, *({"name": f"rule {n}", "subjects": ["anyone"]} | rule for n, rule in enumerate(others))]
    assert len(rules) == RULES
    clients = {
        f"c{number}": {"groups": [f"g{number % GROUPS}"], "tenant": ("default", "t1", "t2")[number % 3]}
        for number in range(CLIENTS)
    }
    document = {"templates": ["strict"], "tenants": {"t1": "one", "t2": "another"}, "clients": clients, "rules": rules}
    return tomli_w.dumps(document)


def _row(owner: str, group: str) -> ObjectRow:
    """An Active key of AES in the storage."""
    values = [
        AttributeValue(Tag.UNIQUE_IDENTIFIER, "01a20908-b04c-7977-a339-03402aa6dd4c"),
        AttributeValue(Tag.OBJECT_TYPE, ObjectType.SYMMETRIC_KEY),
        AttributeValue(Tag.STATE, State.ACTIVE),
        AttributeValue(Tag.NAME, Name(name_value="tape-7", name_type=NameType.UNINTERPRETED_TEXT_STRING)),
        AttributeValue(Tag.OBJECT_GROUP, group),
    ]
    return ObjectRow(
        unique_identifier="01a20908-b04c-7977-a339-03402aa6dd4c",
        owner=owner,
        object_type=ObjectType.SYMMETRIC_KEY,
        state=State.ACTIVE,
        attributes=AttributeSet.of(values).to_bytes(),
        operation_policy="default",
        cryptographic_algorithm=CryptographicAlgorithm.AES,
        cryptographic_length=256,
        cryptographic_usage_mask=12,
    )


def decisions() -> list[Question]:
    """What each kind of question costs."""
    ruling = Ruling(read_document(_document(), "the benchmark's policy"))
    own, shared, foreign = _row("c13", "tapes"), _row("c43", "shared-3"), _row("c43", "tapes")

    def ask(action: str, row: ObjectRow) -> bool:
        subject = ruling.subject(Who.CLIENT, "c13")
        context = ruling.context(subject, NOW, _ADDRESS)
        return decide(ruling.rules, subject, action, ObjectResource(ruling, row, NOW), context).allowed

    def create() -> bool:
        subject = ruling.subject(Who.CLIENT, "c13")
        context = ruling.context(subject, NOW, _ADDRESS)
        allowed = decide(ruling.rules, subject, "CREATE", server_itself(subject), context).allowed
        return allowed and restrict(ruling.rules, subject, "CREATE", ObjectResource(ruling, own, NOW), context).allowed

    def look_for_anything() -> bool:
        subject = ruling.subject(Who.CLIENT, "c13")
        context = ruling.context(subject, NOW, _ADDRESS)
        resource = ObjectResource(ruling, foreign, NOW)
        allowed = decide(ruling.rules, subject, "GET", resource, context).allowed
        return allowed or allows_any(ruling.rules, subject, _ANYTHING, resource, context)

    questions: dict[str, tuple[Callable[[], bool], bool]] = {
        "Get of one's own key": (lambda: ask("GET", own), True),
        "Get of a key that a group shares": (lambda: ask("GET", shared), True),
        "Encrypt with one's own key": (lambda: ask("ENCRYPT", own), True),
        "Get of a foreign key, which is not there for the client": (look_for_anything, False),
        "Create, before and after it is known what is made": (create, True),
    }
    found = []
    for title, (question, expected) in questions.items():
        assert question() is expected, title
        found.append(Question(title, _microseconds(question)))
    return found


def _microseconds(question: Callable[[], bool], rounds: int = 40) -> float:
    best = float("inf")
    for _ in range(rounds):
        start = time.thread_time_ns()
        for _ in range(_LOOPS):
            question()
        best = min(best, (time.thread_time_ns() - start) / _LOOPS / 1000)
    return best
