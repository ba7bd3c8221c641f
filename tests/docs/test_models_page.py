"""The commands of docs/use/models.md, run as they stand there, up to boxes in answers."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from av import VideoFrame

from edge.config import load
from tests.publisher import publishing

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "use" / "models.md").read_text()
BLOCKS = [
    textwrap.dedent(block) for block in re.findall(r"^ *```sh\n(.*?)^ *```", PAGE, re.S | re.M)
]
SERVE = "python -m edge serve --config my.toml"


async def run(script: str, folder: Path) -> str:
    """Run a shell script with this interpreter as `python`; its output."""
    (folder / "bin").mkdir(exist_ok=True)
    python = folder / "bin" / "python"
    if not python.exists():
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-e",
        "-c",
        script,
        cwd=folder,
        env=_environment(folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


def _environment(folder: Path) -> dict[str, str]:
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[str]:
    """The page's server, over plain HTTP on a free port; its URL."""
    more = ["--host", "127.0.0.1", "--port", "0", "--http", "--slo-ms", "4000"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *SERVE.split()[1:],
        *more,
        cwd=folder,
        env=_environment(folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(120):
            line = (await process.stdout.readline()).decode()
        match = re.match(r"Serving at (\S+?)/?$", line.strip())
        assert match, line
        yield match[1]
    finally:
        process.terminate()
        await process.wait()


def lamp(width: int = 320, height: int = 192) -> list[VideoFrame]:
    """A bright square in a dark picture."""
    picture = np.full((height, width, 3), 10, dtype=np.uint8)
    picture[64:128, 96:160] = 250
    return [VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")]


async def test_a_newcomers_models_are_served_by_this_page_alone(tmp_path: Path) -> None:
    commands = [block for block in BLOCKS if block.strip() != SERVE]
    assert len(commands) == len(BLOCKS) - 1
    output = "".join([await run(block, tmp_path) for block in commands])
    assert "pallets: darknet, 2 classes" in output
    assert "lamps: onnx, 1 class, 320 px" in output
    assert "added bright: torch, 1 class, 320 px (own_detectors:Lamps)" in output
    models = [model.name for model in load(tmp_path / "my.toml").models]
    assert models == ["pallets", "lamps", "bright"]
    async with served(tmp_path) as url:
        for model in ("lamps", "bright"):
            async with publishing(url, lamp(), query={"model": model}) as me:
                found = await me.wait_for(lambda each: bool(each.get("boxes")), 90)
            name, score, x1, y1, x2, y2 = found["boxes"][0]
            assert name == "lamp"
            assert score > 0.8
            assert abs((x1 + x2) / 2 - 0.4) < 0.12
            assert abs((y1 + y2) / 2 - 0.5) < 0.2
        async with publishing(url, lamp()) as default:
            await default.wait_for_answers(1, 90)
            default.send("hello", version=1)
            welcome = await default.wait_for_type("welcome")
            assert welcome["classes"] == ["pallet", "forklift"]
