"""Debian's stock Firefox, headless, driven over its own Marionette protocol."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from marionette_driver.marionette import Marionette

from tests.free_port import free_port

_PREFS: dict[str, Any] = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "media.peerconnection.ice.loopback": True,  # the only interface there may be
    "media.gmp-manager.updateEnabled": False,  # nothing may be fetched from outside
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "extensions.update.enabled": False,
    "services.settings.server": "data:,#none",
    "browser.safebrowsing.update.enabled": False,
    "devtools.console.stdout.content": True,  # what the page logs goes to the browser's own log
}
START_S = 60.0


class Firefox:
    """A running browser with one page."""

    def __init__(self, marionette: Marionette, log: Path) -> None:
        self.marionette = marionette
        self.log = log

    def open(self, url: str) -> None:
        self.marionette.navigate(url)

    def run(self, script: str, *arguments: Any) -> Any:
        """A function's body, run in the page; promises are awaited."""
        return self.marionette.execute_async_script(
            "const [done, ...args] = [arguments[arguments.length - 1], ...arguments];"
            "const run = async (...args) => {" + script + "};"
            "run(...args)"
            ".then((value) => done({ value }), (error) => done({ error: `${error}` }));",
            script_args=list(arguments),
            sandbox=None,
            new_sandbox=False,
        )

    def value(self, expression: str) -> Any:
        outcome = self.run(f"return ({expression});")
        assert "error" not in outcome, outcome["error"]
        return outcome["value"]

    def until(self, condition: str, timeout_s: float = 60.0) -> None:
        """Wait for an expression over `edge` to become true."""
        outcome = self.run(
            """
            const [condition, limit] = args;
            const begin = performance.now();
            for (;;) {
              const edge = window.wrappedJSObject?.__edge ?? window.__edge;
              if (edge && Function("edge", `return ${condition}`)(edge)) return true;
              if (performance.now() - begin > limit) return false;
              await new Promise((resolve) => setTimeout(resolve, 50));
            }
            """,
            condition,
            1000 * timeout_s,
        )
        assert outcome.get("value") is True, f"never became true: {condition}; {outcome}"

    def snapshot(self) -> dict[str, Any]:
        return dict(json.loads(self.value("JSON.stringify(window.__edge.snapshot())")))


@contextmanager
def firefox(path: str, prefs: Mapping[str, Any] | None = None) -> Iterator[Firefox]:
    """A fresh headless browser; its profile is a temporary folder that is gone afterwards."""
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="edge-firefox-"))
    lines = {**_PREFS, **(prefs or {}), "marionette.port": port}
    (folder / "user.js").write_text(
        "".join(
            f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
            for name, value in lines.items()
        )
    )
    log = folder / "firefox.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [path, "--headless", "--marionette", "--no-remote", "--profile", str(folder)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HOME": str(folder), "MOZ_HEADLESS": "1"},
        )
    marionette = Marionette(host="127.0.0.1", port=port, startup_timeout=START_S)
    try:
        _wait_for(port, process, log)
        marionette.start_session()
        marionette.timeout.script = 120
        yield Firefox(marionette, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the port answers: the browser offers no other sign."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"Firefox ended at once: {log.read_text()[-2000:]}")
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"Firefox did not open its port within {START_S:.0f} s")
