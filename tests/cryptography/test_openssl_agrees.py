"""The same computations by the openssl command, an implementation that is not the library's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kmip_server.cryptography import asymmetric, signing, symmetric
from kmip_server.cryptography.derivation import DerivationParameters, derive
from kmip_server.cryptography.generation import generate_key_pair
from kmip_server.cryptography.key_formats import load_private_key, load_public_key
from kmip_server.cryptography.parameters import CryptographicParameters
from kmip_server.ttlv.enumerations import BlockCipherMode as Mode
from kmip_server.ttlv.enumerations import CryptographicAlgorithm as Algorithm
from kmip_server.ttlv.enumerations import DerivationMethod, HashingAlgorithm, KeyFormatType, PaddingMethod

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl command here")

KEY, IV, DATA = bytes(range(64)), bytes(range(100, 116)), bytes(range(200)) * 3
OPENSSL = shutil.which("openssl") or ""


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    return subprocess.run([OPENSSL, *arguments], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    ("algorithm", "mode", "size", "name"),
    [
        (Algorithm.AES, Mode.ECB, 16, "aes-128-ecb"),
        (Algorithm.AES, Mode.CBC, 32, "aes-256-cbc"),
        (Algorithm.AES, Mode.CBC, 24, "aes-192-cbc"),
        (Algorithm.AES, Mode.CFB, 32, "aes-256-cfb"),
        (Algorithm.AES, Mode.OFB, 32, "aes-256-ofb"),
        (Algorithm.AES, Mode.CTR, 32, "aes-256-ctr"),
        (Algorithm.CHACHA20, None, 32, "chacha20"),
        (Algorithm.DES3, Mode.CBC, 24, "des-ede3-cbc"),
        (Algorithm.DES3, Mode.CBC, 16, "des-ede-cbc"),
        (Algorithm.DES3, Mode.CFB, 24, "des-ede3-cfb"),
        (Algorithm.DES3, Mode.OFB, 24, "des-ede3-ofb"),
        (Algorithm.DES3, Mode.ECB, 24, "des-ede3"),
    ],
)
def test_ciphers_agree(algorithm: Algorithm, mode: Mode | None, size: int, name: str) -> None:
    iv = None if mode is Mode.ECB else IV[:8] if algorithm is Algorithm.DES3 else IV
    given = [] if iv is None else ["-iv", iv.hex()]
    expected = openssl("enc", f"-{name}", "-K", KEY[:size].hex(), *given, data=DATA)
    asked = CryptographicParameters(block_cipher_mode=mode, padding_method=PaddingMethod.PKCS5)
    assert symmetric.encrypt(algorithm, KEY[:size], DATA, asked, iv=iv).data == expected
    assert symmetric.decrypt(algorithm, KEY[:size], expected, asked, iv=iv) == DATA


@pytest.mark.parametrize(
    ("method", "mode"), [(DerivationMethod.NIST800_108_C, "COUNTER"), (DerivationMethod.NIST800_108_F, "FEEDBACK")]
)
@pytest.mark.parametrize("prf", ["HMAC", "CMAC"])
def test_key_derivation_agrees(method: DerivationMethod, mode: str, prf: str) -> None:
    label = b"label and context"
    feedback = (b"f" * 32, ["-kdfopt", "hexseed:" + (b"f" * 32).hex()]) if mode == "FEEDBACK" else (None, [])
    which = ["-kdfopt", "digest:SHA256"] if prf == "HMAC" else ["-kdfopt", "cipher:AES256"]
    if prf == "CMAC" and mode == "FEEDBACK":
        feedback = (b"f" * 16, ["-kdfopt", "hexseed:" + (b"f" * 16).hex()])
    expected = openssl(
        "kdf", "-binary", "-keylen", "100", "-kdfopt", f"mac:{prf}", *which, "-kdfopt", f"mode:{mode}",
        "-kdfopt", f"hexkey:{KEY[:32].hex()}", "-kdfopt", f"hexsalt:{label.hex()}", *feedback[1],
        "-kdfopt", "use-l:0", "-kdfopt", "use-separator:0", "KBKDF",
    )  # fmt: skip
    asked = DerivationParameters(derivation_data=(label,), initialization_vector=feedback[0])
    algorithm = Algorithm.HMAC_SHA256 if prf == "HMAC" else Algorithm.AES
    assert derive(method, algorithm, KEY[:32], asked, 800) == expected


@pytest.mark.parametrize("algorithm", [Algorithm.RSA, Algorithm.EC, Algorithm.ED25519])
def test_openssl_verifies_what_was_signed_here(algorithm: Algorithm, tmp_path: Path) -> None:
    pair = generate_key_pair(algorithm, 2048 if algorithm is Algorithm.RSA else None)
    asked = CryptographicParameters()
    if algorithm is not Algorithm.ED25519:
        asked = CryptographicParameters(hashing_algorithm=HashingAlgorithm.SHA_256)
    signature = signing.sign(load_private_key(KeyFormatType.PKCS8, pair.private), asked, data=DATA)
    for name, content in (("public", pair.public), ("signature", signature), ("data", DATA)):
        (tmp_path / name).write_bytes(content)
    digest = [] if algorithm is Algorithm.ED25519 else ["-digest", "sha256"]
    answer = openssl(
        "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", str(tmp_path / "public"), "-rawin", *digest,
        "-in", str(tmp_path / "data"), "-sigfile", str(tmp_path / "signature"),
    )  # fmt: skip
    assert b"Verified Successfully" in answer


def test_openssl_signs_in_pss_and_encrypts_in_oaep_what_is_taken_here(tmp_path: Path) -> None:
    pair = generate_key_pair(Algorithm.RSA, 2048)
    for name, content in (("private", pair.private), ("public", pair.public), ("data", DATA)):
        (tmp_path / name).write_bytes(content)
    signature = openssl(
        "pkeyutl", "-sign", "-keyform", "DER", "-inkey", str(tmp_path / "private"), "-rawin", "-digest", "sha384",
        "-pkeyopt", "rsa_padding_mode:pss", "-in", str(tmp_path / "data"),
    )  # fmt: skip
    pss = CryptographicParameters(padding_method=PaddingMethod.PSS, hashing_algorithm=HashingAlgorithm.SHA_384)
    public, private = (
        load_public_key(KeyFormatType.X_509, pair.public),
        load_private_key(KeyFormatType.PKCS8, pair.private),
    )
    assert signing.verify(public, signature, pss, data=DATA)
    sealed = openssl(
        "pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", str(tmp_path / "public"),
        "-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha1",
        data=b"secret",
    )  # fmt: skip
    oaep = CryptographicParameters(
        padding_method=PaddingMethod.OAEP,
        hashing_algorithm=HashingAlgorithm.SHA_256,
        mask_generator_hashing_algorithm=HashingAlgorithm.SHA_1,
    )
    assert asymmetric.decrypt(private, sealed, oaep) == b"secret"


@pytest.mark.parametrize(
    ("algorithm", "key_format", "command"),
    [
        (Algorithm.RSA, KeyFormatType.PKCS1, ["rsa", "-traditional"]),
        (Algorithm.EC, KeyFormatType.ECPRIVATEKEY, ["ec"]),
    ],
)
def test_openssl_writes_private_keys_that_are_read_here(
    algorithm: Algorithm, key_format: KeyFormatType, command: list[str], tmp_path: Path
) -> None:
    pair = generate_key_pair(algorithm, 2048 if algorithm is Algorithm.RSA else None)
    (tmp_path / "private").write_bytes(pair.private)
    inputs = ["-inform", "DER", "-in", str(tmp_path / "private"), "-outform", "DER"]
    written = openssl(*command, *inputs)
    key = load_private_key(key_format, written)
    assert key.public_key() == load_public_key(KeyFormatType.X_509, pair.public)
