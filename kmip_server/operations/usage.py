"""Using a key: whether its state, its dates, its mask and its limits allow it, and counting what was used.

KMIP 2.1 s4.17 (Cryptographic Usage Mask), s4.40 and s4.41 (Process Start and Protect Stop Dates), s4.57 (State),
s4.59 (Usage Limits). A purpose either applies protection (encrypt, sign, MAC, wrap, derive) or processes what is
protected already (decrypt, verify, unwrap). Protecting needs an Active object before its Protect Stop Date and is
counted; processing needs the Process Start Date to be reached and is never counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from kmip_server.errors import KmipError
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.call import Call
from kmip_server.ttlv.enumerations import CryptographicUsageMask as Mask
from kmip_server.ttlv.enumerations import ResultReason, State, UsageLimitsUnit
from kmip_server.ttlv.tags import Tag


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a key is used for: the bit of its usage mask, and whether it applies protection."""

    bit: Mask
    protects: bool


ENCRYPT: Final = Purpose(Mask.ENCRYPT, protects=True)
DECRYPT: Final = Purpose(Mask.DECRYPT, protects=False)
SIGN: Final = Purpose(Mask.SIGN, protects=True)
VERIFY: Final = Purpose(Mask.VERIFY, protects=False)
MAC_GENERATE: Final = Purpose(Mask.MAC_GENERATE, protects=True)
MAC_VERIFY: Final = Purpose(Mask.MAC_VERIFY, protects=False)
WRAP_KEY: Final = Purpose(Mask.WRAP_KEY, protects=True)
UNWRAP_KEY: Final = Purpose(Mask.UNWRAP_KEY, protects=False)
DERIVE_KEY: Final = Purpose(Mask.DERIVE_KEY, protects=True)

PROTECTING_BITS: Final = (
    Mask.SIGN
    | Mask.ENCRYPT
    | Mask.WRAP_KEY
    | Mask.MAC_GENERATE
    | Mask.DERIVE_KEY
    | Mask.CERTIFICATE_SIGN
    | Mask.CRL_SIGN
    | Mask.FPE_ENCRYPT
    | Mask.UNRESTRICTED
)
"""The bits of a usage mask of which one at least lets an object apply protection."""


def use(call: Call, target: ManagedObject, purpose: Purpose, size: int = 0, *, first_part: bool = True) -> None:
    """Use an object once, or for one more part of the same use; `size` is the number of bytes it protects.

    Spends the object's Usage Limits: its bytes, or one object a use. Raises Wrong Key Lifecycle State, Incompatible
    Cryptographic Usage Mask, Usage Limit Exceeded; what was spent counts only if the operation then succeeds.
    """
    check_time(call, target, protects=purpose.protects)
    if not allows(target, purpose.bit):
        raise KmipError(
            ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK,
            f"the object's Cryptographic Usage Mask (42002C) does not have {purpose.bit.title} (KMIP 2.1 s4.17)",
        )
    limits = target.first(Tag.USAGE_LIMITS)
    if purpose.protects and limits is not None:
        by_byte = limits.usage_limits_unit is UsageLimitsUnit.BYTE
        spend(call, target, size if by_byte else int(first_part))


def check_time(call: Call, target: ManagedObject, *, protects: bool) -> None:
    """Refuse a use that the object's state or dates do not allow now. Raises Wrong Key Lifecycle State (s4.57).

    A Deactivated object processes for its owner alone; a Compromised one for nobody (docs/decisions).
    """
    state = target.state
    if state is not State.ACTIVE and not (
        state is State.DEACTIVATED and not protects and target.owner == call.caller.name
    ):
        raise _wrong_time(
            f"an object in the State (42008D) {state.title} cannot {'apply' if protects else 'process'} protection"
        )
    stop, start = target.first(Tag.PROTECT_STOP_DATE), target.first(Tag.PROCESS_START_DATE)
    if protects and stop is not None and stop <= call.now:
        raise _wrong_time("the object's Protect Stop Date (420068) has passed (KMIP 2.1 s4.41)")
    if not protects and start is not None and start > call.now:
        raise _wrong_time("the object's Process Start Date (420067) is not reached yet (KMIP 2.1 s4.40)")


def _wrong_time(why: str) -> KmipError:
    return KmipError(ResultReason.WRONG_KEY_LIFECYCLE_STATE, why)


def allows(target: ManagedObject, bits: int) -> bool:
    """Whether the object's mask has all these bits, or is Unrestricted (s12.1). An object without a mask has none."""
    mask: int = target.first(Tag.CRYPTOGRAPHIC_USAGE_MASK) or 0
    return mask & bits == bits or bool(mask & Mask.UNRESTRICTED)


def left(target: ManagedObject) -> int | None:
    """How many units the object's Usage Limits (420095) leave (s4.59), or None if it has no limits."""
    limits = target.first(Tag.USAGE_LIMITS)
    if limits is None:
        return None
    count: int | None = limits.usage_limits_count
    return limits.usage_limits_total if count is None else count


def spend(call: Call, target: ManagedObject, units: int) -> None:
    """Take units from the object's Usage Limits. Raises Usage Limit Exceeded and takes nothing if there are too few."""
    available = left(target)
    if available is None or units == 0:
        return
    if units > available:
        raise KmipError(
            ResultReason.USAGE_LIMIT_EXCEEDED,
            f"the object's Usage Limits (420095) leave {available}, and {units} are needed (KMIP 2.1 s4.59)",
        )
    limits = target.first(Tag.USAGE_LIMITS)
    target.set(Tag.USAGE_LIMITS, replace(limits, usage_limits_count=available - units))
    call.change(target)
