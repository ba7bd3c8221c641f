"""Who may publish, and the relays that publishers are told of, as the settings give them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

Token = Annotated[SecretStr, Field(min_length=1, max_length=512)]
AdminToken = Annotated[SecretStr, Field(min_length=8, max_length=512)]


class PublishingToken(BaseModel):
    """One of several tokens for publishing; logs have its name."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=r"^[\w.-]{1,64}$")]
    token: Token
    max_sessions: Annotated[int, Field(ge=1)] | None = None


class IceServer(BaseModel):
    """A STUN or TURN server, for publishers and the server itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    urls: list[str]
    username: str | None = None
    credential: SecretStr | None = None

    @field_validator("urls")
    @classmethod
    def _schemes(cls, urls: list[str]) -> list[str]:
        for url in urls:
            if url.split(":", 1)[0] not in ("stun", "stuns", "turn", "turns"):
                raise ValueError(f"{url!r}: a URL that starts with stun:, stuns:, turn: or turns:")
        if not urls:
            raise ValueError("at least one URL")
        return urls

    @model_validator(mode="after")
    def _pair(self) -> IceServer:
        if (self.username is None) != (self.credential is None):
            raise ValueError("username and credential are given together, or neither")
        return self

    @property
    def wants_credentials(self) -> bool:
        """Whether it is a TURN server whose credentials are not fixed."""
        return self.credential is None and self.urls[0].startswith("turn")

    @property
    def gives_credentials(self) -> bool:
        """Whether publishers receive credentials for it."""
        return self.credential is not None or self.wants_credentials
