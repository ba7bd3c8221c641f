"""`python -m profiles`: the commands whole, on a simulated device and on the real network."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from edge.assets import samples
from edge.profile.accuracy_file import load_accuracy_profile
from edge.profile.host import file_stem
from edge.profile.latency import LatencyEntry, LatencyProfile
from edge.profile.latency_file import load_latency_profile, save_latency_profile
from edge.profile.variant import Variant
from profiles.__main__ import main


@pytest.fixture
def device(tmp_path: Path) -> str:
    """A simulated one whose batch of n takes n ms."""
    path = tmp_path / "device.json"
    size = Variant("yolov4-tiny", 608).input_size(16, 9)
    entries = [LatencyEntry("yolov4-tiny-608", *size, n, float(n), 1.1 * n) for n in (1, 2)]
    save_latency_profile(LatencyProfile(entries, device="imagined"), path)
    return f"sim:{path}"


Measure = Callable[..., int]


@pytest.fixture
def latency(device: str, tmp_path: Path) -> Measure:
    def measure(*arguments: str) -> int:
        given = ["latency", "--device", device, "--out", str(tmp_path / "out.json"), "--quick"]
        return main([*given, *arguments])

    return measure


class TestLatency:
    def test_it_writes_a_profile_of_what_the_worker_took(
        self, latency: Measure, tmp_path: Path
    ) -> None:
        assert latency("--variants", "yolov4-tiny-608", "--batches", "1,2") == 0
        profile = load_latency_profile(tmp_path / "out.json")
        assert [(e.width, e.height, e.batch) for e in profile.entries] == [
            (608, 352, 1),
            (608, 352, 2),
        ]
        one, two = profile.entries
        assert one.p50_ms >= 1.0
        assert two.p50_ms >= 2.0
        assert profile.command.startswith("python -m profiles latency --device sim:")
        assert {"python", "torch"} <= set(profile.versions)
        assert "core" in profile.machine
        assert not (tmp_path / "out.json.part").exists()

    def test_it_adds_what_is_missing_and_leaves_what_is_there(
        self, latency: Measure, tmp_path: Path
    ) -> None:
        out = tmp_path / "out.json"
        assert latency("--variants", "yolov4-tiny-608", "--batches", "1") == 0
        data = json.loads(out.read_text())
        data["entries"][0].update(p50_ms=77.0, p99_ms=88.0)
        out.write_text(json.dumps(data))
        assert latency("--variants", "yolov4-tiny-608", "--batches", "1,2") == 0
        profile = load_latency_profile(out)
        assert profile.command.count("python -m profiles latency") == 2  # both made it
        one, two = profile.entries
        assert (one.p50_ms, one.p99_ms) == (77.0, 88.0)
        assert two.batch == 2
        assert latency("--variants", "yolov4-tiny-608", "--batches", "1", "--again") == 0
        assert load_latency_profile(out).entries[0].p50_ms < 77

    def test_it_goes_on_where_it_was_stopped(self, latency: Measure, tmp_path: Path) -> None:
        key = {"variant": "yolov4-tiny-608", "width": 608, "height": 352, "batch": 1}
        line = json.dumps({**key, "samples_ms": [55.0]})
        (tmp_path / "out.json.part").write_text(2 * (line + "\n"))  # both rounds of --quick
        assert latency("--variants", "yolov4-tiny-608", "--batches", "1") == 0
        assert load_latency_profile(tmp_path / "out.json").entries[0].p50_ms == 55.0

    def test_another_device_s_file_is_not_mixed_with(
        self, latency: Measure, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        save_latency_profile(
            LatencyProfile([LatencyEntry("yolov4-tiny-608", 608, 352, 1, 1, 1)], device="other"),
            tmp_path / "out.json",
        )
        assert latency("--variants", "yolov4-tiny-608") == 1
        assert "measured on other" in capsys.readouterr().err

    def test_a_device_that_can_t_start_is_told(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        missing = tmp_path / "none.json"
        assert main(["latency", "--device", f"sim:{missing}", "--out", str(tmp_path / "o")]) == 1
        assert "none.json" in capsys.readouterr().err

    def test_variants_must_be_the_network_s(
        self, latency: Measure, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert latency("--variants", "yolov4-608") == 2
        assert "yolov4-608 is not a variant of yolov4-tiny" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("name", "file"),
        [
            ("Intel(R) Xeon(R) Processor", "intel-xeon-processor"),
            ("Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz", "intel-core-i7-8650u-cpu"),
            ("NVIDIA H100 80GB HBM3", "nvidia-h100-80gb-hbm3"),
            ("???", "device"),
        ],
    )
    def test_files_are_called_by_the_device(self, name: str, file: str) -> None:
        assert file_stem(name) == file


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "COMMAND"),
        (["latency", "--device", "tpu"], "cpu or cuda:N"),
        (["latency", "--batches", "0"], "batches of 1 to 64"),
        (["latency", "--variants", "resnet-50"], "resnet"),
        (["accuracy", "--codec", "av1"], "'av1': of vp8"),
        (["accuracy", "--inputs", "100"], "100: 128 to 608"),
        (["accuracy", "--device", "sim:x"], "cpu or cuda:N"),
        (["accuracy", "--frames", "0"], "1 to"),
        (["accuracy", "--kbps", "0"], "kbit/s"),
        (["accuracy", "--sent", "4"], "from 32"),
    ],
)
def test_bad_usage_is_told(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert says in capsys.readouterr().err


@pytest.mark.weights
class TestAccuracy:
    def test_a_street_from_file_to_file(self, tmp_path: Path) -> None:
        out = tmp_path / "accuracy.json"
        arguments = ["accuracy", "--quick", "--out", str(out), "--frames", "3", "--seconds", "2"]
        arguments += ["--video", str(samples.street_video()), "--sent", "416", "--inputs", "128"]
        assert main([*arguments, "--codec", "vp8", "--kbps", "150"]) == 0
        first = load_accuracy_profile(out)
        assert first.reference.startswith("yolov4")
        assert list(first.clips) == ["bikes"]
        arguments += ["--precision", "float32"]
        assert main([*arguments, "--codec", "vp8,h264", "--kbps", "150,600"]) == 0
        both = load_accuracy_profile(out)
        assert both.machine.endswith("cpu, float32")
        assert both.machine.startswith(first.machine)
        rows = both.rows
        assert [(row.codec, row.kbps) for row in rows] == [
            ("h264", 150.0), ("h264", 600.0), ("vp8", 150.0), ("vp8", 600.0),
        ]  # fmt: skip
        assert first.rows[0] in rows
        assert all(0.0 < row.f1[128] < 1.0 for row in rows)

    def test_what_is_no_video_is_told(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "clip.mp4"
        path.write_bytes(b"no video" * 100)
        assert main(["accuracy", "--out", str(tmp_path / "o.json"), "--video", str(path)]) == 1
        assert "clip.mp4: not a video" in capsys.readouterr().err

    def test_annotated_photographs(self, tmp_path: Path) -> None:
        # Boxes by eye: the bus and the person to the left of it.
        image = cv2.imread(str(samples.photo("bus")))
        assert image is not None
        height, width = image.shape[:2]
        names = {samples.photo("bus").name: 1}
        annotations = tmp_path / "instances.json"
        annotations.write_text(
            json.dumps(
                {
                    "images": [
                        {"id": number, "file_name": name, "width": width, "height": height}
                        for name, number in names.items()
                    ],
                    "annotations": [
                        {"image_id": 1, "category_id": 6, "bbox": [10, 230, 790, 520]},
                        {"image_id": 1, "category_id": 1, "bbox": [50, 400, 190, 500]},
                    ],
                }
            )
        )
        out = tmp_path / "coco.json"
        arguments = ["accuracy", "--out", str(out), "--sent", "608", "--inputs", "416"]
        folder = str(samples.photo("bus").parent)
        assert main([*arguments, "--coco", str(annotations), folder]) == 0
        rows = load_accuracy_profile(out).rows
        assert [row.codec for row in rows] == ["jpeg90", "jpeg90-fit", "none"]
        for row in rows:
            assert row.f1[416] > 0.5
            # Both are found; two more persons are in the picture than are annotated.
            assert row.absolute[416]["ap50"] > 0.8
            assert 0.3 < row.absolute[416]["f1"] < 1.0
            assert row.absolute[416]["ap"] < row.absolute[416]["ap50"]
