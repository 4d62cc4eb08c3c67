"""PyKMIP's demo scripts, as programs, on the configuration that `client add` writes.

A script ends with 0 also where it only logs what the server refused: so its output is looked at. What some scripts ask
for and no server should do is in REFUSED; those that need no more than right parameters run as copies with these, see
CORRECTED.
"""

from __future__ import annotations

import ast
import hmac
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from kmip.core import enums
from kmip.pie import objects
from pykmip_support import Mask
from support.server import Client

IDENTIFIER = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
FAILED = re.compile(r"OPERATION_FAILED|Traceback|Unrecognized|exiting early")
SUCCESS = "result status: ResultStatus.SUCCESS"
DEMOS = Path(objects.__file__).parents[1] / "demos"
PIE = {
    "create",
    "create_key_pair",
    "decrypt",
    "delete_attribute",
    "derive_key",
    "destroy",
    "encrypt",
    "get",
    "get_attribute_list",
    "get_attributes",
    "locate",
    "mac",
    "modify_attribute",
    "register_certificate",
    "register_opaque_object",
    "register_private_key",
    "register_public_key",
    "register_secret_data",
    "register_split_key",
    "register_symmetric_key",
    "revoke",
    "set_attribute",
    "sign",
    "signature_verify",
}
UNITS = {
    "activate",
    "create",
    "create_key_pair",
    "destroy",
    "discover_versions",
    "get",
    "locate",
    "query",
    "register",
    "revoke",
}


