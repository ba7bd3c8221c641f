"""Machine and software of a measurement."""

from __future__ import annotations

import os
import platform

import pytest

from edge.profile import host


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("Intel(R) Xeon(R) Processor @ 2.10GHz", "intel-xeon-processor"),
        ("AMD EPYC", "amd-epyc"),
        ("NVIDIA GeForce RTX 2080 Ti", "nvidia-geforce-rtx-2080-ti"),
        ("@@@", "device"),
    ],
)
def test_a_devices_name_makes_a_file_name(name: str, stem: str) -> None:
    assert host.file_stem(name) == stem


def test_a_machine_is_its_processor_model_cores_and_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    facts = {"model name": "Fast CPU", "cpu family": "6", "model": "85"}
    monkeypatch.setattr(host, "_cpu", lambda key: facts.get(key, ""))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2})
    system = f"{platform.system()} {platform.machine()}"
    assert host.describe_machine() == f"Fast CPU (cpu family 6, model 85), 3 cores, {system}"
    del facts["cpu family"], facts["model"]
    assert host.describe_machine() == f"Fast CPU, 3 cores, {system}"


def test_versions_are_pythons_and_the_packages_asked_for() -> None:
    versions = host.package_versions("numpy")
    assert set(versions) == {"python", "numpy"}
    assert versions["python"] == platform.python_version()
