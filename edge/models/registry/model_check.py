"""Checks a model's files, without a worker: what the settings name becomes a Model, or an error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.models.cfg.cfg_file import read_cfg
from edge.models.cfg.model_error import ModelError
from edge.models.registry.model import Model
from edge.models.registry.names_file import read_names
from edge.models.registry.onnx_file import read_onnx
from edge.models.registry.weights_check import check_built_in, check_weights
from edge.models.weights import class_names
from edge.profile.model_settings import ModelSettings


def check_model(settings: ModelSettings, long_sides: Sequence[int]) -> Model:
    """The model; ModelError names the file, the place in it and what would fit.

    `long_sides` are its input sizes if it names none. AssetError without the built-in networks'
    class names.
    """
    if settings.onnx is not None:
        names = _onnx_names(settings)
        sizes = _onnx_sizes(settings, long_sides)
    elif settings.cfg is not None:
        names, sizes = _darknet_names(settings), settings.input_sizes or long_sides
    else:
        names, sizes = _built_in_names(settings), settings.input_sizes or long_sides
    return Model(
        name=settings.name,
        family=settings.family or settings.name,
        class_names=tuple(names),
        long_sides=tuple(sorted(sizes)),
        score_threshold=settings.score_threshold,
        nms_iou=settings.nms_iou,
        cfg=settings.cfg,
        weights=settings.weights,
        onnx=settings.onnx,
        layout=settings.layout,
    )


def _names(path: Path | None, classes: int | None, whose: str) -> list[str]:
    """The names in a file; ModelError unless there are `classes` of them (None: any number)."""
    assert path is not None, "the settings require it"
    names = read_names(path)
    if classes is not None and len(names) != classes:
        few = "too few" if len(names) < classes else "too many"
        raise ModelError(
            f"{path}: {len(names)} names are {few}: {whose} has {classes} classes, a line for each"
        )
    return names


def _darknet_names(settings: ModelSettings) -> list[str]:
    assert settings.cfg is not None
    assert settings.weights is not None
    cfg = read_cfg(settings.cfg)
    check_weights(settings.weights, cfg)
    return _names(settings.names, cfg.classes, str(settings.cfg))


def _built_in_names(settings: ModelSettings) -> list[str]:
    names = class_names() if settings.names is None else read_names(settings.names)
    if settings.weights is not None:
        check_built_in(settings.weights, settings.name, len(names))
    elif len(names) != len(class_names()):
        raise ModelError(
            f"{settings.names}: {len(names)} names, but {settings.name}'s published weights have "
            f"{len(class_names())} classes: give your own weights, too"
        )
    return names


def _onnx_names(settings: ModelSettings) -> list[str]:
    assert settings.onnx is not None
    head = read_onnx(settings.onnx, settings.layout).head
    return _names(settings.names, head.classes, str(settings.onnx))


def _onnx_sizes(settings: ModelSettings, long_sides: Sequence[int]) -> Sequence[int]:
    assert settings.onnx is not None
    fixed = read_onnx(settings.onnx, settings.layout).fixed_size
    if fixed is None:
        return settings.input_sizes or long_sides
    if settings.input_sizes != [fixed[0]]:
        raise ModelError(
            f"{settings.onnx}: its input is fixed at {fixed[0]}x{fixed[1]}: export it with dynamic "
            f"axes, or set input_sizes = [{fixed[0]}] for {settings.name} to serve that size alone"
        )
    return [fixed[0]]
