"""A site that is revoked in another site's own policy store shares nothing with that one any more."""

from __future__ import annotations

from sharing_network import Sites, attributes_of, create_with, created_with, standing_of, state_of, until
from support.numbers import Reason
from support.requests import ACTIVE, DEACTIVATED, activate, rekey

from demo.sites import does


def test_a_site_that_is_revoked_here_is_out(make_sites: object) -> None:
    sites: Sites = make_sites()  # type: ignore[operator]
    folder = sites["site-a"].folder
    does("devices", "add", folder, "site-b")
    with sites.session("site-a") as here, sites.session("site-b") as there:
        key, unused = created_with(here, "site-b"), created_with(there, "site-a")
        here.do(activate(key)).expect_success()
        until(lambda: state_of(there, key) == ACTIVE)

        does("devices", "revoke", folder, "site-b", "--comment", "stolen")
        # For the very next request; and in a moment for all that there is.
        refused = create_with(here, "site-b")
        assert refused.reason == Reason.PERMISSION_DENIED and "is revoked: no key is shared" in (refused.message or "")
        assert standing_of(sites["site-a"])["troubles"]["site-b"] == "revoked"
        until(lambda: state_of(here, key) == state_of(here, unused) == DEACTIVATED)
        until(lambda: state_of(there, key) == state_of(there, unused) == DEACTIVATED)
        until(lambda: "of 3 nodes" in attributes_of(here, key).get("Revocation", ""))
        assert here.do(rekey(key)).reason == Reason.PERMISSION_DENIED
        answer = create_with(there, "site-a")
        assert not answer.ok and "revoked" in (answer.message or ""), answer
