"""The container's health check against servers that are up, starting, and not there."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge.cli import healthcheck


@contextmanager
def _answering(status: int) -> Iterator[int]:
    """A server on loopback whose every answer has this status; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/healthz"
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silent."""

    with http.server.ThreadingHTTPServer(("localhost", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_status_decides(monkeypatch: pytest.MonkeyPatch, status: int, code: int) -> None:
    with _answering(status) as port:
        monkeypatch.setenv("EDGE_PORT", str(port))
        monkeypatch.setenv("EDGE_HTTP", "true")
        assert healthcheck.main() == code


def test_a_server_that_is_not_there_is_an_error_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with _answering(200) as port:
        pass  # nobody listens there any more
    monkeypatch.setenv("EDGE_PORT", str(port))
    monkeypatch.setenv("EDGE_HTTP", "true")
    assert healthcheck.main() == 1
    assert "refused" in capsys.readouterr().err


def test_settings_that_cannot_be_used_are_an_error_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGE_PORT", "99999")
    assert healthcheck.main() == 1
    assert "EDGE_PORT" in capsys.readouterr().err
