"""What the policy says about devices: each decision by the version in force in the transaction that it is made in."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from dscc.errors import DsccError, Reason
from dscc.messages import ShareRequest
from dscc.node.registry import Device
from dscc.node.shares import Grant
from policy import store as policy_store
from policy.compiling import Ruling
from policy.decision import Decision, Subject, Thing, decide
from policy.model import Policy, Who, Workflow

NO_POLICY_DIGEST = bytes(32)
_GROUP_PURPOSE = "group-wrap:"
_NEWEST = select(func.max(policy_store.versions.c.version))


class Deciding:
    """The policy in force, compiled; it is compiled again when another version is."""

    def __init__(self, key_lifetime: int) -> None:
        self._key_lifetime = key_lifetime
        self._ruling = Ruling(Policy())
        self._digest = NO_POLICY_DIGEST
        self._workflows: dict[tuple[str, int], Workflow] = {}
        self.version = 0

    def refresh(self, connection: Connection) -> None:
        """Have the version that is in force in this transaction. Raises PolicyError if it cannot be read."""
        newest = connection.execute(_NEWEST).scalar() or 0
        if newest != self.version:
            found = policy_store.numbered(connection, newest)
            self._ruling, self._digest, self.version = Ruling(found.policy), bytes.fromhex(found.digest), newest
            self._workflows.clear()

    def workflow(self, connection: Connection, device: Device) -> Workflow:
        """The workflow of a device, by the policy that is in force. Raises PolicyError if no policy ever had it."""
        key = (device.workflow, device.workflow_version)
        found = self._workflows.get(key)
        if found is None:
            found = self._workflows[key] = policy_store.workflow_in_version(connection, *key)
        return found

    @property
    def digest(self) -> bytes:
        """SHA-256 of the policy's document."""
        return self._digest

    @property
    def policy(self) -> Policy:
        """The policy itself."""
        return self._ruling.policy

    def grant(self, asked: ShareRequest, initiator: Device, responder: Device, now: int) -> Grant:
        """What the two are granted. Raises DsccError (POLICY_DENIED): the policy says no; the log says why."""
        pair = self._subject(initiator), self._subject(responder)
        thing = Thing(
            "PAIR",
            tenants=frozenset(each.tenant for each in pair),
            algorithm=asked.algorithm,
            length=asked.bits,
            uses=frozenset({asked.purpose.partition(":")[0]}),
            pair=pair,
        )
        decision = self._decide(pair[0], action_of(asked.purpose), thing, now)
        required = decision.obligations
        if required.approvals:
            raise DsccError(Reason.POLICY_DENIED, "the policy wants approval for this, which is given to stages only")
        lifetimes = [each for each in (required.cryptoperiod, asked.lifetime, self._key_lifetime) if each]
        return Grant(
            self.version, self._digest, min(lifetimes, default=0), required.usage_limit or 0, int(required.kem)
        )

    def may_route(self, device: Device, service: str, now: int) -> None:
        """Raise DsccError (POLICY_DENIED) unless a device may be passed on to a service."""
        subject = self._subject(device)
        thing = Thing("SERVICE", tenants=frozenset({subject.tenant}), names=frozenset({service}))
        self._decide(subject, "DSCC_ROUTE", thing, now)

    def may_enrol(self, name: str, now: int) -> None:
        """Raise DsccError (POLICY_DENIED) if a rule denies that a device enrols. The token itself is the permission."""
        subject = self._ruling.subject(Who.DEVICE, name)
        for deny in self._ruling.rules.about(subject, "DSCC_ENROL", "DEVICE").deny:
            if deny.applies(subject, Thing("DEVICE"), Ruling.context(subject, now)):
                raise DsccError(Reason.POLICY_DENIED, "the policy does not let this device enrol")

    def _subject(self, device: Device) -> Subject:
        return self._ruling.subject(Who.DEVICE, device.name)._replace(stage=device.stage)

    def _decide(self, subject: Subject, action: str, thing: Thing, now: int) -> Decision:
        decision = decide(self._ruling.rules, subject, action, thing, Ruling.context(subject, now))
        if not decision.allowed:
            raise DsccError(Reason.POLICY_DENIED, "the policy does not allow this", decision.reason)
        return decision


def action_of(purpose: str) -> str:
    """The policy's action for the purpose of a key."""
    if purpose.startswith(_GROUP_PURPOSE):
        return "DSCC_GROUP_JOIN"
    return "DSCC_TUNNEL" if purpose == "tunnel" else "DSCC_NEGOTIATE"
