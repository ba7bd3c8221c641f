"""Notebooks run as they are, on the small recorded results, and are kept without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from analysis.figures.sources import PROJECT

NOTEBOOKS = sorted((PROJECT / "analysis" / "notebooks").glob("*.ipynb"))


def read(path: Path) -> nbformat.NotebookNode:
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    return notebook


def figures(cell: nbformat.NotebookNode) -> list[str]:
    """HTML of the figures that a cell has shown."""
    shown = [output.get("data", {}).get("text/html", "") for output in cell.get("outputs", [])]
    return [html for html in shown if "<figure" in html]


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} == {
        "experiments", "profiles", "scheduler", "simulations",
    }  # fmt: skip


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert notebook.cells[0].cell_type == "markdown"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_figures_with_tables(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RESULTS", raising=False)
    notebook = read(path)
    client = NotebookClient(notebook, resources={"metadata": {"path": str(path.parent)}})
    client.execute()
    shown = [html for cell in notebook.cells for html in figures(cell)]
    assert shown
    assert all("data:image/png;base64," in html and "<td" in html for html in shown)
    for cell in notebook.cells:
        if cell.cell_type == "code" and "import" not in cell.source:
            assert figures(cell), f"no figure from:\n{cell.source}"
