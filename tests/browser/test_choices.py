"""What the user chooses of the detector: the model, the least score, the classes that are drawn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from edge.rtc.peer_connection import DecodedFrame

from .cameras import numbered
from .pages import SESSION_LOOP, Watched, opened
from .standin import Box, Standin, serving

pytestmark = [pytest.mark.browser, SESSION_LOOP]

MODELS = [
    {"name": "", "label": "Server chooses", "score_threshold": 0.25},
    {"name": "tiny", "label": "tiny", "score_threshold": 0.25},
    {"name": "pallets", "label": "pallets", "score_threshold": 0.4},
]
STORED = "(key) => localStorage.getItem(`edge.${key}`)"


def _boxes(frame: DecodedFrame, index: int) -> list[Box]:
    return [("person", 0.9, 0.1, 0.1, 0.4, 0.8), ("car", 0.5, 0.5, 0.5, 0.9, 0.9)]


@pytest.fixture
def camera() -> Path:
    return numbered()


@pytest_asyncio.fixture(loop_scope="session")
async def standin() -> AsyncIterator[Standin]:
    async with serving(boxes=_boxes) as server:
        server.settings["models"] = MODELS
        yield server


async def drawn(watched: Watched) -> list[str]:
    """The classes of the next answer that is drawn."""
    script = """() => new Promise((resolve) => addEventListener(
      "edge:drawn", ({ detail }) => resolve(detail.boxes.map(([name]) => name)), { once: true }))"""
    return list(await watched.page.evaluate(script))


async def drawn_are(watched: Watched, classes: list[str]) -> None:
    while await drawn(watched) != classes:
        pass


async def live(watched: Watched, **query: Any) -> None:
    await watched.open(autostart=1, slo=5000, **query)
    await watched.until("edge.snapshot().drawn > 3")


async def test_another_model_takes_over_without_a_gap(standin: Standin, camera: Path) -> None:
    async with opened(standin.url, camera) as watched:
        await live(watched)
        assert standin.guest.query == {"slo_ms": "5000"}  # nothing is wished yet
        menu = watched.page.get_by_label("Model", exact=True)
        assert await menu.input_value() == ""
        await menu.select_option(label="pallets")
        new = await standin.until(lambda: standin.guests[1] if len(standin.guests) > 1 else None)
        assert new.query == {"slo_ms": "5000", "model": "pallets", "replaces": "s0"}
        await standin.until(lambda: standin.guests[0].replaced)
        await watched.until("edge.snapshot().session === 's1' && edge.state === 'live'")
        assert await watched.page.evaluate(STORED, "model") == "pallets"
        # Back to what the server chooses: that is a wish too, for the session has another model.
        await menu.select_option(label="Server chooses")
        await standin.until(lambda: len(standin.guests) == 3)
        assert standin.guest.query == {"slo_ms": "5000", "model": "", "replaces": "s1"}
        await watched.until("edge.snapshot().session === 's2' && edge.choices.model === ''")


async def test_the_model_of_the_last_visit_is_asked_for_again(
    standin: Standin, camera: Path
) -> None:
    async with opened(standin.url, camera) as watched:
        await watched.open()
        await watched.page.evaluate("() => localStorage.setItem('edge.model', 'pallets')")
        await live(watched)
        assert standin.guest.query["model"] == "pallets"
        assert await watched.page.get_by_label("Model", exact=True).input_value() == "pallets"
        await live(watched, model="tiny")  # the address goes first
        assert standin.guest.query["model"] == "tiny"
        standin.settings["models"] = MODELS[:2]  # the server has it no more
        await live(watched)
        assert "model" not in standin.guest.query


async def test_a_server_with_one_model_has_no_menu(camera: Path) -> None:
    async with serving(boxes=_boxes) as standin, opened(standin.url, camera) as watched:
        await watched.open()
        await watched.page.evaluate("() => localStorage.setItem('edge.model', 'tiny')")
        await live(watched)
        assert not await watched.page.get_by_label("Model", exact=True).is_visible()
        assert "model" not in standin.guest.query


async def test_a_model_that_is_refused_leaves_the_one_before(
    standin: Standin, camera: Path
) -> None:
    async with opened(standin.url, camera, complaints=True) as watched:
        await live(watched, model="tiny")
        standin.full_for = 1
        await watched.page.get_by_label("Model", exact=True).select_option(label="pallets")
        await watched.page.get_by_text("The server is full. The model stays").wait_for()
        assert await watched.page.get_by_label("Model", exact=True).input_value() == "tiny"
        assert (await watched.snapshot())["choices"]["model"] == "tiny"
        assert [guest.ended for guest in standin.guests] == [False]


async def test_the_least_score_is_sent_while_live_and_kept(standin: Standin, camera: Path) -> None:
    async with opened(standin.url, camera) as watched:
        await live(watched)
        slider = watched.page.get_by_label("Score at least")
        assert await slider.input_value() == "0.25"
        assert await slider.get_attribute("aria-valuetext") == "25%, the model's own"
        await slider.press("ArrowRight")
        await slider.press("ArrowRight")
        guest = standin.guest
        await standin.until(lambda: guest.said("hello")[-1]["min_score"] == 0.35)
        assert await slider.get_attribute("aria-valuetext") == "35%"
        assert len(standin.guests) == 1
        await live(watched)
        assert standin.guest.query == {"slo_ms": "5000", "min_score": "0.35"}
        # A model that drops weaker boxes anyway: its own threshold is the least there is to choose.
        await watched.page.get_by_label("Model", exact=True).select_option(label="pallets")
        assert await slider.input_value() == "0.4"
        await slider.press("End")
        await slider.press("Home")
        await standin.until(lambda: standin.guest.said("hello")[-1:] != [])
        await standin.until(lambda: standin.guest.said("hello")[-1]["min_score"] == 0)


async def test_classes_are_drawn_by_choice(standin: Standin, camera: Path) -> None:
    async with opened(standin.url, camera) as watched:
        page = watched.page
        await live(watched)
        assert await drawn(watched) == ["person", "car"]
        group = page.get_by_role("group", name="Show")
        assert await group.get_by_role("button", pressed=True).all_inner_texts() == ["All"]
        await group.get_by_role("button", name="car").press("Enter")
        await drawn_are(watched, ["car"])
        assert await group.get_by_role("button", pressed=True).all_inner_texts() == ["car"]
        assert await page.evaluate(STORED, "classes") == "car"
        snapshot = await watched.snapshot()
        assert snapshot["classes"].keys() == {"person", "car"}  # all are counted
        await live(watched)
        assert await drawn(watched) == ["car"]
        await group.get_by_role("button", name="All").click()
        await drawn_are(watched, ["person", "car"])
        await live(watched, classes="bicycle,person")
        assert await drawn(watched) == ["person"]
        assert await group.get_by_role("button", name="bicycle").is_visible()  # not seen yet


async def test_classes_that_a_model_does_not_have_hide_nothing(
    standin: Standin, camera: Path
) -> None:
    standin.classes = ["lamp", "bulb"]
    standin.boxes = lambda frame, index: [("lamp", 0.9, 0.1, 0.1, 0.4, 0.8)]
    async with opened(standin.url, camera) as watched:
        await live(watched, classes="person")
        await drawn_are(watched, ["lamp"])
