"""The client for browsers as others get it: the bundle, its types and the npm package."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import edge
from tests import npm
from tests.npm import ROOT

pytestmark = pytest.mark.interop

PACKAGE: dict[str, Any] = json.loads((ROOT / "package.json").read_text())
BUNDLE = ROOT / "web/static/edge-client.js"


def tools(folder: Path = ROOT) -> Path:
    """The folder of the programs that npm brings."""
    try:
        return npm.installed(folder) / "node_modules" / ".bin"
    except npm.NpmMissingError as missing:
        pytest.skip(str(missing))


def run(*command: str | Path) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_bundle_is_what_the_modules_make(tmp_path: Path) -> None:
    """If not: `npm ci && npm run build`."""
    program, *arguments = PACKAGE["scripts"]["build"].split()
    assert program == "esbuild"
    made = tmp_path / "edge-client.js"
    kept = [each for each in arguments if not each.startswith("--outfile=")]
    run(tools() / "esbuild", *kept, f"--outfile={made}")
    assert made.read_text() == BUNDLE.read_text(), "the modules have changed: npm run build"


@pytest.mark.parametrize("name", ["plain/index.html", "react/main.tsx", "iframe/index.html"])
def test_the_examples_have_as_many_lines_as_their_page_says(name: str) -> None:
    lines = (ROOT / "docs/embed/examples" / name).read_text().count("\n")
    page = (ROOT / "docs/embed/javascript.md").read_text()
    said = re.search(rf"\(examples/{re.escape(name)}\).*\| (\d+) \|", page)
    assert said is not None
    assert int(said[1]) == lines


def test_the_bundle_is_small() -> None:
    assert BUNDLE.stat().st_size < 50_000  # docs/embed/javascript.md says what it is made of


def test_the_modules_keep_their_types_and_those_that_are_promised() -> None:
    run(tools() / "tsc", "--project", "web")


def test_the_page_imports_the_client_by_its_public_file_alone() -> None:
    modules = [*(ROOT / "web/static/js/page").glob("*.js")]
    assert len(modules) > 5
    for module in modules:
        imports = re.findall(r"""(?:from|import\()\s*["']([^"']+)["']""", module.read_text())
        outside = {name for name in imports if not name.startswith("./")}
        assert outside <= {"../../edge-client.js"}, module.name


def test_a_wrong_type_would_be_noticed(tmp_path: Path) -> None:
    """The check above can fail."""
    wrong = tmp_path / "wrong.ts"
    declared = ROOT / "web/static/edge-client.js"
    wrong.write_text(
        f'import {{ connect }} from "{declared}";\nconnect({{ url: "/", sloMs: "100" }});\n'
    )
    options = ("--noEmit", "--strict", "--module", "esnext", "--target", "es2022")
    done = subprocess.run(
        [tools() / "tsc", *options, "--moduleResolution", "bundler", wrong],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "'string' is not assignable to type 'number" in done.stdout


def test_the_package_has_the_servers_version_and_its_files() -> None:
    assert PACKAGE["version"] == edge.__version__
    assert PACKAGE["license"] == "Apache-2.0"
    for file in PACKAGE["exports"]["."].values():
        assert (ROOT / file).is_file()
    tools()
    [packed] = json.loads(run("npm", "pack", "--dry-run", "--json"))
    files = {file["path"] for file in packed["files"]}
    assert {"package.json", "web/static/edge-client.js", "web/static/edge-client.d.ts"} <= files
    assert len(files) <= 5, files  # with the licence and the README
