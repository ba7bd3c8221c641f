"""Settings; each is commented in `edge.toml`."""

from edge.config.access import AdminToken, IceServer, PublishingToken
from edge.config.loading import OTHER_VARIABLES, ConfigError, load
from edge.config.settings import ROOT_PATH_PATTERN, SLO_MAX_MS, SLO_MIN_MS, Settings, SloMs

__all__ = [
    "OTHER_VARIABLES",
    "ROOT_PATH_PATTERN",
    "SLO_MAX_MS",
    "SLO_MIN_MS",
    "AdminToken",
    "ConfigError",
    "IceServer",
    "PublishingToken",
    "Settings",
    "SloMs",
    "load",
]
