"""A worker's backends: their interface, and the choice by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from edge.ipc.picture import Picture
from edge.models.boxes import Box
from edge.profile.stored_profile import simulated_profile_path
from edge.workers.messages import Memory, WarmupBatch, WorkerSetup
from edge.workers.simulated import SimulatedDevice


class Device(Protocol):
    """A processor, a GPU, or a simulation of one."""

    @property
    def description(self) -> str:
        """Which device this is, in words."""

    def warm_up(self, warm: WarmupBatch) -> None:
        """Prepare the device for such a batch, and run one."""

    def detect(self, pictures: Sequence[Picture], variant: str) -> list[list[Box]]:
        """Boxes of each picture, best first; all pictures have the same input size."""

    def device_ms(self) -> float | None:
        """The time of the last `detect` by the device's own clock; None if it has none."""

    def memory(self) -> Memory | None:
        """The device's memory; None where that means nothing."""

    def healthy(self) -> bool:
        """After `detect` raised: whether another batch can still succeed."""


OpenDevice = Callable[[WorkerSetup, Callable[[str], None]], Device]
"""Opens the device of a setup, reporting its steps in words."""


def open_device(setup: WorkerSetup, report: Callable[[str], None]) -> Device:
    """The device that `setup` names, its networks loaded; ValueError for an unknown name."""
    kind, _, rest = setup.device.partition(":")
    if kind == "sim" and rest:
        classes = {name: len(model.class_names) for name, model in setup.models.items()}
        return SimulatedDevice(simulated_profile_path(rest), classes=classes)
    if setup.device == "cpu" or (kind == "cuda" and rest.isdecimal()):
        # Only who runs networks loads their runtimes.
        from edge.workers.network_device import NetworkDevice  # noqa: PLC0415

        return NetworkDevice(setup, report)
    raise ValueError(f"unknown device {setup.device!r}: cpu, cuda:N or sim:PROFILE.json")
