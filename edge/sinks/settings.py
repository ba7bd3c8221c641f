"""Sinks as the settings describe them: tables `[[sinks]]` (docs/operate/sinks.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from edge.sinks.signature import signing_key
from edge.tracking.events import EVENT_KINDS, EventKind

EventType = Literal["detections", "dropped", "bye", EventKind]
Names = Annotated[list[str], Field(max_length=1000)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=4096)]
Filled = Annotated[str, Field(min_length=1, max_length=255)]
_LEVEL = r"[^/+#\x00-\x1f\x7f]+"
_TOPIC = rf"^{_LEVEL}(/{_LEVEL}){{0,7}}$"
SENSOR_CLASSES = 32  # of which each label gets sensors


class _SinkSettings(BaseModel):
    """What all kinds have: which events, and how many may wait."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    batch_events: ClassVar[int]
    batch_bytes: ClassVar[int] = 256_000
    linger_s: ClassVar[float]
    """How long an event may wait for others of its batch."""

    name: Annotated[str, Field(pattern=r"^[\w.-]{1,64}$")]
    labels: Names = []
    classes: Names = []
    models: Names = []
    min_score: Annotated[float, Field(ge=0, le=1)] = 0.0
    types: Annotated[list[EventType], Field(min_length=1)] = ["detections", "bye", *EVENT_KINDS]
    empty: bool = True
    max_per_s: Annotated[float, Field(gt=0, le=1000)] | None = None
    queue_events: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    queue_bytes: Annotated[int, Field(ge=100_000, le=1_000_000_000)] = 16_000_000
    give_up_s: Annotated[float, Field(ge=1, le=86_400)] = 300.0


class WebhookSettings(_SinkSettings):
    """Batches by HTTP. The URL may hold a secret, so that it is never shown."""

    batch_events: ClassVar[int] = 100
    linger_s: ClassVar[float] = 0.5

    kind: Literal["webhook"]
    url: Secret
    secret: Secret
    authorization: Secret | None = None
    ca: Path | None = None
    timeout_s: Annotated[float, Field(ge=0.1, le=60)] = 5.0

    @field_validator("url")
    @classmethod
    def _http(cls, url: SecretStr) -> SecretStr:
        try:
            parts = urlsplit(url.get_secret_value())
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable, parts = False, urlsplit("")
        if not usable:
            raise ValueError("a URL that starts with https:// or http:// and names a host")
        if parts.username is not None or parts.password is not None:
            raise ValueError("no user and password in it: set authorization")
        return url

    @field_validator("secret")
    @classmethod
    def _strong(cls, secret: SecretStr) -> SecretStr:
        signing_key(secret.get_secret_value())
        return secret

    @field_validator("authorization")
    @classmethod
    def _header_value(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().isprintable():
            raise ValueError("printable characters alone")
        return value

    @property
    def target(self) -> str:
        """What may be shown of where it sends to."""
        parts = urlsplit(self.url.get_secret_value())
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


class JsonLinesSettings(_SinkSettings):
    """Lines of JSON in `folder`, in files that begin with the sink's name."""

    batch_events: ClassVar[int] = 1000
    linger_s: ClassVar[float] = 0.5

    kind: Literal["jsonl"]
    folder: Path
    max_bytes: Annotated[int, Field(ge=10_000)] = 100_000_000
    max_age_s: Annotated[float, Field(ge=1)] = 86_400.0
    files: Annotated[int, Field(ge=1, le=10_000)] = 10

    @property
    def target(self) -> str:
        """What may be shown of where it writes to."""
        return str(self.folder)


class MqttSettings(_SinkSettings):
    """An MQTT 5 broker."""

    batch_events: ClassVar[int] = 64
    linger_s: ClassVar[float] = 0.1  # alone, an event costs four times the processor time

    kind: Literal["mqtt"]
    host: Filled
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    tls: bool = False
    ca: Path | None = None
    username: Filled | None = None
    password: Secret | None = None
    client_id: Annotated[str, Field(pattern=r"^[\w.-]{1,64}$")] | None = None
    prefix: Annotated[str, Field(pattern=_TOPIC, max_length=128)] = "edge"
    qos: Literal[0, 1] = 1
    timeout_s: Annotated[float, Field(ge=0.1, le=60)] = 5.0
    home_assistant: bool = False
    discovery_prefix: Annotated[str, Field(pattern=_TOPIC, max_length=128)] = "homeassistant"

    @model_validator(mode="after")
    def _fits(self) -> MqttSettings:
        if self.ca is not None and not self.tls:
            raise ValueError("ca: goes with tls = true")
        if self.password is not None and self.username is None:
            raise ValueError("password: goes with username")
        if self.home_assistant and not 1 <= len(self.classes) <= SENSOR_CLASSES:
            raise ValueError(
                f"home_assistant: name 1 to {SENSOR_CLASSES} classes, each gets a sensor"
            )
        if self.home_assistant and not {"detections", "bye"} <= {*self.types}:
            raise ValueError('home_assistant: types must have "detections" and "bye"')
        if self.home_assistant and not self.empty:
            raise ValueError("home_assistant: goes without empty = false, which hides zeros")
        return self

    @property
    def port_or_default(self) -> int:
        return self.port or (8883 if self.tls else 1883)

    @property
    def target(self) -> str:
        """What may be shown of where it sends to."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port_or_default}"


SinkSettings = Annotated[
    WebhookSettings | JsonLinesSettings | MqttSettings, Field(discriminator="kind")
]
