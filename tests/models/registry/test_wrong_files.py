"""Files that can't be served: each message names the file and what to change; no worker starts."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.base.clock import now_ms
from edge.cli.main import main
from edge.config import ConfigError, load
from edge.ipc import child_process
from edge.server import Server
from edge.startup import StartError
from tests.publisher import publishing
from tests.serving import base, noise, serving

from ..darknet_config import small, yolov4_tiny
from .darknet_files import lines, table, write_model
from .onnx_export import BrightCells, Classifier, RawMaps, export

DARKNET = table(cfg="mine.cfg", weights="mine.weights", names="mine.names")
ONNX = table(onnx="mine.onnx", names="mine.names")


def _darknet(change: Callable[[Path], object]) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        write_model(folder)
        change(folder)
        return DARKNET

    return make


def _cfg(old: str, new: str) -> Callable[[Path], str]:
    def change(folder: Path) -> None:
        path = folder / "mine.cfg"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return _darknet(change)


def _onnx(module: object, names: int = 3, **options: bool) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        export(folder / "mine.onnx", module, **options)  # type: ignore[arg-type]
        (folder / "mine.names").write_text(lines(names))
        return ONNX

    return make


def _own_names(text: str | None) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        export(folder / "mine.onnx", V8, class_names=text)
        return table(onnx="mine.onnx")

    return make


def _onnx_bytes(data: bytes) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        (folder / "mine.onnx").write_bytes(data)
        (folder / "mine.names").write_text(lines(3))
        return ONNX

    return make


def _cut(folder: Path, by: int = 4000) -> None:
    path = folder / "mine.weights"
    path.write_bytes(path.read_bytes()[:-by])


def _other_classes(folder: Path) -> None:
    _, weights, _ = write_model(folder, 2, "two")
    weights.replace(folder / "mine.weights")


def _other_network(folder: Path) -> None:
    _, weights, _ = write_model(folder, 2, "tiny", yolov4_tiny(2, 416))
    weights.replace(folder / "mine.weights")


def _not_a_number(folder: Path) -> None:
    path = folder / "mine.weights"
    data = bytearray(path.read_bytes())
    data[20 + 4 * 100 : 24 + 4 * 100] = np.float32("nan").tobytes()
    path.write_bytes(bytes(data))


def _folder_as(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return change


def _write(name: str, data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(data)


def _remove(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def _twice(folder: Path) -> str:
    write_model(folder)
    return DARKNET + DARKNET


def _family(folder: Path) -> str:
    for name, classes in (("one", 3), ("two", 2)):
        write_model(folder, classes, name)
    files = [{k: f"{n}.{k}" for k in ("cfg", "weights", "names")} for n in ("one", "two")]
    return table("one", **files[0], family="f") + table("two", **files[1], family="f")


def _built_in_weights(folder: Path) -> str:
    write_model(folder, 2, "mine", yolov4_tiny(2, 416))
    return 'network = "yolov4-tiny"\nweights = "FOLDER/mine.weights"\n'


def _sizes(folder: Path) -> str:
    export(folder / "mine.onnx", BrightCells("yolov8", 3), dynamic=False)
    (folder / "mine.names").write_text(lines(3))
    return table(onnx="mine.onnx", names="mine.names", input_sizes=[416])


REFUSED_BY_A_SERVER = (
    "weights cut short",
    "weights of other classes",
    "an ONNX classifier",
    "names too few",
)
V8 = BrightCells("yolov8", 3)
RANDOM = np.random.default_rng(0).bytes(5000)
CASES: dict[str, tuple[Callable[[Path], str], str]] = {
    "weights cut short": (_darknet(_cut), r"mine\.weights: .*cut short.*ends in layer \d+ \(\["),
    "weights cut within a number": (_darknet(lambda f: _cut(f, 4001)), r"stray bytes.*cut short"),
    "weights of other classes": (
        _darknet(_other_classes),
        r"mine\.weights: .*these weights fit 2 classes: set classes=2 .*filters=7 or 14",
    ),
    "weights of another network": (
        _darknet(_other_network),
        r"mine\.weights: .*these weights fit yolov4-tiny with 2 classes",
    ),
    "own weights of a built-in network": (
        _built_in_weights,
        r"mine\.weights: .*yolov4-tiny needs .*\(80 classes\): these weights fit 2 classes",
    ),
    "weights with a NaN": (_darknet(_not_a_number), r"number 100 of .*layer 0 .*line \d+.* is nan"),
    "weights that are text": (
        _darknet(_write("mine.weights", b"hello " * 20)),
        r"mine\.weights: no Darknet weight file",
    ),
    "weights without numbers": (
        _darknet(_write("mine.weights", b"\0" * 12)),
        r"mine\.weights: cut short",
    ),
    "empty weights": (_darknet(_write("mine.weights", b"")), r"mine\.weights: empty"),
    "a folder as weights": (_darknet(_folder_as("mine.weights")), r"mine\.weights: a folder"),
    "missing weights": (_darknet(_remove("mine.weights")), r"mine\.weights: no such file"),
    "names too few": (
        _darknet(_write("mine.names", lines(2).encode())),
        r"mine\.names: 2 names are too few: .*mine\.cfg has 3 classes",
    ),
    "names too many": (
        _darknet(_write("mine.names", lines(80).encode())),
        r"mine\.names: 80 names are too many: .*mine\.cfg has 3 classes",
    ),
    "a name twice": (_darknet(_write("mine.names", b"a\nb\na\n")), r"mine\.names: the name 'a'"),
    "a blank name": (_darknet(_write("mine.names", b"a\n\nb\n")), r"mine\.names: line 2"),
    "names that are binary": (_darknet(_write("mine.names", RANDOM)), r"mine\.names: not a .names"),
    "an empty cfg": (_darknet(_write("mine.cfg", b"")), r"mine\.cfg: empty"),
    "a binary as cfg": (_darknet(_write("mine.cfg", RANDOM)), r"mine\.cfg: not a Darknet \.cfg"),
    "a folder as cfg": (_darknet(_folder_as("mine.cfg")), r"mine\.cfg: a folder"),
    "some text as cfg": (
        _darknet(_write("mine.cfg", b"dear reader\n")),
        r"mine\.cfg: line 1: 'dear reader': a \.cfg file begins with \[net\]",
    ),
    "wrong filters before yolo": (
        _cfg("filters=16\nsize=1\nstride=1\npad=1\nactivation=linear", "filters=255\nsize=1"),
        r"mine\.cfg: line \d+, \[convolutional\] \(layer 11\): filters=255.*filters=16 is needed",
    ),
    "an unknown layer": (_cfg("[dropout]", "[lstm]"), r"\[lstm\] \(layer 9\): unknown type"),
    "an unknown activation": (_cfg("=mish", "=gelu"), r"layer 1\): activation=gelu: this server"),
    "no number": (
        _cfg("filters=8", "filters=many"),
        r"filters=many: whole numbers",
    ),
    "huge sides": (_cfg("width=64", "width=64000"), r"\[net\]: width=64000: from 1 to 4,096"),
    "huge filters": (_cfg("filters=8", "filters=9000000"), r"filters=9000000: from 1 to 16,384"),
    "a layer that is not there": (_cfg("from=-3", "from=-9"), r"from=-9: there is no such layer"),
    "maps of other sizes": (_cfg("from=-3", "from=-5"), r"from=-5: layer 0 has 8 channels"),
    "anchors that are odd": (_cfg("anchors=8,9,", "anchors=8,"), r"anchors: pairs"),
    "a mask beyond the anchors": (_cfg("mask=2,3", "mask=2,4"), r"mask=2,4: from 0 to 3"),
    "no head": (
        _darknet(lambda f: (f / "mine.cfg").write_text(small().split("[yolo]")[0])),
        r"mine\.cfg: no \[yolo\] section",
    ),
    "an ONNX classifier": (_onnx(Classifier(), 12), r"mine\.onnx: .*so this is a classifier"),
    "ONNX with raw maps": (_onnx(RawMaps()), r"mine\.onnx: .*decoding of boxes in the graph"),
    "ONNX without dynamic axes": (
        _onnx(V8, dynamic=False),
        r"fixed at 320x320: export it with dynamic axes, or set input_sizes = \[320\]",
    ),
    "ONNX with other sizes than asked": (_sizes, r"mine\.onnx: its input is fixed at 320x320"),
    "ONNX with other classes": (
        _onnx(V8, 80),
        r"mine\.names: 80 names are too many: .*mine\.onnx has 3 classes",
    ),
    "ONNX that names no classes": (
        _own_names(None),
        r"mine\.onnx: it does not name its classes: set `names` to a file",
    ),
    "ONNX that names too few": (
        _own_names("{0: 'a', 1: 'b'}"),
        r"mine\.onnx: 2 names are too few: its output has 3 classes",
    ),
    "ONNX whose names are none": (_own_names("a, b, c"), r"mine\.onnx: .*set `names` to a file"),
    "random as ONNX": (
        _onnx_bytes(RANDOM),
        r"mine\.onnx: no ONNX file that OpenVINO can read",
    ),
    "ONNX that is empty": (_onnx_bytes(b""), r"mine\.onnx: empty"),
    "a model's name twice": (_twice, r"models: the name 'mine' stands twice"),
    "a family of other classes": (_family, r"one and two have the family 'f', but other classes"),
    "no files at all": (lambda folder: table(), r"models\[0\]: mine: give cfg, weights and names"),
    "an unknown key": (
        lambda folder: table(cgf="a", weights="b", names="c"),
        r"models\[0\]: unknown key `cgf`; did you mean `cfg`\?",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_message_names_the_thing_to_change_and_no_worker_starts(
    case: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[object] = []
    monkeypatch.setattr(child_process, "_spawn", lambda *given, **_: started.append(given))
    make, expected = CASES[case]
    config = tmp_path / "edge.toml"
    config.write_text(make(tmp_path).replace("FOLDER", str(tmp_path)))
    assert main(["models", "check", "--config", str(config)]) == 1
    checked = capsys.readouterr().err
    assert re.search(expected, checked), checked
    assert "Traceback" not in checked
    try:
        settings = load(config)
    except ConfigError as error:
        refused = str(error)
    else:
        with pytest.raises(StartError) as caught:
            Server(settings)  # workers start later, in `start`
        refused = str(caught.value)
    assert re.search(expected, refused), refused
    assert started == []


async def test_a_session_on_this_machine_is_answered_on_while_wrong_files_are_refused(
    tmp_path: Path,
) -> None:
    """Each by a real `edge serve`, which ends by itself: with a message, without a worker."""
    async with serving() as server, publishing(base(server), noise(320, 192)) as me:
        await me.wait_for_type("detections")
        worker = server.devices.status[0].pid
        for number, case in enumerate(REFUSED_BY_A_SERVER):
            make, expected = CASES[case]
            folder = tmp_path / str(number)
            folder.mkdir()
            config = folder / "edge.toml"
            config.write_text(make(folder).replace("FOLDER", str(folder)))
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "edge", "serve", "--http", "--host", "127.0.0.1"),
                *("--port", "0", "--config", str(config)),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            output, _ = await asyncio.wait_for(process.communicate(), 120.0)
            said = output.decode()
            assert process.returncode not in (0, None), said
            assert re.search(expected, said), said
            assert "Traceback" not in said
            assert "event=device_state" not in said, said
            await me.wait_for_answers()
        [session] = server.sessions
        assert session.view(now_ms()).outcomes.get("device_lost", 0) == 0
        assert server.devices.status[0].pid == worker


def test_files_that_fit_are_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "edge.toml"
    write_model(tmp_path)
    export(tmp_path / "other.onnx", V8)
    (tmp_path / "other.names").write_text(lines(3))
    config.write_text(DARKNET + table("other", onnx="other.onnx", names="other.names"))
    assert main(["models", "check", "--config", str(config)]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"mine: darknet, 3 classes, 128 to 608 px .*: fits", shown), shown
    assert re.search(r"other: onnx, 3 classes, 128 to 608 px .*: fits", shown), shown
