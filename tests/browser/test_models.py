"""The page's choice of models at a real server, whose device is simulated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.models.registry.darknet_files import write_model
from tests.serving import serving, simulated

from .cameras import numbered
from .pages import SESSION_LOOP, adds_up, opened

pytestmark = [pytest.mark.browser, SESSION_LOOP]


def settings(folder: Path) -> dict[str, Any]:
    models: list[dict[str, Any]] = [{"name": "yolov4-tiny"}]
    for name in ("mine", "other"):
        cfg, weights, names = write_model(folder, 3, name)
        models.append(
            {"name": name, "cfg": cfg, "weights": weights, "names": names, "family": "ours"}
        )
    device = simulated(1.0, ("yolov4-tiny", "mine", "other"))
    return {"models": models, "device": [device], "edges": [320, 416], "slo_ms": 2000.0}


@pytest.mark.parametrize("ingest", [0, 1])
async def test_a_session_goes_from_model_to_model_and_keeps_the_rest(
    tmp_path: Path, ingest: int
) -> None:
    camera = numbered()
    async with (
        serving(**settings(tmp_path), ingest=ingest) as server,
        opened(server.url, camera) as watched,
    ):
        await watched.open(autostart=1, slo=2000, label="gate")
        await watched.until("edge.counts.in_time > 3")
        menu = watched.page.get_by_label("Model", exact=True)
        labels = await menu.locator("option").all_inner_texts()
        assert labels == ["yolov4-tiny", "mine", "other", "Server chooses (ours)"]
        for label, models in (
            ("mine", ("mine",)),
            ("Server chooses (ours)", ("mine", "other")),
            ("yolov4-tiny", ("yolov4-tiny",)),
        ):
            done = (await watched.snapshot())["replacements"]
            await menu.select_option(label=label)
            await watched.until(f"edge.snapshot().replacements === {done + 1}")
            before = (await watched.snapshot())["counts"]["in_time"]
            await watched.until(f"edge.state === 'live' && edge.counts.in_time > {before + 3}")
            name = (await watched.snapshot())["session"]
            session = server.sessions.get(name)
            assert session is not None
            view = next(each for each in server.sessions.views() if each.name == session.name)
            assert view.models == models
            assert (view.label, view.slo_ms) == ("gate", 2000.0)
        snapshot = await watched.page.evaluate("() => window.__edge.finish()")
        assert adds_up(snapshot["counts"])
        assert snapshot["reconnects"] == 0
        variants = {variant.rsplit("-", 1)[0] for variant in snapshot["variants"]}
        assert {"yolov4-tiny", "mine"} <= variants
