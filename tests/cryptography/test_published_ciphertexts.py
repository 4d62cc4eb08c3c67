"""Every fixed ciphertext, signature, MAC and hash of the published test cases comes out of these functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kmip_server.cryptography import asymmetric, macs, signing, symmetric
from kmip_server.cryptography.key_descriptions import describe
from kmip_server.cryptography.key_formats import load_private_key, load_public_key
from kmip_server.cryptography.parameters import CryptographicParameters
from kmip_server.cryptography.streaming import EncryptStream
from kmip_server.errors import KmipError
from kmip_server.ttlv import enumerations
from kmip_server.ttlv.enumeration import Enumeration
from kmip_server.ttlv.enumerations import (
    CryptographicAlgorithm,
    HashingAlgorithm,
    KeyFormatType,
    ObjectType,
    ResultReason,
)

CASES = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "oasis"
FILES = sorted(path for version in ("kmip-1.4", "kmip-2.1") for path in CASES.glob(f"{version}/*/CS-[AB]C-*.xml"))

pytestmark = pytest.mark.skipif(not FILES, reason="the published test cases (../shared) are not here")

ENUMERATIONS: dict[str, type[Enumeration]] = {
    name: getattr(enumerations, name)
    for name in (
        "BlockCipherMode",
        "PaddingMethod",
        "HashingAlgorithm",
        "DigitalSignatureAlgorithm",
        "CryptographicAlgorithm",
        "MaskGenerator",
    )
}
ENUMERATIONS["MaskGeneratorHashingAlgorithm"] = HashingAlgorithm
# The cases want General Failure and Invalid Message here; operations map these reasons.
REASONS = {
    "CryptographicFailure": ResultReason.CRYPTOGRAPHIC_FAILURE,
    "GeneralFailure": ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS,
    "InvalidMessage": ResultReason.MISSING_INITIALIZATION_VECTOR,
}
PLACEHOLDERS = {"Data": "$DATA_0", "IVCounterNonce": "$IV_COUNTER_NONCE", "MACData": "$MAC_DATA"}
# What objects and their states decide, not cryptography.
ELSEWHERE = {"PermissionDenied", "WrongKeyLifecycleState"}


def value(element: ElementTree.Element, path: str) -> str | None:
    found = element.find(path)
    return None if found is None else found.get("value")


def octets(element: ElementTree.Element, path: str) -> bytes | None:
    text = value(element, path)
    return None if text is None or text.startswith("$") else bytes.fromhex(text)


def member(kind: type[Enumeration], name: str) -> Enumeration:
    return next(one for one in kind if name in (one.encoded_name, one.name))


def read(tag: str, text: str) -> object:
    if tag in ENUMERATIONS:
        return member(ENUMERATIONS[tag], text)
    if tag == "PSource":
        return bytes.fromhex(text)
    return text == "true" if tag == "RandomIV" else int(text)


NAMES = {field.name.replace("_", ""): field.name for field in fields(CryptographicParameters)}


def parameters(structure: ElementTree.Element | None) -> CryptographicParameters | None:
    if structure is None:
        return None
    given = {NAMES[child.tag.lower()]: read(child.tag, child.get("value") or "") for child in structure}
    return CryptographicParameters(**given)  # type: ignore[arg-type]


@dataclass
class Key:
    """A key of a case: what it is, and its Cryptographic Parameters attribute."""

    object_type: ObjectType
    key_format: KeyFormatType
    algorithm: CryptographicAlgorithm
    material: bytes
    parameters: CryptographicParameters


def attribute(payload: ElementTree.Element) -> ElementTree.Element | None:
    for structure in payload.iter("Attribute"):
        if value(structure, "AttributeName") == "Cryptographic Parameters":
            return structure.find("AttributeValue")
    return payload.find("Attributes/CryptographicParameters")


def registered(payload: ElementTree.Element) -> Key:
    block = payload.find(".//KeyBlock")
    assert block is not None
    key = Key(
        object_type=member(ObjectType, value(payload, "ObjectType") or ""),
        key_format=member(KeyFormatType, value(block, "KeyFormatType") or ""),
        algorithm=member(CryptographicAlgorithm, value(block, "CryptographicAlgorithm") or ""),
        material=octets(block, "KeyValue/KeyMaterial") or b"",
        parameters=parameters(attribute(payload)) or CryptographicParameters(),
    )
    length = int(value(block, "CryptographicLength") or 0)
    describe(key.object_type, key.key_format, key.material, algorithm=key.algorithm, length=length)
    return key


class Player:
    """Plays one case against the functions, keeping the keys and what is bound to placeholders."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self.bound: dict[str, bytes] = {}
        self.stream: EncryptStream | None = None
        self.compared = 0

    def octets(self, payload: ElementTree.Element, path: str) -> bytes | None:
        text = value(payload, path)
        return self.bound[text] if text is not None and text.startswith("$") else octets(payload, path)

    def play(self, root: ElementTree.Element) -> None:
        messages = list(root)
        for request, response in zip(messages[::2], messages[1::2], strict=True):
            for asked, answered in zip(request.findall("BatchItem"), response.findall("BatchItem"), strict=True):
                self.step(value(asked, "Operation") or "", asked.find("RequestPayload"), answered)

    def step(self, operation: str, asked: ElementTree.Element | None, answered: ElementTree.Element) -> None:
        assert asked is not None
        reason = value(answered, "ResultReason")
        payload = answered.find("ResponsePayload")
        if operation == "Register":
            assert payload is not None
            self.keys[value(payload, "UniqueIdentifier") or ""] = registered(asked)
            return
        perform = OPERATIONS.get(operation)
        identifier = value(asked, "UniqueIdentifier") or ""
        if perform is None or reason in ELSEWHERE or (operation != "Hash" and identifier not in self.keys):
            return
        if reason is not None:
            with pytest.raises(KmipError) as failed:
                perform(self, self.keys[identifier], asked)
            assert failed.value.reason is REASONS[reason]
            self.compared += 1
            return
        assert payload is not None
        answer = perform(self, self.keys.get(identifier), asked)
        for path, computed in answer.items():
            expected = payload.find(path)
            # Some cases show an example of what they refer to by its placeholder later.
            if isinstance(computed, bytes) and path in PLACEHOLDERS:
                self.bound.setdefault(PLACEHOLDERS[path], computed)
            if expected is None:
                assert computed in (None, b"")
                continue
            text = expected.get("value") or ""
            if text.startswith("$"):
                assert isinstance(computed, bytes)
                self.bound[text] = computed
                continue
            if answer.get("IVCounterNonce") is not None:
                continue
            assert computed == (text if isinstance(computed, str) else bytes.fromhex(text))
            self.compared += 1


