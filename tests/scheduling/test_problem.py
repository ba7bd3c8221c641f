"""Problems from JSON, and what makes them malformed."""

from __future__ import annotations

from typing import Any

import pytest

from edge.scheduling.problem import Problem, ProblemClient, ProblemError, ProblemVariant
from tests.scheduling.solvers.problems import small

DATA: dict[str, Any] = {
    "gpus": 2,
    "variants": [{"name": "v", "accuracy": 0.5, "latency_ms": [5, 6.5]}],
    "clients": [{"id": "a", "fps": 25, "budget_ms": [90]}],
    "current": ["v", None],
}


def test_parsed_values_are_those_of_the_json() -> None:
    assert Problem.parse(DATA) == Problem(
        gpus=2,
        variants=(ProblemVariant("v", 0.5, (5.0, 6.5)),),
        clients=(ProblemClient("a", 25.0, (90.0,)),),
        current=(("v",), ()),
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cleints": []}, "unknown key `cleints`; did you mean `clients`?"),
        ({"gpus": True}, "gpus: "),
        ({"gpus": 1025}, "gpus: "),
        ({"variants": [{"name": "", "accuracy": 1, "latency_ms": [1]}]}, "variants[0].name: "),
        ({"variants": [{"name": "v", "latency_ms": [1]}]}, "variants[0]: missing key `accuracy`"),
        ({"variants": [3]}, "variants[0]: must be an object"),
        ({"clients": [{"id": "a", "fps": 0, "budget_ms": [1]}]}, "clients[0].fps: "),
        ({"clients": [{"id": "a", "fps": 1, "budget_ms": []}]}, "clients[0].budget_ms: must have"),
        ({"current": ["v"]}, "current: must have one entry for each of the 2 GPUs, has 1"),
        ({"current": ["v", 7]}, "current[1]: "),
        ({"seed": -1}, "seed: "),
    ],
)
def test_a_malformed_problem_is_refused_with_field_and_rule(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ProblemError) as caught:
        Problem.parse(DATA | change)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_clients_own_accuracy_replaces_the_variants() -> None:
    problem = small()
    own = ProblemClient("own", 10.0, (90.0, 80.0), accuracy=(0.9, 0.1))
    assert [problem.accuracy(own, index) for index in (0, 1)] == [0.9, 0.1]
    assert [problem.accuracy(problem.clients[0], index) for index in (0, 1)] == [0.5, 0.7]
