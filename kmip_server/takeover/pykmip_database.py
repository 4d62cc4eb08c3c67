"""The objects in a PyKMIP server's SQLite database (PyKMIP 0.10 and 0.11), read without changing it.

PyKMIP keeps an object in several tables, one for each class it derives from; -1 in a column of an enumeration is "not
set". Its Unique Identifiers are small integers, and stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from kmip_server.messages.structures import (
    ApplicationSpecificInformation,
    CryptographicParameters,
    Name,
)
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.objects.key_block import (
    Certificate,
    KeyBlock,
    KeyInformation,
    KeyValue,
    KeyWrappingData,
    ObjectStructure,
    OpaqueObject,
    PrivateKey,
    PublicKey,
    SecretData,
    SymmetricKey,
)
from kmip_server.ttlv import enumerations as enums
from kmip_server.ttlv.enumeration import Enumeration
from kmip_server.ttlv.enumerations import ObjectType
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag


class PyKmipDatabaseError(Exception):
    """The file is no PyKMIP database, or cannot be read; the message says why."""


class UnsupportedObject(Exception):  # noqa: N818
    """An object that this server does not manage; the message says which and why."""


@dataclass(frozen=True, slots=True, repr=False)
class PyKmipObject:
    """One object of the database. Times are POSIX seconds; `initial_date` 0 is not known."""

    unique_identifier: str
    owner: str
    object_type: ObjectType
    value: ObjectStructure
    state: enums.State
    initial_date: int
    operation_policy: str
    sensitive: bool
    usage_mask: int
    attributes: tuple[AttributeValue, ...]

    def __repr__(self) -> str:
        return f"PyKmipObject({self.unique_identifier!r}, {self.object_type.title})"


_OBJECTS: Final = """
    SELECT m.*, c.cryptographic_usage_mask, c.state, k.*, x.certificate_type, s.data_type, o.opaque_type, m.uid AS uid
    FROM managed_objects m
    LEFT JOIN crypto_objects c ON c.uid = m.uid
    LEFT JOIN keys k ON k.uid = m.uid
    LEFT JOIN certificates x ON x.uid = m.uid
    LEFT JOIN secret_data_objects s ON s.uid = m.uid
    LEFT JOIN opaque_objects o ON o.uid = m.uid
    WHERE m.uid > :after ORDER BY m.uid LIMIT 500
"""
_NAMES: Final = "SELECT name, name_type FROM managed_object_names WHERE mo_uid = :uid ORDER BY name_index, id"
_GROUPS: Final = """
    SELECT g.object_group FROM object_groups g JOIN object_group_map m ON m.object_group_id = g.id
    WHERE m.managed_object_id = :uid ORDER BY g.id
"""
_INFORMATION: Final = """
    SELECT a.application_namespace, a.application_data FROM app_specific_info a
    JOIN app_specific_info_map m ON m.app_specific_info_id = a.id WHERE m.managed_object_id = :uid ORDER BY a.id
"""

Row = dict[str, Any]


class PyKmipDatabase:
    """An open PyKMIP database. Its server may be stopped or running; what it has committed is read."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise PyKmipDatabaseError(f"{path} does not exist")
        self.path = path
        self._engine: Engine = create_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
        try:
            with self._engine.connect() as connection:
                found = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
        except SQLAlchemyError as error:
            raise PyKmipDatabaseError(f"{path} cannot be read: {error.__class__.__name__}") from None
        self._tables = frozenset(found)
        missing = {"managed_objects", "crypto_objects", "keys", "managed_object_names"} - self._tables
        if missing:
            raise PyKmipDatabaseError(f"{path} is no PyKMIP database: it has no table {', '.join(sorted(missing))}")

    def count(self) -> int:
        """How many objects there are."""
        with self._engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM managed_objects")).scalar_one())

    def objects(self) -> Iterator[PyKmipObject | UnsupportedObject]:
        """Every object, in the order of the identifiers; what cannot be managed here stands as the reason."""
        after = -1
        with self._engine.connect() as connection:
            while rows := connection.execute(text(_OBJECTS), {"after": after}).mappings().all():
                for found in rows:
                    row: Row = dict(found)
                    after = row["uid"]
                    row["names"] = connection.execute(text(_NAMES), {"uid": after}).all()
                    row["groups"] = self._related(connection, "object_group_map", _GROUPS, after)
                    row["information"] = self._related(connection, "app_specific_info_map", _INFORMATION, after)
                    try:
                        yield _object(row)
                    except UnsupportedObject as unsupported:
                        yield unsupported
                    except (ValueError, TypeError, KeyError) as error:
                        yield UnsupportedObject(f"object {after}: its row cannot be read ({type(error).__name__})")

    def _related(self, connection: Any, table: str, query: str, uid: int) -> list[Any]:
        """Rows about an object in a table that an old database may lack; 0.10 and 0.11 make it."""
        return list(connection.execute(text(query), {"uid": uid}).all()) if table in self._tables else []

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()