Answer = dict[str, bytes | str | None]


def chosen(key: Key, asked: ElementTree.Element) -> CryptographicParameters:
    given = parameters(asked.find("CryptographicParameters"))
    return key.parameters if given is None else given


def encrypt(player: Player, key: Key, asked: ElementTree.Element) -> Answer:
    data = player.octets(asked, "Data") or b""
    if key.object_type is ObjectType.PUBLIC_KEY:
        # OAEP is randomised: what can be compared is the decryption, by the sister case with the private key.
        asymmetric.encrypt(load_public_key(key.key_format, key.material), data, chosen(key, asked))
        return {}
    iv = player.octets(asked, "IVCounterNonce")
    aad = player.octets(asked, "AuthenticatedEncryptionAdditionalData") or b""
    if value(asked, "InitIndicator") == "true":
        player.stream = EncryptStream(key.algorithm, key.material, chosen(key, asked), iv=iv, aad=aad)
        return {"Data": player.stream.update(data)}
    if player.stream is not None and value(asked, "FinalIndicator") == "true":
        sealed = player.stream.finish(data)
    else:
        sealed = symmetric.encrypt(key.algorithm, key.material, data, chosen(key, asked), iv=iv, aad=aad)
    return {"Data": sealed.data, "AuthenticatedEncryptionTag": sealed.tag, "IVCounterNonce": sealed.iv}


def decrypt(player: Player, key: Key, asked: ElementTree.Element) -> Answer:
    data = player.octets(asked, "Data") or b""
    if key.object_type is ObjectType.PRIVATE_KEY:
        private = load_private_key(key.key_format, key.material)
        return {"Data": asymmetric.decrypt(private, data, chosen(key, asked))}
    return {
        "Data": symmetric.decrypt(
            key.algorithm,
            key.material,
            data,
            chosen(key, asked),
            iv=player.octets(asked, "IVCounterNonce"),
            aad=player.octets(asked, "AuthenticatedEncryptionAdditionalData") or b"",
            tag=player.octets(asked, "AuthenticatedEncryptionTag"),
        )
    }


def sign(player: Player, key: Key, asked: ElementTree.Element) -> Answer:
    private = load_private_key(key.key_format, key.material)
    signature = signing.sign(private, chosen(key, asked), data=player.octets(asked, "Data"))
    return {"SignatureData": signature}


def signature_verify(player: Player, key: Key, asked: ElementTree.Element) -> Answer:
    public = load_public_key(key.key_format, key.material)
    signature = player.octets(asked, "SignatureData") or b""
    valid = signing.verify(public, signature, chosen(key, asked), data=player.octets(asked, "Data"))
    return {"ValidityIndicator": "Valid" if valid else "Invalid"}


def mac(player: Player, key: Key, asked: ElementTree.Element) -> Answer:
    data = player.octets(asked, "Data") or b""
    return {"MACData": macs.mac(key.algorithm, key.material, data, chosen(key, asked))}


def mac_verify(player: Player, key: Key, asked: ElementTree.Element) -> Answer:
    data, made = player.octets(asked, "Data") or b"", player.octets(asked, "MACData") or b""
    valid = macs.verify_mac(key.algorithm, key.material, data, made, chosen(key, asked))
    return {"ValidityIndicator": "Valid" if valid else "Invalid"}


def hash_data(player: Player, key: Key | None, asked: ElementTree.Element) -> Answer:
    given = parameters(asked.find("CryptographicParameters"))
    assert given is not None
    return {"Data": macs.digest(given.hashing_algorithm, player.octets(asked, "Data") or b"")}


OPERATIONS: dict[str, Callable[[Player, Key, ElementTree.Element], Answer]] = {
    "Encrypt": encrypt,
    "Decrypt": decrypt,
    "Sign": sign,
    "SignatureVerify": signature_verify,
    "MAC": mac,
    "MACVerify": mac_verify,
    "Hash": hash_data,
}

# Their keys are created by the server, so that nothing in them is fixed; or only states are asked for; or the one
# signature or ciphertext in them is randomised.
RANDOMISED = tuple(f"CS-AC-M-OAEP-{odd}-" for odd in (1, 3, 5, 7, 9))
NOTHING_FIXED = ("CS-BC-M-1-", "CS-BC-M-2-", "CS-BC-M-3-", "CS-BC-M-14-", "CS-AC-M-1-", "CS-AC-M-8-", *RANDOMISED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_published_case_is_reproduced(path: Path) -> None:
    player = Player()
    player.play(ElementTree.parse(path).getroot())
    assert (player.compared > 0) == (not path.name.startswith(NOTHING_FIXED))
