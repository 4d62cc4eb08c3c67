"""RNG Seed: seed data for the random number generator of the server (KMIP 2.1 s6.1.50)."""

from __future__ import annotations

from kmip_server.messages.fields import Payload, integer, payload, plain
from kmip_server.messages.structures import DATA, DataReference
from kmip_server.operations.call import Call
from kmip_server.operations.registry import operation
from kmip_server.ttlv.enumerations import Operation
from kmip_server.ttlv.tags import Tag


@payload
class RNGSeedRequest(Payload):
    """The seed data."""

    data: DataReference = plain(Tag.DATA, DATA, required=True)


@payload
class RNGSeedResponse(Payload):
    """How many bytes of it were used."""

    data_length: int = integer(Tag.DATA_LENGTH, required=True)


@operation(Operation.RNG_SEED, request=RNGSeedRequest, response=RNGSeedResponse, audited=True, names_object=False)
def rng_seed(call: Call, request: RNGSeedRequest) -> RNGSeedResponse:
    """No client influences the server's random source: none of the seed is used, and the answer says so (s6.1.50)."""
    call.batch.data(request.data)
    return RNGSeedResponse(data_length=0)
