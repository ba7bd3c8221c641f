from __future__ import annotations

import os
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.assets.samples import photo
from edge.ipc.picture import Picture
from edge.models.runtime.opening import open_detector
from edge.models.runtime.openvino.openvino_library import is_installed
from edge.models.weights import class_names
from edge.profile.variant import RuntimeName, Variant
from edge.workers.options import WorkerOptions
from edge.workers.pool import WorkerPool
from tests.workers.recorder import FAST, Recorder

VARIANTS = ("yolov4-tiny-320", "yolov4-tiny-416")


@pytest.mark.weights
@pytest.mark.parametrize("runtime", ["openvino", "torch"])
async def test_a_real_worker_finds_what_the_detector_finds(runtime: RuntimeName) -> None:
    if runtime == "openvino" and not is_installed():
        pytest.skip("no openvino")
    pictures = {}
    for name in ("bus", "zidane"):
        image = cv2.imread(str(photo(name)))
        assert image is not None
        pictures[name] = Picture.from_rgb(np.asarray(image[:, :, ::-1], dtype=np.uint8))
    detector = open_detector("yolov4-tiny", precision="float32", runtime="torch")
    names = class_names()

    recorder = Recorder()
    pool = WorkerPool(
        ["cpu"],
        ["yolov4-tiny"],
        on_done=recorder.on_done,
        on_state=recorder.on_state,
        on_progress=recorder.on_progress,
        options=WorkerOptions(
            variants=VARIANTS, precision="float32", runtime=runtime, supervision=FAST
        ),
    )
    await pool.start()
    try:
        (profile,) = pool.profiles
        assert {entry.variant for entry in profile.entries} == set(VARIANTS)
        assert {entry.batch for entry in profile.entries} == {1, 4}  # whether batches pay, it tells
        (status,) = pool.status
        assert status.description == f"CPU ({runtime} float32)"
        assert [done for done, _, _ in recorder.progress] == sorted(
            done for done, _, _ in recorder.progress
        )
        number = 0
        for lives in (1, 2):
            await recorder.state("ready", lives)
            for picture in pictures.values():
                pool.submit(0, number, "yolov4-tiny-416", [picture, picture])
                found = (await recorder.result(number)).boxes
                (expected,) = detector.detect([picture], Variant("yolov4-tiny", 416))
                assert len(expected) >= 2
                for boxes in found:
                    assert [box[0] for box in boxes] == [box[0] for box in expected]
                    np.testing.assert_allclose(boxes, expected, atol=2e-3)
                number += 1
            pid = pool.status[0].pid
            assert pid is not None
            # PyTorch takes seconds to load and some hundred MB: only where it is used.
            has_pytorch = "libtorch" in Path(f"/proc/{pid}/maps").read_text()
            assert has_pytorch == (runtime == "torch")
            if lives == 1:
                os.kill(pid, signal.SIGKILL)  # and what comes back must find the same
        assert "person" in {names[box[0]] for box in found[0]}
    finally:
        await pool.stop()
