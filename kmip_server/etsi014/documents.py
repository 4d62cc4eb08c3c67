"""The documents of ETSI GS QKD 014 V1.1.1 (s6): what is asked, checked to the last field, and what is answered.

Names are the standard's own. A request with a field that the standard does not have is refused, as it may mean
something that would be missed; what the standard reserves for future use is ignored.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from kmip_server.etsi014.service import (
    DEFAULT_BITS,
    LEAST_BITS,
    MOST_BITS,
    MOST_KEYS,
    DeliveredKey,
    KeyDeliveryError,
    KeyStatus,
    Kind,
)
from kmip_server.identity.certificate import IdentityError, checked_name

PREFIX: Final = b"/api/v1/keys/"
MOST_BODY_BYTES: Final = 1 << 16
"""128 key_IDs have 7,000; the listener sees to it, before the body is there."""
_MOST_PATH_BYTES: Final = 4096
_MOST_PARAMETERS: Final = 8
_MOST_DETAILS: Final = 8
_MOST_SHOWN: Final = 64
_SEGMENT: Final = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+")
_DECIMAL: Final = re.compile(r"[0-9]{1,9}")


class _Document(BaseModel):
    """A JSON object, of which nothing is converted and nothing shown in errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class KeyRequest(_Document):
    """What is asked of Get key (s6.2)."""

    number: Annotated[int, Field(ge=1, le=MOST_KEYS)] = 1
    size: Annotated[int, Field(ge=LEAST_BITS, le=MOST_BITS)] = DEFAULT_BITS
    additional_slave_SAE_IDs: list[str] = []  # noqa: N815
    extension_mandatory: list[dict[str, Any]] = []
    extension_optional: list[dict[str, Any]] = []


class KeyId(_Document):
    """One key_ID, in lower case."""

    key_ID: Annotated[  # noqa: N815
        str,
        Field(pattern=r"^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"),
        AfterValidator(str.lower),
    ]
    key_ID_extension: Any = None  # noqa: N815


class KeyIds(_Document):
    """What is asked of Get key with key IDs (s6.4)."""

    key_IDs: Annotated[list[KeyId], Field(min_length=1, max_length=MOST_KEYS)]  # noqa: N815
    key_IDs_extension: Any = None  # noqa: N815


class Status(_Document):
    """The answer of Get status (s6.1)."""

    source_KME_ID: str  # noqa: N815
    target_KME_ID: str  # noqa: N815
    master_SAE_ID: str  # noqa: N815
    slave_SAE_ID: str  # noqa: N815
    key_size: int = DEFAULT_BITS
    stored_key_count: int
    max_key_count: int
    max_key_per_request: int = MOST_KEYS
    max_key_size: int = MOST_BITS
    min_key_size: int = LEAST_BITS
    max_SAE_ID_count: int = 0  # noqa: N815


class Key(_Document):
    """A key in base64, and its id."""

    key_ID: str  # noqa: N815
    key: str = Field(repr=False)


class KeyContainer(_Document):
    """The answer of Get key, and of Get key with key IDs (s6.3)."""

    keys: list[Key]


class Error(_Document):
    """The answer of everything that went wrong (s6.5)."""

    message: str
    details: list[dict[str, str]]


_D = TypeVar("_D", bound=_Document)


# What is asked. -------------------------------------------------------------------------------------------------------


class Target(NamedTuple):
    """What a path names: the other SAE, and the method."""

    sae: str
    method: str


def read_path(path: bytes) -> Target:
    """The target of a path below PREFIX. Raises KeyDeliveryError."""
    if len(path) > _MOST_PATH_BYTES:
        raise _malformed(f"the path has more than {_MOST_PATH_BYTES} bytes")
    sae, *methods = path.removeprefix(PREFIX).split(b"/")
    if len(methods) != 1:
        raise _malformed("the path is /api/v1/keys/, an SAE ID, and status, enc_keys or dec_keys")
    if not _SEGMENT.fullmatch(sae):
        raise _malformed("the SAE ID in the path is not in URL encoding")
    try:
        return Target(checked_name(unquote_to_bytes(sae).decode()), methods[0].decode("ascii", "replace"))
    except UnicodeDecodeError:
        raise _malformed("the SAE ID in the path is not in UTF-8") from None
    except IdentityError as error:
        raise _malformed(f"the SAE ID in the path names no SAE: {error}") from None