def _object(row: Row) -> PyKmipObject:
    object_type = ObjectType(row["object_type"])
    build = _BUILD.get(object_type)
    if build is None:
        raise UnsupportedObject(f"object {row['uid']}: a {object_type.title} cannot be managed here")
    return PyKmipObject(
        unique_identifier=str(row["uid"]),
        owner=row["owner"] or "",
        object_type=object_type,
        value=build(row),
        state=_enumeration(enums.State, row["state"]) or enums.State.PRE_ACTIVE,
        initial_date=row["initial_date"] or 0,
        operation_policy=row["operation_policy_name"] or "default",
        sensitive=bool(row.get("sensitive")),
        usage_mask=row["cryptographic_usage_mask"] or 0,
        attributes=(
            *[
                AttributeValue(Tag.NAME, Name(name_value=name, name_type=enums.NameType(kind)))
                for name, kind in row["names"]
            ],
            *[AttributeValue(Tag.OBJECT_GROUP, group) for (group,) in row["groups"]],
            *[
                AttributeValue(
                    Tag.APPLICATION_SPECIFIC_INFORMATION,
                    ApplicationSpecificInformation(application_namespace=namespace, application_data=data),
                )
                for namespace, data in row["information"]
            ],
        ),
    )


def _enumeration(values: type[Enumeration], number: int | None) -> Any:
    return None if number is None or number == -1 else values(number)


def _certificate(row: Row) -> Certificate:
    return Certificate(
        certificate_type=enums.CertificateType(row["certificate_type"]), certificate_value=bytes(row["value"])
    )


def _opaque(row: Row) -> OpaqueObject:
    return OpaqueObject(opaque_data_type=row["opaque_type"], opaque_data_value=bytes(row["value"]))


def _secret(row: Row) -> SecretData:
    return SecretData(
        secret_data_type=enums.SecretDataType(row["data_type"]),
        key_block=KeyBlock(
            key_format_type=enums.KeyFormatType.OPAQUE,
            key_value=KeyValue(key_material=Item(Tag.KEY_MATERIAL, Type.BYTE_STRING, bytes(row["value"]))),
        ),
    )


def _key_block(row: Row) -> KeyBlock:
    material = bytes(row["value"])
    wrapping = _wrapping(row)
    return KeyBlock(
        key_format_type=enums.KeyFormatType(row["key_format_type"]),
        key_value=material
        if wrapping is not None
        else KeyValue(key_material=Item(Tag.KEY_MATERIAL, Type.BYTE_STRING, material)),
        cryptographic_algorithm=enums.CryptographicAlgorithm(row["cryptographic_algorithm"]),
        cryptographic_length=row["cryptographic_length"],
        key_wrapping_data=wrapping,
    )


def _wrapping(row: Row) -> KeyWrappingData | None:
    method = _enumeration(enums.WrappingMethod, row["_kdw_wrapping_method"])
    if method is None:
        return None
    return KeyWrappingData(
        wrapping_method=method,
        encryption_key_information=_key_information(row, "eki"),
        mac_signature_key_information=_key_information(row, "mski"),
        mac_signature=row["_kdw_mac_signature"],
        iv_counter_nonce=row["_kdw_iv_counter_nonce"],
        encoding_option=_enumeration(enums.EncodingOption, row["_kdw_encoding_option"]),
    )


_PARAMETERS: Final[dict[str, type[Enumeration] | None]] = {
    "block_cipher_mode": enums.BlockCipherMode,
    "padding_method": enums.PaddingMethod,
    "hashing_algorithm": enums.HashingAlgorithm,
    "key_role_type": enums.KeyRoleType,
    "digital_signature_algorithm": enums.DigitalSignatureAlgorithm,
    "cryptographic_algorithm": enums.CryptographicAlgorithm,
    "random_iv": None,
    "iv_length": None,
    "tag_length": None,
    "fixed_field_length": None,
    "invocation_field_length": None,
    "counter_length": None,
    "initial_counter_value": None,
}


def _key_information(row: Row, prefix: str) -> KeyInformation | None:
    identifier = row[f"_kdw_{prefix}_unique_identifier"]
    if identifier is None:
        return None
    given: dict[str, Any] = {}
    for name, values in _PARAMETERS.items():
        stored = row[f"_kdw_{prefix}_cp_{name}"]
        value = _enumeration(values, stored) if values is not None else stored
        if value is not None:
            given[name] = bool(value) if name == "random_iv" else value
    return KeyInformation(
        unique_identifier=identifier, cryptographic_parameters=CryptographicParameters(**given) if given else None
    )


_BUILD: Final[dict[ObjectType, Callable[[Row], ObjectStructure]]] = {
    ObjectType.CERTIFICATE: _certificate,
    ObjectType.SYMMETRIC_KEY: lambda row: SymmetricKey(key_block=_key_block(row)),
    ObjectType.PUBLIC_KEY: lambda row: PublicKey(key_block=_key_block(row)),
    ObjectType.PRIVATE_KEY: lambda row: PrivateKey(key_block=_key_block(row)),
    ObjectType.SECRET_DATA: _secret,
    ObjectType.OPAQUE_OBJECT: _opaque,
}
