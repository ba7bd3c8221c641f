"""The scene that is shown: its settings are the server's own, its pictures are cut and small."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.config.loading import load
from netem.fleet_demo import compressed_png
from netem.scene_demo import GATE, MARGIN, SETTINGS, fewer_colours, framed


def test_the_server_takes_the_scenes_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    settings = load(None)
    assert settings.tracks
    assert settings.admin_pictures
    assert {each.label for each in (*settings.zones, *settings.lines)} == {GATE}


def test_a_picture_spans_its_parts_and_stays_in_the_page() -> None:
    clip = framed([(20.0, 100.0, 300.0, 50.0), (0.0, 200.0, 100.0, 80.0)])
    assert clip == {
        "x": 0.0,
        "y": 100.0 - MARGIN,
        "width": 320.0 + MARGIN,
        "height": 180.0 + 2.0 * MARGIN,
    }


def test_fewer_colours_are_smaller_and_nearly_the_same() -> None:
    image = np.random.default_rng(1).integers(0, 256, (80, 120, 3), np.uint8)
    png = bytes(cv2.imencode(".png", image)[1])
    small = fewer_colours(png)
    assert len(compressed_png(small)) < 0.8 * len(compressed_png(png))
    back = cv2.imdecode(np.frombuffer(small, np.uint8), 1)
    assert back is not None
    assert np.abs(back.astype(int) - image).max() <= 7
