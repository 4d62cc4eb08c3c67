"""A gateway replaces the keys that its site has asked for when their rule says so, and leaves younger ones alone."""

from __future__ import annotations

from sharing_network import Sites, created_with, until
from support.numbers import Tag
from support.requests import Session, activate, activation_date, get_attributes, object_group

from demo.sites import site_policy

SHORT = """
[[sharing]]
name = "short lives"
subjects = ["anyone"]
resource = { groups = ["short"] }
peer = "site-b"
rotate = "2s"
overlap = "1s"
"""


def is_replaced(session: Session, unique_identifier: str) -> bool:
    """Whether a key has a link to its replacement."""
    answer = session.do(get_attributes(session.version, unique_identifier, ("Link", int(Tag.LINK))))
    attributes = answer.payload.find(Tag.ATTRIBUTES) if answer.payload is not None else None
    return attributes is not None and bool(attributes.all(Tag.LINK))


def test_a_key_is_replaced_at_its_age_and_a_younger_one_is_not(sites: Sites) -> None:
    site = sites["site-a"]
    site.put_policy(SHORT + site_policy(("site-b",), "demo"))
    try:
        with sites.session("site-a") as here:
            long = created_with(here, "site-b")
            later = created_with(here, "site-b", object_group("short"), activation_date(1 << 33))
            short = created_with(here, "site-b", object_group("short"))
            for key in (long, short):
                here.do(activate(key)).expect_success()
            until(lambda: is_replaced(here, short))
            assert not is_replaced(here, long)
            assert not is_replaced(here, later)
    finally:
        site.put_policy(site_policy(("site-b",), "demo"))
