"""What automatic rules want done, by a clock that the test holds, and by a second reading of the rules."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from policy.automation import DAY, Due, Fact, Guesses, Key, Outstanding, Seen, due, shortest_age
from policy.decision import Subject, Thing
from policy.model import Act, AutomaticRule, Condition, Match, Selector, Who

NOON = 1_700_000_000
ANYONE = (Selector(Who.ANYONE),)


def client(name: str, stage: str | None = None, *groups: str) -> Subject:
    return Subject(name, frozenset(groups), kind=Who.CLIENT, stage=stage)


def rule(condition: Condition, act: Act, **fields: object) -> AutomaticRule:
    return AutomaticRule(**{"name": "r", "condition": condition, "act": act, "subjects": ANYONE, **fields})  # type: ignore[arg-type]


def inactive(days: int, act: Act = Act.QUARANTINE, **fields: object) -> AutomaticRule:
    return rule(Condition.INACTIVE, act, days=days, **fields)


def wanted(one: AutomaticRule, fact: Fact, now: int, last: int | None = None) -> bool:
    acted = {} if last is None else {(one.name, fact.about): last}
    return bool(due([one], [fact], acted, now))


def test_who_was_not_seen_for_so_many_days_is_put_away_on_that_very_second() -> None:
    seen = Seen(client("ben"), NOON)
    assert not wanted(inactive(30), seen, NOON + 30 * DAY - 1)
    assert wanted(inactive(30), seen, NOON + 30 * DAY)


def test_what_is_done_already_is_not_wanted_and_what_goes_further_is() -> None:
    away, gone = Seen(client("ben", "quarantine"), NOON), Seen(client("ben", "revoked"), NOON)
    now = NOON + 90 * DAY
    assert not wanted(inactive(30), away, now)
    assert wanted(inactive(90, Act.REVOKE), away, now)
    assert not wanted(inactive(90, Act.REVOKE), gone, now)
    assert not wanted(inactive(30), gone, now)


def test_a_rule_is_about_its_subjects_without_the_exempt() -> None:
    now = NOON + DAY
    arrays = inactive(1, subjects=(Selector(Who.GROUP, "arrays"),), exempt=(Selector(Who.CLIENT, "backup"),))
    assert wanted(arrays, Seen(client("ben", None, "arrays"), NOON), now)
    assert not wanted(arrays, Seen(client("ben"), NOON), now)
    assert not wanted(arrays, Seen(client("backup", None, "arrays"), NOON), now)
    assert not wanted(inactive(1, subjects=(Selector(Who.DEVICE, "m"),)), Seen(client("m"), NOON), now)


def test_wrong_passwords_count_within_the_window_and_from_the_last_act_on() -> None:
    three = rule(Condition.FAILED_AUTHENTICATIONS, Act.QUARANTINE, count=3, within=600)
    guesses = Guesses(client("ben"), (NOON - 600, NOON - 599, NOON - 300, NOON))
    assert wanted(three, guesses, NOON)
    assert not wanted(three, guesses, NOON + 1), "the one before the last left the window"
    assert not wanted(three, guesses, NOON, last=NOON - 599)
    assert wanted(three, guesses, NOON, last=NOON - 600)
    assert not wanted(three, guesses._replace(who=client("ben", "quarantine")), NOON)


def key(activated: int, period: int | None = None, **fields: object) -> Key:
    return Key("k", client("ben"), Thing("SYMMETRIC_KEY", owner="ben", **fields), activated, period)  # type: ignore[arg-type]


def test_a_key_is_rotated_at_its_age_or_in_the_last_tenth_of_its_period() -> None:
    old, ripe = (rule(Condition.KEY_OLDER, Act.ROTATE, days=days) for days in (90, None))
    assert not wanted(old, key(NOON), NOON + 90 * DAY - 1)
    assert wanted(old, key(NOON), NOON + 90 * DAY)
    assert not wanted(ripe, key(NOON, 100 * DAY), NOON + 90 * DAY - 1)
    assert wanted(ripe, key(NOON, 100 * DAY), NOON + 90 * DAY)
    assert not wanted(ripe, key(NOON), NOON + 9000 * DAY), "no period, no end of it"
    assert not wanted(old, key(NOON), NOON + 91 * DAY, last=NOON + 90 * DAY + 1), "a day between two tries"


def test_a_rule_about_keys_is_about_keys_like_its_resource() -> None:
    disks = rule(Condition.KEY_OLDER, Act.ROTATE, days=1, resource=Match(groups=frozenset({"disks"})))
    assert wanted(disks, key(NOON, groups=frozenset({"disks"})), NOON + DAY)
    assert not wanted(disks, key(NOON), NOON + DAY)


def test_the_shortest_age_leaves_nothing_out() -> None:
    assert shortest_age(rule(Condition.KEY_OLDER, Act.ROTATE, days=3), [5]) == 3 * DAY
    assert shortest_age(rule(Condition.KEY_OLDER, Act.ROTATE), [100, 1000]) == 90
    assert shortest_age(rule(Condition.KEY_OLDER, Act.ROTATE), []) is None


def test_approvals_that_wait_are_told_once_a_day() -> None:
    five = rule(Condition.APPROVALS_OUTSTANDING, Act.ESCALATE, count=5)
    assert not wanted(five, Outstanding(4), NOON)
    assert wanted(five, Outstanding(5), NOON)
    assert not wanted(five, Outstanding(9), NOON + DAY - 1, last=NOON)
    assert wanted(five, Outstanding(5), NOON + DAY, last=NOON)
    assert wanted(five, Outstanding(5), NOON, last=NOON + 1), "an act in the future was a trial"


# Against a second reading, for whatever comes.

NAMES = st.sampled_from(["ann", "ben", "cy"])
MOMENTS = st.integers(NOON - 4 * DAY, NOON + 2 * DAY)
SUBJECTS = st.builds(
    Subject,
    NAMES,
    groups=st.frozensets(st.sampled_from(["red", "blue"])),
    kind=st.sampled_from([Who.CLIENT, Who.DEVICE]),
    stage=st.sampled_from([None, "quarantine", "revoked", "production"]),
)
SELECTORS = st.lists(
    st.one_of(
        st.just(Selector(Who.ANYONE)),
        st.builds(Selector, st.sampled_from([Who.CLIENT, Who.DEVICE]), NAMES),
        st.builds(Selector, st.just(Who.GROUP), st.sampled_from(["red", "blue"])),
    ),
    max_size=2,
).map(tuple)
FACTS = st.lists(
    st.one_of(
        st.builds(Seen, SUBJECTS, MOMENTS),
        st.builds(Guesses, SUBJECTS, st.lists(MOMENTS, max_size=6).map(tuple)),
        st.builds(
            Key,
            st.sampled_from(["k1", "k2"]),
            SUBJECTS,
            st.builds(Thing, st.sampled_from(["SYMMETRIC_KEY", "PRIVATE_KEY"])),
            MOMENTS,
            st.none() | st.integers(1, 5 * DAY),
        ),
        st.builds(Outstanding, st.integers(0, 5)),
    ),
    max_size=8,
)
SMALL = st.integers(1, 4)
RULES = st.one_of(
    st.builds(
        AutomaticRule,
        name=st.just("inactive"),
        condition=st.just(Condition.INACTIVE),
        act=st.sampled_from([Act.QUARANTINE, Act.REVOKE, Act.ESCALATE]),
        subjects=SELECTORS,
        exempt=SELECTORS,
        days=SMALL,
    ),
    st.builds(
        AutomaticRule,
        name=st.just("failed"),
        condition=st.just(Condition.FAILED_AUTHENTICATIONS),
        act=st.sampled_from([Act.QUARANTINE, Act.ESCALATE]),
        subjects=SELECTORS,
        exempt=SELECTORS,
        count=SMALL,
        within=st.integers(1, DAY),
    ),
    st.builds(
        AutomaticRule,
        name=st.just("older"),
        condition=st.just(Condition.KEY_OLDER),
        act=st.sampled_from([Act.ROTATE, Act.ESCALATE]),
        days=st.none() | SMALL,
        resource=st.builds(Match, object_types=st.sampled_from([frozenset(), frozenset({"SYMMETRIC_KEY"})])),
    ),
    st.builds(
        AutomaticRule,
        name=st.just("waiting"),
        condition=st.just(Condition.APPROVALS_OUTSTANDING),
        act=st.just(Act.ESCALATE),
        count=SMALL,
    ),
)
ACTED = st.dictionaries(
    st.tuples(
        st.sampled_from(["inactive", "failed", "older", "waiting"]),
        st.sampled_from(["client:ann", "client:ben", "device:cy", "k1", "approvals"]),
    ),
    MOMENTS,
)


def named(selectors: tuple[Selector, ...], who: Subject) -> bool:
    return any(
        selector.who is Who.ANYONE
        or (selector.who is Who.GROUP and selector.name in who.groups)
        or (selector.who is who.kind and selector.name == who.name)
        for selector in selectors
    )


def expected(one: AutomaticRule, fact: Fact, last: int | None, now: int) -> bool:
    """The sentences of docs/automation.md, once more."""
    rested = last is None or last > now or last + DAY <= now
    if isinstance(fact, (Seen, Guesses)):
        if not named(one.subjects, fact.who) or named(one.exempt, fact.who):
            return False
        if one.act is Act.QUARANTINE and fact.who.stage in ("quarantine", "revoked"):
            return False
        if one.act is Act.REVOKE and fact.who.stage == "revoked":
            return False
    match one.condition, fact:
        case Condition.INACTIVE, Seen(_, at):
            return at + (one.days or 0) * DAY <= now and rested
        case Condition.FAILED_AUTHENTICATIONS, Guesses(_, moments):
            since = now - (one.within or 0)
            if last is not None and last <= now:
                since = max(since, last)
            return sum(since < at <= now for at in moments) >= (one.count or 0)
        case Condition.KEY_OLDER, Key(_, _, resource, activated, period):
            if one.days is None and period is None:
                return False
            age = (one.days or 0) * DAY if one.days is not None else (period or 0) - (period or 0) // 10
            like = not one.resource.object_types or resource.object_type in one.resource.object_types
            return activated + age <= now and rested and like
        case Condition.APPROVALS_OUTSTANDING, Outstanding(number):
            return number >= (one.count or 0) and rested
    return False


@settings(max_examples=800, deadline=None)
@given(RULES, FACTS, ACTED, st.integers(NOON - DAY, NOON + DAY))
def test_it_is_what_a_second_reading_of_the_rules_wants(
    one: AutomaticRule, facts: list[Fact], acted: dict[tuple[str, str], int], now: int
) -> None:
    found = due([one], facts, acted, now)
    assert [each.about for each in found] == [
        fact.about for fact in facts if expected(one, fact, acted.get((one.name, fact.about)), now)
    ]
    assert all(each == Due(one, each.about, each.why, acted.get((one.name, each.about))) for each in found)
    assert all(each.why.isprintable() for each in found)


@settings(max_examples=500, deadline=None)
@given(st.lists(RULES, max_size=3), FACTS, ACTED, st.lists(st.integers(0, 3 * DAY), min_size=2, max_size=8))
def test_nothing_is_wanted_twice_at_a_time_and_nothing_but_new_guesses_within_a_day(
    rules: list[AutomaticRule], facts: list[Fact], acted: dict[tuple[str, str], int], steps: list[int]
) -> None:
    acted = dict(acted)
    done: dict[tuple[str, str], list[int]] = {}
    for now in sorted(NOON + step for step in steps):
        for one in due(rules, facts, acted, now):
            acted[one.rule.name, one.about] = now
            if one.rule.condition is not Condition.FAILED_AUTHENTICATIONS:
                done.setdefault((one.rule.name, one.about), []).append(now)
        again = due(rules, facts, acted, now)
        assert not again
    assert all(later - earlier >= DAY for moments in done.values() for earlier, later in pairwise(sorted(set(moments))))
