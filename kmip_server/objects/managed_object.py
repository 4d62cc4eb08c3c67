"""A managed object as operations see it: its attributes, its state, and the row that it came from."""

from __future__ import annotations

from typing import Any, Final

from kmip_server.errors import KmipError
from kmip_server.objects import lifecycle
from kmip_server.objects.attribute_set import AttributeSet
from kmip_server.objects.attributes import ATTRIBUTES
from kmip_server.objects.lifecycle import Event
from kmip_server.objects.sharing import is_held
from kmip_server.storage.port import ObjectRow
from kmip_server.ttlv.enumerations import ObjectType, ResultReason, State
from kmip_server.ttlv.memory import remembered
from kmip_server.ttlv.tags import Tag

_COLUMNS: Final = {int(tag): row.column for tag, row in ATTRIBUTES.items() if row.column is not None}
_NO_COLUMNS: Final[dict[str, Any]] = dict.fromkeys(ObjectRow._fields)
_SMALL: Final = 4096
"""Rows' attributes are remembered up to this many bytes."""
_INDEXED: Final = {int(tag): row.index for tag, row in ATTRIBUTES.items() if row.index is not None}

_parsed = remembered(2048, lambda arguments, _: len(arguments[0]) <= _SMALL)(AttributeSet.from_bytes)


class ManagedObject:
    """One object within one transaction. Changes stay here until the call saves it.

    `row` is None for an object that this transaction makes.
    """

    __slots__ = ("attributes", "owner", "row")

    def __init__(self, owner: str, attributes: AttributeSet, row: ObjectRow | None = None) -> None:
        self.owner = owner
        self.attributes = attributes
        self.row = row

    @classmethod
    def of(cls, row: ObjectRow) -> ManagedObject:
        """The object in a row of the storage."""
        return cls(row.owner, _parsed(row.attributes), row)

    @property
    def unique_identifier(self) -> str:
        """Unique Identifier (s4.58)."""
        identifier: str = self.attributes.first(Tag.UNIQUE_IDENTIFIER)
        return identifier

    @property
    def object_type(self) -> ObjectType:
        """Object Type (s4.36)."""
        object_type: ObjectType = self.attributes.first(Tag.OBJECT_TYPE)
        return object_type

    @property
    def state(self) -> State:
        """State (s4.57)."""
        state: State = self.attributes.first(Tag.STATE)
        return state

    @property
    def policy(self) -> str:
        """Operation Policy Name (KMIP 1.4 s3.18)."""
        policy: str = self.attributes.first(Tag.OPERATION_POLICY_NAME)
        return policy

    @property
    def destroyed(self) -> bool:
        """Whether the object's material is gone for good."""
        return self.state in lifecycle.DESTROYED

    @property
    def archived(self) -> bool:
        """Whether the object is in archival storage."""
        return Tag.ARCHIVE_DATE in self.attributes

    def first(self, tag: Tag) -> Any:
        """The value of an attribute, or None."""
        return self.attributes.first(tag)

    def set(self, tag: Tag, value: Any) -> None:
        """Give a single-instance attribute a value; None removes it."""
        self.attributes = self.attributes.with_value(tag, value)

    def transition(self, event: Event) -> None:
        """Take the object to the state that the event leads to. Raises Wrong Key Lifecycle State (s4.57)."""
        state = lifecycle.after(self.state, event)
        if event is Event.ACTIVATE and state is not None and is_held(self.attributes):
            # It is Active by its Activation Date, as soon as the peers have it.
            return
        if state is None:
            raise KmipError(
                ResultReason.WRONG_KEY_LIFECYCLE_STATE,
                f"an object in the State (42008D) {self.state.title} cannot {event.name.lower()} (KMIP 2.1 s4.57)",
            )
        self.set(Tag.STATE, state)

    def settle(self, now: int) -> bool:
        """Make the transitions that time has brought; whether there were any."""
        activation, deactivation = self.first(Tag.ACTIVATION_DATE), self.first(Tag.DEACTIVATION_DATE)
        if (activation is None and deactivation is None) or is_held(self.attributes):
            return False
        state = lifecycle.settle(self.state, activation, deactivation, now)
        if state is self.state:
            return False
        self.set(Tag.STATE, state)
        return True

    def to_row(self) -> ObjectRow:
        """The row to store: the next version of the one it came from, or the first."""
        attributes = self.attributes
        columns = _NO_COLUMNS | attributes.firsts(_COLUMNS)
        state = columns["state"]
        columns["owner"] = self.owner
        columns["attributes"] = attributes.to_bytes()
        columns["version"] = 1 if self.row is None else self.row.version + 1
        columns["archived"] = self.archived
        columns["destroyed"] = state in lifecycle.DESTROYED
        held = Tag.ATTRIBUTE in attributes and is_held(attributes)
        columns["next_transition"] = (
            None if held else lifecycle.next_transition(state, columns["activation_date"], columns["deactivation_date"])
        )
        columns["fresh"] = bool(columns["fresh"])
        columns["indexed"] = self._indexed()
        # Made from a list, a row takes half as long as from names.
        return ObjectRow._make([columns[name] for name in ObjectRow._fields])

    def _indexed(self) -> tuple[tuple[int, str], ...] | None:
        """What Locate finds the object by, beside the columns; None if it is as it was in the row."""
        attributes = self.attributes
        if self.row is None:
            return _entries(attributes)
        before = _parsed(self.row.attributes)
        changed = any(before.parts.get(tag) is not attributes.parts.get(tag) for tag in _INDEXED)
        entries = _entries(attributes) if changed else ()
        # Not all that may change is what it is found by.
        return None if not changed or entries == _entries(before) else entries


def _entries(attributes: AttributeSet) -> tuple[tuple[int, str], ...]:
    """What Locate finds an object by, beside the columns."""
    return tuple(
        [
            (tag, text)
            for tag in attributes.parts
            if tag in _INDEXED
            for value in attributes.all(tag)
            if (text := _INDEXED[tag](value)) is not None
        ]
    )
