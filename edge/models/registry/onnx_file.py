"""Reads an ONNX detector with OpenVINO and checks that this server can run it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.models.cfg.model_error import ModelError
from edge.models.registry.network_input import NetworkInput
from edge.models.registry.output_layouts import (
    LARGE_SIDE,
    SMALL_SIDE,
    Head,
    Layout,
    LayoutError,
    Output,
    identify,
    known_layouts,
    overridden,
)
from edge.models.runtime.openvino.openvino_library import OpenVinoError, openvino
from edge.profile.variant import STRIDE

MAX_FIXED_SIDE = 1280


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """A checked graph; `names` is the text that its exporter left of its classes."""

    graph: Any  # an openvino.Model
    head: Head
    takes: NetworkInput
    names: str | None = None


def read_onnx(path: Path, layout: str | None = None) -> OnnxFile:
    """The detector in a file; ModelError, naming what to change, for one that can't be run.

    `layout` overrides what is told by the outputs' shapes.
    """
    graph = _load(path)
    try:
        picture, sizes = _inputs(path, graph)
        batch, height, width = _free(picture, 0), _free(picture, 2), _free(picture, 3)
        fixed = _fixed_size(path, width, height)
        shapes = []
        for side in (SMALL_SIDE, LARGE_SIDE):
            rows = 1 if batch is None else batch
            wanted = {picture: [rows, 3, height or side, width or side]}
            if sizes is not None:
                wanted[sizes] = [rows, 2]
            shapes.append(_outputs(path, graph, wanted))
        if batch not in (None, 1):
            raise ModelError(
                f"{path}: its input takes {batch} pictures at a time: export it for 1, or with a "
                "dynamic batch axis"
            )
        area = (fixed[0] * fixed[1]) if fixed else LARGE_SIDE * LARGE_SIDE
        outputs = [
            Output(name, is_integer, small, large)
            for (name, is_integer, small), (_, _, large) in zip(*shapes, strict=True)
        ]
        head = identify(outputs, cells=sum(area // stride**2 for stride in (8, 16, 32)))
        if layout is not None and layout != head.layout:
            head = overridden(head, Layout(layout), outputs)
    except LayoutError as error:
        raise ModelError(f"{path}: {error}; known are the layouts {known_layouts()}") from None
    return OnnxFile(
        _load(path),  # with its free axes as they were
        head,
        NetworkInput(
            fixed,
            batch is not None,
            tuple(each.any_name for each in graph.inputs),
            None if sizes is None else sizes.any_name,
        ),
        _names(graph),
    )


def _names(graph: Any) -> str | None:
    """The property `names` that Ultralytics' exports have, among others."""
    path = ["framework", "names"]  # where OpenVINO keeps an ONNX file's properties
    return str(graph.get_rt_info(path).astype(str)) if graph.has_rt_info(path) else None


def _load(path: Path) -> Any:
    try:
        if path.is_dir():
            raise ModelError(f"{path}: a folder, not an ONNX file")
        if path.stat().st_size == 0:
            raise ModelError(f"{path}: empty, not an ONNX file")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
    try:
        openvino()
    except OpenVinoError as error:
        raise ModelError(f"{path}: ONNX models need OpenVINO: {error}") from None
    from openvino.frontend import FrontEndManager  # noqa: PLC0415 - only who has such a model pays

    reader = FrontEndManager().load_by_framework("onnx")
    try:
        return reader.convert(reader.load(str(path)))
    except Exception as error:  # OpenVINO's own kinds, and RuntimeError
        raise ModelError(f"{path}: no ONNX file that OpenVINO can read: {_cause(error)}") from None


def _inputs(path: Path, graph: Any) -> tuple[Any, Any]:
    """The input for pictures, and that for their sizes or None."""
    pictures = [each for each in graph.inputs if each.partial_shape.rank.get_length() == 4]
    others = [each for each in graph.inputs if each not in pictures]
    described = ", ".join(f"{each.any_name} {each.partial_shape}" for each in graph.inputs)
    is_sizes = [
        each.partial_shape.rank.get_length() == 2 and each.element_type.is_integral()
        for each in others
    ]
    if len(pictures) != 1 or len(others) > 1 or not all(is_sizes):
        raise ModelError(
            f"{path}: its inputs are {described}: one for pictures, (N, 3, H, W), is needed"
        )
    (picture,) = pictures
    if _free(picture, 1) not in (None, 3):
        last = _free(picture, 3)
        rule = "channels come second here: export it as NCHW" if last == 3 else "3 channels"
        raise ModelError(f"{path}: its input is {described}: {rule}")
    if not picture.element_type.is_real():
        kind = picture.element_type.get_type_name()
        raise ModelError(f"{path}: its input is of type {kind}: floats of 0 to 1 are needed")
    return picture, others[0] if others else None


def _free(node: Any, axis: int) -> int | None:
    """An axis's fixed length; None: it is free."""
    dimension = node.partial_shape[axis]
    return None if dimension.is_dynamic else int(dimension.get_length())


def _fixed_size(path: Path, width: int | None, height: int | None) -> tuple[int, int] | None:
    if width is None and height is None:
        return None
    if width is None or height is None:
        raise ModelError(f"{path}: one side of its input is fixed: both or none")
    if width != height or width % STRIDE or not STRIDE <= width <= MAX_FIXED_SIDE:
        raise ModelError(
            f"{path}: its input is fixed at {width}x{height}: export it with dynamic axes, or for "
            f"a square of a multiple of {STRIDE}, at most {MAX_FIXED_SIDE}"
        )
    return width, height


_Shapes = list[tuple[str, bool, tuple[int | None, ...]]]


def _outputs(path: Path, graph: Any, inputs: dict[Any, list[int]]) -> _Shapes:
    """Name, whether of integers, and shape of each output, for inputs of these shapes."""
    partial_shape = openvino().PartialShape
    try:
        graph.reshape({node: partial_shape(shape) for node, shape in inputs.items()})
    except RuntimeError as error:
        picture = next(iter(inputs.values()))
        raise ModelError(
            f"{path}: it can't take a picture of {picture[3]}x{picture[2]}, though its axes are "
            f"dynamic: {_cause(error)}"
        ) from None
    return [
        (
            output.any_name if output.names else f"output {place}",
            output.element_type.is_integral(),
            tuple(_free(output, axis) for axis in range(_rank(output))),
        )
        for place, output in enumerate(graph.outputs)
    ]


def _rank(output: Any) -> int:
    rank = output.partial_shape.rank
    return int(rank.get_length()) if rank.is_static else 0


def _cause(error: Exception) -> str:
    """The last line of OpenVINO's message, which has the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
