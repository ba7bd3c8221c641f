"""What the settings name, loaded and checked before the server starts anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from itertools import product

from edge.api.access.auth import AccessControl
from edge.api.access.directors import Directors
from edge.api.access.logins import Logins
from edge.api.access.tokens import TokensError
from edge.assets.store import AssetError, cached, fetch
from edge.base.event_log import get_logger
from edge.clips.folder import check as check_folder
from edge.config import Settings
from edge.models.cfg.model_error import ModelError
from edge.models.registry.model import Model
from edge.models.registry.registry import ModelRegistry
from edge.models.runtime.onnx_runtime import check_providers
from edge.models.weights import WEIGHTS
from edge.profile.accuracy import AccuracyError, AccuracyProfile
from edge.profile.accuracy_file import load_accuracy_profile
from edge.profile.latency import LatencyProfile
from edge.profile.latency_file import load_latency_profile
from edge.profile.stored_profile import PROFILES, find_stored_profile
from edge.sinks.sink_set import SinkSet
from edge.sinks.writer import SinkError

log = get_logger("edge.startup")


class StartError(Exception):
    """The server cannot start; the message says why and what to do."""


def load_profiles(settings: Settings) -> list[LatencyProfile] | None:
    """The devices' known latencies; None: they are measured, quickly, as they start."""
    try:
        if settings.profile:
            return [load_latency_profile(path) for path in settings.profile]
        [model, *others] = settings.served_models
        as_measured = not (others or model.cfg or model.onnx or model.torch or model.weights)
        as_measured = as_measured and settings.threads is None
        as_measured = as_measured and settings.runtime == settings.precision == "auto"
        if settings.device == ["cpu"] and as_measured:
            profile = find_stored_profile(model.name)
            return None if profile is None else [profile]
        return None
    except OSError as error:
        raise StartError(f"profile: {error}") from error


def load_models(settings: Settings, report: Callable[[str], None]) -> ModelRegistry:
    """The models to serve, checked here, so that no worker starts for files that don't fit.

    Published weights that a device needs are fetched, which `report` is told.
    """
    try:
        models = ModelRegistry.of(settings)
        if not all(device.startswith("sim:") for device in settings.device):
            for model in models:
                _fetch_weights(model, report)
    except (AssetError, ModelError) as error:
        raise StartError(str(error)) from error
    gpus = [device for device in settings.device if device.startswith("cuda:")]
    for model in models:
        if model.onnx is not None and gpus:
            try:
                check_providers(model.onnx, gpus[0], model.providers)
            except ModelError as error:
                raise StartError(f"{gpus[0]}: {error}") from error
    return models


def _fetch_weights(model: Model, report: Callable[[str], None]) -> None:
    """Here, since a worker that is silent for as long as a slow link needs counts as hung."""
    if model.kind != "built in" or model.weights is not None:
        return
    asset = WEIGHTS[model.name]
    if cached(asset) is None:
        report(f"fetching {asset.name}, {asset.size / 1e6:.0f} MB")
        try:
            fetch(asset)
        except AssetError as error:
            raise StartError(
                f"{model.name}: {error}; fetch it by other means and give it as the model's "
                "`weights`"
            ) from error


def load_sinks(settings: Settings, models: ModelRegistry) -> SinkSet:
    """The sinks. What they, zones, lines and rules name is checked to be what the models have."""
    known = {
        "models": {model.name for model in models},
        "classes": {name for model in models for name in model.class_names},
    }
    for table, key in product(("sinks", "zones", "lines", "rules"), known):
        for number, each in enumerate(getattr(settings, table)):
            if unknown := sorted(set(getattr(each, key, ())) - known[key]):
                raise StartError(f"{table}[{number}].{key}: {unknown[0]!r} is not served")
    _check_clips(settings, known["classes"])
    try:
        return SinkSet(settings.sinks)
    except SinkError as error:
        raise StartError(str(error)) from error


def _check_clips(settings: Settings, classes: Collection[str]) -> None:
    clips = settings.clips
    if clips is None:
        return
    if unknown := sorted(set(clips.classes) - set(classes)):
        raise StartError(f"clips.classes: {unknown[0]!r} is not served")
    try:
        check_folder(clips.folder)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StartError(f"clips.folder: {clips.folder}: {reason}") from error


def load_accuracy(settings: Settings) -> AccuracyProfile:
    """The network's accuracy by sent size and bitrate.

    Networks that have not been measured are taken to be like YOLOv4-tiny, which is logged.
    """
    stand_in = "yolov4-tiny"
    path = settings.accuracy or PROFILES / f"accuracy-{settings.network}.json"
    if settings.accuracy is None and not path.is_file():
        path = PROFILES / f"accuracy-{stand_in}.json"
    try:
        profile = load_accuracy_profile(path)
        names = [model.name for model in settings.served_models]
        unmeasured = [name for name in names if name not in profile.networks]
        if not unmeasured or (settings.accuracy and len(names) == 1):
            return profile
        if stand_in not in profile.networks:
            stand_in = profile.networks[0]
        log.info("accuracy_assumed", networks=unmeasured, stand_in=stand_in)
        return load_accuracy_profile(path, as_network=stand_in)
    except (AccuracyError, OSError) as error:
        raise StartError(f"accuracy: {error}") from error


def check_profiles(
    settings: Settings, models: ModelRegistry, profiles: Sequence[LatencyProfile]
) -> None:
    """StartError unless the devices' latencies, one profile each, are known for every model."""
    for device, profile in zip(settings.device, profiles, strict=True):
        for model in models:
            if model.on_demand and not device.startswith("sim:"):
                continue  # measured when it is loaded
            if not math.isfinite(profile.latency_ms(model.variants[0], (32, 32), 1)):
                raise StartError(
                    f"{device}: its latency profile has no {model.name}: measure it, or leave "
                    "out `profile`"
                )


def load_access(settings: Settings, logins: Logins) -> AccessControl:
    """Who may do what; StartError for tokens that can't be used."""
    try:
        return AccessControl(settings, logins, Directors(expected=settings.fleet is not None))
    except TokensError as error:
        raise StartError(f"tokens_file: {error}") from error
