"""docs/formats/traces.md: its example is a trace, and its table names every format and option."""

from __future__ import annotations

import re
from pathlib import Path

from traces import read
from traces.formats import FORMATS

PAGE = (Path(__file__).parents[2] / "docs" / "formats" / "traces.md").read_text()


def test_the_example_is_a_trace_with_the_values_that_it_shows(tmp_path: Path) -> None:
    [example] = re.findall(r"```tsv\n(.*?)```", PAGE, re.S)
    path = tmp_path / "walk.tsv"
    path.write_text(example)
    trace = read(path)
    assert trace.duration_ms == 12_500.0
    assert list(trace.rate_bps) == [8e6, 2e6, 0.0, 6.5e6]
    assert trace.delay_ms is not None
    assert trace.loss is not None
    assert trace.notes == ("a walk past the station",)


def test_every_format_and_option_has_its_line() -> None:
    lines = dict(re.findall(r"^\| `(\w+)` \| .*? \| (.*?) \|", PAGE, re.M))
    assert set(FORMATS) <= set(lines)
    for name, parse in FORMATS.items():
        options = set(re.findall(r"`(\w+_ms|clip|run|leg)`", lines[name]))
        assert options == set(parse.__kwdefaults__ or {})
