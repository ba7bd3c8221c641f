"""The settings in force: flags before environment (`EDGE_PORT`, ...) before a TOML file before the
defaults."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict, SettingsError

from edge.base.validation import mistakes
from edge.config.settings import Settings

# Variables of the environment that are read elsewhere and are not settings.
OTHER_VARIABLES = ("EDGE_CACHE", "EDGE_CHROMIUM", "EDGE_DATA", "EDGE_SIM_MEMORY")


class ConfigError(Exception):
    """Settings that cannot be used; a line for each mistake names its origin, key and rule."""


def load(file: Path | None = None, **flags: Any) -> Settings:
    """The settings in force; flags that are None were not given.

    Raises ConfigError with a line for each mistake: the flag, variable or file, the key, the rule.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    if file is not None and not file.is_file():
        raise ConfigError(f"{file}: no such file")

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    unknown = _unknown_variables()
    try:
        settings = FromFile(**given)
    except ValidationError as error:
        lines = [_with_origin(line, given, file) for line in mistakes(error, Settings)]
        raise ConfigError("\n".join(unknown + lines)) from error
    except SettingsError as error:  # only the environment's lists and tables are JSON
        [key] = [name for name in Settings.model_fields if f'"{name}"' in str(error)]
        raise ConfigError(f"{_variable(key)}: not JSON: {error.__cause__}") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {error}") from error
    if unknown:
        raise ConfigError("\n".join(unknown))
    return _beside(file, settings)


def _beside(file: Path | None, settings: Settings) -> Settings:
    """The settings, with the models' files taken from the settings file's folder where they are
    there."""
    if file is None or not settings.models:
        return settings

    def found(path: Path) -> Path:
        beside = file.parent / path
        return beside if beside.exists() else path

    models = []
    for model in settings.models:
        paths = {key: value for key, value in model if isinstance(value, Path)}
        models.append(model.model_copy(update={k: found(path) for k, path in paths.items()}))
    return settings.model_copy(update={"models": models})


def _unknown_variables() -> list[str]:
    """A line for each variable of the environment that looks like a setting and is not read."""
    known = [*map(_variable, Settings.model_fields), *OTHER_VARIABLES]
    lines = []
    for name in sorted(os.environ):
        if name.upper().startswith("EDGE_") and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            suggestion = f"; did you mean {near[0]}?" if near else ""
            lines.append(f"{name}: unknown environment variable{suggestion}")
    return lines


def _with_origin(line: str, given: dict[str, Any], file: Path | None) -> str:
    """A mistake's line with the flag, variable or file in which its key was set."""
    match = re.match(r"\w+(?=[.\[:])", line)
    key = match[0] if match else ""
    if key in given:
        return f"--{key.replace('_', '-')}{line.removeprefix(key)}"
    if _variable(key) in map(str.upper, os.environ):
        return f"{_variable(key)}{line.removeprefix(key)}"
    return f"{file}: {line}" if file else line


def _variable(key: str) -> str:
    return f"EDGE_{key.upper()}"
