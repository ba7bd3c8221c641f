"""What a fresh machine needs besides Python packages: browsers, weights, samples."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from edge.assets import samples
from edge.assets.browser import BrowserMissingError, chromium_path
from edge.assets.store import Asset, cached, fetch


def run(browsers: Sequence[str]) -> int:
    """Fetch and install what is missing; what is there already costs nothing.

    A browser that cannot be installed is only said: whatever needs it says so again.
    """
    missing = [name for name in browsers if not _have_browser(name)]
    if missing:
        _install(missing)
    for asset in _assets():
        if cached(asset) is None:
            _say(f"fetching {asset.name} ({asset.size / 1e6:.1f} MB) ...")
            fetch(asset)
    samples.webm(samples.street_video())
    return 0


def _assets() -> list[Asset]:
    from edge.models.weights import CLASS_NAMES, WEIGHTS  # noqa: PLC0415  # needs the models

    return [WEIGHTS["yolov4-tiny"], CLASS_NAMES, samples.STREET, *samples.PHOTOS.values()]


def _have_browser(name: str) -> bool:
    if name != "chromium":
        return shutil.which(name) is not None
    try:
        chromium_path()
    except BrowserMissingError:
        return False
    return True


def _install(packages: Sequence[str]) -> None:
    by_hand = f"install with: sudo apt-get install {' '.join(packages)}"
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    allowed = not as_root or (
        shutil.which("sudo") is not None
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    )
    if shutil.which("apt-get") is None or not allowed:
        _say(f"missing: {', '.join(packages)}; {by_hand}")
        return
    _say(f"installing Debian's {' and '.join(packages)} (a minute or two) ...")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (
        ["update", "-qq"],
        ["install", "-y", "-qq", "--no-install-recommends", *packages],
    ):
        command = [*as_root, "apt-get", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            _say(f"could not install {', '.join(packages)}: {reason}; {by_hand}")
            return


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
