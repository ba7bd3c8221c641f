"""The manifests for Kubernetes fit the code and each other: flags, settings, secrets, times."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.cli.commands import direct, serve
from edge.config import Settings
from edge.config.fleet import FleetCredentials, FleetSettings
from tests.fleet.engine import PROGRAM, nats

FOLDER = Path(__file__).parents[1] / "deploy" / "kubernetes"
FILES = ("namespace.yaml", "engine.yaml", "director.yaml", "node.yaml")
DOCUMENTS: list[dict[str, Any]] = [
    each for name in FILES for each in yaml.safe_load_all((FOLDER / name).read_text())
]
SECRET: dict[str, Any] = yaml.safe_load((FOLDER / "secrets.example").read_text())
EDGE = ("director", "node")


def found(kind: str, name: str) -> dict[str, Any]:
    [one] = [each for each in DOCUMENTS if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return one


def pod(name: str) -> dict[str, Any]:
    kind = {"director": "Deployment", "node": "DaemonSet", "engine": "StatefulSet"}[name]
    spec: dict[str, Any] = found(kind, name)["spec"]["template"]["spec"]
    return spec


def container(name: str) -> dict[str, Any]:
    [one] = pod(name)["containers"]
    return dict(one)


def values(name: str) -> Mapping[str, str]:
    return {each["name"]: each["value"] for each in container(name)["env"] if "value" in each}


def probes(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for key in ("startupProbe", "readinessProbe", "livenessProbe"):
        if key in container(name):
            yield key, container(name)[key]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is missing")
def test_kustomize_puts_them_together() -> None:
    done = subprocess.run(
        ["kubectl", "kustomize", str(FOLDER)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    assert len(built) == len(DOCUMENTS)
    spaced = [each for each in built if each["kind"] != "Namespace"]
    assert {each["metadata"]["namespace"] for each in spaced} == {"edge"}
    assert "image: edge\n" not in done.stdout  # all are the image that was pushed


def test_every_file_is_a_resource() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == sorted(FILES)
    assert {each.name for each in FOLDER.glob("*.yaml")} == {*FILES, "kustomization.yaml"}


@pytest.mark.parametrize("name", EDGE)
def test_the_commands_are_understood(name: str) -> None:
    one = container(name)
    assert one["command"][:3] == ["python", "-m", "edge"]
    commands = argparse.ArgumentParser()
    known = commands.add_subparsers()
    direct.add_parser(known)
    serve.add_parser(known)
    commands.parse_args([*one["command"][3:], *one["args"]])


@pytest.mark.parametrize("name", EDGE)
def test_settings_are_those_that_there_are(name: str) -> None:
    named = {each["name"] for each in container(name)["env"]}
    known = {f"EDGE_{key.upper()}" for key in Settings.model_fields}
    assert {each for each in named if each.startswith("EDGE_")} <= known


def test_a_node_has_a_name_of_its_own_and_knows_the_whole_engine() -> None:
    text = values("node")["EDGE_FLEET"].replace("$(POD)", "node-x7k2p")
    fleet = FleetSettings(**json.loads(text))
    assert fleet.name == "node-x7k2p"
    replicas = found("StatefulSet", "engine")["spec"]["replicas"]
    expected = [f"nats://engine-{number}.engine:4222" for number in range(replicas)]
    assert fleet.servers == expected
    [given] = [each for each in container("director")["args"] if each.startswith("--fleet=")]
    assert given.partition("=")[2].split(",") == expected


def test_a_node_has_time_to_be_drained() -> None:
    grace_s = pod("node")["terminationGracePeriodSeconds"]
    assert grace_s >= FleetSettings(servers=["nats://x"]).drain_s + 15


@pytest.mark.parametrize("name", EDGE)
def test_probes_ask_for_what_the_engine_and_a_drain_do_not_change(name: str) -> None:
    ports = {each["name"] for each in container(name)["ports"]}
    for key, probe in probes(name):
        asked = probe.get("httpGet") or probe["tcpSocket"]
        assert asked["port"] in ports, key
        if "httpGet" in probe:
            assert (asked["path"], asked["scheme"]) == ("/healthz", "HTTPS"), key


@pytest.mark.parametrize("name", [*EDGE, "engine"])
def test_secrets_are_those_of_the_example(name: str) -> None:
    for each in container(name)["env"]:
        reference = each.get("valueFrom", {}).get("secretKeyRef")
        if reference is not None:
            assert reference["name"] == SECRET["metadata"]["name"]
            assert reference["key"] in SECRET["stringData"]
    mounts = {each["name"]: each["mountPath"] for each in container(name)["volumeMounts"]}
    for volume in pod(name)["volumes"]:
        assert volume["name"] in mounts
        for item in volume.get("secret", {}).get("items", []):
            FleetCredentials(**tomllib.loads(SECRET["stringData"][item["key"]]))
            path = f"{mounts[volume['name']]}/{item['path']}"
            assert path in " ".join([*container(name)["args"], *values(name).values()])


@pytest.mark.parametrize("name", [*EDGE, "engine"])
def test_each_has_a_budget_of_its_pods_and_no_more_rights_than_it_needs(name: str) -> None:
    budget = found("PodDisruptionBudget", name)["spec"]
    assert budget["selector"]["matchLabels"] == {"app": name}
    assert pod(name)["securityContext"]["runAsNonRoot"] is True
    context = container(name)["securityContext"]
    assert context["capabilities"]["drop"] == ["ALL"]
    assert context["readOnlyRootFilesystem"] is True


@nats
def test_a_real_engine_takes_its_configuration(tmp_path: Path) -> None:
    assert PROGRAM is not None
    text = found("ConfigMap", "engine")["data"]["nats.conf"]
    assert {"HEAD_PASSWORD", "NODE_PASSWORD"} == set(re.findall(r"\$(\w+)", text))
    file = tmp_path / "nats.conf"
    file.write_text(text)
    secrets = {key: SECRET["stringData"][key] for key in ("HEAD_PASSWORD", "NODE_PASSWORD")}
    done = subprocess.run(
        [PROGRAM, "--config", str(file), "-t"],
        env={**os.environ, **secrets},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
