"""RSA private keys from whichever of their numbers a peer has, checked for consistency (KMIP 2.1 s3.7).

The library's own check of an RSA private key proves its primes and takes from 30 milliseconds (2048 bits) to seconds
(8192 bits). Here the relations between the numbers are checked, and one signature is made and verified: that finds a
damaged key in well under a millisecond, and a key with false primes can only hurt the peer that brought it.
"""

from __future__ import annotations

import math

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from kmip_server.cryptography.failures import invalid_key
from kmip_server.cryptography.transparent import TransparentRSA

MAXIMUM_BITS = 8192
# Finding the primes from the exponents takes a modular power with each base; half of all bases succeed.
MAXIMUM_RECOVERY_BITS = 4096
_BASES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53)


def private_key(numbers: TransparentRSA) -> rsa.RSAPrivateKey:
    """Make a private key of its numbers; those that are missing are computed. Raises Invalid Field."""
    _check_sizes(numbers)
    n, d, e, p, q = numbers.modulus, numbers.private_exponent, numbers.public_exponent, numbers.p, numbers.q
    try:
        if p is None or q is None:
            p, q = _primes(n, d, e)
        order = math.lcm(p - 1, q - 1)
        if e is None and d is not None:
            e = pow(d, -1, order)
        elif e is None and numbers.prime_exponent_p is not None:
            e = pow(numbers.prime_exponent_p, -1, p - 1)
        if e is None:
            raise _incomplete()
        if d is None:
            d = pow(e, -1, order)
        key = rsa.RSAPrivateNumbers(
            p=p,
            q=q,
            d=d,
            dmp1=d % (p - 1) if numbers.prime_exponent_p is None else numbers.prime_exponent_p,
            dmq1=d % (q - 1) if numbers.prime_exponent_q is None else numbers.prime_exponent_q,
            iqmp=pow(q, -1, p) if numbers.crt_coefficient is None else numbers.crt_coefficient,
            public_numbers=rsa.RSAPublicNumbers(e, n),
        ).private_key(unsafe_skip_rsa_key_validation=True)
    except (ValueError, ZeroDivisionError):
        raise _inconsistent() from None
    check(key)
    return key


def public_key(numbers: TransparentRSA) -> rsa.RSAPublicKey:
    """Make a public key of its two numbers. Raises Invalid Field."""
    _check_sizes(numbers)
    if numbers.public_exponent is None:
        raise invalid_key("an RSA public key needs a Public Exponent (42006C)")
    try:
        return rsa.RSAPublicNumbers(numbers.public_exponent, numbers.modulus).public_key()
    except ValueError:
        raise invalid_key("the numbers in the Key Material (420043) are no RSA public key") from None


def check(key: rsa.RSAPrivateKey) -> None:
    """Refuse a private key whose numbers do not belong together, or that does not work. Raises Invalid Field."""
    numbers = key.private_numbers()
    p, q, n = numbers.p, numbers.q, numbers.public_numbers.n
    related = (
        min(p, q) > 1
        and p * q == n
        and numbers.d * numbers.public_numbers.e % math.lcm(p - 1, q - 1) == 1
        and numbers.dmp1 == numbers.d % (p - 1)
        and numbers.dmq1 == numbers.d % (q - 1)
        and numbers.iqmp * q % p == 1
    )
    if not related:
        raise _inconsistent()
    try:
        key.public_key().verify(key.sign(b"pairwise", PKCS1v15(), SHA256()), b"pairwise", PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        raise _inconsistent() from None


def check_length(bits: int) -> None:
    """Refuse a modulus too long to compute with here. Raises Invalid Field."""
    if bits > MAXIMUM_BITS:
        raise invalid_key(f"a Modulus (420052) of more than {MAXIMUM_BITS} bits is not accepted")


def _check_sizes(numbers: TransparentRSA) -> None:
    check_length(numbers.modulus.bit_length())
    every = (
        numbers.modulus,
        numbers.private_exponent,
        numbers.public_exponent,
        numbers.p,
        numbers.q,
        numbers.prime_exponent_p,
        numbers.prime_exponent_q,
        numbers.crt_coefficient,
    )
    if any(number is not None and not 0 < number <= numbers.modulus for number in every):
        raise _inconsistent()


def _primes(n: int, d: int | None, e: int | None) -> tuple[int, int]:
    if d is None or e is None:
        raise _incomplete()
    if n.bit_length() > MAXIMUM_RECOVERY_BITS:
        raise invalid_key(f"an RSA private key of more than {MAXIMUM_RECOVERY_BITS} bits needs its P (42005E) and Q")
    multiple = d * e - 1
    if multiple <= 0 or multiple % 2:
        raise _inconsistent()
    twos = (multiple & -multiple).bit_length() - 1
    for base in _BASES:
        root = pow(base, multiple >> twos, n)
        for _ in range(twos):
            square = root * root % n
            if square == 1 and root not in (1, n - 1):
                p = math.gcd(root - 1, n)
                return max(p, n // p), min(p, n // p)
            root = square
        if root != 1:
            break
    raise _inconsistent()


def _incomplete() -> Exception:
    return invalid_key("an RSA private key needs P (42005E) and Q with an exponent, or both exponents")


def _inconsistent() -> Exception:
    return invalid_key("the numbers in the Key Material (420043) of the RSA key do not belong together")
