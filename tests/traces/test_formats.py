"""Each format: what is read, what is repaired and said, what is refused with file, line, rule."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from traces import Trace, TraceError, read, write
from traces.formats import detect
from traces.formats.trace_text import TraceText

IRISH = """Timestamp,Longitude,DL_bitrate,UL_bitrate
2019.12.14_10.16.30,-8.4,1,100
2019.12.14_10.16.30,-8.4,1,300
2019.12.14_10.16.31,-8.4,1,-
2019.12.14_10.16.31,-8.4,1,50
2019.12.14_10.16.32,-8.4,1,0
2019.12.14_10.17.32,-8.4,1,70
"""
NUWINS = """
###############################
Run 1
0.1,0.2,0.3
10,0,30
0.05,0.15
1,2
###############################
Run 2
5,6,7
"""


def file(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content)
    return path


def test_mahimahi_counts_chances(tmp_path: Path) -> None:
    trace = read(file(tmp_path, "a.up", "0\n0\n50\n199\n200\n"))
    assert trace.duration_ms == 200.0
    assert list(trace.rate_bps) == [360_000.0, 240_000.0]


def test_mahimahi_joins_a_short_rest(tmp_path: Path) -> None:
    trace = read(file(tmp_path, "a.down", "1\n100\n101\n"), bin_ms=50)
    assert list(trace.at_ms) == [0.0, 50.0]
    assert trace.capacity_bits(0.0, 101.0) == pytest.approx(3 * 12_000)


def test_jellyfish_step_by_name_or_option(tmp_path: Path) -> None:
    synthetic = read(file(tmp_path, "x_synthetic.txt", "20\n7.5\n"))
    assert synthetic.duration_ms == 40_000.0
    assert synthetic.rate_at(20_000.0) == 7.5e6
    assert read(file(tmp_path, "lte.txt", "3.604\n0\n")).duration_ms == 2_000.0
    assert read(tmp_path / "lte.txt", step_ms=500).duration_ms == 1_000.0


def test_alphartc(tmp_path: Path) -> None:
    steps = [
        {"capacity": 300, "duration": 200, "rtt": 40, "jitter": 2, "loss": 0.1},
        {"capacity": 0, "duration": 0, "rtt": 1, "jitter": 1, "loss": 0},
        {"capacity": 0, "duration": 100, "rtt": 60, "jitter": 3, "loss": 0},
    ]
    content = json.dumps({"uplink": {"trace_pattern": steps}})
    trace = read(file(tmp_path, "a.json", content))
    assert trace.duration_ms == 300.0
    assert trace.step_at(0.0) == (300e3, 20.0, 2.0, 0.1)
    assert trace.step_at(250.0) == (0.0, 30.0, 3.0, 0.0)


def test_alphartc_spikes_are_cut_and_said(tmp_path: Path) -> None:
    steps = [{"capacity": 2_000 + i, "duration": 200} for i in range(99)]
    steps.append({"capacity": 8_039_999, "duration": 200})
    path = file(tmp_path, "a.json", json.dumps({"uplink": {"trace_pattern": steps}}))
    trace = read(path)
    assert 6e6 < trace.rate_bps.max() < 7e6
    assert trace.notes[0].startswith("1 spikes cut")
    assert read(path, clip=0).rate_bps.max() == 8_039_999e3


def test_plain_seconds_and_mbps(tmp_path: Path) -> None:
    trace = read(file(tmp_path, "a.tsv", "10\t1.5\n10.5\t0\n\n11\t2  # note\n"))
    assert list(trace.at_ms) == [0.0, 500.0, 1000.0]
    assert list(trace.rate_bps) == [1.5e6, 0.0, 2e6]
    assert trace.duration_ms == 1500.0


def test_irish_gaps_are_closed_and_said(tmp_path: Path) -> None:
    trace = read(file(tmp_path, "a.csv", IRISH))
    assert list(trace.at_ms) == [0.0, 1000.0, 2000.0, 3000.0]
    assert list(trace.rate_bps) == [200e3, 50e3, 0.0, 70e3]
    assert trace.notes == ("1 gaps closed", "1 rows without a rate")


def test_nuwins_runs_and_legs(tmp_path: Path) -> None:
    path = file(tmp_path, "a.list", NUWINS)
    assert list(read(path).rate_bps) == [10e6, 0.0, 30e6]
    assert list(read(path).at_ms) == pytest.approx([0.0, 100.0, 200.0])
    assert list(read(path, leg=2).rate_bps) == [1e6, 2e6]
    assert read(path, run=2).duration_ms == 300.0


@pytest.mark.parametrize("extras", [(), ("delay_ms", "loss"), ("delay_ms", "jitter_ms", "loss")])
def test_written_is_read_back(tmp_path: Path, extras: tuple[str, ...]) -> None:
    values: dict[str, Any] = {key: np.array([0.125, 0.5, 0.0]) for key in extras}
    trace = Trace(
        np.array([0.0, 33.25, 100.0]),
        np.array([1.234e6, 0.0, 99.5e6]),
        150.5,
        notes=("made by hand",),
        **values,
    )
    write(trace, tmp_path / "a.tsv")
    back = read(tmp_path / "a.tsv")
    assert (back.duration_ms, back.notes) == (150.5, ("made by hand",))
    for key in ("at_ms", "rate_bps", "delay_ms", "jitter_ms", "loss"):
        np.testing.assert_array_equal(getattr(back, key), getattr(trace, key))


@pytest.mark.parametrize(
    ("name", "content", "where", "rule"),
    [
        ("a.up", "", "a.up", "empty"),
        ("a.up", "  \n\n", "a.up", "empty"),
        ("a.up", "0\n0\n", "a.up:2", "above 0"),
        ("a.up", "5\n3\n", "a.up:2", "must not go back"),
        ("a.up", "1\nx\n", "a.up:2", "is not a number"),
        ("a.txt", "1\n-2\n", "a.txt:2", "not below 0"),
        ("a.txt", "1\nnan\n", "a.txt:2", "finite"),
        ("a.txt", "1\n\n200000\n", "a.txt:3", "over 100 Gbit/s"),
        ("a.txt", "# only words\n", "a.txt:1", "no step"),
        ("a.tsv", "0\t1\n2\t1\n1\t1\n", "a.tsv:3", "must ascend"),
        ("a.tsv", "0\t1\n1\t1\t5\n", "a.tsv:2", "3 values"),
        ("a.tsv", "# columns: seconds loss\n0 1\n", "a.tsv:1", "columns"),
        ("a.tsv", "# columns: seconds mbps loss\n0 1 50\n", "a.tsv:2", "loss: a share"),
        ("a.csv", "Timestamp,UL_bitrate\nyesterday,5\n", "a.csv:2", "not like"),
        ("a.csv", "Timestamp,UL_bitrate\n2019.12.14_10.16.30\n", "a.csv:2", "1 cells"),
        ("a.csv", "Time,UL_bitrate\n1,5\n", "a.csv:1", "no column Timestamp"),
        ("a.csv", IRISH + "2019.12.14_10.16.30,0,0,1\n", "a.csv:8", "must not go back"),
        ("a.list", "###\nRun 1\n0.2,0.1\n1,2\n", "a.list:3", "value 2"),
        ("a.list", "###\nRun 1\n0.1,0.2\n1,2,3\n", "a.list:4", "3 rates"),
        ("a_ping.list", "###\nRun 1\n20,30\n", "a_ping.list:1", "round-trip times"),
        ("a.list", "###\n1,2\n", "a.list:2", "before the first"),
        ("a.json", '{"uplink": {', "a.json:1", "JSON"),
        ("a.json", '{"uplink": {}}', "a.json:1", "no uplink.trace_pattern"),
        ("a.json", '{"uplink": {"trace_pattern": []}}', "a.json:1", "has no step"),
        (
            "a.json",
            '{"uplink": {"trace_pattern": [{"duration": 1, "capacity": -1}]}}',
            "trace_pattern[0].capacity",
            "a number from 0",
        ),
    ],
)
def test_refused(tmp_path: Path, name: str, content: str, where: str, rule: str) -> None:
    path = file(tmp_path, name, content)
    with pytest.raises(TraceError) as refusal:
        read(path)
    assert str(refusal.value).startswith(str(tmp_path))
    assert where in str(refusal.value)
    assert rule in str(refusal.value)


def test_refused_binary_missing_unknown(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(TraceError, match="not a text file"):
        read(tmp_path / "a.bin")
    with pytest.raises(TraceError, match="No such file"):
        read(tmp_path / "nothing")
    path = file(tmp_path, "a.txt", "1\n")
    with pytest.raises(TraceError, match="unknown trace format"):
        read(path, "pcap")
    with pytest.raises(TraceError, match="has no option bin_ms; it has step_ms"):
        read(path, bin_ms=100)
    with pytest.raises(TraceError, match="no run 4; there are"):
        read(file(tmp_path, "a.list", NUWINS), run=4)


def test_long_ascending_whole_numbers_are_mahimahi(tmp_path: Path) -> None:
    text = TraceText.load(file(tmp_path, "a.txt", "\n".join(map(str, range(150)))))
    assert detect(text) == "mahimahi"
