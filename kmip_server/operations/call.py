"""One batch item being carried out: what its handler may see and do.

Access is decided here, for all operations in one place: a handler gets an object only after the policy has allowed
this operation on it, in the transaction that will use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from kmip_server.errors import KmipError
from kmip_server.identity.caller import Caller
from kmip_server.messages.fields import Payload
from kmip_server.messages.headers import RequestBatchItem
from kmip_server.messages.structures import Identifier
from kmip_server.objects.key_block import ObjectStructure, from_material, to_material
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.objects.sharing import MOST_TOLD_BYTES, is_delivered, is_held, is_shared, peer_of
from kmip_server.operations.approval import require_approval
from kmip_server.operations.batch import Batch
from kmip_server.operations.in_effect import parameters_in_effect
from kmip_server.operations.negotiation import Unsettled
from kmip_server.operations.obligations import bring_within
from kmip_server.operations.registry import OperationSpec
from kmip_server.operations.resource import Computes, ObjectResource, server_itself
from kmip_server.operations.services import Services
from kmip_server.storage.identifiers import new_identifier
from kmip_server.storage.port import AWAITED, NODES, PEERS, ObjectRow, SealBroken, SharedChange, Unit
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import Operation, ResultReason, State
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import ProtocolVersion
from policy.actions import OBJECT_OPERATIONS
from policy.compiling import Ruling
from policy.decision import Context, Decision, Subject, allows_any, decide, restrict
from policy.model import NOTHING, Obligations
from policy.notifications import Event
from policy.parameters import Parameters

_ANYTHING: Final = frozenset(OBJECT_OPERATIONS)
_NOT_MADE: Final = dict.fromkeys(
    (Operation.CREATE, Operation.CREATE_KEY_PAIR, Operation.REGISTER, Operation.DERIVE_KEY),
    ResultReason.INVALID_ATTRIBUTE_VALUE,
)
"""How an object is refused that the policy allows nobody to make like this, where the operation has a word for it."""


@dataclass(slots=True)
class Call:
    """One batch item. `now` is POSIX seconds; `prepared` is what the operation's `prepare` made."""

    spec: OperationSpec
    version: ProtocolVersion
    caller: Caller
    now: int
    unit: Unit
    services: Services
    batch: Batch
    ruling: Ruling
    subject: Subject
    token: RequestBatchItem | None = None
    """The batch item: the same when it is carried out again, after a transaction that did not commit."""
    request: Payload | None = None
    """The request's payload, when it was decoded."""
    prepared: Any = None
    obligations: Obligations = NOTHING
    """What the policy requires of the operation on its target."""
    first: ManagedObject | None = None
    """The first object that the request is about."""
    touched: str | None = None
    """The Unique Identifier that goes on record, unless objects were made: then each of them does."""
    made: tuple[str, ...] = ()
    tells: bool = True
    """Whether the other sites that have a key hear of what is done to it: not of what they have told themselves."""
    waits: bool = False
    """Whether a client waits for the answer, and is told that it has failed if the others do not answer."""
    unsettled: tuple[Unsettled, ...] = ()
    """What others have to answer before the batch item is answered."""

    # Objects. ---------------------------------------------------------------------------------------------------------

    def target(self, given: Identifier | None) -> ManagedObject:
        """The object that the request is about. Raises Object Not Found, Permission Denied, Object Archived."""
        unique_identifier = self.batch.identifier(given)
        self.touched = unique_identifier[:128]
        found, self.obligations = self._decided(unique_identifier, self.spec.operation)
        self.first = self.first or found
        self.need_approval(unique_identifier)
        if found.archived and not self.spec.archived:
            raise KmipError(
                ResultReason.OBJECT_ARCHIVED,
                "the object with this Unique Identifier (420094) is archived; Recover it first (KMIP 2.1 s6.1.42)",
            )
        return found

    def object(
        self, unique_identifier: str, operation: Operation | None = None, computes: Computes | None = None
    ) -> ManagedObject:
        """An object on which this caller may do this operation (by default the call's own), with its state settled.

        `computes` tells with which Cryptographic Parameters an object is used beside the target. An object on which the
        caller may do nothing at all is not there for this caller.
        """
        return self._decided(unique_identifier, operation or self.spec.operation, computes)[0]

    def _decided(
        self, unique_identifier: str, operation: Operation, computes: Computes | None = None
    ) -> tuple[ManagedObject, Obligations]:
        """An object and what the policy requires of this operation on it."""
        row = self.unit.get(unique_identifier) if 0 < len(unique_identifier) <= 128 else None
        if row is None:
            raise self.not_found()
        decision = self.decide(operation, row, computes)
        if not decision.allowed:
            if self._may_do_anything(row):
                how = self._how(decision)
                raise KmipError(
                    ResultReason.PERMISSION_DENIED,
                    f"the policy does not allow this{how} on the object with this Unique Identifier (420094)",
                    decision.reason,
                )
            raise self.not_found()
        found = ManagedObject.of(row)
        if row.next_transition is not None and row.next_transition <= self.now:
            self.settle(found)
        return found, decision.obligations

    @staticmethod
    def not_found() -> KmipError:
        """The one answer for an object that does not exist, and for one that the caller has nothing to do with."""
        return KmipError(ResultReason.OBJECT_NOT_FOUND, "there is no object with this Unique Identifier (420094)")

    def _how(self, decision: Decision) -> str:
        """What of the request is denied, if it is not all of it."""
        named = decision.rule in self.ruling.rules.about_parameters
        return " with these Cryptographic Parameters (42002B)" if named else ""

    def in_effect(self, target: ManagedObject | None) -> Parameters:
        """The Cryptographic Parameters with which the operation computes on its target."""
        return parameters_in_effect(self.spec.operation, self.request, self.services.streams, target)

    def decide(self, operation: Operation, row: ObjectRow, computes: Computes | None = None) -> Decision:
        """Whether the caller may do this to the object in a row."""
        if computes is None and operation is self.spec.operation:
            computes = self.in_effect
        resource = ObjectResource(self.ruling, row, self.now, computes)
        return decide(self.ruling.rules, self.subject, operation.name, resource, self._context())

    def _may_do_anything(self, row: ObjectRow) -> bool:
        resource = ObjectResource(self.ruling, row, self.now)
        return allows_any(self.ruling.rules, self.subject, _ANYTHING, resource, self._context())

    def restrict(self, operation: Operation, row: ObjectRow) -> Decision:
        """What the policy has against an object as an allowed operation would make it, and what it requires of it."""
        resource = ObjectResource(self.ruling, row, self.now, lambda _: self.in_effect(self.first))
        return restrict(self.ruling.rules, self.subject, operation.name, resource, self._context())

    def permit(self) -> None:
        """Decide an operation that names no existing object. Raises Permission Denied."""
        resource = server_itself(self.subject, self.in_effect(None))
        decision = decide(self.ruling.rules, self.subject, self.spec.operation.name, resource, self._context())
        if not decision.allowed:
            raise KmipError(
                ResultReason.PERMISSION_DENIED,
                f"you may not use the Operation (42005C) {self.spec.operation.title} here{self._how(decision)}",
                decision.reason,
            )
        self.obligations = decision.obligations

    def need_approval(self, resource: str) -> None:
        """Go on only if others have approved this, where the policy requires that. Raises ApprovalNeeded."""
        needs = self.obligations.approvals
        if needs:
            asked = (self.caller.name, self.spec.operation.name, resource)
            payload = b"" if self.token is None else binary.encode(self.token.request_payload)
            require_approval(self.unit, needs, asked, payload, self.now, self.ruling.roles)

    def _context(self) -> Context:
        return self.ruling.context(self.subject, self.now, self.caller.address)

    # Changes. ---------------------------------------------------------------------------------------------------------

    def settle(self, found: ManagedObject) -> bool:
        """Make and store the transitions that time has brought; False if they are not stored, as the seal is broken.

        They are true all the same: what fails is a request that changes or uses the object, and not Destroy.
        """
        found.settle(self.now)
        try:
            self.save(found)
        except SealBroken:
            return False
        return True

    def save(self, changed: ManagedObject, *, erased: bool = False) -> None:
        """Store a changed object as its next version. If it is `erased`, its key material is gone for good."""
        row = changed.to_row()
        if erased:
            self.unit.update_material(row, None)
        else:
            self.unit.update(row)
        changed.row = row

    def change(self, changed: ManagedObject, *, erased: bool = False) -> None:
        """As save(), for an object that the caller's request changed: its Last Change Date is now (s4.29)."""
        changed.set(Tag.LAST_CHANGE_DATE, self.now)
        self.save(changed, erased=erased)
        self.share(changed)

    def share(self, one: ManagedObject, revoked: str = "") -> None:
        """Have the other sites that have a key hear of it; and the nodes, if it is `revoked`, for this reason.

        Raises Server Limit Exceeded for a key that they have still to take, if it has more attributes than may be told.
        """
        if not self.tells or not is_shared(one.attributes) or is_delivered(one.attributes) or one.row is None:
            return
        identifier, version = one.unique_identifier, one.row.version
        held = is_held(one.attributes) and not one.destroyed
        # What is revoked is revoked, however much there is to tell.
        if held and one.state is State.PRE_ACTIVE and len(one.row.attributes) > MOST_TOLD_BYTES:
            raise KmipError(
                ResultReason.SERVER_LIMIT_EXCEEDED,
                f"the Attributes (420125) of a key that another site has to take have {MOST_TOLD_BYTES} bytes at most",
            )
        # Of a group's keys the nodes know nothing.
        to_nodes = bool(revoked and not held and peer_of(one.attributes))
        if held and identifier in self.made:
            self.batch.held |= {identifier}
        is_new = held and identifier in self.batch.held
        awaited = AWAITED if is_new and self.waits else ""
        self.unit.note_shared(SharedChange(identifier, PEERS, version, awaited, self.now))
        if to_nodes:
            self.unit.note_shared(SharedChange(identifier, NODES, version, revoked, self.now))
        # What else is done to a key that others have still to take is done, whatever becomes of the key.
        self.unsettled += (Unsettled(identifier, to_nodes, is_new),)

    def notify(self, event: str, resource: str, detail: str = "") -> None:
        """Tell of something to whom the policy wants it told; nothing is told if the batch item fails."""
        said = Event(event, self.now, self.subject, resource, self.spec.operation.name, detail)
        self.unit.notify(self.ruling.messages(said))

    def add(self, made: ManagedObject, value: ObjectStructure | bytes | None) -> None:
        """Store a new object with its material, which may be given as `to_material` makes it.

        Raises Invalid Attribute Value or Permission Denied if the policy allows no such object.
        """
        row = self._within_policy(made)
        self.unit.insert(row, value if value is None or isinstance(value, bytes) else to_material(value))
        made.row = self.unit.get(row.unique_identifier)
        self.touched = row.unique_identifier
        self.made += (row.unique_identifier,)
        self.share(made)

    def _within_policy(self, made: ManagedObject) -> ObjectRow:
        """The row of a new object, within the bounds that the policy sets to what it allows to be made."""
        row = made.to_row()
        decision = self.restrict(self.spec.operation, row)
        if not decision.allowed:
            reason = _NOT_MADE.get(self.spec.operation, ResultReason.PERMISSION_DENIED)
            kind = made.object_type.title
            raise KmipError(
                reason,
                f"the policy does not allow a {kind} like this: look at its Attributes (420125)",
                decision.reason,
            )
        if decision.obligations is NOTHING:
            return row
        bring_within(made, decision.obligations, self.now)
        return made.to_row()

    def value(self, target: ManagedObject) -> ObjectStructure:
        """The object with its key bytes, unsealed. Raises Object Destroyed, Key Value Not Present."""
        return from_material(target.object_type, self.stored(target))

    def stored(self, target: ManagedObject) -> bytes:
        """The same as it is stored, and not taken apart."""
        if target.destroyed:
            raise KmipError(
                ResultReason.OBJECT_DESTROYED,
                "the object with this Unique Identifier (420094) is destroyed (KMIP 2.1 s4.57)",
            )
        if is_shared(target.attributes):
            self.check_shared(target)
        material = self.unit.material(target.row) if target.row is not None else None
        if material is None:
            raise KmipError(
                ResultReason.KEY_VALUE_NOT_PRESENT, "the Key Value (420045) is not on this server (KMIP 2.1 s4.28)"
            )
        return material

    def check_shared(self, target: ManagedObject) -> int:
        """For how many seconds a shared key may be used without the nodes being heard again.

        It is used while the nodes of DSCC can say that it is revoked, and when the peers have it. Raises Wrong Key
        Lifecycle State, Permission Denied.
        """
        if is_held(target.attributes):
            raise KmipError(
                ResultReason.KEY_VALUE_NOT_PRESENT,
                "the other site has not taken this key yet: ask for its Key Value (420045) later",
            )
        left = self.unit.lease() - self.now
        if left <= 0:
            raise KmipError(
                ResultReason.PERMISSION_DENIED,
                "this site has not heard from enough nodes: the key with this Unique Identifier (420094) may be"
                " revoked; ask again later",
            )
        return left

    @staticmethod
    def new_identifier() -> str:
        """A Unique Identifier that nobody can guess. New ones sort behind old ones, as Locate's order needs it."""
        return new_identifier()
