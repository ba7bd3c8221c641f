"""Many machines as the settings describe them: the table `[fleet]` (docs/operate/fleet.md)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from edge.base.node_name import NODE_NAME_PATTERN
from edge.base.validation import mistakes

DEFAULT_ENGINE_PORT = 4222
NodeName = Annotated[str, Field(pattern=NODE_NAME_PATTERN)]


class CredentialsError(ValueError):
    """A file of credentials that cannot be used; a line for each mistake, without secrets."""


def engine_address(url: str) -> tuple[str, int]:
    """Host and port of an engine's URL; ValueError if it is none."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in ("nats", "tls") or not parts.hostname or parts.path.strip("/"):
        raise ValueError(f"{url!r}: nats://HOST:PORT or tls://HOST:PORT")
    if parts.username is not None or parts.password is not None:
        raise ValueError("user and password stand in the file of credentials (creds)")
    if port is None and parts.netloc.rpartition(":")[2].isdigit():
        raise ValueError(f"{url!r}: a port from 1 to 65535")
    return parts.hostname, port or DEFAULT_ENGINE_PORT


class FleetSettings(BaseModel):
    """The engine between the machines, and this one's name and address there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    servers: Annotated[list[str], Field(min_length=1, max_length=16)]
    creds: Path | None = None
    name: NodeName | None = None
    drain_s: Annotated[float, Field(ge=0, le=3600)] = 60.0
    url: Annotated[str, Field(pattern=r"^https?://[^\s/]+(/[^\s]*)?$", max_length=512)] | None = (
        None
    )

    @model_validator(mode="before")
    @classmethod
    def _servers_alone(cls, value: Any) -> Any:
        return {"servers": value} if isinstance(value, str | list) else value

    @field_validator("servers", mode="before")
    @classmethod
    def _comma_separated(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return [part.strip() for part in value.split(",") if part.strip()]

    @field_validator("servers")
    @classmethod
    def _addresses(cls, servers: list[str]) -> list[str]:
        for url in servers:
            engine_address(url)
        return servers


class _Login(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    user: Annotated[str, Field(pattern=NODE_NAME_PATTERN)]
    password: Annotated[SecretStr, Field(min_length=8, max_length=512)]


class NodeLogin(_Login):
    """What one node may log in to the engine with."""


class FleetCredentials(_Login):
    """Of one node or director: its login, the authority that the engine's certificate is of, and,
    where a director starts the engine, the nodes' logins."""

    ca: Path | None = None
    nodes: Annotated[list[NodeLogin], Field(max_length=1024)] = []

    @model_validator(mode="after")
    def _apart(self) -> FleetCredentials:
        names = [self.user, *(node.user for node in self.nodes)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"nodes: the user {twice[0]!r} stands twice: each once")
        return self


def load_credentials(path: Path) -> FleetCredentials:
    """The file's credentials; CredentialsError if it cannot be used."""
    try:
        read = FleetCredentials(**tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        lines = [f"{path}: {line}" for line in mistakes(error, FleetCredentials)]
        raise CredentialsError("\n".join(lines)) from None
    except (OSError, ValueError) as error:
        raise CredentialsError(f"{path}: {error}") from None
    if read.ca is not None and not read.ca.is_absolute():
        return read.model_copy(update={"ca": path.parent / read.ca})
    return read
