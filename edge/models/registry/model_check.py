"""Checks a model's files, without a worker: what the settings name becomes a Model, or an error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.models.cfg.cfg_file import read_cfg
from edge.models.cfg.model_error import ModelError
from edge.models.registry.model import Model
from edge.models.registry.names_file import parse_names, read_names
from edge.models.registry.onnx_file import OnnxFile, read_onnx
from edge.models.registry.torch_check import read_torch
from edge.models.registry.weights_check import check_built_in, check_weights
from edge.models.runtime.onnx_runtime import check_providers
from edge.models.weights import class_names
from edge.profile.model_settings import ModelSettings


def check_model(settings: ModelSettings, long_sides: Sequence[int]) -> Model:
    """The model; ModelError names the file, the place in it and what would fit.

    `long_sides` are its input sizes if it names none. AssetError without the built-in networks'
    class names.
    """
    if settings.onnx is not None:
        file = read_onnx(settings.onnx, settings.layout)
        names = _onnx_names(settings, file)
        sizes = _onnx_sizes(settings, file, long_sides)
        if settings.providers:
            check_providers(settings.onnx, "cpu", settings.providers)
    elif settings.torch is not None:
        names, sizes = _torch_names(settings), settings.input_sizes or long_sides
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
        providers=tuple(settings.providers),
        torch=settings.torch,
        on_demand=settings.on_demand,
    )


def _checked(names: list[str], path: Path, classes: int | None, whose: str) -> list[str]:
    """The names, which are from `path`; ModelError unless there are `classes` (None: any)."""
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
    assert settings.names is not None, "the settings require it"
    return _checked(read_names(settings.names), settings.names, cfg.classes, str(settings.cfg))


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


def _onnx_names(settings: ModelSettings, file: OnnxFile) -> list[str]:
    path = settings.onnx
    assert path is not None
    if settings.names is not None:
        names = read_names(settings.names)
        return _checked(names, settings.names, file.head.classes, str(path))
    if file.names is None:
        raise ModelError(
            f"{path}: it does not name its classes: set `names` to a file with a line for each"
        )
    return _checked(parse_names(path, file.names), path, file.head.classes, "its output")


def _torch_names(settings: ModelSettings) -> list[str]:
    entry_point = settings.torch
    assert entry_point is not None
    if settings.weights is not None and not settings.weights.is_file():
        raise ModelError(f"{settings.weights}: no such file")
    found = read_torch(entry_point, settings.weights, settings.layout)
    if settings.names is not None:
        names = read_names(settings.names)
        return _checked(names, settings.names, found.head.classes, f"{entry_point}'s output")
    if found.names is None:
        raise ModelError(
            f"torch = {entry_point!r}: the module has no attribute `names`: set `names` to a file "
            "with a line for each class"
        )
    names = parse_names(Path(entry_point), repr(list(found.names)))
    return _checked(names, Path(entry_point), found.head.classes, "its output")


def _onnx_sizes(
    settings: ModelSettings, file: OnnxFile, long_sides: Sequence[int]
) -> Sequence[int]:
    fixed = file.takes.fixed_size
    if fixed is None:
        return settings.input_sizes or long_sides
    if settings.input_sizes != [fixed[0]]:
        raise ModelError(
            f"{settings.onnx}: its input is fixed at {fixed[0]}x{fixed[1]}: export it with dynamic "
            f"axes, or set input_sizes = [{fixed[0]}] for {settings.name} to serve that size alone"
        )
    return [fixed[0]]
