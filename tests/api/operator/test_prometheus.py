"""Prometheus metrics: their values, and that Grafana's dashboard and the documents name them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

import edge
from edge.api.operator.dashboard import Dashboard
from edge.api.operator.prometheus import OUTCOMES, MetricsEndpoint
from edge.batching.device_usage import DeviceUsage
from edge.clips.counts import CLIP_ENDS
from edge.config import load
from edge.observability.refusals import Refusal
from edge.scheduling.assignment import Assignment
from edge.session.view import LatencyQuantiles
from edge.sinks.event_filter import ResultMessage
from edge.sinks.sink_set import SinkSet
from tests.api.events import dashboard_states, metric
from tests.api.parts import ServerParts, ingest_status, view, worker
from tests.publisher import publishing
from tests.serving import base, noise, serving
from tests.sinks.parts import detections, settings

ROOT = Path(__file__).parents[3]
PICTURES = noise(320, 192)


async def _scrape(parts: ServerParts) -> dict[tuple[str, str], float]:
    """Samples by name and label values (in the order of the labels' names), of these parts."""
    names = ("sessions", "devices", "controller", "ingest", "event_loop", "refusals", "capacity")
    dashboard = Dashboard(
        parts.settings, metrics=parts.metrics, kept=parts.kept, **parts.arguments(*names)
    )
    endpoint = MetricsEndpoint(
        parts.settings,
        dashboard=dashboard,
        sinks=parts.sinks,
        refused_connections=parts.refused_connections,
        **parts.arguments(*names),
    )
    dashboard.refresh()
    app = web.Application()
    app.add_routes(endpoint.routes())
    async with TestClient(TestServer(app)) as client, client.get("/metrics") as response:
        families = text_string_to_metric_families(await response.text())
        return {
            (sample.name, ",".join(sample.labels.values())): sample.value
            for family in families
            for sample in family.samples
        }


async def test_what_was_refused_is_counted_by_reason() -> None:
    parts = ServerParts()
    parts.sessions.half_open = 3
    for reason in ("busy", "bad_sdp", "busy"):
        parts.refusals.add(Refusal(at_s=0.0, reason=reason, message="no"))
    parts.refused_connections.update(descriptors=4)
    parts.metrics.refused({"packet rate": 5, "stranger": 1})
    samples = await _scrape(parts)
    assert samples["edge_sessions_half_open", ""] == 3
    assert samples["edge_offers_refused_total", "busy"] == 2
    assert samples["edge_offers_refused_total", "bad_sdp"] == 1
    assert samples["edge_connections_refused_total", "descriptors"] == 4
    assert samples["edge_datagrams_refused_total", "packet rate"] == 5
    assert samples["edge_datagrams_refused_total", "stranger"] == 1


@pytest.mark.parametrize("ingest", [0, 1])
async def test_a_server_counts_what_it_refuses(ingest: int) -> None:
    """An offer by HTTP, and datagrams in whichever process receives them."""
    async with (
        serving(ingest=ingest) as server,
        publishing(base(server), PICTURES) as me,
        aiohttp.ClientSession() as http,
    ):
        sdp = {"Content-Type": "application/sdp"}
        async with http.post(f"{base(server)}/whip", data="v=0", headers=sdp) as it:
            assert it.status == 400
        await me.wait_for_answers()
        [sender] = [each for each in me.connection.getSenders() if each.track]
        ice = sender.transport.transport._connection
        for _ in range(10):
            await ice.send(b"\x80" + bytes(40))  # RTP that no key authenticates
        async with asyncio.timeout(60):
            while True:
                async with http.get(f"{base(server)}/metrics") as it:
                    text = await it.text()
                if 'edge_datagrams_refused_total{reason="not authentic"} 10.0' in text:
                    break
                await asyncio.sleep(0.1)  # it is counted once a second
        assert 'edge_offers_refused_total{reason="no_video"} 1.0' in text
        await me.wait_for_answers()


async def test_frames_and_their_legs_are_counted() -> None:
    parts = ServerParts()
    parts.metrics.answered({"network": 20.0}, 60.0, 100.0)
    parts.metrics.answered({"network": 3.0}, 600.0, 100.0)
    parts.metrics.dropped("lost")
    samples = await _scrape(parts)
    assert samples["edge_frames_total", "in_time"] == 1
    assert samples["edge_frames_total", "answered_late"] == 1
    assert samples["edge_frames_total", "lost"] == 1
    assert samples["edge_frames_total", "overload"] == 0
    assert samples["edge_leg_seconds_sum", "network"] == pytest.approx(0.023)
    assert samples["edge_leg_seconds_bucket", "0.005,network"] == 1
    assert samples["edge_leg_seconds_bucket", "0.025,network"] == 2
    assert samples["edge_leg_seconds_bucket", "+Inf,whole"] == 2


async def test_sessions_are_counted_by_state_objective_and_plan() -> None:
    parts = ServerParts(load(max_sessions=9))
    slow, fast = LatencyQuantiles(50.0, 101.0), LatencyQuantiles(50.0, 99.0)
    parts.sessions.now = [
        view("a", state="connecting"),
        view("b", latency=slow, bps=1e6),
        view("c", latency=fast, bps=2e6),
    ]
    parts.controller.assignments = {
        name: Assignment(variant, 416, 1e6, 0.0, "", f1, alone)
        for name, variant, f1, alone in (
            ("a", None, None, None),
            ("b", "yolov4-tiny-416", 0.6, 0.8),
            ("c", "yolov4-tiny-608", 0.7, 0.7),
        )
    }
    parts.capacity.free_sessions = 5
    samples = await _scrape(parts)
    assert samples["edge_free_sessions", ""] == 5
    assert samples["edge_sessions", "connecting"] == 1
    assert samples["edge_sessions", "live"] == 2
    assert samples["edge_sessions_limit", ""] == 9
    assert samples["edge_sessions_over_slo", ""] == 1
    assert samples["edge_sessions_unserved", ""] == 1
    assert samples["edge_expected_f1", ""] == pytest.approx(0.65)
    assert samples["edge_least_f1_share", ""] == pytest.approx(0.75)
    assert samples["edge_received_bits_per_second", ""] == 3e6


async def test_devices_are_counted_each() -> None:
    parts = ServerParts()
    models = {"helmets": "ready", "masks": "loading"}
    parts.devices.status = [
        worker("lost", restarts=2, models=models),
        worker(in_flight=1, memory=(5, 10), models=models),
    ]
    parts.devices.usage = [DeviceUsage(), DeviceUsage(busy_ms=1500.0)]
    parts.devices.usage[1].sizes.update([1, 3, 3, 20])
    parts.devices.waiting = 4
    samples = await _scrape(parts)
    assert (samples["edge_device_up", "0"], samples["edge_device_up", "1"]) == (0, 1)
    assert samples["edge_worker_restarts_total", "0"] == 2
    assert samples["edge_device_busy_seconds_total", "1"] == 1.5
    assert samples["edge_device_memory_bytes", "1"] == 5
    assert samples["edge_model_loaded", "helmets"] == 1
    assert samples["edge_model_loaded", "masks"] == 0
    assert ("edge_device_memory_bytes", "0") not in samples
    assert samples["edge_batch_size_frames_bucket", "1,2"] == 1
    assert samples["edge_batch_size_frames_bucket", "1,4"] == 3
    assert samples["edge_batch_size_frames_bucket", "1,+Inf"] == 4
    assert samples["edge_batch_size_frames_sum", "1"] == 27
    assert samples["edge_frames_waiting", ""] == 4


async def test_sinks_are_counted_each() -> None:
    parts = ServerParts()
    parts.sinks = SinkSet([settings("webhook", name="hook"), settings("jsonl", name="files")])
    hook, files = parts.sinks
    hook.sent, hook.failures, hook.error = 5, 2, "gone"
    hook.queue.lose("overflow", 3)
    files.put(ResultMessage("abc", "gate", detections(), 0.0))
    samples = await _scrape(parts)
    assert samples["edge_sink_events_total", "sent,hook"] == 5
    assert samples["edge_sink_events_total", "overflow,hook"] == 3
    assert samples["edge_sink_events_total", "overflow,files"] == 0
    assert samples["edge_sink_failures_total", "hook"] == 2
    assert (samples["edge_sink_up", "hook"], samples["edge_sink_up", "files"]) == (0, 1)
    assert samples["edge_sink_events_waiting", "files"] == 1


async def test_a_node_counts_those_that_a_drain_moved_and_ended() -> None:
    parts = ServerParts()
    assert ("edge_drained_sessions_total", "left") not in await _scrape(parts)
    parts.sessions.drained = {"left": 3, "ended": 1}
    samples = await _scrape(parts)
    assert samples["edge_drained_sessions_total", "left"] == 3
    assert samples["edge_drained_sessions_total", "ended"] == 1


async def test_a_server_that_has_not_started_can_be_scraped() -> None:
    parts = ServerParts()
    parts.sessions.ready = False
    parts.devices.status, parts.devices.usage = [worker("starting")], []
    samples = await _scrape(parts)
    assert samples["edge_ready", ""] == 0
    assert samples["edge_draining", ""] == 0
    assert samples["edge_device_up", "0"] == 0
    assert samples["edge_build_info", edge.__version__] == 1


async def test_the_server_s_own_times_are_histograms_of_seconds() -> None:
    parts = ServerParts()
    parts.controller.solve_times.add(7.0)
    parts.event_loop.observe(3.0, 0.0, 0.0)
    parts.ingest = [ingest_status(restarts=1), ingest_status(restarts=2)]
    parts.kept.lost = 4
    samples = await _scrape(parts)
    assert samples["edge_plan_seconds_sum", ""] == pytest.approx(0.007)
    assert samples["edge_plan_seconds_bucket", "0.01"] == 1
    assert samples["edge_loop_lag_seconds_count", ""] == 1
    assert samples["edge_ingest_restarts_total", ""] == 3
    assert samples["edge_history_lost_total", ""] == 4


async def test_metrics_count_what_happened() -> None:
    async with (
        serving() as server,
        publishing(base(server), PICTURES) as me,
        aiohttp.ClientSession() as http,
    ):
        await me.wait_for_answers(5)
        pid = server.devices.status[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await me.wait_for(lambda it: it["type"] == "dropped")
        await me.wait_for_answers(2)
        async for _ in dashboard_states(http, base(server)):
            frames = await metric(http, base(server), "edge_frames")
            if frames["in_time"] + frames["answered_late"] >= 7:
                break
        assert (await metric(http, base(server), "edge_worker_restarts")) == {"0": 1.0}
        assert (await metric(http, base(server), "edge_sessions"))["live"] == 1
        async with http.get(f"{base(server)}/metrics") as it:
            text = await it.text()
        families = {each.name: each for each in text_string_to_metric_families(text)}
        legs = families["edge_leg_seconds"].samples
        count = {s.labels["leg"]: s.value for s in legs if s.name == "edge_leg_seconds_count"}
        assert min(count.values()) == max(count.values()) >= 7
        assert families["edge_plan_seconds"].type == "histogram"
        [session] = server.sessions
        assert session.name not in text  # no label grows with the sessions


async def test_dashboard_and_alerts_ask_for_exported_metrics_only() -> None:
    async with (
        serving() as server,
        aiohttp.ClientSession() as http,
        http.get(f"{base(server)}/metrics") as it,
    ):
        text = await it.text()
    families = list(text_string_to_metric_families(text))
    exported = {sample for family in families for sample in _names(family)}
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "edge.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(queries) >= 12
    documented = (ROOT / "docs" / "operate" / "metrics.md").read_text()
    [group] = yaml.safe_load((ROOT / "deploy" / "prometheus" / "edge.rules.yml").read_text())[
        "groups"
    ]
    recorded = {rule["record"] for rule in group["rules"] if "record" in rule}
    for rule in group["rules"]:
        assert f"`{rule.get('alert') or rule['record']}`" in documented
        asked = rule["expr"]
        for name in recorded:
            asked = asked.replace(name, "")
        if rule.get("alert") == "EdgeDown":
            assert asked == 'up{job="edge"} == 0'
        elif asked.split()[0] != ">":  # not of a recorded rule alone
            queries.append(asked)
    for query in queries:
        asked_for = set(re.findall(r"\bedge_[a-z_]+", query))
        assert asked_for, query
        assert asked_for <= exported, query
    for family in families:
        assert f"`{family.name}" in documented


def test_alerts_pick_labels_that_exist() -> None:
    """A reason or an outcome that is spelt wrong would never fire."""
    rules = (ROOT / "deploy" / "prometheus" / "edge.rules.yml").read_text()
    outcomes = {"sent", "thinned", *OUTCOMES, *CLIP_ENDS}
    for value in re.findall(r'\bend!?[=~]+"([^"]+)"', rules):
        assert set(value.split("|")) <= outcomes
    protocol = (ROOT / "docs" / "embed" / "protocol.md").read_text()
    reasons = {
        each for value in re.findall(r'reason=~?"([^"]+)"', rules) for each in value.split("|")
    }
    assert len(reasons) > 5
    for reason in reasons - {"unauthorized", "internal_server_error"}:
        assert f"`{reason}`" in protocol


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing")
def test_prometheus_takes_the_alerts() -> None:
    for words in (["check", "rules", "edge.rules.yml"], ["test", "rules", "edge.rules.test.yml"]):
        done = subprocess.run(
            ["promtool", *words],
            cwd=ROOT / "deploy" / "prometheus",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _names(family: Any) -> set[str]:
    ends = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",)}
    return {family.name + end for end in ends.get(family.type, ("",))}
