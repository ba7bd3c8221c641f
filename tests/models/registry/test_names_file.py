"""Names of classes: which are refused, and that many cost little."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.models.cfg.model_error import ModelError
from edge.models.registry.names_file import read_names


def test_many_names_are_compared_once_each(tmp_path: Path) -> None:
    # Within a test's time limit: comparing each with all takes minutes.
    file = tmp_path / "many.names"
    names = [f"class {number}" for number in range(200_000)]
    file.write_text("\n".join(names))
    assert read_names(file) == names
    file.write_text("\n".join([*names, names[7], names[3]]))
    with pytest.raises(ModelError, match="the name 'class 3' stands twice"):
        read_names(file)
