"""The tokens in force: the settings' and those of a file that is re-read when it changes."""

from __future__ import annotations

import hmac
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.base.validation import mistakes
from edge.config import AdminToken, PublishingToken, Settings

log = get_logger("edge.api.access.tokens")

CHECK_EVERY_MS = 1_000.0  # between two looks at the file
_NO_FILE: tuple[int, ...] = ()


class TokensError(ValueError):
    """A file of tokens that can't be used; the message has a line for each mistake, no token."""


class _TokenFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    admin_token: AdminToken | None = None
    read_token: AdminToken | None = None
    tokens: Annotated[list[PublishingToken], Field(min_length=1)]


class TokenStore:
    """Publishing tokens, the admin token and the read token.

    The file's tokens are added to those of the settings, its other two replace theirs. A file
    that became unusable is logged once, and the tokens read before remain in force. Raises
    TokensError if it is unusable at the start.
    """

    def __init__(self, settings: Settings) -> None:
        self._file = settings.tokens_file
        self._own = list(settings.tokens)
        if settings.token is not None:
            self._own.append(PublishingToken(name="default", token=settings.token))
        self._own_admin, self._own_read = settings.admin_token, settings.read_token
        self._publishing, self._admin, self._read_token = self._own, self._own_admin, self._own_read
        self._version, self._checked_ms = _NO_FILE, now_ms()
        if self._file is not None:
            self._version = _version(self._file)
            self._load(self._file)

    @property
    def publishing_protected(self) -> bool:
        """Whether publishing takes a token."""
        return bool(self._publishing)

    @property
    def admin(self) -> SecretStr | None:
        """The admin token in force."""
        self._refresh()
        return self._admin

    @property
    def read(self) -> SecretStr | None:
        """The read token in force."""
        self._refresh()
        return self._read_token

    def publishing(self, text: str) -> PublishingToken | None:
        """The publishing token of that text; None if there is none."""
        self._refresh()
        # All are compared, so that the time does not depend on the position.
        equal = [token for token in self._publishing if equal_to(text, token.token)]
        return equal[0] if equal else None

    def _refresh(self) -> None:
        """Read the file again if it has changed."""
        now = now_ms()
        if self._file is None or now - self._checked_ms < CHECK_EVERY_MS:
            return
        self._checked_ms = now
        version = _version(self._file)
        if version == self._version:
            return
        self._version = version
        try:
            self._load(self._file)
        except TokensError as error:
            log.error("tokens_file_unusable", reason=str(error))
        else:
            log.info("tokens_read", names=[token.name for token in self._publishing])

    def _load(self, path: Path) -> None:
        try:
            read = _TokenFile(**tomllib.loads(path.read_text(encoding="utf-8")))
        except ValidationError as error:
            lines = [f"{path}: {line}" for line in mistakes(error, _TokenFile)]
            raise TokensError("\n".join(lines)) from None
        except (OSError, ValueError) as error:
            raise TokensError(f"{path}: {error}") from None
        self._publishing = [*read.tokens, *self._own]
        self._admin = read.admin_token or self._own_admin
        self._read_token = read.read_token or self._own_read


def equal_to(text: str, token: SecretStr) -> bool:
    """Whether the text is the token; in constant time."""
    return hmac.compare_digest(
        text.encode("utf-8", "surrogatepass"), token.get_secret_value().encode()
    )


def _version(path: Path) -> tuple[int, ...]:
    """Changes with the file's contents."""
    try:
        status = path.stat()
    except OSError:
        return _NO_FILE
    return status.st_ino, status.st_mtime_ns, status.st_size
