"""Finds latency profiles in files: this machine's, and those of simulated devices."""

from __future__ import annotations

from pathlib import Path

from edge.assets.resources import resource
from edge.base.event_log import get_logger
from edge.profile.host import describe_machine, file_stem, package_versions, processor_name
from edge.profile.latency import LatencyProfile
from edge.profile.latency_file import ProfileError, load_latency_profile
from edge.profile.variant import Variant

log = get_logger("edge.profile.stored_profile")

PROFILES = resource("profiles")
RUNTIME_PACKAGES = {"torch": "PyTorch", "openvino": "OpenVINO"}
"""The packages that run networks, and what they are called: latencies depend on them."""


def simulated_profile_path(name: str, folder: Path = PROFILES) -> Path:
    """The file of a simulated device's latencies: a path, or the name of one in `folder`.

    Raises ValueError, naming those there are, if it is neither.
    """
    named = folder / f"{name.removesuffix('.json')}.json"
    for path in (Path(name), named):
        if path.is_file():
            return path
    shipped = sorted(path.stem for path in folder.glob("sim-*.json"))
    raise ValueError(f"sim:{name}: no such file; a path, or one of {', '.join(shipped)}")


def find_stored_profile(network: str, folder: Path = PROFILES) -> LatencyProfile | None:
    """The profile of this machine in `folder`, as `python -m profiles latency` writes it.

    It is of one CPU worker on all cores, with the published weights. None if there is none of this
    network; the log has the reason where it was measured on another machine or with other software.
    """
    path = folder / f"{file_stem(processor_name())}.json"
    if not path.is_file():
        return None
    try:
        profile = load_latency_profile(path)
    except (ProfileError, OSError) as error:
        log.warning("profile_unusable", file=path.name, error=str(error))
        return None
    difference = _difference(profile, network)
    if difference is not None:
        log.info("profile_not_used", file=path.name, reason=difference)
        return None
    log.info("profile_known", file=path.name)
    return profile


def _difference(profile: LatencyProfile, network: str) -> str | None:
    """Why the profile says nothing of this network on this machine."""
    if profile.machine != describe_machine():
        return f"measured on {profile.machine}, this is {describe_machine()}"
    here = package_versions(*RUNTIME_PACKAGES)
    for package, name in RUNTIME_PACKAGES.items():
        then, now = (versions.get(package, "none") for versions in (profile.versions, here))
        if then != now:
            return f"measured with {name} {then}, this is {now}"
    if all(Variant.parse(entry.variant).network != network for entry in profile.entries):
        return f"{network} is not in it"
    return None
