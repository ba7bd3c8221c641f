"""The CSV of a link's state."""

from __future__ import annotations

from pathlib import Path

from netem.links.link_log import LinkLog, LinkSample


def test_each_sample_is_on_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "link.csv"
    log = LinkLog(path)
    log.add(LinkSample(1000.1234, 8e6, 10, 20, 3, 4))
    assert path.read_text().splitlines() == [
        "at_ms,rate_bps,passed_bytes,backlog_bytes,dropped,lost",
        "1000.123,8000000,10,20,3,4",
    ]
    assert log
    log.close()


def test_without_a_path_nothing_is_written() -> None:
    log = LinkLog(None)
    assert not log
    log.add(LinkSample(0.0, 0.0, 0, 0, 0, 0))
    log.close()
