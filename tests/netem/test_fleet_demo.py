"""The fleet that is shown, and its screenshots' compression."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from netem.fleet_demo import FLEET, RunningCamera, add, compressed_png, missing
from netem.units import rate_bps


def test_eight_cameras_of_different_names_on_links_that_can_be_made() -> None:
    assert len({camera.label for camera in FLEET}) == len(FLEET) == 8
    assert all(rate_bps(camera.rate) >= 500_000 for camera in FLEET)
    assert sum(camera.loss > 0.01 for camera in FLEET) == 1  # one that is noticed at once


def test_a_compressed_screenshot_has_the_same_pixels_in_fewer_bytes() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    image[50:100, 50:200] = (200, 30, 90)
    png = bytes(cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 0])[1])
    small = compressed_png(png)
    assert len(small) < len(png) / 10
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(small, np.uint8), 1), image)


def _ended(status: int) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({status})"], text=True)
    process.wait()
    return process


def test_each_missing_camera_is_named_with_its_reason(tmp_path: Path) -> None:
    refused = "gate-north: http://h: 503: busy: no room; again in 10.3 s"
    logs = [
        f"preparing\n{refused}\n0 clients, 0 frames\n",
        "error: no such clip\n",
        "1 clients, 30 frames\n",
        "dock-2: timeout: no frame; again in 0.6 s\n1 clients\n",
        "",
    ]
    runs = subprocess.Popen(["sleep", "60"], text=True)
    try:
        cameras = []
        for number, (camera, log) in enumerate(zip(FLEET, logs, strict=False)):
            file = tmp_path / camera.label
            file.write_text(log)
            cameras.append(RunningCamera(camera, _ended(3) if number == 1 else runs, file))
        sessions = [
            {"label": "dock-1", "state": "live", "age_s": 61.0},
            {"label": "dock-2", "state": "live", "age_s": 5.0},
        ]
        assert missing(cameras, sessions, 60.0) == [
            "gate-north: http://h: 503: busy: no room; again in 10.3 s",
            "gate-south: its publisher ended with status 3: error: no such clip",
            "dock-2: live, 5 s after its offer; before that: timeout: no frame; again in 0.6 s",
            "yard-east: no session, and its publisher reports nothing",
        ]
    finally:
        runs.kill()
        runs.wait()


def test_the_project_s_own_pictures_are_not_overwritten_unasked() -> None:
    parser = argparse.ArgumentParser()
    add(parser)
    assert parser.parse_args([]).out == Path("out/fleet")
