"""A model is loaded for the first session that asks for it, and nobody else notices.

With real networks on the CPU, small ones; over real connections.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge.config import ConfigError, load
from edge.models.runtime.openvino.openvino_library import is_installed
from edge.server import Server
from tests.models.registry.darknet_files import write_model
from tests.publisher import WhipPublisher, publishing
from tests.serving import base, noise, serving, simulated
from tests.sinks.parts import until

PICTURES = noise(320, 192)
HARM = {"failed", "device_lost"}  # whatever else a busy machine may cost


def settings(folder: Path, *names: str, **more: Any) -> dict[str, Any]:
    """Small models of the same classes; all but the first are loaded on demand."""
    models: list[dict[str, Any]] = []
    for name in names:
        cfg, weights, classes = write_model(folder, 3, name)
        files = {"cfg": cfg, "weights": weights, "names": classes}
        models.append({"name": name, **files, "on_demand": name != names[0]})
    return {"models": models, "device": ["cpu"], "edges": [320], "slo_ms": 5000.0, **more}


def state(server: Server, name: str) -> str:
    return server.devices.pool.on_demand.states[name]


def harm(me: WhipPublisher) -> list[str]:
    return [each["reason"] for each in me.of_type("dropped") if each["reason"] in HARM]


def reasons(server: Server) -> str:
    return "; ".join(each.reason for each in server.controller.assignments.values())


@pytest.mark.skipif(not is_installed(), reason="without it a worker loads PyTorch, which is slow")
@pytest.mark.parametrize("ingest", [0, 1])
async def test_a_model_is_loaded_for_its_first_session_and_the_others_go_on(
    ingest: int, tmp_path: Path
) -> None:
    chosen = settings(tmp_path, "mine", "other", model_idle_s=1.0, ingest=ingest)
    async with serving(**chosen) as server:
        url = base(server)
        async with publishing(url, PICTURES, fps=5) as default:
            await default.wait_for_answers(3)
            assert state(server, "other") == "unloaded"
            async with publishing(url, PICTURES, fps=5, query={"model": "other"}) as first:
                await default.wait_for_answers(3)
                await first.wait_for_answers(3, 120.0)
                answers = first.of_type("detections")
                assert {each["variant"] for each in answers} == {"other-320"}
                worker = server.devices.pool.workers(0)[1].pid
                await default.wait_for_answers(3)
            await until(lambda: state(server, "other") == "unloaded", 120.0)
            assert not Path(f"/proc/{worker}").exists()  # so that its memory is free again
            await default.wait_for_answers(3)
            assert harm(default) == []
            assert {each["variant"] for each in default.of_type("detections")} == {"mine-320"}


async def test_a_model_that_was_unloaded_is_loaded_again(tmp_path: Path) -> None:
    device = simulated(1.0, ("mine", "other"))
    chosen = settings(tmp_path, "mine", "other", device=[device], model_idle_s=1.0)
    async with serving(**chosen) as server:
        for _ in range(2):
            async with publishing(base(server), PICTURES, query={"model": "other"}) as me:
                await me.wait_for_answers(1)
            await until(lambda: state(server, "other") == "unloaded", 120.0)


async def test_a_family_is_served_by_what_is_loaded_while_another_loads(tmp_path: Path) -> None:
    device = simulated(1.0, ("mine", "other"))
    chosen = settings(tmp_path, "mine", "other", device=[device])
    for model in chosen["models"]:
        model["family"] = "ours"
    async with (
        serving(**chosen) as server,
        publishing(base(server), PICTURES, query={"model": "ours"}) as me,
    ):
        await me.wait_for_answers(1)
        await until(lambda: state(server, "other") == "ready", 120.0)
        await me.wait_for_answers(3)
        assert harm(me) == []


async def test_without_room_a_session_waits_and_is_told_so(tmp_path: Path) -> None:
    device = simulated(1.0, ("mine", "other"))
    chosen = settings(tmp_path, "mine", "other", device=[device], model_memory_mb=64)
    async with serving(**chosen) as server:
        url = base(server)
        async with publishing(url, PICTURES, query={"model": "other"}) as waiting:
            await until(lambda: "the memory has no room for other" in reasons(server), 120.0)
            async with publishing(url, PICTURES) as default:
                await default.wait_for_answers(3)
            assert waiting.of_type("detections") == []
            assert state(server, "other") == "unloaded"


async def test_what_is_loaded_is_told(tmp_path: Path) -> None:
    device = simulated(1.0, ("mine", "other"))
    async with serving(**settings(tmp_path, "mine", "other", device=[device])) as server:
        [status] = server.devices.status
        assert status.models == {"other": "unloaded"}


def test_the_default_model_can_not_be_loaded_on_demand(tmp_path: Path) -> None:
    chosen = settings(tmp_path, "mine", "other")
    chosen["models"][0]["on_demand"] = True
    with pytest.raises(ConfigError, match="models: mine is the default, .* leave out its on_dem"):
        load(**chosen)
