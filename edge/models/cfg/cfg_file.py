"""A network as a Darknet .cfg file describes it: layers with their channels, strides and numbers.

Read and checked without PyTorch, so that the server can refuse a file before it starts a worker.
Numbering, defaults and meanings are Darknet's (Redmon, "Darknet: Open Source Neural Networks in C";
Bochkovskiy's fork for YOLOv4's keys). What this server can't run is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from edge.models.cfg.cfg_sections import Section, read_sections
from edge.models.cfg.model_error import ModelError
from edge.profile.variant import STRIDE

Activation = Literal["leaky", "mish", "linear", "swish", "logistic", "relu"]
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)

MAX_SIDE = 4096  # of [net]
MAX_CHANNELS = 16_384
MAX_NUMBERS = 300_000_000  # float32: 1.2 GB; the largest published network has 100 million
MAX_LAYERS = 2_000
MAX_CLASSES = 10_000
BOX_NUMBERS = 5  # of an anchor's prediction besides the classes: x, y, width, height, objectness


@dataclass(frozen=True, slots=True)
class Convolutional:
    inputs: int
    filters: int
    size: int
    stride: int
    groups: int
    activation: Activation
    normalized: bool

    @property
    def kernel_numbers(self) -> int:
        return self.filters * (self.inputs // self.groups) * self.size * self.size

    @property
    def numbers(self) -> int:
        """Of the weight file."""
        return self.kernel_numbers + self.filters * (4 if self.normalized else 1)


@dataclass(frozen=True, slots=True)
class Route:
    """Concatenates the maps of `layers`: of each the part `group_id` of `groups` equal ones."""

    layers: tuple[int, ...]
    groups: int
    group_id: int


@dataclass(frozen=True, slots=True)
class Shortcut:
    """Adds the maps of `layers` to the previous one."""

    layers: tuple[int, ...]
    activation: Activation


@dataclass(frozen=True, slots=True)
class Maxpool:
    size: int
    stride: int


@dataclass(frozen=True, slots=True)
class Upsample:
    factor: int


@dataclass(frozen=True, slots=True)
class Yolo:
    """A head over the previous map; anchors are (width, height) in input pixels.

    `new_coords`: the map is activated already, and sides are squared (Scaled-YOLOv4).
    """

    anchors: tuple[tuple[float, float], ...]
    classes: int
    scale_xy: float
    new_coords: bool
    stride: int


@dataclass(frozen=True, slots=True)
class Nothing:
    """A layer that only matters in training."""


Operation = Convolutional | Route | Shortcut | Maxpool | Upsample | Yolo | Nothing


@dataclass(frozen=True, slots=True)
class Layer:
    """An operation, the channels of its map, and the input pixels to a cell of it."""

    section: Section
    operation: Operation
    channels: int
    stride: int


@dataclass(frozen=True, slots=True)
class CfgFile:
    """A checked description; `width` and `height` are those of the training."""

    path: Path
    width: int
    height: int
    layers: tuple[Layer, ...]

    @property
    def heads(self) -> tuple[Yolo, ...]:
        return tuple(x.operation for x in self.layers if isinstance(x.operation, Yolo))

    @property
    def classes(self) -> int:
        return self.heads[0].classes

    @property
    def convolutions(self) -> tuple[Convolutional, ...]:
        return tuple(x.operation for x in self.layers if isinstance(x.operation, Convolutional))

    @property
    def numbers(self) -> int:
        """Of the weight file."""
        return sum(each.numbers for each in self.convolutions)


def read_cfg(path: Path) -> CfgFile:
    """The network that a file describes; ModelError, with line and layer, if it can't be run.

    A convolution with the filters that its anchors and classes need must precede every head.
    """
    net, *sections = read_sections(path)
    width, height = (net.integer(key, 416, 1, MAX_SIDE) for key in ("width", "height"))
    if width % STRIDE or height % STRIDE:
        raise net.error(f"width={width}, height={height}: multiples of {STRIDE} are needed")
    if net.integer("channels", 3) != 3:
        raise net.error(f"channels={net.text('channels', '')}: colour pictures have 3")
    if not sections:
        raise net.error("no layer follows")
    if len(sections) > MAX_LAYERS:
        raise net.error(f"{len(sections):,} layers: at most {MAX_LAYERS:,}")
    builder = _Builder()
    for section in sections:
        builder.add(section)
    cfg = CfgFile(path, width, height, tuple(builder.layers))
    heads = cfg.heads
    if not heads:
        raise ModelError(f"{path}: no [yolo] section: this network detects nothing")
    for layer in cfg.layers:
        head = layer.operation
        if isinstance(head, Yolo) and head.classes != heads[0].classes:
            raise layer.section.error(
                f"classes={head.classes}, but the first [yolo] has {heads[0].classes}: all the same"
            )
        if isinstance(head, Yolo) and head.new_coords != heads[0].new_coords:
            raise layer.section.error("new_coords must be the same in all [yolo] sections")
    return cfg


class _Builder:
    """Adds a file's sections one by one, each with the channels and stride that it results in."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self._numbers = 0

    def add(self, section: Section) -> None:
        make = _OPERATIONS.get(section.kind)
        if make is None:
            known = ", ".join(_OPERATIONS)
            raise section.error(f"unknown type of layer: this server runs {known}")
        operation, channels, stride = make(self, section)
        if channels > MAX_CHANNELS:
            raise section.error(f"{channels:,} channels: at most {MAX_CHANNELS:,}")
        if STRIDE % stride:
            raise section.error(
                f"its map has a cell for {stride} input pixels: at most {STRIDE}, a power of 2"
            )
        if isinstance(operation, Convolutional):
            self._numbers += operation.numbers
            if self._numbers > MAX_NUMBERS:
                raise section.error(
                    f"up to here the network has {self._numbers:,} numbers: at most {MAX_NUMBERS:,}"
                )
        self.layers.append(Layer(section, operation, channels, stride))

    @property
    def _last(self) -> tuple[int, int]:
        """Channels and stride of the previous map."""
        if not self.layers:
            return 3, 1
        return self.layers[-1].channels, self.layers[-1].stride

    def convolutional(self, section: Section) -> tuple[Operation, int, int]:
        inputs, stride = self._last
        filters = section.integer("filters", 1, 1, MAX_CHANNELS)
        size = section.integer("size", 1, 1, 31)
        step = section.integer("stride", 1, 1, STRIDE)
        groups = section.integer("groups", 1, 1, MAX_CHANNELS)
        padding = size // 2 if section.integer("pad", 0) else section.integer("padding", 0)
        for key, usual in (("dilation", 1), ("antialiasing", 0), ("binary", 0), ("xnor", 0)):
            if section.integer(key, usual) != usual:
                raise section.error(f"{key}={section.text(key, '')}: not supported")
        for key in ("stride_x", "stride_y"):
            if section.integer(key, step) != step:
                raise section.error(f"{key}={section.text(key, '')}: only equal strides")
        if size % 2 == 0 or padding != size // 2:
            raise section.error(
                f"size={size} with a padding of {padding}: odd sizes with pad=1 are supported"
            )
        if inputs % groups or filters % groups:
            raise section.error(f"groups={groups}: must divide {inputs} channels and {filters}")
        operation = Convolutional(
            inputs,
            filters,
            size,
            step,
            groups,
            _activation(section, "logistic"),
            normalized=bool(section.integer("batch_normalize", 0)),
        )
        return operation, filters, stride * step

    def route(self, section: Section) -> tuple[Operation, int, int]:
        layers = self._references(section, "layers")
        groups = section.integer("groups", 1, 1, MAX_CHANNELS)
        group_id = section.integer("group_id", 0, 0, groups - 1)
        strides = {self.layers[each].stride for each in layers}
        if len(strides) > 1:
            raise section.error(
                f"layers={section.text('layers', '')}: their maps have different sizes"
            )
        for each in layers:
            if self.layers[each].channels % groups:
                channels = self.layers[each].channels
                raise section.error(f"groups={groups}: layer {each} has {channels} channels")
        channels = sum(self.layers[each].channels for each in layers) // groups
        return Route(layers, groups, group_id), channels, strides.pop()

    def shortcut(self, section: Section) -> tuple[Operation, int, int]:
        layers = self._references(section, "from")
        if section.text("weights_type", "none") != "none":
            raise section.error("weights_type: not supported")
        if not self.layers:
            raise section.error("it needs a layer before it")
        for each in layers:
            theirs = self.layers[each].channels, self.layers[each].stride
            if theirs != self._last:
                raise section.error(
                    f"from={section.text('from', '')}: layer {each} has {theirs[0]} channels at "
                    f"stride {theirs[1]}, the previous one {self._last[0]} at {self._last[1]}"
                )
        return Shortcut(layers, _activation(section, "linear")), *self._last

    def maxpool(self, section: Section) -> tuple[Operation, int, int]:
        channels, stride = self._last
        step = section.integer("stride", 1, 1, STRIDE)
        size = section.integer("size", step, 1, 63)
        padding = section.integer("padding", size - 1)
        if padding != size - 1:
            raise section.error(f"padding={padding}: only {size - 1}, which is the default")
        return Maxpool(size, step), channels, stride * step

    def upsample(self, section: Section) -> tuple[Operation, int, int]:
        channels, stride = self._last
        factor = section.integer("stride", 2, 1, STRIDE)
        if stride % factor:
            raise section.error(f"stride={factor}: its input has one cell for {stride} pixels")
        if section.numbers("scale", (1.0,)) != (1.0,):
            raise section.error("scale: not supported")
        return Upsample(factor), channels, stride // factor

    def yolo(self, section: Section) -> tuple[Operation, int, int]:
        channels, stride = self._last
        classes = section.integer("classes", 20, 1, MAX_CLASSES)
        sides = section.numbers("anchors")
        if len(sides) < 2 or len(sides) % 2 or min(sides) <= 0:
            raise section.error("anchors: pairs of positive widths and heights are needed")
        pairs = list(zip(sides[::2], sides[1::2], strict=True))
        mask = section.integers("mask", tuple(range(len(pairs))), 0, len(pairs) - 1)
        needed = len(mask) * (BOX_NUMBERS + classes)
        if channels != needed:
            before = self.layers[-1].section if self.layers else section
            raise before.error(
                f"filters={channels}, but the [yolo] after it has {len(mask)} anchors and "
                f"{classes} classes: filters={needed} is needed"
            )
        head = Yolo(
            tuple(pairs[each] for each in mask),
            classes,
            section.numbers("scale_x_y", (1.0,))[0],
            bool(section.integer("new_coords", 0)),
            stride,
        )
        return head, channels, stride

    def nothing(self, section: Section) -> tuple[Operation, int, int]:
        return Nothing(), *self._last

    def _references(self, section: Section, key: str) -> tuple[int, ...]:
        """Numbers of earlier layers; negative ones count back from this one."""
        if not section.has(key):
            raise section.error(f"missing key `{key}`")
        here = len(self.layers)
        found = []
        for number in section.integers(key, (), -MAX_LAYERS, MAX_LAYERS):
            layer = here + number if number < 0 else number
            if not 0 <= layer < here:
                raise section.error(f"{key}={number}: there is no such layer before this one")
            found.append(layer)
        return tuple(found)


def _activation(section: Section, default: str) -> Activation:
    name = section.text("activation", default)
    if name not in ACTIVATIONS:
        raise section.error(f"activation={name}: this server has {', '.join(ACTIVATIONS)}")
    return name


_OPERATIONS: dict[str, Callable[[_Builder, Section], tuple[Operation, int, int]]] = {
    "convolutional": _Builder.convolutional,
    "route": _Builder.route,
    "shortcut": _Builder.shortcut,
    "maxpool": _Builder.maxpool,
    "upsample": _Builder.upsample,
    "yolo": _Builder.yolo,
    "dropout": _Builder.nothing,
}
