"""The elliptic curves this server knows, by Recommended Curve (KMIP 2.1 s11.45)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric import ec

from kmip_server.ttlv.enumerations import CryptographicAlgorithm, RecommendedCurve

# Keys on these can be registered and used; GENERATED says on which of them keys are made.
WEIERSTRASS: Mapping[RecommendedCurve, ec.EllipticCurve] = MappingProxyType(
    {
        RecommendedCurve.P_192: ec.SECP192R1(),
        RecommendedCurve.P_224: ec.SECP224R1(),
        RecommendedCurve.P_256: ec.SECP256R1(),
        RecommendedCurve.P_384: ec.SECP384R1(),
        RecommendedCurve.P_521: ec.SECP521R1(),
        RecommendedCurve.SECP256K1: ec.SECP256K1(),
        RecommendedCurve.BRAINPOOLP256R1: ec.BrainpoolP256R1(),
        RecommendedCurve.BRAINPOOLP384R1: ec.BrainpoolP384R1(),
        RecommendedCurve.BRAINPOOLP512R1: ec.BrainpoolP512R1(),
    }
)

GENERATED: Mapping[int, RecommendedCurve] = MappingProxyType(
    {256: RecommendedCurve.P_256, 384: RecommendedCurve.P_384, 521: RecommendedCurve.P_521}
)

# The names a key on a Weierstrass curve goes by: what it is used for is not in its bytes.
EC_ALGORITHMS = frozenset(
    {
        CryptographicAlgorithm.EC,
        CryptographicAlgorithm.ECDSA,
        CryptographicAlgorithm.ECDH,
        CryptographicAlgorithm.ECMQV,
    }
)

_BY_NAME = {curve.name: recommended for recommended, curve in WEIERSTRASS.items()}


def recommended_curve(curve: ec.EllipticCurve) -> RecommendedCurve:
    """Return the standard's name of one of the library's curves. Raises KeyError for a curve not in the table."""
    return _BY_NAME[curve.name]
