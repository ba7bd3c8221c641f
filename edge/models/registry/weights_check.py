"""Checks a weight file against a network's layers before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.models.cfg.cfg_file import BOX_NUMBERS, CfgFile, Convolutional, Layer
from edge.models.cfg.model_error import ModelError
from edge.models.weight_file import HEADER_BYTES, WeightsError, read_header


@dataclass(frozen=True, slots=True)
class NumberCount:
    """How many numbers a network's weight file has, by its number of classes.

    `fixed` do not depend on the classes; each class adds `per_class`.
    """

    fixed: int
    per_class: int

    def total(self, classes: int) -> int:
        return self.fixed + classes * self.per_class

    def classes(self, numbers: int) -> int | None:
        """The number of classes that a file of so many numbers fits; None: it fits none."""
        classes, rest = divmod(numbers - self.fixed, self.per_class)
        return classes if classes >= 1 and not rest else None

    @classmethod
    def of(cls, cfg: CfgFile) -> NumberCount:
        per_class = 0
        for before, layer in zip(cfg.layers, cfg.layers[1:], strict=False):
            head, prediction = layer.operation, before.operation
            if head in cfg.heads and isinstance(prediction, Convolutional):
                per_class += prediction.numbers // (BOX_NUMBERS + cfg.classes)
        return cls(cfg.numbers - cfg.classes * per_class, per_class)


# Of the networks that the server has built in (tests compare them with those).
BUILT_IN = {
    "yolov4-tiny": NumberCount(5_866_464 + 770 * 3 * BOX_NUMBERS, 770 * 3),
    "yolov4": NumberCount(63_971_680 + 1_795 * 3 * BOX_NUMBERS, 1_795 * 3),
}


def check_weights(path: Path, cfg: CfgFile) -> None:
    """ModelError unless the file holds exactly the numbers of the network, all finite.

    The message names the layer at which the fault is, and the classes or network that would fit.
    """
    _check(path, str(cfg.path), NumberCount.of(cfg), cfg.classes, cfg)


def check_built_in(path: Path, network: str, classes: int) -> None:
    """The same for a network that is built in."""
    _check(path, network, BUILT_IN[network], classes, None)


def _check(path: Path, needs: str, count: NumberCount, classes: int, cfg: CfgFile | None) -> None:
    numbers, stray = _numbers(path)
    expected = count.total(classes)
    if len(numbers) != expected or stray:
        extra = f" and {stray} stray bytes" if stray else ""
        raise ModelError(
            f"{path}: {len(numbers):,} numbers{extra}, but {needs} needs {expected:,}"
            f" ({_classes(classes)}): {_fitting(len(numbers), count, cfg, stray)}"
        )
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        place = f", in {_place(cfg, int(bad[0]))}," if cfg else ""
        raise ModelError(
            f"{path}: damaged: number {bad[0]:,} of {len(numbers):,}{place} is {numbers[bad[0]]}"
        )


def _numbers(path: Path) -> tuple[npt.NDArray[np.float32], int]:
    """The numbers after the header, mapped rather than read, and how many bytes follow them."""
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise ModelError(f"{path}: a folder, not a Darknet weight file")
        if size == 0:
            raise ModelError(f"{path}: empty, not a Darknet weight file")
        with path.open("rb") as file:
            _, offset = read_header(path, file.read(HEADER_BYTES))
        count, stray = divmod(size - offset, 4)
        if not count:
            raise ModelError(f"{path}: cut short: nothing follows the header")
        return np.memmap(path, dtype="<f4", mode="r", offset=offset, shape=(count,)), stray
    except WeightsError as error:
        raise ModelError(str(error)) from None
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None


def _fitting(numbers: int, count: NumberCount, cfg: CfgFile | None, stray: int) -> str:
    """What would fit so many numbers, and `stray` bytes more."""
    if not stray and (classes := count.classes(numbers)) is not None:
        if cfg is None:
            return (
                f"these weights fit {_classes(classes)}: give their .cfg and .names in [[models]]"
            )
        filters = sorted({len(head.anchors) * (BOX_NUMBERS + classes) for head in cfg.heads})
        return (
            f"these weights fit {_classes(classes)}: set classes={classes} in each [yolo] and "
            f"filters={' or '.join(map(str, filters))} in the [convolutional] before it"
        )
    for name, other in BUILT_IN.items():
        if not stray and (classes := other.classes(numbers)) is not None and classes < 1000:
            return f"these weights fit {name} with {_classes(classes)}"
    expected = cfg.numbers if cfg else count.total(80)
    if numbers < expected:
        place = f": the file ends in {_place(cfg, numbers)}" if cfg else ""
        return f"cut short, or of another network{place}"
    return "longer than this network's: of another network"


def _place(cfg: CfgFile, number: int) -> str:
    """The layer that the file's number of this index belongs to, in words."""
    ended = 0
    for index, layer in enumerate(cfg.layers):
        operation = layer.operation
        if isinstance(operation, Convolutional):
            ended += operation.numbers
            if number < ended:
                return _described(index, layer, operation)
    return "the last layer"


def _described(index: int, layer: Layer, operation: Convolutional) -> str:
    section = layer.section
    return (
        f"layer {index} ([{section.kind}] of line {section.line}, {operation.filters} filters of "
        f"{operation.size}x{operation.size})"
    )


def _classes(count: int) -> str:
    return f"{count} class{'es' * (count != 1)}"
