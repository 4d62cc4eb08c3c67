"""Which keys are negotiated, and who owns those that arrive: against a model that reads the rules as people do."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.compiling import Ruling
from policy.decision import Subject, Thing
from policy.model import HYBRIDS, PURPOSES, Arrival, Match, Policy, Selector, Sharing, Use, Who
from policy.sharing import (
    Asked,
    Refused,
    choose,
    compile_arrivals,
    compile_sharing,
    is_name,
    owner_of,
    paths_of,
)

NONE: frozenset[str] = frozenset()
CLIENTS, PEERS, GROUPS = ("ann", "ben"), ("site-b", "site-c"), ("sites", "rest")
KEYS = tuple(
    Thing("SYMMETRIC_KEY", names=frozenset(names), groups=frozenset(groups))
    for names in ((), ("disk-1",), ("web",))
    for groups in ((), ("red",), ("red", "blue"), ("blue-[1]",))
)
MATCHES = (
    Match(),
    Match(names=("disk-*",)),
    *[Match(groups=frozenset(groups)) for groups in (("red",), ("green", "b*"), ("blue-[1]",), ("blue-??", "x"))],
    Match(object_types=frozenset({"PAIR"})),
)
SELECTORS = (Selector(Who.ANYONE), *(Selector(Who.CLIENT, name) for name in CLIENTS), Selector(Who.GROUP, "arrays"))


def _maybe(values: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.sampled_from(("", *values))


@st.composite
def sharing_rules(draw: st.DrawFn) -> Sharing:
    whom = draw(st.sampled_from([{"peer": peer} for peer in PEERS] + [{"group": group} for group in GROUPS]))
    return Sharing(
        name="rule",
        subjects=draw(st.lists(st.sampled_from(SELECTORS), min_size=1, max_size=2).map(tuple)),
        exempt=draw(st.lists(st.sampled_from(SELECTORS[1:]), max_size=1).map(tuple)),
        resource=draw(st.sampled_from(MATCHES)),
        use=draw(st.sampled_from(Use)),
        purpose=draw(st.sampled_from(PURPOSES[:2])),
        hybrid=draw(_maybe(HYBRIDS)),
        paths=draw(_maybe(("2/3",))),
        **whom,
    )


ASKED = st.builds(
    Asked,
    peer=st.none() | st.sampled_from(PEERS),
    group=st.none() | st.sampled_from(GROUPS),
    purpose=st.none() | st.sampled_from(PURPOSES[:3]),
    policy=st.none() | st.just("gold"),
    paths=st.none() | st.sampled_from(("2/3", "3/3")),
    hybrid=st.none() | st.sampled_from(HYBRIDS),
)
SUBJECTS = st.sampled_from([Subject(name, groups) for name in CLIENTS for groups in (NONE, frozenset({"arrays"}))])


def is_like(match: Match, key: Thing) -> bool:
    named = not match.names or any(fnmatchcase(name, pattern) for name in key.names for pattern in match.names)
    grouped = not match.groups or any(
        group == known or fnmatchcase(group, known) for group in key.groups for known in match.groups
    )
    return named and grouped and (not match.object_types or key.object_type in match.object_types)


def is_about(rule: Sharing, subject: Subject, key: Thing) -> bool:
    names = {"anyone", f"client:{subject.name}", *(f"group:{group}" for group in subject.groups)}
    mine = bool(names & {str(each) for each in rule.subjects}) and not names & {str(each) for each in rule.exempt}
    return mine and is_like(rule.resource, key)


def answer(rule: Sharing, asked: Asked) -> Sharing | None:
    """The rule as the client gets it, or None if it asks for something else."""
    got = {}
    for name, wanted in asked._asdict().items():
        if wanted is None:
            continue
        said = getattr(rule, name)
        if said != wanted and (said != "" or name in ("peer", "group")):
            return None
        got[name] = wanted
    return replace(rule, **got)


def by_the_book(rules: list[Sharing], subject: Subject, key: Thing, asked: Asked) -> Sharing | str | None:
    about = [rule for rule in rules if is_about(rule, subject, key)]
    for rule in about:
        if rule.use is Use.REQUIRED:
            return answer(rule, asked) or "refused"
    says_nothing = all(each is None for each in asked)
    names_nobody = asked.peer is None and asked.group is None
    for rule in about:
        got = answer(rule, asked)
        if got is not None and (rule.use is Use.CHOSEN or not names_nobody):
            return got
    return None if says_nothing else "refused"


@given(st.lists(sharing_rules(), max_size=4), SUBJECTS, st.sampled_from(KEYS), ASKED)
def test_a_peer_is_chosen_by_the_book(rules: list[Sharing], subject: Subject, key: Thing, asked: Asked) -> None:
    chosen = choose(compile_sharing(rules), subject, key, asked)
    assert ("refused" if isinstance(chosen, Refused) else chosen) == by_the_book(rules, subject, key, asked)


NO_RULES = Ruling(Policy())


@given(SUBJECTS, st.sampled_from(KEYS), ASKED)
def test_without_rules_no_key_is_negotiated(subject: Subject, key: Thing, asked: Asked) -> None:
    assert not NO_RULES.sharing
    assert NO_RULES.choose(subject, key, Asked()) is None
    assert asked == Asked() or isinstance(NO_RULES.choose(subject, key, asked), Refused)


ANN = Subject("ann")
KEY = KEYS[0]
OFFER = Sharing(name="offer", subjects=(Selector(Who.CLIENT, "ann"),), peer="site-b")


def test_an_offer_is_for_those_who_ask() -> None:
    ruling = Ruling(Policy(sharing=(OFFER,)))
    assert ruling.choose(ANN, KEY, Asked()) is None
    assert ruling.choose(ANN, KEY, Asked(peer="site-b")) == OFFER
    assert isinstance(ruling.choose(ANN, KEY, Asked(peer="site-c")), Refused)
    assert isinstance(ruling.choose(Subject("ben"), KEY, Asked(peer="site-b")), Refused)


def test_a_required_peer_wins_over_what_is_asked_for_and_says_which_it_is() -> None:
    required = replace(OFFER, name="required", peer="site-c", use=Use.REQUIRED)
    ruling = Ruling(Policy(sharing=(OFFER, required)))
    assert ruling.choose(ANN, KEY, Asked()) == required
    refused = ruling.choose(ANN, KEY, Asked(peer="site-b"))
    assert isinstance(refused, Refused)
    assert "site-c" in refused.reason


def test_what_arrives_and_fits_no_rule_has_no_owner() -> None:
    ruling = Ruling(Policy(arrivals=(Arrival(name="b", peers=frozenset({"site-b"}), owner="ann"),)))
    found = ruling.owner_of("site-b", "tunnel", None, KEY)
    assert found is not None
    assert found.owner == "ann"
    assert ruling.owner_of("site-c", "tunnel", None, KEY) is None


def test_what_a_rule_says_is_not_weakened_by_who_asks() -> None:
    ruling = Ruling(Policy(sharing=(replace(OFFER, hybrid="mlkem768", paths="3/3"),)))
    for weaker in (Asked(peer="site-b", hybrid="none"), Asked(peer="site-b", paths="1/3")):
        assert isinstance(ruling.choose(ANN, KEY, weaker), Refused)


ARRIVAL = st.builds(
    Arrival,
    name=st.just("arrival"),
    peers=st.sampled_from([frozenset({"*"}), frozenset({"site-b"}), frozenset(PEERS)]),
    purposes=st.sampled_from([frozenset(), frozenset({"tunnel"}), frozenset(PURPOSES)]),
    groups=st.sampled_from([frozenset(), frozenset({"sites"})]),
    resource=st.sampled_from(MATCHES),
    owner=st.sampled_from(CLIENTS),
)


@given(
    st.lists(ARRIVAL, max_size=4),
    st.sampled_from(PEERS),
    st.sampled_from(PURPOSES),
    st.none() | st.sampled_from(GROUPS),
    st.sampled_from(KEYS),
)
def test_what_arrives_belongs_to_whom_the_first_rule_names(
    rules: list[Arrival], peer: str, purpose: str, group: str | None, key: Thing
) -> None:
    expected = None
    for rule in reversed(rules):
        from_there = rule.peers == {"*"} or peer in rule.peers
        meant = purpose in (rule.purposes or PURPOSES) and group in (rule.groups or {None, *GROUPS})
        if from_there and meant and is_like(rule.resource, key):
            expected = rule
    assert owner_of(compile_arrivals(rules), peer, purpose, group, key) == expected


@pytest.mark.parametrize(("text", "paths"), [("2/3", (2, 3)), ("1/1", (1, 1)), ("16/16", (16, 16))])
def test_paths(text: str, paths: tuple[int, int]) -> None:
    assert paths_of(text) == paths


@pytest.mark.parametrize("text", ["", "3/2", "0/3", "2/17", "2", "2/3/4", " 2/3", "2/3\n", "02/3", "-1/3", "٢/٣"])
def test_no_paths(text: str) -> None:
    assert paths_of(text) is None


@pytest.mark.parametrize(("text", "fits"), [("a", True), ("ä b", True), ("x" * 64, True), ("x" * 65, False)])
def test_a_name_has_at_most_64_characters(text: str, fits: bool) -> None:
    assert is_name(text) is fits


@pytest.mark.parametrize("text", ["", "a\0", "a\nb", "\x7f", "a\u202eb"])
def test_a_name_prints(text: str) -> None:
    assert not is_name(text)
