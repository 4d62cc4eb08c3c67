"""The failures of this room, each with its Result Reason (KMIP 2.1 s11.46).

Whatever goes wrong inside a decryption, an unwrapping or a tag check is one error with one message: a peer that can
tell wrong padding from a wrong tag has an oracle.
"""

from __future__ import annotations

from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import ResultReason

DECRYPTION_FAILED = "the data could not be decrypted with this key and these parameters"


def bad_parameters(message: str) -> KmipError:
    """Parameters that are missing, contradict each other or have a wrong size: Bad Cryptographic Parameters."""
    return KmipError(ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS, message)


def unsupported(message: str) -> KmipError:
    """Parameters the standard knows and this server does not do: Unsupported Cryptographic Parameters."""
    return KmipError(ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS, message)


def missing_iv(message: str) -> KmipError:
    """No IV/Counter/Nonce where one is needed: Missing Initialization Vector."""
    return KmipError(ResultReason.MISSING_INITIALIZATION_VECTOR, message)


def decryption_failed() -> KmipError:
    """The one answer to every failed decryption, unwrapping and tag check: Cryptographic Failure."""
    return KmipError(ResultReason.CRYPTOGRAPHIC_FAILURE, DECRYPTION_FAILED)


def invalid_key(message: str) -> KmipError:
    """Key or certificate bytes that are not what they are said to be: Invalid Field (KMIP 2.1 s6.1.43.1)."""
    return KmipError(ResultReason.INVALID_FIELD, message)
