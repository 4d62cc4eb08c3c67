"""Result Reasons as each version has them (KMIP 2.1 s11.46; KMIP 1.4 s11).

The server reasons in the words of 2.1. A peer of an earlier version gets the reason that its own error tables name for
the same situation; where they differ between operations, the operation decides.
"""

from __future__ import annotations

from typing import Final

from kmip_server.ttlv.enumerations import Operation, ResultReason
from kmip_server.ttlv.versions import V1_4, V2_0, ProtocolVersion

R = ResultReason

_IN_1X: Final[dict[ResultReason, ResultReason]] = {
    R.ATTRIBUTE_INSTANCE_NOT_FOUND: R.ITEM_NOT_FOUND,
    R.ATTRIBUTE_NOT_FOUND: R.ITEM_NOT_FOUND,
    R.ATTRIBUTE_READ_ONLY: R.PERMISSION_DENIED,
    R.ATTRIBUTE_SINGLE_VALUED: R.INVALID_FIELD,
    R.BAD_CRYPTOGRAPHIC_PARAMETERS: R.INVALID_FIELD,
    R.BAD_PASSWORD: R.INVALID_FIELD,
    R.CODEC_ERROR: R.INVALID_MESSAGE,
    R.CONSTRAINT_VIOLATION: R.PERMISSION_DENIED,
    R.ILLEGAL_OBJECT_TYPE: R.ILLEGAL_OPERATION,
    R.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK: R.PERMISSION_DENIED,
    R.INTERNAL_SERVER_ERROR: R.GENERAL_FAILURE,
    R.INVALID_ASYNCHRONOUS_CORRELATION_VALUE: R.ITEM_NOT_FOUND,
    R.INVALID_ATTRIBUTE: R.INVALID_FIELD,
    R.INVALID_ATTRIBUTE_VALUE: R.INVALID_FIELD,
    R.INVALID_CORRELATION_VALUE: R.ITEM_NOT_FOUND,
    R.INVALID_DATA_TYPE: R.INVALID_FIELD,
    R.INVALID_OBJECT_TYPE: R.INVALID_FIELD,
    R.KEY_WRAP_TYPE_NOT_SUPPORTED: R.FEATURE_NOT_SUPPORTED,
    R.MISSING_INITIALIZATION_VECTOR: R.INVALID_MESSAGE,
    R.MULTI_VALUED_ATTRIBUTE: R.INVALID_FIELD,
    R.NON_UNIQUE_NAME_ATTRIBUTE: R.INVALID_FIELD,
    R.NOT_AUTHORISED: R.PERMISSION_DENIED,
    R.NUMERIC_RANGE: R.INVALID_FIELD,
    R.OBJECT_DESTROYED: R.PERMISSION_DENIED,
    R.OBJECT_NOT_FOUND: R.ITEM_NOT_FOUND,
    R.PROTECTION_STORAGE_UNAVAILABLE: R.FEATURE_NOT_SUPPORTED,
    R.READ_ONLY_ATTRIBUTE: R.PERMISSION_DENIED,
    R.SERVER_LIMIT_EXCEEDED: R.INVALID_FIELD,
    R.UNKNOWN_ENUMERATION: R.INVALID_FIELD,
    R.UNKNOWN_MESSAGE_EXTENSION: R.FEATURE_NOT_SUPPORTED,
    R.UNKNOWN_TAG: R.INVALID_FIELD,
    R.UNSUPPORTED_ATTRIBUTE: R.INVALID_FIELD,
    R.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS: R.INVALID_FIELD,
    R.UNSUPPORTED_PROTOCOL_VERSION: R.INVALID_MESSAGE,
    R.USAGE_LIMIT_EXCEEDED: R.PERMISSION_DENIED,
    R.WRAPPING_OBJECT_ARCHIVED: R.OBJECT_ARCHIVED,
    R.WRAPPING_OBJECT_DESTROYED: R.PERMISSION_DENIED,
    R.WRAPPING_OBJECT_NOT_FOUND: R.ITEM_NOT_FOUND,
    R.WRONG_KEY_LIFECYCLE_STATE: R.PERMISSION_DENIED,
}
"""The reason in 1.x for a reason that 2.0 added."""

