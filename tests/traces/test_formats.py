"""Files, formats and options that do not exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.traces.formats.files import file
from traces import TraceError, read


def test_files_formats_and_options_that_do_not_exist_are_refused(tmp_path: Path) -> None:
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