def read_query(query: bytes) -> dict[str, str]:
    """The parameters of a query, each given once. Raises KeyDeliveryError."""
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(query),
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        raise _malformed("the query is not in URL encoding, or has too many parameters") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _malformed("the query gives a parameter twice")
    return found


def key_request(query: bytes) -> KeyRequest:
    """Get key by GET, with number and size at most (s5.2). Raises KeyDeliveryError."""
    parameters = {name: _number(text) for name, text in read_query(query).items()}
    return _possible(_checked(KeyRequest.model_validate, parameters))


def key_request_document(body: bytes) -> KeyRequest:
    """Get key by POST (s5.2). Raises KeyDeliveryError."""
    return _possible(_document(KeyRequest, body))


def key_ids(query: bytes) -> tuple[str, ...]:
    """Get key with key IDs by GET, which names one key (s5.3). Raises KeyDeliveryError."""
    return _different(_checked(KeyIds.model_validate, {"key_IDs": [read_query(query)]}))


def key_ids_document(body: bytes) -> tuple[str, ...]:
    """Get key with key IDs by POST (s5.3). Raises KeyDeliveryError."""
    return _different(_document(KeyIds, body))


def _number(text: str) -> int | str:
    """A number as a query writes it; what is none stays a text, which is refused where a number belongs."""
    return int(text) if _DECIMAL.fullmatch(text) else text


def _document(model: type[_D], body: bytes) -> _D:
    return _checked(model.model_validate_json, body)


def _checked(validate: Callable[[Any], _D], given: object) -> _D:
    try:
        return validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[:_MOST_DETAILS]
        details = [{"parameter": _place(one["loc"]), "problem": one["msg"]} for one in found]
        raise _malformed("{parameter}: {problem}".format_map(details[0]), details) from None


def _place(location: tuple[int | str, ...]) -> str:
    """Where in a document something is wrong. A name may be the peer's own."""
    return _shown(".".join(str(part) for part in location)) or "the body"


def _shown(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_MOST_SHOWN])


def _possible(request: KeyRequest) -> KeyRequest:
    for unmet, message, details in _UNMET:
        if unmet(request):
            raise _malformed(message, details(request))
    return request


def _unsupported(request: KeyRequest) -> list[dict[str, str]]:
    names = [name for extension in request.extension_mandatory for name in extension]
    return [{"extension_mandatory_unsupported": _shown(name)} for name in names[:_MOST_DETAILS]]


_UNMET: Final[Sequence[tuple[Callable[[KeyRequest], bool], str, Callable[[KeyRequest], list[dict[str, str]]]]]] = (
    (lambda request: request.size % 8 != 0, "size shall be a multiple of 8", lambda _: []),
    (
        lambda request: bool(request.additional_slave_SAE_IDs),
        "additional_slave_SAE_IDs are not supported: max_SAE_ID_count is 0",
        lambda _: [],
    ),
    (
        lambda request: bool(request.extension_mandatory),
        "not all extension_mandatory parameters are supported",
        _unsupported,
    ),
)
"""What is well formed and cannot be met, in the standard's words where it has some."""


def _different(asked: KeyIds) -> tuple[str, ...]:
    found = tuple(one.key_ID for one in asked.key_IDs)
    if len(set(found)) != len(found):
        raise _malformed("key_IDs: a key_ID is given twice")
    return found


def _malformed(message: str, details: Sequence[dict[str, str]] = ()) -> KeyDeliveryError:
    return KeyDeliveryError(Kind.MALFORMED, message, details)


# What is answered. ----------------------------------------------------------------------------------------------------


def status_answer(master: str, slave: str, found: KeyStatus) -> bytes:
    """The answer of Get status."""
    answer = Status(
        source_KME_ID=found.source_kme,
        target_KME_ID=found.target_kme,
        master_SAE_ID=master,
        slave_SAE_ID=slave,
        stored_key_count=found.stored_keys,
        max_key_count=found.most_keys,
    )
    return answer.model_dump_json().encode()


def keys_answer(keys: Sequence[DeliveredKey]) -> bytes:
    """The answer of Get key, and of Get key with key IDs."""
    found = [Key(key_ID=key.key_id, key=b64encode(key.secret).decode()) for key in keys]
    return KeyContainer(keys=found).model_dump_json().encode()


def error_answer(message: str, details: Sequence[dict[str, str]] = ()) -> bytes:
    """The answer of everything that went wrong."""
    return Error(message=message, details=list(details)).model_dump_json().encode()
