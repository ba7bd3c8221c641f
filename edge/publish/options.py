"""What to publish and where to: the command's flags and its TOML file, as values."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from edge.base.validation import mistakes
from edge.config import SLO_MAX_MS, SLO_MIN_MS
from edge.session.control.control_messages import LABEL_MAX_CHARS

_SCHEMES = ("rtsp", "rtsps", "http", "https")
_HOST = re.compile(r"(\[[^]]*\]|[^:@]*)(:\d*)?")
_PASSWORD = re.compile(r"(pass(?:word|wd)?|pwd)=[^&_/;]*", re.IGNORECASE)

Kind = Literal["rtsp", "http", "device", "file"]


class OptionsError(ValueError):
    """Options that cannot be used: a line for each mistake, with file, key and rule."""


def _server_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("http://HOST:PORT or https://HOST:PORT")
    return text


def _source_url(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if not text:
        raise ValueError("must not be empty")
    if separator and scheme.lower() not in _SCHEMES:
        raise ValueError(f"rtsp, rtsps, http or https, not {scheme}")
    before, colon, _ = text.partition(":")
    if colon and not separator and before.lower() in _SCHEMES:
        raise ValueError(f"two slashes after {before.lower()}:")  # as a file it would be shown
    return f"{scheme.lower()}{separator}{rest}" if separator else text


def _label(text: str) -> str:
    if not text.isprintable():
        raise ValueError("only printable characters")
    return text


def _class_names(names: list[str]) -> list[str]:
    if any(not name or "," in name for name in names):
        raise ValueError("names without commas")
    return names


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class SourceOptions(_Options):
    """One source: a table of `[[sources]]`, or the command's SOURCE with its flags."""

    url: Annotated[str, AfterValidator(_source_url)]
    label: Annotated[str, Field(max_length=LABEL_MAX_CHARS), AfterValidator(_label)] = ""
    slo_ms: Annotated[float, Field(ge=SLO_MIN_MS, le=SLO_MAX_MS)] = 100.0
    classes: Annotated[list[str], AfterValidator(_class_names)] = []
    model: Annotated[str, Field(max_length=LABEL_MAX_CHARS), AfterValidator(_label)] = ""
    encode: bool = False
    loop: bool = False
    rtsp_transport: Literal["tcp", "udp"] = "tcp"
    capture_clock: Literal["auto", "camera", "arrival"] = "auto"
    video_size: Annotated[str, Field(pattern=r"^\d+x\d+$")] | None = None
    fps: Annotated[float, Field(ge=1, le=240)] | None = None

    @property
    def query(self) -> dict[str, str]:
        """Of the offer, besides objective and label."""
        wishes = {"classes": ",".join(self.classes), "model": self.model}
        return {key: text for key, text in wishes.items() if text}

    @property
    def kind(self) -> Kind:
        scheme, separator, _ = self.url.partition("://")
        if separator:
            return "rtsp" if scheme.startswith("rtsp") else "http"
        return "device" if self.url.startswith("/dev/") else "file"

    @property
    def name(self) -> str:
        """The source for people: its label, or its URL without user name and password."""
        return self.label or without_credentials(self.url)

    @property
    def server_label(self) -> str:
        """The label that the server gets."""
        end = Path(without_credentials(self.url)).name
        return self.label or "".join(filter(str.isprintable, end))[:LABEL_MAX_CHARS]


class PublishOptions(_Options):
    """The server and the sources: a whole file of `--config`."""

    to: Annotated[str, AfterValidator(_server_url)]
    token: SecretStr | None = None
    token_file: Path | None = None
    ca: Path | None = None
    insecure: bool = False
    sources: Annotated[list[SourceOptions], Field(min_length=1)]

    def read_token(self) -> str | None:
        """The token, or the first line of its file. Raises OptionsError; never shows a token."""
        if self.token is not None:
            return self.token.get_secret_value() or None
        if self.token_file is None:
            return None
        try:
            token = self.token_file.read_text(encoding="utf-8").partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise OptionsError(f"{self.token_file}: {reason}") from None
        if not token:
            raise OptionsError(f"{self.token_file}: its first line is the token, and it is empty")
        return token


def without_credentials(url: str) -> str:
    """A URL for people and logs: without user name and password, its query, and what looks like a
    password in its path, where some cameras want it."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    host, slash, path = rest.partition("/")
    if "@" not in host and _HOST.fullmatch(host) is None:  # a password with an unescaped slash
        host, slash, path = rest.rpartition("@")[2].partition("/")
    path = _PASSWORD.sub(r"\1=...", path.partition("?")[0])
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def load(path: Path, **flags: object) -> PublishOptions:
    """The options of a file; `flags` that are not None replace its keys. Raises OptionsError."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionsError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise OptionsError(f"{path}: not TOML: {error}") from None
    return _validated(data, flags, f"{path}: ")


def of_flags(source: dict[str, object], **flags: object) -> PublishOptions:
    """The options of the command line alone. Raises OptionsError."""
    given = {name: value for name, value in source.items() if value is not None}
    return _validated({"sources": [given]}, flags, "")


def _validated(data: dict[str, object], flags: dict[str, object], where: str) -> PublishOptions:
    given = {name: value for name, value in flags.items() if value is not None}
    if "token" in given or "token_file" in given:  # either flag replaces both keys
        data = {name: each for name, each in data.items() if name not in ("token", "token_file")}
    try:
        return PublishOptions.model_validate({**data, **given})
    except ValidationError as error:
        lines = mistakes(error, PublishOptions)
        if not where:
            lines = [line.removeprefix("sources[0].").replace("`to`", "--to") for line in lines]
        raise OptionsError("\n".join(f"{where}{line}" for line in lines)) from None
