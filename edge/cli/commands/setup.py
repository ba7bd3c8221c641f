"""`edge setup`: Debian packages, weights and samples, where they are missing."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# The program by which a package is recognised, where it is not called like its package.
PROGRAMS = {"coturn": "turnserver"}
# Packages without a program, by how their names begin; Debian's package manager is asked for them.
LIBRARIES = ("gir1.2-", "gstreamer1.0-", "python3-")
DPKG_INFO = Path("/var/lib/dpkg/info")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = "Install the named Debian packages and fetch weights and samples, where missing."
    parser = commands.add_parser("setup", help="prepare a fresh machine", description=about)
    parser.add_argument(
        "packages", nargs="*", metavar="PACKAGE", help="chromium, firefox-esr, coturn, ..."
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Fetch and install what is missing; what is present costs nothing.

    A package that cannot be installed is reported and is no failure: a command that needs it
    fails with the remedy.
    """
    from edge.assets import samples  # noqa: PLC0415  # PyAV
    from edge.assets.store import cached, fetch  # noqa: PLC0415
    from edge.models.weights import CLASS_NAMES, WEIGHTS  # noqa: PLC0415

    missing = [name for name in options.packages if not _is_installed(name)]
    if missing:
        _install(missing)
    for asset in (
        WEIGHTS["yolov4-tiny"],
        CLASS_NAMES,
        samples.STREET,
        *samples.PHOTOS.values(),
    ):
        if cached(asset) is None:
            _report(f"fetching {asset.name} ({asset.size / 1e6:.1f} MB) ...")
            fetch(asset)
    samples.webm(samples.street_video())
    _prepare_network()
    return 0


def _prepare_network() -> None:
    """What a CPU worker would else do at its first start."""
    from edge.assets.store import AssetError  # noqa: PLC0415
    from edge.models.runtime.openvino.openvino_library import OpenVinoError  # noqa: PLC0415
    from edge.models.runtime.prepared_network import prepared_network  # noqa: PLC0415

    try:
        prepared_network("yolov4-tiny", None, _report)
    except (OpenVinoError, AssetError, OSError) as error:
        _report(f"networks will run with PyTorch: {error}")


def _is_installed(package: str) -> bool:
    from edge.assets.browser import BrowserMissingError, chromium_path  # noqa: PLC0415

    if package.startswith(LIBRARIES):
        names = (f"{package}.list", f"{package}:*.list")  # the latter of one architecture
        return any(path for name in names for path in DPKG_INFO.glob(name))
    if package != "chromium":
        # A server may be outside of a user's path, in /usr/sbin.
        path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
        return shutil.which(PROGRAMS.get(package, package), path=path) is not None
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
        _report(f"missing: {', '.join(packages)}; {by_hand}")
        return
    _report(f"installing Debian's {' and '.join(packages)} (a minute or two) ...")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (
        ["update", "-qq"],
        ["install", "-y", "-qq", "--no-install-recommends", *packages],
    ):
        command = [*as_root, "apt-get", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            _report(f"could not install {', '.join(packages)}: {reason}; {by_hand}")
            return


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
