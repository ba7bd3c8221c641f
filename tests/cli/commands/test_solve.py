"""`python -m edge solve`: the contract, and malformed problems in one line."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import Any

import pytest

from edge.cli.main import main

PROBLEM: dict[str, Any] = {
    "gpus": 2,
    "variants": [
        {"name": "small", "accuracy": 0.5, "latency_ms": [5, 6]},
        {"name": "large", "accuracy": 0.7, "latency_ms": [20, 30]},
    ],
    "clients": [
        {"id": "a", "fps": 25, "budget_ms": [90, 80]},
        {"id": "b", "fps": 15, "budget_ms": [20, 0]},
        {"id": "c", "fps": 15, "budget_ms": [4, 0]},
    ],
    "current": ["small", ["large", "small"]],
    "seed": 3,
}


@pytest.mark.parametrize("rule", ["single", "shared"])
@pytest.mark.parametrize("algorithm", ["auto", "sa-dp", "exact"])
def test_contract(algorithm: str, rule: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "edge", "solve", "--algorithm", algorithm, "--rule", rule],
        input=json.dumps(PROBLEM),
        capture_output=True,
        text=True,
        check=True,
    )
    plan = json.loads(ended.stdout)  # nothing but the plan
    assert (plan["algorithm"], plan["rule"]) == (algorithm, rule)
    assert [gpu["gpu"] for gpu in plan["gpus"]] == [0, 1]
    served = [c for gpu in plan["gpus"] for slot in gpu["variants"] for c in slot["clients"]]
    assert sorted(served) == ["a", "b"]
    assert (plan["unserved"], plan["served"]) == (["c"], 2)
    assert plan["accuracy"] == pytest.approx((25 * 0.7 + 15 * 0.5) / 55)
    assert plan["solve_ms"] > 0
    latencies = {v["name"]: v["latency_ms"] for v in PROBLEM["variants"]}
    for gpu in plan["gpus"]:
        cycle = sum(latencies[s["variant"]][s["batch"] - 1] for s in gpu["variants"])
        assert gpu["cycle_ms"] == pytest.approx(cycle)


def _broken(path: list[str | int], value: object) -> str:
    problem = json.loads(json.dumps(PROBLEM))
    inner = problem
    for part in path[:-1]:
        inner = inner[part]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(problem)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "problem: not JSON"),
        ("[]", "problem: must be a JSON object"),
        (_broken(["gpus"], -1), "gpus: "),
        (_broken(["gpus"], 1.5), "gpus: "),
        (_broken(["gpus"], None), "missing key `gpus`"),
        (_broken(["cleints"], 1), "unknown key `cleints`; did you mean `clients`?"),
        (_broken(["clients", 0, "budget"], [1]), "clients[0]: unknown key `budget`; did you mean"),
        (_broken(["variants", 1, "latency_ms"], []), "variants[1].latency_ms: "),
        (_broken(["variants", 1, "latency_ms", 0], 0), "variants[1].latency_ms[0]: "),
        (_broken(["variants", 1, "name"], "small"), "variants: 'small' occurs 2 times"),
        (_broken(["clients", 2, "fps"], "fast"), "clients[2].fps: "),
        (_broken(["clients", 2, "id"], "a"), "clients: 'a' occurs 2 times"),
        (
            _broken(["clients", 2, "budget_ms"], [1]),
            "clients[2].budget_ms: must have one value for each of the 2 variants, has 1",
        ),
        (_broken(["clients", 0, "accuracy"], [1]), "clients[0].accuracy: must have one value"),
        (_broken(["current"], ["small"]), "current: must have one entry for each of the 2 GPUs"),
        (_broken(["current", 1], 7), "current[1]: "),
    ],
)
def test_malformed_is_2_and_one_line_that_names_the_field(
    text: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["solve"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {words}")
    assert err.count("\n") == 1


def test_too_large_for_exact_is_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"v{n}" for n in range(12)]
    problem = {
        "gpus": 1,
        "variants": [{"name": n, "accuracy": 0.5, "latency_ms": [1] * 8} for n in names],
        "clients": [{"id": "a", "fps": 10, "budget_ms": [100] * 12}],
    }
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(problem)))
    assert main(["solve", "--algorithm", "exact"]) == 1
    assert "too many" in capsys.readouterr().err
