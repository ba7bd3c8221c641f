"""Profiles drawn: the tables have what the scheduler reckons with."""

import pytest

from analysis.figures.exhibits import dnn
from analysis.figures.sources import PROFILES
from edge.profile.accuracy import AccuracyProfile, AccuracyRow
from edge.profile.latency import LatencyEntry, LatencyProfile
from edge.profile.latency_file import load_latency_profile


def test_latency_is_told_for_each_variant_and_batch() -> None:
    entries = [
        LatencyEntry("yolov4-tiny-416", 416, 256, batch, 10.0 * batch, 15.0 * batch)
        for batch in (1, 4)
    ] + [
        LatencyEntry("yolov4-tiny-128", 128, 96, batch, 2.0 * batch, 3.0 * batch)
        for batch in (1, 4)
    ]
    exhibit = dnn.latency(LatencyProfile(entries, device="d"), "d", long_sides=(128, 416))
    assert exhibit.table.rows == [
        ("yolov4-tiny-128", "128x96", 1, 2.0, 3.0, 2.0),
        ("yolov4-tiny-128", "128x96", 4, 8.0, 12.0, 2.0),
        ("yolov4-tiny-416", "416x256", 1, 10.0, 15.0, 10.0),
        ("yolov4-tiny-416", "416x256", 4, 40.0, 60.0, 10.0),
    ]
    assert len(exhibit.picture.axes) == 1


def test_each_network_of_a_profile_has_a_panel() -> None:
    profile = load_latency_profile(PROFILES / "sim-rtx2080ti.json")
    exhibit = dnn.latency(profile, "sim-rtx2080ti")
    assert [axes.get_title(loc="left") for axes in exhibit.picture.axes] == [
        "yolov4",
        "yolov4-tiny",
    ]
    assert len(exhibit.table.rows) == 2 * len(dnn.LONG_SIDES) * 8
    assert "SIMULATED" in exhibit.caption


def test_f1_is_that_of_the_best_sent_size() -> None:
    rows = [
        AccuracyRow(
            "yolov4-tiny", "a", "vp8", sent, sent * sent * 9 // 16, 0, bits, {128: f1, 608: f1}, {}
        )
        for sent, of_sent in ((128, ((4e3, 0.5), (1.4e5, 0.6))), (608, ((4e3, 0.1), (1.4e5, 0.9))))
        for bits, f1 in of_sent
    ]
    table = dnn.accuracy(AccuracyProfile(rows), long_sides=(128, 608)).table
    assert table.column("F1 at 60 kbit/s") == [pytest.approx(0.5, abs=0.01)] * 2
    assert table.column("F1 at 2,000 kbit/s") == [pytest.approx(0.9, abs=0.02)] * 2
