"""Names of classes: where they may stand, which are refused, and that many cost little."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.models.cfg.model_error import ModelError
from edge.models.registry.names_file import parse_names, read_names


def test_many_names_are_compared_once_each(tmp_path: Path) -> None:
    # Within a test's time limit: comparing each with all takes minutes.
    file = tmp_path / "many.names"
    names = [f"class {number}" for number in range(200_000)]
    file.write_text("\n".join(names))
    assert read_names(file) == names
    file.write_text("\n".join([*names, names[7], names[3]]))
    with pytest.raises(ModelError, match="the name 'class 3' stands twice"):
        read_names(file)


@pytest.mark.parametrize(
    "text", ["{0: 'bus', 1: 'van'}", "{1: 'van', 0: 'bus'}", '["bus", "van"]', "['bus', 'van']"]
)
def test_an_onnx_files_own_names_are_in_the_order_of_their_indices(text: str) -> None:
    assert parse_names(Path("a.onnx"), text) == ["bus", "van"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{0: 'bus', 2: 'van'}", "no list of names"),
        ("{'0': 'bus', '1': 'van'}", "no list of names"),
        ("{0: 'bus', True: 'van', 2: 3}", "no list of names"),
        ("bus, van", "no list of names"),
        ("[" * 10_000, "no list of names"),
        ("[]", "no list of names"),
        ("", "no list of names"),
        ("['bus', 'a,b']", "place 2: 'a,b': a name has"),
        ("['bus', '']", "place 2: '': a name has"),
        ("['bus', 'bus']", "the name 'bus' stands twice"),
    ],
)
def test_an_onnx_files_own_names_may_be_wrong_too(text: str, message: str) -> None:
    with pytest.raises(ModelError, match=f"^a.onnx: .*{message}"):
        parse_names(Path("a.onnx"), text)
