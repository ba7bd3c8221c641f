"""Experiment files: what is read, and what is said of mistakes."""

from pathlib import Path

import pytest

from analysis.simulator.specification import load
from netem.specification import SpecError
from tests.analysis.simulator.experiment import ROOT

GOOD = f"""
name = "x"
clients = [1, 2]
fps = [15]
slo_ms = [100]
[[devices]]
profile = "{ROOT}/profiles/sim-rtx2080ti.json"
[[traces]]
kind = "wifi"
[accuracy]
file = "{ROOT}/profiles/accuracy-yolov4-tiny.json"
"""


def read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "e.toml"
    path.write_text(text)
    load(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fps = [15]", "fps = [0]", "fps[0]: input should be greater than 0"),
        ("[1, 2]", "[]", "clients: list should have at least 1 item"),
        ('kind = "wifi"', "", "traces[0]: either file or kind must be given"),
        ('kind = "wifi"', 'kind = "wifi"\n[[traces]]\nkind = "wifi"', "two have the same name"),
        ('name = "x"', 'name = "x"\nspeed = 3', "unknown key `speed`"),
        ('name = "x"', 'name = "x"\npolicies = ["best"]', "policies[0]: input should be"),
        ("sim-rtx2080ti", "nothing", "nothing.json: no such file"),
        ("fps = [15]", "fps = 15]", "not TOML"),
        ('name = "x"', 'name = "x"\nfamily = ["yolov4"]', "family: yolov4 is there already"),
        ('name = "x"', 'name = "x"\npolicies = ["last-network"]', "only where there is a `family`"),
        (
            "[accuracy]",
            "[accuracy]\nfactors = { yolov4-tiny = 0.6 }",
            "accuracy.factors: one for each of yolov4, and for no others",
        ),
        ("clients =", "cleints =", "unknown key `cleints`; did you mean `clients`?"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(SpecError) as error:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert message in str(error.value)


def test_the_shipped_experiments_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    cells = {
        path.stem: len(list(load(path).cells))
        for path in (ROOT / "analysis" / "experiments").glob("*.toml")
    }
    assert cells == {"paper-grid": 4 * 2 * 3 * 3, "many": 4, "family": 6 * 2 * 2}