_IN_1X_FOR: Final[dict[tuple[Operation, ResultReason], ResultReason]] = {
    (Operation.ACTIVATE, R.INVALID_OBJECT_TYPE): R.ILLEGAL_OPERATION,
    **{
        (operation, R.INVALID_OBJECT_TYPE): R.PERMISSION_DENIED
        for operation in (
            Operation.ENCRYPT,
            Operation.DECRYPT,
            Operation.SIGN,
            Operation.SIGNATURE_VERIFY,
            Operation.MAC,
            Operation.MAC_VERIFY,
        )
    },
    (Operation.ADD_ATTRIBUTE, R.ATTRIBUTE_SINGLE_VALUED): R.ILLEGAL_OPERATION,
    (Operation.ADD_ATTRIBUTE, R.INVALID_ATTRIBUTE): R.PERMISSION_DENIED,
    (Operation.ADD_ATTRIBUTE, R.NON_UNIQUE_NAME_ATTRIBUTE): R.ILLEGAL_OPERATION,
    (Operation.ADD_ATTRIBUTE, R.SERVER_LIMIT_EXCEEDED): R.INDEX_OUT_OF_BOUNDS,
    (Operation.CREATE, R.SERVER_LIMIT_EXCEEDED): R.INDEX_OUT_OF_BOUNDS,
    (Operation.CREATE_KEY_PAIR, R.SERVER_LIMIT_EXCEEDED): R.INDEX_OUT_OF_BOUNDS,
    (Operation.DERIVE_KEY, R.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK): R.INVALID_FIELD,
    (Operation.DERIVE_KEY, R.WRONG_KEY_LIFECYCLE_STATE): R.INVALID_FIELD,
    (Operation.EXPORT, R.BAD_CRYPTOGRAPHIC_PARAMETERS): R.ITEM_NOT_FOUND,
    (Operation.EXPORT, R.INVALID_OBJECT_TYPE): R.ILLEGAL_OPERATION,
    (Operation.EXPORT, R.OBJECT_DESTROYED): R.ILLEGAL_OPERATION,
    (Operation.GET, R.BAD_CRYPTOGRAPHIC_PARAMETERS): R.ITEM_NOT_FOUND,
    (Operation.GET, R.INVALID_OBJECT_TYPE): R.ILLEGAL_OPERATION,
    (Operation.GET, R.OBJECT_DESTROYED): R.ILLEGAL_OPERATION,
    (Operation.GET_USAGE_ALLOCATION, R.ATTRIBUTE_NOT_FOUND): R.ILLEGAL_OPERATION,
    (Operation.GET_USAGE_ALLOCATION, R.INVALID_OBJECT_TYPE): R.ILLEGAL_OPERATION,
    (Operation.IMPORT, R.SERVER_LIMIT_EXCEEDED): R.INDEX_OUT_OF_BOUNDS,
    (Operation.MODIFY_ATTRIBUTE, R.ATTRIBUTE_NOT_FOUND): R.INVALID_FIELD,
    (Operation.MODIFY_ATTRIBUTE, R.NON_UNIQUE_NAME_ATTRIBUTE): R.ILLEGAL_OPERATION,
    (Operation.REGISTER, R.SERVER_LIMIT_EXCEEDED): R.INDEX_OUT_OF_BOUNDS,
    (Operation.RE_KEY, R.INVALID_OBJECT_TYPE): R.PERMISSION_DENIED,
    (Operation.RE_KEY_KEY_PAIR, R.INVALID_OBJECT_TYPE): R.PERMISSION_DENIED,
    (Operation.REVOKE, R.INVALID_OBJECT_TYPE): R.ILLEGAL_OPERATION,
}
"""Where an operation's own table of KMIP 1.4 s11 names another reason."""

_SINCE_2_FOR: Final[dict[tuple[Operation, ResultReason], ResultReason]] = {
    (Operation.ADJUST_ATTRIBUTE, R.INVALID_ATTRIBUTE): R.UNSUPPORTED_ATTRIBUTE,
    (Operation.ADJUST_ATTRIBUTE, R.OBJECT_NOT_FOUND): R.ITEM_NOT_FOUND,
    **{
        (operation, R.INVALID_ATTRIBUTE_VALUE): R.INVALID_FIELD
        for operation in Operation
        if operation
        not in (
            Operation.CREATE,
            Operation.CREATE_KEY_PAIR,
            Operation.IMPORT,
            Operation.REGISTER,
            Operation.SET_ATTRIBUTE,
        )
    },
    (Operation.MAC, R.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS): R.BAD_CRYPTOGRAPHIC_PARAMETERS,
    (Operation.MAC_VERIFY, R.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS): R.BAD_CRYPTOGRAPHIC_PARAMETERS,
    (Operation.RE_KEY, R.NON_UNIQUE_NAME_ATTRIBUTE): R.INVALID_FIELD,
    (Operation.RE_KEY_KEY_PAIR, R.NON_UNIQUE_NAME_ATTRIBUTE): R.INVALID_FIELD,
}
"""Where an operation's own table of KMIP 2.1 s6.1 has another word for the same situation."""

_AS_PUBLISHED: Final[dict[tuple[Operation, ResultReason], ResultReason]] = {
    (Operation.DECRYPT, R.MISSING_INITIALIZATION_VECTOR): R.INVALID_MESSAGE,
    (Operation.ENCRYPT, R.USAGE_LIMIT_EXCEEDED): R.PERMISSION_DENIED,
}
"""Where the published test cases, or the operation's own text (2.1 s6.1.17), name another reason than its table."""

_BEFORE: Final[dict[ResultReason, ResultReason]] = {
    R.ENCODING_OPTION_ERROR: R.INVALID_FIELD,
    R.KEY_VALUE_NOT_PRESENT: R.ILLEGAL_OPERATION,
    R.ATTESTATION_REQUIRED: R.PERMISSION_DENIED,
    R.ATTESTATION_FAILED: R.PERMISSION_DENIED,
    R.SENSITIVE: R.PERMISSION_DENIED,
    R.NOT_EXTRACTABLE: R.PERMISSION_DENIED,
    R.OBJECT_ALREADY_EXISTS: R.INVALID_FIELD,
}
"""The reason in versions of 1.x that do not have a reason of 1.1 to 1.4 yet."""


def reason_in(version: ProtocolVersion, operation: Operation | None, reason: ResultReason) -> ResultReason:
    """The reason as a peer of this version knows it."""
    if operation is not None:
        reason = _AS_PUBLISHED.get((operation, reason), reason)
    if version < V2_0 and reason.since > V1_4:
        own = _IN_1X_FOR.get((operation, reason)) if operation is not None else None
        return own or _IN_1X.get(reason, R.GENERAL_FAILURE)
    if version >= V2_0 and reason.until == V1_4:
        return R.PERMISSION_DENIED
    if operation is not None and (operation, reason) in _SINCE_2_FOR:
        reason = _SINCE_2_FOR[operation, reason]
    if reason.known_in(version):
        return reason
    return _BEFORE.get(reason, R.GENERAL_FAILURE)
