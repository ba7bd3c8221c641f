"""Lines for programs and for people."""

from __future__ import annotations

import io
import json
import threading

import pytest

from edge.client.frame_outcomes import PublishedFrame
from edge.publish.output import MOST_LINES, JsonLines, SourceOutput
from edge.publish.totals import Totals


class Pipe(io.StringIO):
    """A reader that takes nothing until it is let, or has gone."""

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__()
        self.taking = threading.Event()
        self._broken = broken

    def write(self, text: str) -> int:
        if self._broken:
            raise BrokenPipeError
        self.taking.wait(20.0)
        return super().write(text)


def test_a_result_has_what_is_known_about_its_frame(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    lines = JsonLines(lambda: None, stream)
    output = SourceOutput("gate", lines)
    frame = PublishedFrame(1, 1, 7, 1000.0, size=(640, 360), returned_ms=1040.0)
    frame.outcome = "in_time"
    output.result({"type": "detections", "rtp": 7, "boxes": []}, frame)
    output.result({"type": "dropped", "rtp": 8, "reason": "lost"}, None)
    output.summary(Totals())
    lines.close()
    answered, dropped, summary = map(json.loads, stream.getvalue().splitlines())
    assert (answered["source"], answered["type"], answered["rtp"]) == ("gate", "detections", 7)
    assert (answered["captured_ms"], answered["latency_ms"]) == (1000.0, 40.0)
    assert (answered["outcome"], answered["size"]) == ("in_time", [640, 360])
    assert (dropped["reason"], "latency_ms" in dropped) == ("lost", False)
    assert (summary["type"], summary["captured"]) == ("summary", 0)
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith("gate: ended: ")


def test_what_a_server_says_moves_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    SourceOutput("gate", None).say("server: busy\x1b[2J\nforged: é")
    assert capsys.readouterr().err == "gate: server: busy\\x1b[2J\\nforged: é\n"


def test_a_reader_that_takes_nothing_delays_nobody() -> None:
    pipe = Pipe()
    lines = JsonLines(lambda: None, pipe)
    for number in range(MOST_LINES + 10):
        lines.write({"n": number})
    assert lines.dropped >= 9
    pipe.taking.set()
    lines.close()
    assert len(pipe.getvalue().splitlines()) == MOST_LINES + 10 - lines.dropped


def test_a_reader_that_has_gone_is_told() -> None:
    gone = threading.Event()
    lines = JsonLines(gone.set, Pipe(broken=True))
    lines.write({})
    assert gone.wait(20.0)
    lines.close()
