"""A latency profile that was measured beforehand on this very device, where there is one."""

from __future__ import annotations

import logging
from pathlib import Path

from edge.config import Settings
from edge.profile.latency import LatencyProfile, ProfileError
from edge.profile.machine import machine, processor, slug, versions
from edge.profile.variant import Variant

log = logging.getLogger("edge.profile.measured")

PROFILES = Path(__file__).parents[2] / "profiles"


def known_profile(settings: Settings, folder: Path = PROFILES) -> LatencyProfile | None:
    """The profile in `folder` of one CPU worker on all of this machine's cores, as `python -m
    profiles latency` writes it; None, and the log says why, if it is another machine's or was
    measured with other software."""
    if settings.device != ["cpu"] or settings.threads is not None or settings.weights is not None:
        return None
    path = folder / f"{slug(processor())}.json"
    if not path.is_file():
        return None
    try:
        profile = LatencyProfile.load(path)
    except (ProfileError, OSError) as error:
        log.warning("event=profile_unusable file=%s error=%r", path.name, str(error))
        return None
    torch = versions("torch")["torch"]
    if profile.machine != machine():
        why = f"measured on {profile.machine}, this is {machine()}"
    elif profile.versions.get("torch") != torch:
        why = f"measured with PyTorch {profile.versions.get('torch')}, this is {torch}"
    elif all(Variant.parse(e.variant).network != settings.network for e in profile.entries):
        why = f"{settings.network} is not in it"
    else:
        log.info("event=profile_known file=%s", path.name)
        return profile
    log.info("event=profile_not_used file=%s reason=%r", path.name, why)
    return None
