"""Several models on one server, over real connections: each publisher gets the one it asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edge.startup import StartError
from tests.models.registry.darknet_files import write_model
from tests.publisher import publishing
from tests.serving import base, error_of, noise, serving, simulated

PICTURES = noise(320, 192)
MINE = {f"class {number}" for number in range(3)}


def settings(folder: Path, **more: Any) -> dict[str, Any]:
    """Two models of the same classes as a family, beside YOLOv4-tiny."""
    models: list[dict[str, Any]] = [{"name": "yolov4-tiny"}]
    for name in ("mine", "other"):
        cfg, weights, names = write_model(folder, 3, name)
        models.append(
            {"name": name, "cfg": cfg, "weights": weights, "names": names, "family": "ours"}
        )
    device = simulated(1.0, ("yolov4-tiny", "mine", "other"))
    return {"models": models, "device": [device], "edges": [320, 416], "slo_ms": 2000.0, **more}


@pytest.mark.parametrize("ingest", [1, 2])
async def test_a_publisher_gets_the_model_that_it_asks_for(ingest: int, tmp_path: Path) -> None:
    async with serving(**settings(tmp_path, ingest=ingest)) as server:
        asked = publishing(base(server), PICTURES, query={"model": "mine"})
        async with asked as mine, publishing(base(server), PICTURES) as default:
            for me, name in ((mine, "mine"), (default, "yolov4-tiny")):
                await me.wait_for_answers(3)
                me.send("hello", version=1)
                welcome = await me.wait_for_type("welcome")
                assert welcome["models"] == [name]
                assert welcome["variants"] == [f"{name}-320", f"{name}-416"]
                answers = me.of_type("detections")
                assert all(each["variant"].startswith(name) for each in answers)
                classes = set(welcome["classes"])
                assert {box[0] for each in answers for box in each["boxes"]} <= classes
                assert (classes == MINE) == (name == "mine")


async def test_a_family_is_served_with_any_of_its_models(tmp_path: Path) -> None:
    async with serving(**settings(tmp_path)) as server:
        family = publishing(base(server), PICTURES, query={"model": "ours"})
        async with family as me:
            await me.wait_for_answers(3)
            me.send("hello", version=1)
            welcome = await me.wait_for_type("welcome")
            assert welcome["models"] == ["mine", "other"]
            assert set(welcome["classes"]) == MINE


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"model": "none"}, "`model`: one of yolov4-tiny, mine, other, ours"),
        ({"model": "mine", "classes": "car"}, "`classes`: 'car' is no class"),
        ({"min_score": "much"}, "`min_score`: from 0 to 1"),
        ({"min_score": "1.5"}, "`min_score`: from 0 to 1"),
        ({"min_score": "nan"}, "`min_score`: from 0 to 1"),
    ],
)
async def test_a_bad_query_is_a_400_that_names_what_there_is(
    query: dict[str, str], message: str, tmp_path: Path
) -> None:
    async with serving(**settings(tmp_path)) as server, aiohttp.ClientSession() as http:
        headers = {"Content-Type": "application/sdp"}
        url = f"{base(server)}/whip"
        async with http.post(url, params=query, data="v=0", headers=headers) as response:
            assert response.status == 400
            assert await error_of(response) == {"code": "bad_query", "message": message}


async def test_weak_boxes_are_left_out_by_query_and_by_message(tmp_path: Path) -> None:
    async with serving(**settings(tmp_path)) as server:
        url = base(server)
        async with (
            publishing(url, PICTURES) as everything,
            publishing(url, PICTURES, query={"min_score": "1"}) as nothing,
        ):
            await everything.wait_for(lambda each: bool(each.get("boxes")))
            await nothing.wait_for_answers(3)
            assert not any(each["boxes"] for each in nothing.of_type("detections"))
            nothing.send("hello", version=1, min_score=0.0)
            await nothing.wait_for(lambda each: bool(each.get("boxes")))


async def test_a_session_that_replaces_another_keeps_what_it_does_not_choose_anew(
    tmp_path: Path,
) -> None:
    async with serving(**settings(tmp_path)) as server:
        url = base(server)
        async with publishing(url, PICTURES, query={"model": "mine", "min_score": "1"}) as old:
            await old.wait_for_answers(1)
            replaces = {"replaces": old.location.rsplit("/", 1)[-1]}
            async with publishing(url, PICTURES, query=replaces) as new:
                await new.wait_for_answers(3)
                assert not any(each["boxes"] for each in new.of_type("detections"))
                new.send("hello", version=1)
                assert (await new.wait_for_type("welcome"))["models"] == ["mine"]
                replaces = {"replaces": new.location.rsplit("/", 1)[-1]}
                # An empty name is a choice, the server's default, and so is a score of 0.
                chosen = {**replaces, "model": "", "min_score": "0"}
                async with publishing(url, PICTURES, query=chosen) as newest:
                    await newest.wait_for(lambda each: bool(each.get("boxes")))
                    newest.send("hello", version=1)
                    assert (await newest.wait_for_type("welcome"))["models"] == ["yolov4-tiny"]


async def test_a_device_whose_profile_lacks_a_model_is_named_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="its latency profile has no mine"):
        async with serving(**settings(tmp_path, device=[simulated()])):
            pass


async def test_a_pin_is_for_a_variant_of_the_sessions_own_model(tmp_path: Path) -> None:
    async with serving(**settings(tmp_path)) as server, aiohttp.ClientSession() as http:
        mine = publishing(base(server), PICTURES, query={"model": "mine"})
        async with mine as me:
            await me.wait_for_answers(1)
            (session,) = server.sessions
            actions = f"{base(server)}/api/sessions/{session.name}/actions"
            pin = {"kind": "variant", "variant": "yolov4-tiny-320"}
            async with http.post(actions, json=pin) as response:
                assert response.status == 400
                message = (await error_of(response))["message"]
            assert message == "`variant`: one of mine-320, mine-416"
            async with http.post(actions, json={**pin, "variant": "mine-320"}) as response:
                assert response.status == 200
            await me.wait_for_answers(3)
