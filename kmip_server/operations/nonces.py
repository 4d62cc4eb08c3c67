"""A key encrypts once with an IV, where a second time would give the plaintext or the key away (docs/decisions).

Every IV of a caller is recorded. Of those that are made here, at random, it is recorded only that the key has had one:
they do not repeat by themselves, and callers, who are told them, must not repeat them. So from then on the key takes no
IV of a caller's any more.
"""

from __future__ import annotations

from typing import Final

from kmip_server.cryptography.cipher_setup import encrypts_once, never_again
from kmip_server.cryptography.parameters import CryptographicParameters
from kmip_server.errors import KmipError
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.call import Call
from kmip_server.ttlv.enumerations import CryptographicAlgorithm, ResultReason

_MADE_HERE: Final = b""
"""What is recorded for all IVs that are made here. No IV is empty."""


def claim_nonce(
    call: Call,
    key: ManagedObject,
    algorithm: CryptographicAlgorithm,
    parameters: CryptographicParameters,
    given: bytes | None,
    made: bytes | None,
) -> None:
    """Record that the key has encrypted with the IV that was given, or made here. Raises Bad Cryptographic Parameters.

    Takes what the encryption has taken; a mode without an IV has neither.
    """
    identifier, unit = key.unique_identifier, call.unit
    if not (given or made) or not encrypts_once(algorithm, parameters):
        return
    if made:
        unit.claim_nonce(identifier, _MADE_HERE)
    elif unit.nonce_claimed(identifier, _MADE_HERE):
        raise _refused("this key has encrypted with IVs made here, and takes no IV/Counter/Nonce (42003D) any more")
    elif given and not all(unit.claim_nonce(identifier, nonce) for nonce in never_again(algorithm, parameters, given)):
        raise _refused("this key has encrypted with this IV/Counter/Nonce (42003D) before; use another, or Random IV")


def _refused(why: str) -> KmipError:
    return KmipError(ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS, why)
