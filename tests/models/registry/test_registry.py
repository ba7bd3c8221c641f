"""Which models may serve whom."""

from __future__ import annotations

import pytest

from edge.ingest.messages import CODEC, IngestSetup
from edge.models.cfg.model_error import ModelError
from edge.models.registry.registry import MAX_NAME_CHARS, ModelRegistry
from edge.profile.variant import LONG_SIDES, Variant
from edge.workers.options import WorkerOptions
from tests.served_model import model

FAMILY = ModelRegistry([model("a", family="f"), model("b"), model("c", family="f")])


def test_a_model_is_asked_for_by_its_name_and_a_family_by_its_own() -> None:
    assert FAMILY.choices == ["a", "b", "c", "f"]
    for choice, names in (("b", "b"), ("a", "a"), ("f", "ac"), (None, "ac"), ("", "ac"), ("x", "")):
        assert [each.name for each in FAMILY.serving(choice)] == list(names)


def test_a_family_has_one_list_of_classes_and_no_models_name() -> None:
    with pytest.raises(ModelError, match="a and b have the family 'f', but other classes"):
        ModelRegistry([model("a", family="f"), model("b", ["x"], family="f")])
    with pytest.raises(ModelError, match="the family 'b' of a is a model's name"):
        ModelRegistry([model("a", family="b"), model("b", family="c")])


def test_as_many_names_as_are_allowed_fit_a_message_and_more_are_refused() -> None:
    names = ["\u00e4" * 60 + str(number) for number in range(10 * MAX_NAME_CHARS // 610)]
    names = names[: MAX_NAME_CHARS // 64]
    models = ModelRegistry([model("a", names)])
    assert CODEC.encode(IngestSetup({}, 1, 1, 20, list(models)))
    with pytest.raises(ModelError, match="characters of class names"):
        ModelRegistry([model("a", names), model("b", names)])


def test_eight_models_warm_up_within_a_message() -> None:
    networks = [f"{number}{'x' * 46}" for number in range(8)]
    variants = [Variant(name, side).name for name in networks for side in LONG_SIDES]
    options = WorkerOptions(variants=tuple(variants), batches=(1, 2, 4, 8))
    batches = options.warmup_batches("cuda:0", networks, measure=True)
    assert {each.variant for each in batches} == set(variants)
    assert sum(len(repr(each)) for each in batches) < 190_000
