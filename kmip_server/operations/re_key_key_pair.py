"""Re-key Key Pair: a new key pair takes the place of an existing one (KMIP 2.1 s6.1.47, KMIP 1.4 s4.5)."""

from __future__ import annotations

from typing import Final

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, interval, payload, plain
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, Identifier
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.call import Call
from kmip_server.operations.create_key_pair import CreateKeyPairResponse, PairAttributes
from kmip_server.operations.key_pairs import PairWanted, add_pair, generate, new_pair, pair_wanted
from kmip_server.operations.registry import operation
from kmip_server.operations.replacement import check_replaceable, replacement_template, take_over
from kmip_server.ttlv.enumerations import CryptographicAlgorithm, LinkType, ObjectType, Operation, ResultReason
from kmip_server.ttlv.tags import Tag


@payload
class _Replaced(Payload):
    private_key_unique_identifier: Identifier | None = plain(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)
    offset: int | None = interval(Tag.OFFSET)


@payload
class ReKeyKeyPairRequest(PairAttributes, _Replaced):
    """Which pair, when the new one is activated, and what else it shall have."""


@payload
class ReKeyKeyPairResponse(CreateKeyPairResponse):
    """The replacements."""


@operation(Operation.RE_KEY_KEY_PAIR, request=ReKeyKeyPairRequest, response=ReKeyKeyPairResponse, changes=True)
def re_key_key_pair(call: Call, request: ReKeyKeyPairRequest) -> ReKeyKeyPairResponse:
    """Make a pair with the attributes of the existing one, and link each key to the one it replaces (table 309).

    What pair to generate is known from the existing one alone, so that it is generated here, in the transaction. Others
    wait for it, so that there is a limit for RSA.
    """
    request.check_protection()
    private_key = call.target(request.private_key_unique_identifier)
    check_replaceable(call, private_key, ObjectType.PRIVATE_KEY)
    public_key = _public_key(call, private_key)
    check_replaceable(call, public_key, ObjectType.PUBLIC_KEY)
    private = replacement_template(call, private_key, request.for_private_key, request.offset)
    public = replacement_template(call, public_key, request.for_public_key, request.offset)
    try:
        pair = generate(_within_limits(call, pair_wanted(private, public)))
    except KmipError as error:
        raise KmipError(ResultReason.INVALID_FIELD, error.message) from None
    new_private_key, new_public_key = new_pair(call, pair, private, public)
    take_over(call, private_key, new_private_key)
    take_over(call, public_key, new_public_key)
    add_pair(call, pair, new_private_key, new_public_key)
    call.batch.id_placeholder = new_private_key.unique_identifier
    return ReKeyKeyPairResponse(
        private_key_unique_identifier=new_private_key.unique_identifier,
        public_key_unique_identifier=new_public_key.unique_identifier,
    )


_MOST_RSA_PAIRS: Final = 1
"""How many a message generates here. One of 4096 bits takes a third of a second; those of curves take no time."""


def _within_limits(call: Call, wanted: PairWanted) -> PairWanted:
    if wanted.algorithm is CryptographicAlgorithm.RSA:
        if call.batch.rsa_pairs >= _MOST_RSA_PAIRS:
            raise KmipError(
                ResultReason.INVALID_FIELD, f"a Request Message (420078) re-keys at most {_MOST_RSA_PAIRS} RSA key pair"
            )
        call.batch.rsa_pairs += 1
    return wanted


def _public_key(call: Call, private_key: ManagedObject) -> ManagedObject:
    for link in private_key.attributes.all(Tag.LINK):
        if link.link_type is LinkType.PUBLIC_KEY_LINK:
            return call.target(link.linked_object_identifier)
    raise KmipError(
        ResultReason.PERMISSION_DENIED, "the private key has no Link (42004A) to its public key, to re-key both"
    )
