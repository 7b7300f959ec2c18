"""What a key of the settings may be, and how one is written: types with their checks, and the frame of a section."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    WithJsonSchema,
)

from goim.config import hooks, values
from goim.config.dsn import parse_dsn


def _check_address(text: str) -> str:
    if text:
        values.address(text)
    return text


def _check_dsn(dsn: SecretStr) -> SecretStr:
    if dsn:
        parse_dsn(dsn.get_secret_value())
    return dsn


def _check_mongo(uri: SecretStr) -> SecretStr:
    if uri and not uri.get_secret_value().startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError('must look like "mongodb://host:27017/database"')
    return uri


def _check_url(text: str) -> str:
    if text and values.URL.fullmatch(text) is None:
        raise ValueError('must look like "https://chat.example.org"')
    return text


def _check_networks(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        try:
            ip_network(text, strict=False)
        except ValueError:
            raise ValueError('must be addresses or networks, like "10.0.0.5" or "10.0.0.0/8"') from None
    return texts


def _check_endpoints(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        hooks.parse_endpoint(text)
    return texts


def _check_hook_url(text: str) -> str:
    return hooks.checked_url(text) if text else text


def _check_hook_secrets(secrets: SecretStr) -> SecretStr:
    hooks.parse_secrets(secrets.get_secret_value())
    return secrets


def lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


_number_or_text: dict[str, Any] = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}]}

Duration = Annotated[float, BeforeValidator(values.duration), WithJsonSchema(_number_or_text)]
Size = Annotated[int, BeforeValidator(values.size), WithJsonSchema(_number_or_text)]
Texts = Annotated[tuple[str, ...], BeforeValidator(values.comma_list)]
Networks = Annotated[tuple[str, ...], BeforeValidator(values.comma_list), AfterValidator(_check_networks)]
Listen = Annotated[str, AfterValidator(_check_address)]
DsnText = Annotated[SecretStr, AfterValidator(_check_dsn)]
Url = Annotated[str, AfterValidator(_check_url)]
Endpoints = Annotated[tuple[str, ...], BeforeValidator(values.comma_list), AfterValidator(_check_endpoints)]
HookUrl = Annotated[str, AfterValidator(_check_hook_url)]
HookSecrets = Annotated[SecretStr, AfterValidator(_check_hook_secrets)]
MongoUri = Annotated[SecretStr, AfterValidator(_check_mongo)]
Role = Literal["api", "gateway", "tcp", "updater"]
MessageDb = Literal["", "sqlite", "mysql", "tidb", "mongodb"]


def key(
    default: object,
    description: str,
    *,
    variable: str | None = None,
    gt: float | None = None,
    ge: float | None = None,
    le: float | None = None,
    min_length: int | None = None,
) -> Any:
    """One key: its default as people would write it, one line on what it does, the seed's own name of its variable."""
    extra: dict[str, Any] = {"variable": variable} if variable else {}
    return Field(
        default, description=description, json_schema_extra=extra or None, gt=gt, ge=ge, le=le, min_length=min_length
    )


class Section(BaseModel):
    """Keys that belong together; nothing changes once it is read, and nothing unknown gets in."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