class Demos:
    """Runs demo scripts with one client's configuration, whose port is the one that the server picked."""

    def __init__(self, client: Client) -> None:
        self.client = client
        written = (client.folder / "pykmip.conf").read_text()
        self.configuration: Path = client.folder / "demos.conf"
        self.configuration.write_text(re.sub(r"(?m)^port=.*$", f"port={client.server.kmip[1]}", written))

    def output(self, script: str | Path, *arguments: str, status: int = 0) -> str:
        """Run a script to its end, and answer what it printed without the stamps of its log lines."""
        named = [str(script)] if isinstance(script, Path) else ["-m", f"kmip.demos.{script}"]
        done = subprocess.run(
            [sys.executable, "-W", "ignore", *named, "-c", "client", "-s", str(self.configuration), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.client.folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        assert done.returncode == status, done.stdout
        return re.sub(r"(?m)^\S+ \S+ - \S+ - [A-Z]+ - ", "", done.stdout)

    def run(self, script: str | Path, *arguments: str) -> str:
        """Run a script that does all it is meant to do."""
        printed = self.output(script, *arguments)
        assert not FAILED.search(printed), printed
        return printed

    def made(self, name: str, *arguments: str) -> list[str]:
        """Run a script that makes objects, and answer their Unique Identifiers."""
        found = re.findall(IDENTIFIER, self.run(name, *arguments))
        assert found
        return found


@pytest.fixture(scope="module")
def demos(make_client: Callable[..., Client]) -> Demos:
    return Demos(make_client("demos"))


def test_the_demos_are_those_that_pykmip_has() -> None:
    for name, known in (("pie", PIE), ("units", UNITS)):
        assert {path.stem for path in (DEMOS / name).glob("*.py")} - {"__init__"} == known


def test_pie_demos_of_a_key_from_create_to_destroy(demos: Demos) -> None:
    (key,) = demos.made("pie.create", "-a", "AES", "-l", "256", "-o", "default")
    printed = demos.run("pie.get", "-i", key)
    assert re.search(r"Secret data: b'[0-9a-f]{64}'", printed)
    printed = demos.run("pie.get_attribute_list", "-i", key)
    assert {"Attribute name: State", "Attribute name: Cryptographic Length"} <= set(printed.splitlines())
    printed = demos.run("pie.get_attributes", "-i", key)
    assert {"Attribute State: State.PRE_ACTIVE", f"Attribute Unique Identifier: {key}"} <= set(printed.splitlines())
    printed = demos.run("pie.get_attributes", "-i", key, "-a", "State", "-a", "Cryptographic Length")
    assert "Successfully retrieved 2 attributes" in printed
    printed = demos.run("pie.set_attribute", "-i", key)
    assert f"Successfully set the 'Sensitive' attribute on object: {key}" in printed
    printed = demos.run("pie.locate", "-i", key, "--object-type", "SYMMETRIC_KEY", "--cryptographic-length", "256")
    assert f"Located uuids: ['{key}']" in printed
    assert f"Successfully revoked secret with ID: {key}" in demos.run("pie.revoke", "-i", key)
    assert f"Successfully destroyed secret with ID: {key}" in demos.run("pie.destroy", "-i", key)
    assert "OPERATION_FAILED" in demos.output("pie.get", "-i", key)


def test_unit_demos_of_a_key_from_create_to_destroy(demos: Demos) -> None:
    printed = demos.run("units.create", "-a", "AES", "-l", "256")
    assert SUCCESS in printed
    key = re.findall(IDENTIFIER, printed)[0]
    assert f"activated UUID: {key}" in demos.run("units.activate", "-i", key)
    printed = demos.run("units.get", "-i", key, "-f", "RAW")
    assert SUCCESS in printed
    assert "Key Format Type: KeyFormatType.RAW" in printed
    assert key in demos.run("units.locate", "-n", "Test Key", "--state", "ACTIVE")
    printed = demos.run("pie.modify_attribute", "-i", key)
    assert f"Successfully modified 'Name' attribute on object: {key}" in printed
    assert key in demos.run("units.locate", "-n", "Modified Name")
    printed = demos.run("pie.delete_attribute", "-i", key)
    assert f"Successfully deleted 'Name' attribute from object: {key}" in printed
    assert f"revoked UUID: {key}" in demos.run("units.revoke", "-i", key)
    assert f"destroyed UUID: {key}" in demos.run("units.destroy", "-i", key)


def test_demos_of_key_pairs(demos: Demos) -> None:
    public, private = demos.made("pie.create_key_pair", "-a", "RSA", "-l", "2048")
    assert public != private
    printed = demos.run("units.create_key_pair", "-a", "RSA", "-l", "2048", "-n", "demo pair")
    assert len(set(re.findall(IDENTIFIER, printed))) == 2
    assert SUCCESS in printed


def test_demos_of_encrypt_and_decrypt(demos: Demos) -> None:
    printed = demos.run("pie.encrypt", "-m", "a secret message")
    key = re.findall(IDENTIFIER, printed)[0]
    found = re.search(r"Cipher text: (b'.*')", printed)
    assert found
    ciphertext = ast.literal_eval(found[1]).decode()
    printed = demos.run("pie.decrypt", "-i", key, "-m", f"b{ciphertext}")
    assert "Plain text: 'a secret message'" in printed


def test_demos_of_sign_and_mac(demos: Demos) -> None:
    printed = demos.run("pie.sign")
    found = re.search(r"Signature: (b['\"].*)", printed)
    assert found
    assert len(ast.literal_eval(found[1])) == 128
    secret, algorithm = bytes(range(64)), enums.CryptographicAlgorithm.HMAC_SHA512
    with demos.client.pykmip() as client:
        key = client.register(objects.SymmetricKey(algorithm, 512, secret, masks=[Mask.MAC_GENERATE]))
        client.activate(key)
    printed = demos.run("pie.mac", "-i", key, "-a", "HMAC_SHA512")
    assert hmac.digest(secret, bytes(range(16)), "sha512").hex() in printed


def test_demos_of_register(demos: Demos) -> None:
    for name in ("certificate", "opaque_object", "public_key", "symmetric_key"):
        assert len(demos.made(f"pie.register_{name}")) == 1
    for kind, form in (
        ("CERTIFICATE", "X_509"),
        ("PUBLIC_KEY", "X_509"),
        ("PRIVATE_KEY", "PKCS_8"),
        ("SECRET_DATA", "OPAQUE"),
    ):
        assert SUCCESS in demos.run("units.register", "-t", kind, "-f", form)


def test_demos_of_query_and_discover_versions(demos: Demos) -> None:
    printed = demos.run("units.query")
    for line in ("operation supported: Operation.CREATE", "object type supported: ObjectType.SYMMETRIC_KEY"):
        assert line in printed.splitlines()
    assert "number of protocol versions returned: 7" in demos.run("units.discover_versions")
    assert "number of protocol versions returned: 2" in demos.run("units.discover_versions", "-v", "1.0,1.2")


class Refusal(NamedTuple):
    """A script that does not do all it is meant to do: its exit status, what it prints, and why."""

    name: str
    arguments: tuple[str, ...]
    status: int
    printed: str
    why: str


REFUSED = (
    Refusal(
        "pie.register_private_key",
        (),
        0,
        r"no PKCS#8 private key",
        "the script's key is in PKCS #1, and it says that it is in PKCS #8",
    ),
    Refusal(
        "pie.signature_verify",
        (),
        255,
        r"the Key Material \(420043\) has 1024 bits, not 1120",
        "the script says that its key of 1024 bits has 1120",
    ),
    Refusal(
        "units.register",
        ("-t", "SYMMETRIC_KEY", "-f", "RAW"),
        0,
        r"Key Material \(420043\) of 1024 bits does not fit AES",
        "the script has 128 bytes for an AES key of 128 bits",
    ),
    Refusal(
        "pie.derive_key",
        (),
        0,
        r"(?s)(an object in the State \(42008D\) Pre-Active cannot apply protection.*){5}",
        "the script derives from a key that it does not activate (KMIP 2.1 s4.57); then, that AES has keys of 160 bits,"
        " with Blowfish under a key for AES, and with MD5",
    ),
    Refusal("pie.register_split_key", (), 0, r"Split Key \(420089\)", "this server has no Split Keys"),
    Refusal(
        "pie.register_secret_data",
        (),
        1,
        r"TypeError: secret data name",
        "the script gives its arguments in another order than PyKMIP 0.11 takes them, and sends nothing",
    ),
)


@pytest.mark.parametrize("refusal", REFUSED, ids=lambda refusal: refusal.name)
def test_a_demo_is_told_why_it_is_refused(demos: Demos, refusal: Refusal) -> None:
    printed = demos.output(refusal.name, *refusal.arguments, status=refusal.status)
    assert re.search(refusal.printed, printed), printed


class Correction(NamedTuple):
    """A script, what is wrong in it and stands right in a copy, and what the copy prints."""

    name: str
    changes: tuple[tuple[str, str], ...]
    printed: tuple[str, ...]


CORRECTED = (
    Correction(
        "pie.register_secret_data",
        (("data_type, None, usage_mask, name", "data_type, usage_mask, name"),),
        ("Successfully registered secret data with ID: ",),
    ),
    Correction(
        "pie.register_private_key",
        (("enums.KeyFormatType.PKCS_8", "enums.KeyFormatType.PKCS_1"),),
        ("Successfully registered private key with ID: ",),
    ),
    Correction(
        "pie.signature_verify",
        (("1120,", "1024,"),),
        ("Example 1: The signature is valid.", "Example 2: The signature is invalid."),
    ),
    Correction(
        "pie.derive_key",
        (
            ("# Derive a new secret via PBKDF2.", "client.activate(key_id)"),
            ("cryptographic_length=160,", "cryptographic_length=256,"),
            ("enums.CryptographicAlgorithm.BLOWFISH", "enums.CryptographicAlgorithm.AES"),
            (r"b'\xFE\xDC\xBA\x98\x76\x54\x32\x10'", "bytes(16)"),
            ("enums.HashingAlgorithm.MD5", "enums.HashingAlgorithm.SHA_256"),
        ),
        tuple(
            f"Successfully derived a new secret via {method}."
            for method in ("PBKDF2", "encryption", "HMAC", "hashing", "NIST 800 108-C")
        ),
    ),
)


@pytest.mark.parametrize("correction", CORRECTED, ids=lambda correction: correction.name)
def test_a_demo_with_right_parameters_does_all_it_is_meant_to_do(
    demos: Demos, tmp_path: Path, correction: Correction
) -> None:
    text = DEMOS.joinpath(*correction.name.split(".")).with_suffix(".py").read_text()
    for wrong, right in correction.changes:
        assert text.count(wrong) == 1, wrong
        text = text.replace(wrong, right)
    corrected = tmp_path / "corrected.py"
    corrected.write_text(text)
    printed = demos.run(corrected)
    for line in correction.printed:
        assert line in printed
