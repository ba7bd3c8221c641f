"""Every setting, with its default and its rule."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    IPvAnyAddress,
    IPvAnyNetwork,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from edge.base.event_log import get_logger
from edge.clips.settings import ClipSettings, check_names
from edge.config.access import AdminToken, IceServer, PublishingToken, Token
from edge.config.fleet import FleetSettings
from edge.profile.model_settings import ModelSettings
from edge.profile.variant import LONG_SIDES, NETWORKS, Precision, RuntimeSetting
from edge.sinks.settings import MqttSettings, SinkSettings
from edge.tracking.settings import (
    MAX_EACH,
    LineSettings,
    RuleSettings,
    TrackingSettings,
    ZoneSettings,
    check_zones,
    each_once,
)

log = get_logger("edge.config")

SLO_MIN_MS, SLO_MAX_MS = 20.0, 5000.0
ROOT_PATH_PATTERN = r"^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,63}){0,8}$"
"""A path without a slash at its end; empty for the root itself."""
SloMs = Annotated[float, Field(ge=SLO_MIN_MS, le=SLO_MAX_MS)]
Codec = Literal["vp8", "h264", "vp9", "av1"]
_LISTS = (
    "device",
    "edges",
    "profile",
    "frame_ancestors",
    "trusted_proxies",
    "announce",
    "ice_allow",
    "codecs",
)
_ORIGIN = re.compile(r"https?://(\*\.)?([\w-]+(\.[\w-]+)*|\[[0-9a-fA-F:.]+\])(:(\d{1,5}|\*))?")


def _frame_ancestor(source: str) -> str:
    """A source of CSP's `frame-ancestors` (CSP Level 3, section 6.4.2)."""
    source = source.rstrip("/")
    if source not in ("*", "'self'") and not _ORIGIN.fullmatch(source):
        raise ValueError(f"{source!r}: an origin such as https://app.example:8000, 'self' or *")
    return source


class Settings(BaseSettings):
    """Everything that can be set; edge.toml in the project's root comments each key."""

    model_config = SettingsConfigDict(env_prefix="EDGE_", extra="forbid", frozen=True)

    host: str = "0.0.0.0"
    port: Annotated[int, Field(ge=0, le=65535)] = 8443
    http: bool = False
    cert: Path | None = None
    key: Path | None = None
    token: Token | None = None
    tokens: list[PublishingToken] = []
    tokens_file: Path | None = None
    admin_token: AdminToken | None = None
    read_token: AdminToken | None = None
    admin_loopback: bool | None = None
    admin_pictures: bool = False
    amber_misses: Annotated[float, Field(ge=0, le=1)] = 0.015
    red_misses: Annotated[float, Field(ge=0, le=1)] = 0.1
    root_path: Annotated[str, Field(pattern=ROOT_PATH_PATTERN)] = ""
    frame_ancestors: Annotated[list[Annotated[str, AfterValidator(_frame_ancestor)]], NoDecode] = []
    trusted_proxies: Annotated[list[IPvAnyNetwork], NoDecode] = []
    ice_servers: list[IceServer] = []
    udp_ports: Annotated[str, Field(pattern=r"^\d{1,5}-\d{1,5}$")] | None = None
    announce: Annotated[list[IPvAnyAddress], NoDecode] = []
    ice_allow: Annotated[list[IPvAnyNetwork], NoDecode] = []
    turn_secret: Token | None = None
    turn_without_token: bool = False
    turn_ttl_s: Annotated[int, Field(ge=60, le=7 * 86_400)] = 3_600

    device: Annotated[list[str], NoDecode] = ["cpu"]
    network: str = "yolov4-tiny"
    weights: Path | None = None
    models: Annotated[list[ModelSettings], Field(max_length=8)] = []
    model_memory_mb: Annotated[int, Field(ge=64)] | None = None
    model_idle_s: Annotated[float, Field(ge=1, le=86_400)] = 300.0
    profile: Annotated[list[Path], NoDecode] = []
    accuracy: Path | None = None
    edges: Annotated[list[int], NoDecode] = list(LONG_SIDES)
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    runtime: RuntimeSetting = "auto"
    precision: Precision = "auto"
    max_batch: Annotated[int, Field(ge=1, le=32)] = 8
    accuracy_floor: Annotated[float, Field(ge=0, le=1)] = 0.7

    slo_ms: SloMs = 100.0
    fps: Annotated[float, Field(gt=0, le=120)] = 15.0
    max_bps: Annotated[int, Field(ge=100_000)] = 4_000_000
    sent_edge: Annotated[int, Field(ge=64, le=4096)] | None = None
    sent_bps: Annotated[int, Field(ge=50_000)] | None = None
    rate_control: Literal["receiver", "transport-cc"] = "receiver"
    codecs: Annotated[list[Codec], Field(min_length=1), NoDecode] = ["vp8", "h264", "vp9", "av1"]

    ingest: Annotated[int, Field(ge=0, le=64)] = 1
    max_sessions: Annotated[int, Field(ge=1)] = 64
    max_sessions_per_address: Annotated[int, Field(ge=1)] = 16
    max_connections: Annotated[int, Field(ge=16)] = 512
    max_connections_per_address: Annotated[int, Field(ge=4)] = 64
    max_requests_per_s: Annotated[int, Field(ge=10)] = 250
    max_half_open: Annotated[int, Field(ge=1)] = 16
    max_half_open_per_address: Annotated[int, Field(ge=1)] = 4
    max_posts_per_minute: Annotated[int, Field(ge=1)] = 60
    admission: bool = True
    max_sdp_bytes: Annotated[int, Field(ge=4096, le=64_000)] = 64_000
    max_message_bytes: Annotated[int, Field(ge=1024, le=65_536)] = 16_384
    max_messages_per_s: Annotated[int, Field(ge=10, le=10_000)] = 100
    end_fps: Annotated[float, Field(gt=0)] = 120.0
    end_bps: Annotated[int, Field(ge=100_000)] = 16_000_000
    end_cpu_share: Annotated[float, Field(gt=0, le=1)] = 0.25
    end_decode_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    max_pixels: Annotated[int, Field(ge=128 * 128)] = 1920 * 1088
    media_timeout_s: Annotated[float, Field(gt=0)] = 15.0

    tracking: TrackingSettings = TrackingSettings()
    zones: Annotated[list[ZoneSettings], Field(max_length=MAX_EACH), AfterValidator(each_once)] = []
    lines: Annotated[list[LineSettings], Field(max_length=MAX_EACH), AfterValidator(each_once)] = []
    rules: Annotated[list[RuleSettings], Field(max_length=MAX_EACH), AfterValidator(each_once)] = []

    sinks: Annotated[list[SinkSettings], Field(max_length=16)] = []
    clips: ClipSettings | None = None

    fleet: FleetSettings | None = None

    history_hours: Annotated[float, Field(ge=0, le=31 * 24)] = 24.0
    history_bytes: Annotated[int, Field(ge=1_000_000)] = 50_000_000

    stuck_exit_s: Annotated[float, Field(ge=0, le=3600)] = 30.0

    log_format: Literal["text", "json"] = "text"
    log_file: Path | None = None
    log_file_bytes: Annotated[int, Field(ge=10_000)] = 10_000_000
    log_files: Annotated[int, Field(ge=1, le=1000)] = 5

    @field_validator(*_LISTS, mode="before")
    @classmethod
    def _comma_separated(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return [part.strip() for part in value.split(",") if part.strip()]

    @field_validator("root_path", mode="before")
    @classmethod
    def _without_slash(cls, value: Any) -> Any:
        return value.rstrip("/") if isinstance(value, str) else value

    @field_validator("rate_control", mode="before")
    @classmethod
    def _renamed_rate_control(cls, value: Any) -> Any:
        if value != "trains":
            return value
        log.warning("deprecated_value", key="rate_control", value="trains", use="receiver")
        return "receiver"

    @model_validator(mode="before")
    @classmethod
    def _default_network(cls, values: Any) -> Any:
        """With [[models]], the first one is the default."""
        models = values.get("models") if isinstance(values, dict) else None
        if not isinstance(models, list) or not models or "network" in values:
            return values
        first = models[0]
        name = first.get("name") if isinstance(first, dict) else getattr(first, "name", None)
        return values if name is None else {**values, "network": name}

    @model_validator(mode="after")
    def _models(self) -> Settings:
        names = [model.name for model in self.models]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"models: the name {twice[0]!r} stands twice: each once")
        known = names or NETWORKS
        if self.network not in known:
            raise ValueError(f"network: one of {', '.join(known)}")
        for model in self.models:
            if model.on_demand and model.name == self.network:
                raise ValueError(
                    f"models: {model.name} is the default, which is loaded at the start: leave out "
                    "its on_demand, or name another one as `network`"
                )
        if self.models and self.weights is not None:
            raise ValueError("weights: with [[models]], give each model's there")
        return self

    @field_validator("sinks")
    @classmethod
    def _apart(cls, sinks: list[SinkSettings]) -> list[SinkSettings]:
        names = [sink.name for sink in sinks]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the name {twice[0]!r} stands twice: each once")
        brokers = [
            (sink.host, sink.port_or_default, sink.client_id)
            for sink in sinks
            if isinstance(sink, MqttSettings) and sink.client_id
        ]
        if len(brokers) > len(set(brokers)):
            raise ValueError("client_id: each once at a broker, which ends the older connection")
        return sinks

    @model_validator(mode="after")
    def _zones_of_rules(self) -> Settings:
        check_zones(self.rules, self.zones)
        if self.clips is not None:
            check_names(self.clips, self.zones, self.lines, self.rules)
        return self

    @field_validator("edges")
    @classmethod
    def _known_long_sides(cls, long_sides: list[int]) -> list[int]:
        if not long_sides or any(long_side not in LONG_SIDES for long_side in long_sides):
            raise ValueError("one or more of 128 to 608 in steps of 32")
        return sorted(set(long_sides))

    @field_validator("device")
    @classmethod
    def _known_devices(cls, devices: list[str]) -> list[str]:
        if not devices:
            raise ValueError("at least one device")
        for device in devices:
            kind, _, rest = device.partition(":")
            if (
                device != "cpu"
                and not (kind == "cuda" and rest.isdecimal())
                and not (kind == "sim" and rest)
            ):
                raise ValueError(f"{device!r}: cpu, cuda:N or sim:PROFILE")
        return devices

    @model_validator(mode="after")
    def _pair(self) -> Settings:
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key are given together, or neither")
        if (self.sent_edge is None) != (self.sent_bps is None):
            raise ValueError("sent_edge and sent_bps are given together, or neither")
        if self.profile and len(self.profile) != len(self.device):
            raise ValueError(f"profile: one for each of the {len(self.device)} devices, or none")
        ports = self.udp_port_range
        if ports is not None and not (ports and ports[0] >= 1024 and ports[-1] <= 65535):
            raise ValueError("udp_ports: from 1024 to 65535, the lower one first")
        if self.amber_misses > self.red_misses:
            raise ValueError("amber_misses: not over red_misses")
        needed = self.max_sessions + self.max_half_open
        if ports is not None and len(ports) < needed:
            raise ValueError(f"udp_ports: at least max_sessions + max_half_open ({needed}) ports")
        if self.end_fps < self.fps or self.end_bps < self.max_bps:
            raise ValueError("end_fps and end_bps: not below fps and max_bps, which are asked for")
        for server in self.ice_servers:
            if server.wants_credentials and self.turn_secret is None:
                raise ValueError(
                    f"ice_servers: {server.urls[0]} needs username and credential, or turn_secret"
                )
        return self

    @model_validator(mode="after")
    def _tokens(self) -> Settings:
        names = [token.name for token in self.tokens] + ["default"] * (self.token is not None)
        if len(names) > len(set(names)):
            raise ValueError("tokens: each name once; `default` is that of `token`")
        gives = any(server.gives_credentials for server in self.ice_servers)
        if gives and not self.publishing_protected and not self.turn_without_token:
            raise ValueError(
                "ice_servers with TURN credentials would be given to anybody, as token is not set:"
                " set token (or tokens, or tokens_file), or turn_without_token = true to accept it"
            )
        return self

    @property
    def served_models(self) -> list[ModelSettings]:
        """The models to serve: `models`, or the built-in one that `network` names."""
        return self.models or [ModelSettings(name=self.network, weights=self.weights)]

    @property
    def tracks(self) -> bool:
        """Whether boxes get tracking ids: zones and lines need them."""
        return self.tracking.on or bool(self.zones or self.lines)

    @property
    def publishing_protected(self) -> bool:
        """Whether publishing takes a token."""
        return bool(self.token or self.tokens or self.tokens_file)

    @property
    def udp_port_range(self) -> range | None:
        """The local UDP ports that media may use; None: any."""
        if self.udp_ports is None:
            return None
        first, last = map(int, self.udp_ports.split("-"))
        return range(first, last + 1)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)
